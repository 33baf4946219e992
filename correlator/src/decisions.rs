//! Logs decisions: one line per changed session, readable alone, with fields to query, and never a plate.

use std::sync::Arc;

use matching::{SessionChange, Unit};
use parking::readable::human_duration;
use parking::{LotId, State};
use service_kit::DecisionLog;
use service_kit::traces::TraceContext;

use crate::batch_trace::BatchTrace;

/// Writes the changes of recorded units to the decision log.
#[derive(Debug, Clone)]
pub(crate) struct DecisionLogger {
    log: Arc<DecisionLog>,
}

impl DecisionLogger {
    pub(crate) fn new(log: Arc<DecisionLog>) -> Self {
        Self { log }
    }

    pub(crate) fn recorded(&self, unit: &Unit, trace: &BatchTrace<'_>) {
        for change in &unit.changes {
            self.log.decision(kind(change), || line(&unit.vehicle.lot, change, trace.of(change)));
        }
    }
}

/// The verb of a change. Above the rate limit, changes are counted by this verb.
fn kind(change: &SessionChange) -> &'static str {
    match change.to {
        State::HeldExit => "held",
        State::Matched if change.from == Some(State::Matched) => "revised",
        State::Open | State::Matched | State::UnmatchedExit | State::UnmatchedEntry | State::Void => change.to.as_str(),
    }
}

fn line(lot: &LotId, change: &SessionChange, trace: TraceContext) {
    let (session, trace_id) = (change.session, trace.trace_id());
    let verb = kind(change);
    match (change.to, change.entry, change.exit, change.superseded_by) {
        (State::Matched, Some(entry), Some(exit), _) => {
            let dwell = human_duration(exit.time.millis_since(entry.time));
            tracing::info!(%lot, %dwell, exit_event = %exit.id, entry_event = %entry.id, %session, %trace_id, "session {verb}");
        }
        (State::Void, _, _, Some(superseded_by)) => {
            tracing::info!(%lot, %superseded_by, %session, %trace_id, "session {verb}");
        }
        (_, Some(entry), _, _) => {
            let rule = change.rule.as_str();
            tracing::info!(%lot, %rule, entry_event = %entry.id, %session, %trace_id, "session {verb}");
        }
        (_, None, Some(exit), _) => {
            let rule = change.rule.as_str();
            tracing::info!(%lot, %rule, exit_event = %exit.id, %session, %trace_id, "session {verb}");
        }
        (_, None, None, _) => tracing::info!(%lot, %session, %trace_id, "session {verb}"),
    }
}
