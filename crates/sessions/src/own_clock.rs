//! Compares the times of lots with this machine's clock. A lot's own time never goes back, so what was recorded while
//! the clock was ahead stays with the lot, and its stays look longer than they are.

use std::sync::{Mutex, PoisonError};

use parking::Timestamp;
use parking::readable::human_duration;
use service_kit::{Dependency, Health};

use super::lots::LotStatus;

/// An event further ahead of the clock than this is refused.
const AHEAD_MS: i64 = 5 * 60_000;

/// The clock as a dependency, from the first suspicion on.
#[derive(Debug, Default)]
pub(super) struct OwnClock(Mutex<Option<Dependency>>);

impl OwnClock {
    /// Shows whether a lot is ahead of the clock, and by how much the furthest is.
    pub(super) fn compare(&self, lots: &[LotStatus], now: Timestamp, health: &Health) {
        let ahead_ms = |lot: &LotStatus| lot.time.map_or(0, |time| time.millis_since(now));
        let furthest = lots.iter().max_by_key(|lot| ahead_ms(lot)).filter(|lot| ahead_ms(lot) > AHEAD_MS);
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match furthest {
            Some(lot) => shown.get_or_insert_with(|| health.optional("clock")).down(format!(
                "the newest event of lot {} is {} ahead of this machine's clock: the clock is behind, or it was ahead when \
                 that event was recorded; see timedatectl status",
                lot.id,
                human_duration(ahead_ms(lot))
            )),
            None => shown.iter().for_each(Dependency::up),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fixture, Vehicles, minute};
    use ledger_stores::testing::temporary;

    #[tokio::test]
    async fn a_lot_far_ahead_of_the_clock_is_told_of() {
        let (fixture, mut vehicles) = (Fixture::new(temporary().await), Vehicles::default());
        fixture.record(vec![vehicles.entry("P3", "NEAR", minute(5))]).await;
        fixture.service.refresh().await.unwrap();
        assert_eq!(fixture.context.health.report(), "");

        fixture.record(vec![vehicles.entry("P4", "FAR", minute(400 * 24 * 60))]).await;
        fixture.service.refresh().await.unwrap();

        let report = fixture.context.health.report();
        assert!(report.starts_with("[-]clock the newest event of lot P4 is 400d ahead of this"), "{report}");
        assert!(fixture.context.health.is_ready());
        fixture.clock.advance_millis(400 * 86_400_000);
        fixture.service.refresh().await.unwrap();
        assert_eq!(fixture.context.health.report(), "[+]clock ok (optional)\n");
    }
}
