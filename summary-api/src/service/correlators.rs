//! What the correlators last said of themselves. In memory only: each says it again every second.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use matching::CorrelatorStatus;
use parking::Timestamp;
use uuid::Uuid;

use super::{Error, REPORT_LIFETIME, Service, within};
use crate::ledger::quarter_of;

/// A correlator reports every second, and what is wrong is to be seen within three.
const SILENT_AFTER_MS: u64 = 2_000;
/// The most correlators that are remembered; when there are more, the one that was silent longest is forgotten.
pub(super) const MAX_CORRELATORS: usize = 1_000;

/// A correlator's last report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedCorrelator {
    /// What it said.
    pub status: CorrelatorStatus,
    /// When it was received.
    pub reported_at: Timestamp,
}

impl ReportedCorrelator {
    /// Whether it has nothing to do, as far as it knows.
    pub fn is_idle(&self) -> bool {
        (self.status.entry_ready, self.status.exit_ready, self.status.in_flight) == (Some(0), Some(0), 0)
    }

    /// Whether it is connected to the broker, as far as it knows.
    fn reaches_broker(&self) -> bool {
        self.status.entry_ready.is_some() && self.status.exit_ready.is_some()
    }

    /// Whether it has missed its time to report.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        now.millis_since(self.reported_at).unsigned_abs() > SILENT_AFTER_MS
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        now.millis_since(self.reported_at).unsigned_abs() <= REPORT_LIFETIME.as_secs() * 1_000
    }
}

/// All correlators that report.
#[derive(Debug, Default)]
pub(super) struct Correlators(Mutex<BTreeMap<Uuid, ReportedCorrelator>>);

impl Correlators {
    pub(super) fn take(&self, status: CorrelatorStatus, now: Timestamp) {
        let mut known = self.fresh(now);
        known.insert(status.correlator, ReportedCorrelator { status, reported_at: now });
        if known.len() > MAX_CORRELATORS {
            let silent = known.values().min_by_key(|reported| reported.reported_at).map(|one| one.status.correlator);
            silent.map(|correlator| known.remove(&correlator));
        }
    }

    pub(super) fn reporting(&self, now: Timestamp) -> Vec<ReportedCorrelator> {
        self.fresh(now).values().cloned().collect()
    }

    fn fresh(&self, now: Timestamp) -> MutexGuard<'_, BTreeMap<Uuid, ReportedCorrelator>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, reported| reported.is_fresh(now));
        known
    }
}

impl Service {
    /// Notes in the ledger, once for each quarter hour, that a correlator was connected. In a quarter hour without such a
    /// note and without events, statistics say that nothing is known.
    pub(super) async fn note_connected(&self) -> Result<(), Error> {
        let inner = &self.inner;
        let connected = inner.correlators.reporting(inner.clock.now());
        let reports = connected.iter().filter(|one| one.reaches_broker()).map(|one| quarter_of(one.reported_at));
        let noted = inner.noted.load(Ordering::Relaxed);
        let Some(quarter) = reports.max().filter(|quarter| *quarter != noted) else { return Ok(()) };
        within(async { Ok(inner.ledger.note_connected(quarter).await?) }).await?;
        inner.noted.store(quarter, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Connected;
    use crate::testing::{Fixture, idle_correlator, minute};

    fn reports(correlators: &Correlators, id: u128, at: i64) {
        correlators.take(idle_correlator(id), Timestamp::from_millis(at));
    }

    #[test]
    fn a_silent_correlator_is_forgotten_after_ten_seconds() {
        let correlators = Correlators::default();
        reports(&correlators, 1, 0);
        reports(&correlators, 2, 6_000);

        let ids = |now| {
            let all = correlators.reporting(Timestamp::from_millis(now));
            all.iter().map(|one| one.status.correlator.as_u128()).collect::<Vec<_>>()
        };

        assert_eq!([ids(10_000), ids(10_001), ids(16_001)], [vec![1, 2], vec![2], vec![]]);
    }

    #[test]
    fn a_correlator_that_misses_a_report_is_silent() {
        let one = ReportedCorrelator { status: idle_correlator(1), reported_at: Timestamp::from_millis(0) };
        assert_eq!([1_000, 2_000, 2_001].map(|now| one.is_silent(Timestamp::from_millis(now))), [false, false, true]);
    }

    #[tokio::test]
    async fn a_quarter_hour_counts_as_connected_while_a_correlator_reaches_its_broker() {
        let fixture = Fixture::new().await;
        let away = CorrelatorStatus { exit_ready: None, ..idle_correlator(1) };
        // In the second quarter hour nothing reports, in the third the broker is away.
        for report in [Some(idle_correlator(1)), None, Some(away), Some(idle_correlator(1))] {
            if let Some(status) = report {
                fixture.service.report(status);
            }
            fixture.service.refresh().await.unwrap();
            fixture.service.refresh().await.unwrap();
            fixture.clock.advance_millis(15 * 60_000);
        }

        let first = quarter_of(minute(0));
        let noted = fixture.ledger.connected(first - 9..first + 9).await.unwrap();
        assert_eq!(noted, Connected { quarters: [first, first + 3].into(), since: Some(first) });
    }

    #[test]
    fn correlators_beyond_the_bound_push_out_the_most_silent() {
        let correlators = Correlators::default();
        (0..=1_000).for_each(|id| reports(&correlators, id, i64::try_from(id).unwrap()));

        let reporting = correlators.reporting(Timestamp::from_millis(1_000));

        assert_eq!((reporting.len(), reporting[0].status.correlator.as_u128()), (MAX_CORRELATORS, 1));
    }
}
