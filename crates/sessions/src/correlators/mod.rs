//! What the correlators last said of themselves. In memory only: each says it again every second.
//!
//! Conclusions from their reports are in [`standing`].

mod standing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parking::Timestamp;
use recorder::CorrelatorStatus;
use uuid::Uuid;

use super::REPORT_LIFETIME;
pub use standing::Wait;
use standing::{REPORTING_MS, Side, Standing, may_hold_messages};

/// A correlator reports every second, and what is wrong is to be seen within three.
const SILENT_AFTER_MS: u64 = 2_000;
/// The most correlators that are remembered; when there are more, the one that was silent longest is forgotten.
pub(super) const MAX_CORRELATORS: usize = 1_000;
/// How long holds wait for consumers of which nothing is known. They may be those of correlators that report to another
/// summary API of the same ledger, and these must not keep exits held for ever.
pub(super) const STRANGER_PATIENCE: Duration = Duration::from_mins(5);
/// The shortest age of a report that a hold depends on: correlators report each second.
const HOLD_REPORT_MS: i64 = 1_500;

/// A correlator's last report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedCorrelator {
    /// What it said.
    pub status: CorrelatorStatus,
    /// When it was received.
    pub reported_at: Timestamp,
}

impl ReportedCorrelator {
    /// Whether it has missed its time to report.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        self.age_ms(now) > SILENT_AFTER_MS
    }

    /// Whether its report is younger than [`REPORT_LIFETIME`].
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.age_ms(now) <= REPORT_LIFETIME.as_secs() * 1_000
    }

    fn age_ms(&self, now: Timestamp) -> u64 {
        now.millis_since(self.reported_at).unsigned_abs()
    }
}

/// What the reports of all correlators come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reports {
    /// Each correlator that reports, and silent ones that may hold messages, by id.
    pub(super) correlators: Vec<ReportedCorrelator>,
    /// No message is ready or in flight.
    pub(super) is_idle: bool,
    /// Correlators and consumers that are waited for.
    pub(super) waits_for: Vec<Wait>,
}

/// All correlators that report.
#[derive(Debug, Default)]
pub(super) struct Correlators(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    reports: BTreeMap<Uuid, ReportedCorrelator>,
    /// Since when the entry queue has consumers of which nothing is known.
    strangers_since: Option<Timestamp>,
}

impl Correlators {
    /// Stores a report; forgets a correlator that signs off.
    pub(super) fn take(&self, status: CorrelatorStatus, now: Timestamp) {
        let mut memory = self.memory(now);
        let known = &mut memory.reports;
        if status.signs_off {
            known.remove(&status.correlator);
            return;
        }
        known.insert(status.correlator, ReportedCorrelator { status, reported_at: now });
        if known.len() > MAX_CORRELATORS {
            let silent = known.values().min_by_key(|reported| reported.reported_at).map(|one| one.status.correlator);
            silent.map(|correlator| known.remove(&correlator));
        }
    }

    pub(super) fn reports(&self, now: Timestamp) -> Reports {
        let memory = self.memory(now);
        let standing = memory.standing(now, REPORTING_MS);
        Reports {
            is_idle: standing.is_idle(),
            waits_for: standing.waits(),
            correlators: memory.reports.values().cloned().collect(),
        }
    }

    /// The holds of exits up to this time may end, as far as the entries that are under way go.
    ///
    /// An exit is due `hold_ms` after it was recorded. Reports that are younger than that show each entry that was in a
    /// correlator's hands when the exit was recorded.
    pub(super) fn entries_until(&self, now: Timestamp, hold_ms: i64) -> Timestamp {
        let memory = self.memory(now);
        let patience = i64::try_from(STRANGER_PATIENCE.as_millis()).unwrap_or(i64::MAX);
        let strangers_wait = memory.strangers_since.is_none_or(|since| now.millis_since(since) <= patience);
        memory.standing(now, hold_ms.clamp(HOLD_REPORT_MS, REPORTING_MS)).entries_until(strangers_wait)
    }

    fn memory(&self, now: Timestamp) -> MutexGuard<'_, Memory> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget(now);
        memory
    }
}

impl Memory {
    fn standing(&self, now: Timestamp, reporting_ms: i64) -> Standing<'_> {
        Standing::of(self.reports.values(), now, reporting_ms)
    }

    /// Forgets correlators that are silent, unless they may hold messages.
    fn forget(&mut self, now: Timestamp) {
        let standing = self.standing(now, REPORTING_MS);
        let waits_for_silent = standing.waits_for_silent();
        let has_strangers = standing.strangers(Side::Entry).is_some_and(|consumers| consumers > 0);
        self.reports.retain(|_, one| one.is_fresh(now) || (waits_for_silent && may_hold_messages(one)));
        // A time in the future is from before the clock was set right.
        let since = self.strangers_since.filter(|since| *since <= now).unwrap_or(now);
        self.strangers_since = (has_strangers && !waits_for_silent).then_some(since);
    }
}
