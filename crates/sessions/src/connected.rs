//! Records in the ledger, for the statistics, the quarter hours in which a correlator was connected.

use std::sync::atomic::Ordering;

use ledger::quarter_of;

use super::correlators::ReportedCorrelator;
use super::{Error, Service, within};

impl Service {
    /// Notes in the ledger, once for each quarter hour, that a correlator was connected. In a quarter hour without such a
    /// note and without events, statistics say that nothing is known.
    pub(super) async fn note_connected(&self) -> Result<(), Error> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let connected = inner.correlators.reports(now).correlators;
        let is_connected = |one: &&ReportedCorrelator| one.is_fresh(now) && reaches_broker(one);
        let reports = connected.iter().filter(is_connected).map(|one| quarter_of(one.reported_at));
        let noted = inner.noted.load(Ordering::Relaxed);
        let Some(quarter) = reports.max().filter(|quarter| *quarter != noted) else { return Ok(()) };
        within(async { Ok(inner.ledger.note_connected(quarter).await?) }).await?;
        inner.noted.store(quarter, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether a correlator is connected to the broker, as far as it knows.
fn reaches_broker(one: &ReportedCorrelator) -> bool {
    one.status.entry.broker.is_some() && one.status.exit.broker.is_some()
}

#[cfg(test)]
mod tests {
    use ledger::Connected;
    use recorder::{CorrelatorStatus, QueueReport};

    use super::*;
    use crate::testing::{Fixture, idle_correlator, minute};
    use ledger_stores::testing::temporary;

    #[tokio::test]
    async fn a_quarter_hour_counts_as_connected_while_a_correlator_reaches_its_broker() {
        let fixture = Fixture::new(temporary().await);
        let away = CorrelatorStatus { exit: QueueReport::default(), ..idle_correlator(1) };
        // In the second quarter hour nothing reports, in the third the broker is down.
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
}
