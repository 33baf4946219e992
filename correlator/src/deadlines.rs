//! Ends holds and stays: asks the ledger what is due, applies the same pure step, records the result.
//!
//! The ledger finds the due vehicles by an index and leases them, so that several correlators do not process the same
//! ones, and a crashed one loses its lease. A hold does not end while the entry queue lags behind the exit's time.
//! Nothing lags behind a time in the future: such an exit was recorded with a wrong clock, and ends with its hold.

use std::sync::Arc;
use std::time::Duration;

use matching::Due;
use parking::{AHEAD_MAX_MS, Clock, Direction, EventKey, Timestamp};

use crate::batch_trace::BatchTrace;
use crate::calls::{Rejected, ShutDown};
use crate::decide::{Decider, Evidence};
use crate::ledger_health::Call;
use crate::progress::Progress;

/// The interval between two queries of the ledger.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The maximum of vehicles in one query.
const VEHICLES_PER_CALL_MAX: u32 = 1000;

/// Runs until the stop.
pub(crate) async fn run(decider: Arc<Decider>, progress: Arc<Progress>, clock: Arc<dyn Clock>) {
    let lifecycle = decider.lifecycle.clone();
    while !lifecycle.is_stopping() {
        if !end_due(&decider, &progress, clock.as_ref()).await {
            tokio::select! {
                () = lifecycle.stopping() => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }
}

/// Ends what is due; returns whether more may be due right now.
async fn end_due(decider: &Decider, progress: &Progress, clock: &dyn Clock) -> bool {
    let due = match decider.calls.patiently(Call::Due, || decider.calls.recorder.due(VEHICLES_PER_CALL_MAX)).await {
        Ok(Ok(due)) => due,
        Ok(Err(Rejected(reason))) => {
            tracing::error!(%reason, "cannot query what is due: please report this as a defect");
            return false;
        }
        Err(ShutDown) => return false,
    };
    let is_full = due.len() >= VEHICLES_PER_CALL_MAX as usize;
    let now = clock.now();
    let evidence: Vec<Evidence> = due.into_iter().filter_map(|due| evidence(due, progress, now)).collect();
    if evidence.is_empty() {
        return false;
    }
    let trace = BatchTrace::of_deadlines(&decider.traces, evidence.len());
    // Events that a stop cuts off here are leased again later.
    decider.settle(evidence, &trace).await.is_ok() && is_full
}

fn evidence(due: Due, progress: &Progress, now: Timestamp) -> Option<Evidence> {
    let ended: Vec<EventKey> = due.ended.into_iter().filter(|key| may_end(key, progress, now)).collect();
    (!ended.is_empty()).then(|| Evidence {
        vehicle: due.vehicle,
        events: Vec::new(),
        ended,
        snapshot: Some(due.snapshot),
    })
}

fn may_end(key: &EventKey, progress: &Progress, now: Timestamp) -> bool {
    let is_in_the_future = key.time.millis_since(now) > AHEAD_MAX_MS;
    key.direction == Direction::Entry || is_in_the_future || progress.entries_have_reached(key.time)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_exit_from_the_future_waits_for_no_entries() {
        let now = Timestamp::from_millis(1_727_168_400_000);
        let progress = Progress::default();
        progress.entry_recorded(now);
        let may_end = |ahead_ms: i64| {
            let key = EventKey { time: now.plus_millis(ahead_ms), direction: Direction::Exit, id: Uuid::nil() };
            may_end(&key, &progress, now)
        };
        assert_eq!([0, 1, AHEAD_MAX_MS, 400 * 86_400_000].map(may_end), [true, false, false, true]);
    }
}
