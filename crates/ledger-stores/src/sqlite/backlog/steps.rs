//! The applier's side of the backlog: its next step, and what it reports.

use std::sync::PoisonError;
use std::time::Duration;

use super::{Backlog, Errand};
use crate::Error;

/// How long the applier waits before it retries a bulk that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How long the applier has nothing to do before it counts as idle.
const IDLE: Duration = Duration::from_secs(1);

/// What the applier does next.
#[derive(Debug)]
pub(in crate::sqlite) enum Step {
    Apply,
    Serve(Errand),
    Idle,
    End,
}

impl Backlog {
    /// Waits for the applier's next step.
    pub(in crate::sqlite) fn next_step(&self) -> Step {
        let mut state = self.state();
        loop {
            if let Some(errand) = state.errands.pop_front() {
                return Step::Serve(errand);
            }
            let is_wanted = !self.pace.is_on_demand || state.is_closing || state.asked > state.applied_entry;
            if state.applied_entry < state.committed && is_wanted {
                return Step::Apply;
            }
            if state.is_closing {
                return Step::End;
            }
            let (next, waited) = self.changed.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && state.applied_entry >= state.committed && state.errands.is_empty() {
                return Step::Idle;
            }
        }
    }

    /// Notes that a bulk is applied: its last entry, and how many events and summaries it has.
    pub(in crate::sqlite) fn mark_applied(&self, entry: i64, events: usize) {
        let mut state = self.state();
        state.applied_entry = entry;
        state.waiting -= crate::encoding::column(events);
        state.failing = None;
        drop(state);
        self.applied_entry.send_replace(entry);
        self.changed.notify_all();
    }

    /// Notes that a bulk failed, and waits before the retry; false when the ledger is closing instead.
    pub(in crate::sqlite) fn failed(&self, error: Error) -> bool {
        let mut state = self.state();
        if state.failing.is_none() {
            tracing::error!(%error, "the tables of the ledger can't apply its journal; it is tried again");
        }
        state.failing = Some(error);
        self.changed.notify_all();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, RETRY, |state| !state.is_closing)
            .unwrap_or_else(PoisonError::into_inner);
        !state.is_closing
    }

    /// Notes that a checkpoint has synced all entries up to this one.
    pub(in crate::sqlite) fn mark_checkpointed(&self, entry: i64) {
        self.state().checkpointed = entry;
    }

    /// The last applied entry.
    pub(in crate::sqlite) fn last_applied(&self) -> i64 {
        self.state().applied_entry
    }

    /// Notes that the applier has ended.
    pub(in crate::sqlite) fn has_ended(&self) {
        let mut state = self.state();
        state.has_ended = true;
        std::mem::take(&mut state.errands).into_iter().for_each(Errand::refuse);
        drop(state);
        self.changed.notify_all();
    }
}
