//! Ends holds and stays: asks the ledger what is due, decides it by the same step, records it.
//!
//! The ledger's own index finds what is due and leases it, so several correlators don't decide the same, and one that
//! dies leaves it to another. A hold does not end while the entry queue lags behind the exit's time.

use std::sync::Arc;
use std::time::Duration;

use matching::Due;
use parking::Direction;

use crate::decide::{Call, Decider, Evidence};
use crate::origins::Origins;
use crate::progress::Progress;

/// How often the ledger is asked.
const EVERY: Duration = Duration::from_millis(500);
/// The most vehicles of one call.
const MOST: u32 = 1000;

/// Runs until the stop.
pub(crate) async fn run(decider: Arc<Decider>, progress: Arc<Progress>) {
    let lifecycle = decider.lifecycle.clone();
    while !lifecycle.is_stopping() {
        if !end_due(&decider, &progress).await {
            tokio::select! {
                () = lifecycle.stopping() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}

/// Ends what is due; tells whether more may be due at once.
async fn end_due(decider: &Decider, progress: &Progress) -> bool {
    let Ok(due) = decider.patiently(Call::Due, || decider.recorder.due(MOST)).await else { return false };
    let is_full = due.len() >= MOST as usize;
    let evidence: Vec<Evidence> = due.into_iter().filter_map(|due| evidence(due, progress)).collect();
    if evidence.is_empty() {
        return false;
    }
    let origins = Origins::of_deadlines(&decider.traces, evidence.len());
    // What the stop cuts off here is leased again later.
    decider.settle(evidence, &origins).await.is_ok() && is_full
}

fn evidence(due: Due, progress: &Progress) -> Option<Evidence> {
    let may_end =
        |key: &parking::EventKey| key.direction == Direction::Entry || progress.entries_have_reached(key.time);
    let ended: Vec<parking::EventKey> = due.ended.into_iter().filter(may_end).collect();
    (!ended.is_empty()).then(|| Evidence {
        vehicle: due.vehicle,
        events: Vec::new(),
        ended,
        snapshot: Some(due.snapshot),
    })
}
