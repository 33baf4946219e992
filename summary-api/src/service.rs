//! The service behind the routes: what the HTTP API and a correlator in the same process both call.
//!
//! It adds to the ledger what all callers need: the rules, sanity checks, deadlines and counts. Formats and status
//! codes are left to [`routes`](crate::routes), storing to [`ledger`].

mod calendar;
mod changes;
mod checks;
mod connected;
mod correlators;
mod error;
mod limits;
mod lots;
mod near;
mod own_clock;
mod statistics;
pub mod story;
mod streams;
mod verification;
mod whys;

use std::future::Future;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::{Ledger, Page, Pending, Saved, SessionFilter, SessionRow, Summary};
use matching::{CorrelatorStatus, Due, LedgerTerms, LoadRequest, Outcome, Snapshot, Unit, wire};
use parking::{AHEAD_MAX_MS, Clock, Direction, EventKey, Lot, LotId, Lots, Rules, SessionId, Timestamp};
use service_kit::logs::human_duration;
use service_kit::metrics::show_limits;
use service_kit::traces::{Kind, TraceContext, Traces};
use service_kit::{DecisionLog, Health, ServiceContext};
use tokio::sync::{Semaphore, watch};

use crate::gates::{GateStatus, Gates};
use crate::metrics::{Facts, Metrics};
use correlators::{Correlators, Reports};
use lots::Usual;
use own_clock::OwnClock;

pub use changes::Changed;
pub use correlators::{ReportedCorrelator, Wait};
pub use error::Error;
pub use lots::LotStatus;
pub use statistics::{Arrivals, Bucket, BucketStatistics, MAX_DAYS, MAX_HOURS, Statistics, StatisticsOf};
pub use streams::{STREAMS, Wanted};
pub use verification::{FAULTS_SHOWN, Verification};
pub use whys::Why;

/// The longest that a call waits for the ledger. What was begun runs to its end all the same.
pub const LEDGER_DEADLINE: Duration = Duration::from_secs(8);
/// How long a vehicle that is due is one correlator's, before it is given out again.
pub const LEASE: Duration = Duration::from_secs(10);
/// The most sessions of a page, and changes of a call.
pub const MAX_PAGE: u32 = 1_000;
/// The most summaries that are being saved at once; above this the callers wait.
pub const SAVES: usize = 256;
/// How long a correlator counts as there after its last report.
pub const REPORT_LIFETIME: Duration = Duration::from_secs(10);

/// The summary API without its HTTP side. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    ledger: Arc<dyn Ledger>,
    rules: Rules,
    lots: Lots,
    clock: Arc<dyn Clock>,
    health: Health,
    decisions: Arc<DecisionLog>,
    traces: Traces,
    metrics: Metrics,
    correlators: Correlators,
    /// The last quarter hour of which the ledger has a note that a correlator was connected.
    noted: AtomicI64,
    gates: Mutex<Gates>,
    usual: Usual,
    own_clock: OwnClock,
    saves: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// One place: a verification reads the whole ledger.
    verifications: Arc<Semaphore>,
    commits: watch::Sender<u64>,
}

/// Whether all work is done, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// When this was asked.
    pub now: Timestamp,
    /// A correlator reports, no message is ready or in anybody's hands, and nothing is awaited.
    pub settled: bool,
    /// What the ledger still waits for.
    pub pending: Pending,
    /// The correlators that reported within [`REPORT_LIFETIME`], and silent ones that may have messages in their hands,
    /// by id.
    pub correlators: Vec<ReportedCorrelator>,
    /// The correlators and the consumers that are waited for.
    pub waits_for: Vec<Wait>,
}

impl Service {
    /// A service on `ledger`, with its metrics registered.
    pub fn new(ledger: Arc<dyn Ledger>, rules: Rules, lots: Lots, context: &ServiceContext) -> Self {
        let metrics = Metrics::register(&context.registry)
            .and_then(|metrics| show_limits(&context.registry, &limits::all()).map(|()| metrics))
            .expect("these names are registered here only, always in one form");
        lots.iter().for_each(|lot| metrics.lots.expect(lot));
        let inner = Inner {
            ledger,
            rules,
            lots,
            metrics,
            clock: Arc::clone(&context.clock),
            health: context.health.clone(),
            decisions: Arc::clone(&context.decisions),
            traces: context.traces.clone(),
            correlators: Correlators::default(),
            noted: AtomicI64::new(i64::MIN),
            gates: Mutex::new(Gates::since(context.clock.now())),
            usual: Usual::default(),
            own_clock: OwnClock::default(),
            saves: Arc::new(Semaphore::new(SAVES)),
            streams: Arc::new(Semaphore::new(STREAMS)),
            verifications: Arc::new(Semaphore::new(1)),
            commits: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Which ledger this is, and the rules to decide by.
    pub fn terms(&self) -> LedgerTerms {
        LedgerTerms { ledger: self.inner.ledger.id(), rules: self.inner.rules.clone() }
    }

    /// The snapshots of many vehicles, in the order asked for.
    pub async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error> {
        self.load_holding(requests.to_vec(), ()).await
    }

    /// The same, and drops `held` when nothing of it is under way any more; a caller that has gone does not end it.
    pub(crate) async fn load_holding(
        &self,
        requests: Vec<LoadRequest>,
        held: impl Send + 'static,
    ) -> Result<Vec<Snapshot>, Error> {
        checks::load(&requests)?;
        let service = self.clone();
        to_the_end(held, async move { Ok(service.inner.ledger.load(&requests, &service.inner.rules).await?) }).await
    }

    /// Records units, each whole or not at all, and counts what was recorded; the outcomes are in their order.
    ///
    /// What was begun runs to its end, and is counted, when the caller goes away.
    pub async fn record(&self, units: Vec<Unit>) -> Result<Vec<Outcome>, Error> {
        self.record_holding(units, None, ()).await
    }

    /// The same, as a part of the caller's work.
    pub async fn record_after(&self, units: Vec<Unit>, caller: TraceContext) -> Result<Vec<Outcome>, Error> {
        self.record_holding(units, Some(caller), ()).await
    }

    /// The same, and drops `held` when nothing of it is under way any more.
    pub(crate) async fn record_holding(
        &self,
        units: Vec<Unit>,
        caller: Option<TraceContext>,
        held: impl Send + 'static,
    ) -> Result<Vec<Outcome>, Error> {
        checks::record(&units)?;
        let service = self.clone();
        to_the_end(held, async move {
            let inner = &service.inner;
            let facts = Facts::of(&units);
            let mut span = inner.traces.begin(Kind::Answers, "record in the ledger", caller);
            span.note("dwell.units", units.len());
            let now = inner.clock.now();
            let outcomes = inner.ledger.record(units, &inner.rules, now).await?;
            inner.metrics.recorded(&facts, &outcomes);
            inner.metrics.second.recorded_for(span.context());
            let mut gates = inner.gates.lock().unwrap_or_else(PoisonError::into_inner);
            facts.recorded_reads(&outcomes).for_each(|(lot, read)| gates.take(lot, read, now));
            drop(gates);
            service.committed();
            Ok(outcomes)
        })
        .await
    }

    /// Leases up to `most` vehicles of which something awaited has ended. A hold does not end while an entry before its
    /// exit may be under way at any correlator.
    pub async fn due(&self, most: u32) -> Result<Vec<Due>, Error> {
        self.due_holding(most, ()).await
    }

    /// The same, and drops `held` when nothing of it is under way any more.
    pub(crate) async fn due_holding(&self, most: u32, held: impl Send + 'static) -> Result<Vec<Due>, Error> {
        let most = most.min(u32::try_from(wire::MAX_VEHICLES).unwrap_or(u32::MAX));
        let service = self.clone();
        to_the_end(held, async move {
            let inner = &service.inner;
            let now = inner.clock.now();
            let lease_until = now.plus_millis(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX));
            let due = inner.ledger.due(most, &inner.rules, now, lease_until).await?;
            let entries_until = inner.correlators.entries_until(inner.clock.now(), inner.rules.hold_ms);
            Ok(due.into_iter().filter_map(|due| without_holds_after(due, entries_until, now)).collect())
        })
        .await
    }

    /// Takes how a correlator stands. It is forgotten after [`REPORT_LIFETIME`], unless it may still have messages in its
    /// hands.
    pub fn report(&self, status: CorrelatorStatus) {
        self.inner.correlators.take(status, self.inner.clock.now());
    }

    /// The correlators that reported within [`REPORT_LIFETIME`], and silent ones that may have messages in their hands,
    /// by id.
    pub fn correlators(&self) -> Vec<ReportedCorrelator> {
        self.inner.correlators.reports(self.inner.clock.now()).correlators
    }

    /// The correlators and the consumers that are waited for.
    pub fn waits_for(&self) -> Vec<Wait> {
        self.inner.correlators.reports(self.inner.clock.now()).waits_for
    }

    /// Whether all work is done, and what is not.
    pub async fn status(&self) -> Result<Status, Error> {
        let pending = within(async { Ok(self.inner.ledger.pending(&self.inner.rules).await?) }).await?;
        let now = self.inner.clock.now();
        let Reports { correlators, is_idle, waits_for } = self.inner.correlators.reports(now);
        let settled = is_idle && pending == Pending::default();
        Ok(Status { now, settled, pending, correlators, waits_for })
    }

    /// Saves a summary, as a part of the caller's work; the same one again changes nothing and counts nothing.
    pub async fn save_summary(&self, summary: Summary, caller: Option<TraceContext>) -> Result<Saved, Error> {
        checks::summary(&summary)?;
        let service = self.clone();
        let turn = within(async {
            let turn = Arc::clone(&service.inner.saves).acquire_owned().await;
            Ok(turn.expect("the semaphore is never closed"))
        });
        to_the_end(turn.await?, async move {
            let inner = &service.inner;
            let span = inner.traces.begin(Kind::Answers, "save a summary", caller);
            let saved = inner.ledger.save_summary(summary, inner.clock.now()).await?;
            // Also of one that is known: the reply to whoever saved it may have been lost, or another process has saved it.
            service.committed();
            if saved.is_new {
                inner.metrics.summary_saved();
                inner.decisions.decision("summary_saved", || log_saved(&saved.row, span.context()));
            }
            Ok(saved)
        })
        .await
    }

    /// One page of sessions, at most [`MAX_PAGE`] and one more, so that a caller can tell whether the list goes on.
    pub async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<Vec<SessionRow>, Error> {
        let page = Page { limit: page.limit.min(MAX_PAGE + 1), ..page };
        within(async { Ok(self.inner.ledger.sessions(filter, page).await?) }).await
    }

    /// One session, void or not.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error> {
        within(async { Ok(self.inner.ledger.session(id).await?) }).await
    }

    /// How the gates do whose events this process has recorded, by lot and gate.
    pub fn gates(&self) -> Vec<GateStatus> {
        let gates = self.inner.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.status(self.inner.clock.now())
    }

    /// Asks the ledger how things stand and shows it as metrics; an error says that the ledger is away or keeps nothing.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let metrics = &self.inner.metrics;
        metrics.gates(&self.gates());
        metrics.ledger_log(self.inner.ledger.log_bytes());
        within(async { Ok(self.inner.ledger.ping().await?) }).await?;
        let (status, lots) = (self.status().await?, self.lots().await?);
        self.inner.own_clock.compare(&lots, status.now, &self.inner.health);
        metrics.pending(status.pending);
        metrics.correlators(status.correlators.iter().filter(|one| one.is_fresh(status.now)).count());
        metrics.inside(lots.iter().map(|lot| (&lot.id, lot.vehicles())));
        self.note_connected().await
    }

    /// Whether the ledger is still in its place.
    pub(crate) fn check_place(&self) -> Result<(), Error> {
        Ok(self.inner.ledger.check_place()?)
    }

    /// Ends the ledger at the stop, once nobody calls any more: all that was recorded is then in its file.
    pub async fn close(&self) {
        if tokio::time::timeout(LEDGER_DEADLINE, self.inner.ledger.close()).await.is_err() {
            tracing::warn!(
                "the ledger did not end in time; what was recorded is in its log, and the next start takes it up"
            );
        }
    }

    /// What is known of a lot beforehand.
    pub(crate) fn lot(&self, id: &LotId) -> Option<&Lot> {
        self.inner.lots.get(id)
    }

    /// The time of this machine, as the service takes it.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// How the dependencies of this process are.
    pub(crate) fn health(&self) -> &Health {
        &self.inner.health
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }
}

/// What is due of a vehicle without the holds of exits after `time`; `None` when nothing else is due. An exit from the
/// future, recorded while a clock was wrong, waits for no entries.
fn without_holds_after(mut due: Due, time: Timestamp, now: Timestamp) -> Option<Due> {
    let is_in_the_future = |key: &EventKey| key.time.millis_since(now) > AHEAD_MAX_MS;
    due.ended.retain(|key| key.direction == Direction::Entry || key.time <= time || is_in_the_future(key));
    (!due.ended.is_empty()).then_some(due)
}

/// Waits for the ledger, but not for ever.
async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(LEDGER_DEADLINE, call).await.unwrap_or(Err(Error::TooSlow))
}

/// Runs a call to its end in a task of its own, also when the caller stops waiting for it. `held` is dropped at that
/// end, not at the caller's: a limit is on what is under way, or work would pile up behind a ledger that hangs.
async fn to_the_end<T: Send + 'static>(
    held: impl Send + 'static,
    call: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let task = async move {
        let _held = held;
        call.await
    };
    within(async { tokio::spawn(task).await.unwrap_or(Err(Error::Defect)) }).await
}

fn log_saved(row: &SessionRow, trace: TraceContext) {
    let (lot, session) = (&row.session.vehicle.lot, row.session.id);
    let (dwell, trace_id) = (human_duration(row.session.dwell_ms().unwrap_or_default()), trace.trace_id());
    tracing::info!(%lot, %dwell, %session, %trace_id, "summary saved");
}

#[cfg(test)]
mod tests;
