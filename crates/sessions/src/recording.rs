//! What is written, and what is decided on: loads, records, what is due, and saved summaries.
//!
//! A call that has begun runs to its end and is counted, even if its caller is cancelled. `matching` decides which
//! session an event is in; here that is recorded.

use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ledger::{Saved, SessionRow, Summary};
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::readable::human_duration;
use parking::{AHEAD_MAX_MS, Direction, EventKey, Timestamp};
use recorder::wire;
use service_kit::traces::{Kind, TraceContext};
use tokio::sync::OwnedSemaphorePermit;

use super::{Error, Service, checks, within};
use crate::metrics::Facts;

/// How long a vehicle that is due is one correlator's, before it is given out again.
pub const LEASE: Duration = Duration::from_secs(10);

/// How a call is made.
#[derive(Debug, Default)]
pub struct CallOptions {
    /// The work that the call is a part of.
    pub caller: Option<TraceContext>,
    /// Is kept until nothing of the call is under way any more, also when the caller is gone by then.
    pub permit: Option<OwnedSemaphorePermit>,
}

impl Service {
    /// The snapshots of many vehicles, in the order asked for.
    pub(crate) async fn load(&self, requests: Vec<LoadRequest>, options: CallOptions) -> Result<Vec<Snapshot>, Error> {
        checks::load(&requests)?;
        let service = self.clone();
        let load = async move { Ok(service.inner.ledger.load(&requests, &service.inner.rules).await?) };
        to_the_end(options.permit, load).await
    }

    /// Records units, each whole or not at all, and counts what was recorded; the outcomes are in their order.
    pub(crate) async fn record(&self, units: Vec<Unit>, options: CallOptions) -> Result<Vec<Outcome>, Error> {
        checks::record(&units)?;
        let service = self.clone();
        to_the_end(options.permit, async move {
            let inner = &service.inner;
            let facts = Facts::of(&units);
            let supersedes = units.iter().flat_map(|unit| &unit.events).any(|event| event.supersedes.is_some());
            let mut span = inner.traces.begin(Kind::Answers, "record in the ledger", options.caller);
            span.note("dwell.units", units.len());
            let now = inner.clock.now();
            let outcomes = inner.ledger.record(units, &inner.rules, now).await?;
            inner.metrics.recorded(&facts, &outcomes);
            inner.metrics.second.recorded_for(span.context());
            let mut gates = inner.gates.lock().unwrap_or_else(PoisonError::into_inner);
            facts.recorded_reads(&outcomes).for_each(|(lot, read)| gates.take(lot, read, now));
            drop(gates);
            service.committed();
            if supersedes {
                inner.superseding.notify_one();
            }
            Ok(outcomes)
        })
        .await
    }

    /// Leases up to `most` vehicles of which something awaited has ended. A hold does not end while an entry before its
    /// exit may be under way at any correlator.
    pub(crate) async fn due(&self, most: u32, options: CallOptions) -> Result<Vec<Due>, Error> {
        let most = most.min(u32::try_from(wire::VEHICLES_MAX).unwrap_or(u32::MAX));
        let service = self.clone();
        to_the_end(options.permit, async move {
            let inner = &service.inner;
            let now = inner.clock.now();
            let lease_until = now.plus_millis(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX));
            let due = inner.ledger.due(most, &inner.rules, now, lease_until).await?;
            let entries_until = inner.correlators.entries_until(inner.clock.now(), inner.rules.hold_ms);
            Ok(due.into_iter().filter_map(|due| without_holds_after(due, entries_until, now)).collect())
        })
        .await
    }

    /// Saves a summary, as a part of the caller's work; the same one again changes nothing and counts nothing.
    pub(crate) async fn save_summary(&self, summary: Summary, caller: Option<TraceContext>) -> Result<Saved, Error> {
        checks::summary(&summary)?;
        let service = self.clone();
        let turn = within(async {
            let turn = Arc::clone(&service.inner.saves).acquire_owned().await;
            Ok(turn.expect("the semaphore is never closed"))
        });
        to_the_end(Some(turn.await?), async move {
            let inner = &service.inner;
            let span = inner.traces.begin(Kind::Answers, "save a summary", caller);
            let saved = inner.ledger.save_summary(summary, inner.clock.now()).await?;
            // Also for a known summary: its response may have been lost, or another process has saved it.
            service.committed();
            if saved.is_new {
                inner.metrics.summary_saved();
                inner.decisions.decision("summary_saved", || log_saved(&saved.row, span.context()));
            }
            Ok(saved)
        })
        .await
    }
}

/// What is due of a vehicle without the holds of exits after `time`; `None` when nothing else is due. An exit from the
/// future, recorded while a clock was wrong, waits for no entries.
fn without_holds_after(mut due: Due, time: Timestamp, now: Timestamp) -> Option<Due> {
    let is_in_the_future = |key: &EventKey| key.time.millis_since(now) > AHEAD_MAX_MS;
    due.ended.retain(|key| key.direction == Direction::Entry || key.time <= time || is_in_the_future(key));
    (!due.ended.is_empty()).then_some(due)
}

/// Runs a call to its end in a task of its own, also when the caller stops waiting for it. `permit` is dropped at that
/// end, not at the caller's: a limit is on what is under way, or work would pile up behind a ledger that hangs.
async fn to_the_end<T: Send + 'static>(
    permit: Option<OwnedSemaphorePermit>,
    call: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let task = async move {
        let _permit = permit;
        call.await
    };
    within(async { tokio::spawn(task).await.unwrap_or(Err(Error::Defect)) }).await
}

fn log_saved(row: &SessionRow, trace: TraceContext) {
    let (lot, session) = (&row.session.vehicle.lot, row.session.id);
    let (dwell, trace_id) = (human_duration(row.session.dwell_ms().unwrap_or_default()), trace.trace_id());
    tracing::info!(%lot, %dwell, %session, %trace_id, "summary saved");
}
