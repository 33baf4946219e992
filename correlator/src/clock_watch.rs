//! Suspects this machine's clock: if most events of a minute seem to be in the future, the clock is behind.
//!
//! Each such event is refused individually; here is their common cause. A clock that is ahead can't be distinguished
//! from old events, which any client may publish.

use std::collections::VecDeque;
use std::time::Duration;

use service_kit::{Dependency, Health, Lifecycle};

use crate::metrics::{FutureCounts, Metrics};

/// The counts are checked at this interval; twelve checks cover a minute.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
const CHECKS_PER_MINUTE: usize = 12;
/// Fewer refusals than this prove nothing.
const REFUSED_EVENTS_MIN: u64 = 10;

/// Checks until the stop. The clock is shown as a dependency from the first suspicion on.
pub(crate) async fn run(metrics: Metrics, health: Health, lifecycle: Lifecycle) {
    let (mut minute, mut clock): (Minute, Option<Dependency>) = (Minute::default(), None);
    while !lifecycle.is_stopping() {
        match minute.check(metrics.future_counts()) {
            Some(FutureCounts { received, from_the_future }) => {
                clock.get_or_insert_with(|| health.optional("clock")).down(format!(
                    "{from_the_future} of the {received} events of the last minute are more than five minutes ahead of this \
                     machine's clock, which may be wrong: see timedatectl status"
                ));
            }
            None => clock.iter().for_each(Dependency::up),
        }
        tokio::select! {
            () = lifecycle.stopping() => {}
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
        }
    }
}

/// The counts of the last minute, the oldest first.
#[derive(Debug, Default)]
struct Minute(VecDeque<FutureCounts>);

impl Minute {
    /// Adds the current counts. Returns the counts of the last minute if most of it was in the future.
    fn check(&mut self, now: FutureCounts) -> Option<FutureCounts> {
        if self.0.len() > CHECKS_PER_MINUTE {
            self.0.pop_front();
        }
        let before = *self.0.front().unwrap_or(&now);
        self.0.push_back(now);
        let from_the_future = now.from_the_future - before.from_the_future;
        let received = (now.received - before.received).max(from_the_future);
        let is_suspicious = from_the_future >= REFUSED_EVENTS_MIN && from_the_future * 2 > received;
        is_suspicious.then_some(FutureCounts { received, from_the_future })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(received: u64, from_the_future: u64) -> FutureCounts {
        FutureCounts { received, from_the_future }
    }

    #[test]
    fn a_minute_of_which_most_events_come_from_the_future_makes_the_clock_suspicious() {
        let mut minute = Minute::default();
        assert_eq!(minute.check(counts(1_000, 3)), None);
        assert_eq!(minute.check(counts(1_009, 12)), None, "nine are too few to say anything");
        assert_eq!(minute.check(counts(1_015, 18)), Some(counts(15, 15)));
        assert_eq!(minute.check(counts(1_030, 18)), None, "of thirty half are right");
    }

    #[test]
    fn a_clock_is_no_longer_suspicious_a_minute_later() {
        let mut minute = Minute::default();
        minute.check(counts(0, 0));
        assert_eq!(minute.check(counts(50, 50)), Some(counts(50, 50)));
        let later: Vec<bool> = (0..CHECKS_PER_MINUTE).map(|_| minute.check(counts(50, 50)).is_some()).collect();
        assert_eq!(later, [[true; CHECKS_PER_MINUTE - 1].as_slice(), &[false]].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_suspicious_is_shown_and_does_not_make_the_service_unready() {
        let registry = service_kit::metrics::Registry::new();
        let (metrics, health) = (Metrics::new(&registry).unwrap(), Health::new(&registry));
        let lifecycle = Lifecycle::new();
        let watch = tokio::spawn(run(metrics.clone(), health.clone(), lifecycle.clone()));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(health.report(), "");

        metrics.received(bus::Queue::Exit, 20);
        (0..20).for_each(|_| metrics.dead_letter("future"));
        tokio::time::sleep(CHECK_INTERVAL).await;

        let report = health.report();
        assert!(report.starts_with("[-]clock 20 of the 20 events of the last minute are more than five"), "{report}");
        assert!(report.ends_with(" (optional)\n") && health.is_ready(), "{report}");
        tokio::time::sleep(Duration::from_secs(70)).await;
        assert_eq!(health.report(), "[+]clock ok (optional)\n");
        lifecycle.stop();
        watch.await.unwrap();
    }
}
