//! What the service counts. Verbs in, metrics out; which facts a recorded unit holds is [`facts`]'s.
//!
//! Labels are fixed words and lots, never a plate or an id. Every series that can be named beforehand is there
//! from the start, at 0, so that a rate never begins with a gap.

mod facts;
mod gates;
mod log_size;
mod look_ups;
mod lots;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ledger::Pending;
use matching::{Applied, Outcome, Rule};
use parking::{LotId, Reason};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};
use service_kit::metrics::{Error, Registry};
use service_kit::traces::TraceContext;

use crate::gates::GateStatus;
use gates::GateMetrics;
use log_size::LogSize;
use look_ups::LookUpMetrics;

pub(crate) use facts::Facts;
pub(crate) use log_size::LARGE_BYTES as LOG_LARGE_BYTES;
pub(crate) use lots::{Inside, LotMetrics, MAX_LOTS};

/// Events of a batch: a single event up to the largest batch that a correlator may make.
const BATCH_BUCKETS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0];

service_kit::metrics! {
    /// The metrics of one summary API.
    #[derive(Debug)]
    pub(crate) struct Metrics {
        /// Exits recorded in a matched session for the first time
        matched_events: IntCounter = "matched_events";
        /// Exits recorded as unmatched for the first time
        unmatched_events: IntCounter = "unmatched_events";
        /// Gate events recorded, each once
        events: IntCounter = "dwell_recorded_events_total";
        /// Gate events recorded as re-reads of a passage
        re_reads: IntCounter = "dwell_re_reads_total";
        /// Units of work of correlators: recorded, or lost because the vehicle stood elsewhere by then
        units: IntCounterVec = "dwell_record_units_total" ["outcome"];
        /// Events of one record call
        batch_events: Histogram = "dwell_record_batch_events" in BATCH_BUCKETS;
        /// Changes to sessions, by the rule that made them
        changes: IntCounterVec = "dwell_session_changes_total" ["rule"];
        /// Entries that became an unmatched session, by reason
        unmatched_entries: IntCounterVec = "dwell_unmatched_entries_total" ["reason"];
        /// Changes by which later evidence overturned a decision
        revisions: IntCounter = "dwell_revisions_total";
        /// Changes that made a session void
        voids: IntCounter = "dwell_voided_sessions_total";
        /// Summaries saved by POST /save_summary, each once
        summaries: IntCounter = "dwell_summaries_saved_total";
        /// Exits that are held for a late entry
        held_exits: IntGauge = "dwell_held_exits";
        /// Open sessions beyond the longest stay that are not decided yet
        overdue_stays: IntGauge = "dwell_overdue_stays";
        /// Correlators that report to this API
        correlators: IntGauge = "dwell_correlators_reporting";
        /// Each gate's own.
        gates: GateMetrics;
        /// That of the ledger's log.
        log_size: LogSize;
        /// Events and summaries that are recorded and that lists and statistics of a ledger in SQLite do not show yet
        ledger_waiting: IntGauge = "dwell_ledger_waiting_events";
        /// Each lot's own.
        pub(crate) lots: LotMetrics;
        /// Those of look-ups.
        pub(crate) look_ups: LookUpMetrics;
        /// What the log line of this second will say.
        pub(crate) second: Second = default;
    }
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let metrics = Self::register(registry)?;
        metrics.begin_at_zero();
        Ok(metrics)
    }

    fn begin_at_zero(&self) {
        for rule in Rule::ALL {
            self.changes.with_label_values(&[rule.as_str()]);
        }
        for reason in Reason::ALL {
            self.unmatched_entries.with_label_values(&[reason.as_str()]);
        }
        for outcome in ["recorded", "lost"] {
            self.units.with_label_values(&[outcome]);
        }
    }

    /// A batch was recorded; `facts` was taken from its units.
    pub(crate) fn recorded(&self, facts: &Facts, outcomes: &[Outcome]) {
        self.batch_events.observe(f64::from(facts.events));
        let mut lost: u64 = 0;
        for (place, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Outcome::Recorded(applied) => self.unit_recorded(facts, place, *applied),
                Outcome::Lost(_) => lost += 1,
            }
        }
        self.units.with_label_values(&["lost"]).inc_by(lost);
        Second::add(&self.second.lost, lost);
    }

    fn unit_recorded(&self, facts: &Facts, place: usize, applied: Applied) {
        let (events, matched, unmatched) =
            (u64::from(applied.events), u64::from(applied.matched), u64::from(applied.unmatched));
        self.units.with_label_values(&["recorded"]).inc();
        self.events.inc_by(events);
        self.matched_events.inc_by(matched);
        self.unmatched_events.inc_by(unmatched);
        Second::add(&self.second.events, events);
        Second::add(&self.second.matched, matched);
        Second::add(&self.second.unmatched, unmatched);
        let Some(unit) = facts.units.get(place) else { return };
        self.lots.counted(&unit.lot, matched, unmatched);
        if unit.is_unread {
            // The ledger left out what it had: what it took is one session an event.
            self.changes.with_label_values(&[Rule::Unread.as_str()]).inc_by(events);
            let entries = events.saturating_sub(unmatched);
            self.unmatched_entries.with_label_values(&[Reason::Unread.as_str()]).inc_by(entries);
            return;
        }
        self.re_reads.inc_by(unit.re_reads);
        for change in facts.changes_of(place) {
            self.changes.with_label_values(&[change.rule.as_str()]).inc();
            if let Some(reason) = change.entry_unmatched {
                self.unmatched_entries.with_label_values(&[reason.as_str()]).inc();
            }
            self.revisions.inc_by(u64::from(change.is_revision));
            self.voids.inc_by(u64::from(change.rule == Rule::Superseded));
            if let Some(dwell_ms) = change.first_dwell_ms {
                self.lots.stayed(&unit.lot, dwell_ms);
            }
        }
    }

    /// A new summary was saved.
    pub(crate) fn summary_saved(&self) {
        self.matched_events.inc();
        self.summaries.inc();
    }

    /// Exits matched and exits unmatched since the process began: what `matched_events` and `unmatched_events` say.
    pub(crate) fn exits(&self) -> (u64, u64) {
        (self.matched_events.get(), self.unmatched_events.get())
    }

    /// What the ledger still waits for.
    pub(crate) fn pending(&self, pending: Pending) {
        self.held_exits.set(i64::try_from(pending.held_exits).unwrap_or(i64::MAX));
        self.overdue_stays.set(i64::try_from(pending.overdue_stays).unwrap_or(i64::MAX));
    }

    /// How the gates do.
    pub(crate) fn gates(&self, gates: &[GateStatus]) {
        self.gates.show(gates);
    }

    /// The size of the ledger's write-ahead log.
    pub(crate) fn ledger_log(&self, bytes: u64, waiting: u64) {
        self.ledger_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.log_size.is(bytes);
    }

    /// How many vehicles are inside each lot.
    pub(crate) fn inside<'a>(&self, lots: impl Iterator<Item = (&'a LotId, Inside)>) {
        self.lots.inside(lots);
    }

    /// How many correlators report.
    pub(crate) fn correlators(&self, count: usize) {
        self.correlators.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Counts since the last log line.
#[derive(Debug, Default)]
pub(crate) struct Second {
    events: AtomicU64,
    matched: AtomicU64,
    unmatched: AtomicU64,
    lost: AtomicU64,
    last_trace: Mutex<Option<TraceContext>>,
}

impl Second {
    fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }

    /// The work that the last call was a part of. Many calls are one line, so it is an example of them.
    pub(crate) fn recorded_for(&self, trace: TraceContext) {
        *self.last_trace.lock().unwrap_or_else(PoisonError::into_inner) = Some(trace);
    }

    /// Logs the counts, if there are any, and resets them.
    pub(crate) fn log(&self) {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let (events, matched) = (take(&self.events), take(&self.matched));
        let (unmatched, lost) = (take(&self.unmatched), take(&self.lost));
        if events + matched + unmatched + lost > 0 {
            let trace = self.last_trace.lock().unwrap_or_else(PoisonError::into_inner).take();
            let trace_id = trace.as_ref().map(|trace| tracing::field::display(trace.trace_id()));
            tracing::info!(events, matched, unmatched, lost, trace_id, "recorded");
        }
    }
}
