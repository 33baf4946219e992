//! What can be recorded and asked of parking sessions, without HTTP: what the HTTP API and a correlator in the same
//! process both call.
//!
//! [`Service`] adds to the ledger what all callers need: the rules, sanity checks, deadlines, counts and metrics.
//! [`ScopedService`] is what the faces call: the service as one principal may use it.
//!
//! - `scoped`: scopes and lots, checked at each call; [`seen`]: plates and ids as a principal may see them.
//! - `recording`: what is written, and what is decided on; `in_process`: both for a correlator in this process.
//! - `days`: periods of a lot's own days; `lots`, `statistics`, [`story`], [`trail`], `session_explanations`,
//!   `changes`, `streams`: queries.
//! - [`lookup`]: a vehicle at the exit, and the entries that it may belong to.
//! - `superseding`: reads that other reads replace.
//! - `correlators`: the processes that consume the queues, and whether all work is done.
//! - [`gates`]: how each gate does.
//! - `accounts`, `sign_in`: tokens and people of the ledger, and who signs in.
//! - `verification`: compares the whole ledger with the definition of the sessions.
//! - `background`: what runs beside all that.
//!
//! Formats and status codes are left to the crates above, storing to the ledger, deciding to `matching`.

mod accounts;
mod background;
mod calendar;
mod changes;
mod checks;
mod connected;
mod correlators;
mod days;
mod error;
pub mod gates;
mod in_process;
mod limits;
pub mod lookup;
mod lots;
mod metrics;
mod near;
mod own_clock;
mod recording;
mod scoped;
pub mod seen;
mod session_explanations;
mod sign_in;
mod statistics;
pub mod story;
mod streams;
mod superseding;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trail;
mod verification;

use std::future::Future;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::Aliases;
use ledger::{Ledger, Pending, SessionFilter, SessionRow};
use parking::{Clock, Lot, LotId, Lots, Rules, SessionId, Timestamp};
use recorder::{CorrelatorStatus, LedgerInfo};
use service_kit::metrics::show_limits;
use service_kit::traces::Traces;
use service_kit::{DecisionLog, Health, ServiceContext};
use tokio::sync::{Notify, Semaphore, watch};
use uuid::Uuid;

use accounts::Accounts;
use correlators::{Correlators, Reports};
use gates::{GateStatus, Gates};
use lookup::Indexes;
use lots::Usual;
use metrics::Metrics;
use own_clock::OwnClock;
use sign_in::SignIns;

pub use background::spawn_background;
pub use changes::{Changed, ChangedPage, FollowedChange};
pub use correlators::{ReportedCorrelator, Wait};
pub use days::{Days, PeriodOf};
pub use error::Error;
pub use lots::{DayCounts, LotStatus, LotTimeFilter, Marks};
pub use recording::{CallOptions, LEASE};
pub use scoped::{
    FoundVehicles, NEWEST_SEARCHED_MAX, NewWebhook, OLD_SECRET_LIFETIME_MS, Page, Saved, ScopedService, SessionList,
    WebhookStatus,
};
pub use seen::{SeenChange, SeenEvent, SeenPlate, SeenSession};
pub use session_explanations::SessionExplanation;
pub use sign_in::SignInError;
pub use statistics::{Arrivals, Bucket, BucketStatistics, MAX_DAYS, MAX_HOURS, Statistics, StatisticsOf};
pub use streams::{STREAMS, StreamRequest};
pub use verification::{FAULTS_SHOWN, Verification};

/// The longest that a call waits for the ledger. What was begun runs to its end all the same.
pub const LEDGER_DEADLINE: Duration = Duration::from_secs(8);
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
    aliases: Arc<Aliases>,
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
    indexes: Indexes,
    own_clock: OwnClock,
    accounts: Accounts,
    sign_ins: SignIns,
    saves: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// One place: a verification reads the whole ledger.
    verifications: Arc<Semaphore>,
    commits: watch::Sender<u64>,
    /// An event that supersedes another one was recorded.
    superseding: Notify,
}

/// Whether all work is done, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// When this was asked.
    pub now: Timestamp,
    /// A correlator reports, no message is ready or in anybody's hands, nothing is awaited, and every superseded read that
    /// is known is taken out.
    pub settled: bool,
    /// What the ledger still waits for.
    pub pending: Pending,
    /// The correlators that reported within [`REPORT_LIFETIME`], and silent ones that may hold messages, by id.
    pub correlators: Vec<ReportedCorrelator>,
    /// The correlators and the consumers that are waited for.
    pub waits_for: Vec<Wait>,
}

impl Service {
    /// A service on `ledger`, with its metrics registered.
    pub fn new(ledger: Arc<dyn Ledger>, rules: Rules, lots: Lots, context: &ServiceContext) -> Self {
        let metrics = Metrics::new(&context.registry)
            .and_then(|metrics| show_limits(&context.registry, &limits::all()).map(|()| metrics))
            .expect("these names are registered here only, always in one form");
        lots.iter().for_each(|lot| metrics.lots.expect(lot));
        let inner = Inner {
            aliases: Arc::new(Aliases::new(ledger.alias_key().expose())),
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
            indexes: Indexes::default(),
            own_clock: OwnClock::default(),
            accounts: Accounts::default(),
            sign_ins: SignIns::default(),
            saves: Arc::new(Semaphore::new(SAVES)),
            streams: Arc::new(Semaphore::new(STREAMS)),
            verifications: Arc::new(Semaphore::new(1)),
            commits: watch::Sender::new(0),
            superseding: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The id of the ledger.
    pub fn ledger_id(&self) -> Uuid {
        self.inner.ledger.id()
    }

    /// Which ledger this is, and the rules to decide by.
    pub(crate) fn info(&self) -> LedgerInfo {
        LedgerInfo { ledger: self.inner.ledger.id(), rules: self.inner.rules.clone() }
    }

    /// Stores the report of a correlator. It is forgotten after [`REPORT_LIFETIME`], unless the correlator may still hold
    /// messages.
    pub(crate) fn report(&self, status: CorrelatorStatus) {
        self.inner.correlators.take(status, self.inner.clock.now());
    }

    /// The correlators that reported within [`REPORT_LIFETIME`], and silent ones that may hold messages, by id.
    pub(crate) fn correlators(&self) -> Vec<ReportedCorrelator> {
        self.inner.correlators.reports(self.inner.clock.now()).correlators
    }

    /// The correlators and the consumers that are waited for.
    pub(crate) fn waits_for(&self) -> Vec<Wait> {
        self.inner.correlators.reports(self.inner.clock.now()).waits_for
    }

    /// Whether all work is done, and what is not.
    pub(crate) async fn status(&self) -> Result<Status, Error> {
        let pending = within(async { Ok(self.inner.ledger.pending(&self.inner.rules).await?) }).await?;
        let superseded = within(self.inner.superseded_due(1)).await?;
        let now = self.inner.clock.now();
        let Reports { correlators, is_idle, waits_for } = self.inner.correlators.reports(now);
        let settled = is_idle && pending == Pending::default() && superseded.is_empty();
        Ok(Status { now, settled, pending, correlators, waits_for })
    }

    /// One page of sessions, at most [`MAX_PAGE`] and one more, so that a caller can tell whether the list goes on.
    pub(crate) async fn sessions(
        &self,
        filter: &SessionFilter,
        page: ledger::Page,
    ) -> Result<ledger::SessionList, Error> {
        let page = ledger::Page { limit: page.limit.min(MAX_PAGE + 1), ..page };
        within(async { Ok(self.inner.ledger.sessions(filter, page).await?) }).await
    }

    /// One session, void or not.
    pub(crate) async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error> {
        within(async { Ok(self.inner.ledger.session(id).await?) }).await
    }

    /// How the gates do whose events this process has recorded, by lot and gate.
    pub(crate) fn gates(&self) -> Vec<GateStatus> {
        let gates = self.inner.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.status(self.inner.clock.now())
    }

    /// Reads the state of the ledger into the metrics.
    ///
    /// # Errors
    /// The ledger is down or can't write.
    pub async fn refresh(&self) -> Result<(), Error> {
        let metrics = &self.inner.metrics;
        metrics.gates(&self.gates());
        metrics.ledger_log(self.inner.ledger.log_bytes(), self.inner.ledger.waiting());
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
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// How the dependencies of this process are.
    pub fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Exits matched and exits unmatched since the process began: what `matched_events` and `unmatched_events` say.
    pub(crate) fn exits(&self) -> (u64, u64) {
        self.inner.metrics.exits()
    }
}

/// Waits for the ledger, but not for ever.
async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(LEDGER_DEADLINE, call).await.unwrap_or(Err(Error::TooSlow))
}

#[cfg(test)]
mod tests;
