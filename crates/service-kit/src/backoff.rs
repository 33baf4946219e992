//! Exponential backoff with full jitter and a cap, without end.
//!
//! The caller makes the attempts, with their timeouts.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use crate::{Lifecycle, causes};

/// The delays between attempts. Each is random between zero and a bound (full jitter), so that many processes do not
/// reconnect at the same time; the bound doubles from `min` to `max`.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    bound: Duration,
}

impl Default for Backoff {
    /// From 100 ms to 10 s, so that a dependency is noticed within seconds after it comes up again.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

impl Backoff {
    /// A backoff with a bound from `min` to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, bound: min }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let delay = rand::random_range(Duration::ZERO..=self.bound);
        self.bound = self.bound.saturating_mul(2).min(self.max);
        delay
    }

    /// Resets the bound, after a success.
    pub fn reset(&mut self) {
        self.bound = self.min;
    }

    /// Waits for the next attempt; false if the stop came first.
    pub async fn wait(&mut self, lifecycle: &Lifecycle) -> bool {
        let delay = self.next_delay();
        tokio::select! {
            biased;
            () = lifecycle.stopping() => false,
            () = tokio::time::sleep(delay) => true,
        }
    }

    /// Retries until success; `None` if the stop came first. The first failure in a row is logged as a warning, the
    /// others at `debug`. Only the delays are cut off by a stop, never an attempt.
    pub async fn until_stopped<T, E, F, Attempt>(
        &mut self,
        lifecycle: &Lifecycle,
        name: &str,
        mut attempt: F,
    ) -> Option<T>
    where
        E: Error,
        F: FnMut() -> Attempt,
        Attempt: Future<Output = Result<T, E>>,
    {
        let mut failures: u64 = 0;
        while !lifecycle.is_stopping() {
            match attempt().await {
                Ok(value) => {
                    if failures > 0 {
                        tracing::info!(failures, "{name} works again");
                    }
                    self.reset();
                    return Some(value);
                }
                Err(error) => {
                    failures += 1;
                    let error = causes::on_one_line(&error);
                    if failures == 1 {
                        tracing::warn!(error, "{name} failed, retrying");
                    } else {
                        tracing::debug!(error, failures, "{name} failed again");
                    }
                }
            }
            if !self.wait(lifecycle).await {
                return None;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn waits_stay_under_a_bound_that_doubles_up_to_the_cap() {
        let mut backoff = Backoff::new(MIN, MAX);
        let mut bound = MIN;
        for _ in 0..1_000 {
            assert!(backoff.next_delay() <= bound);
            bound = (bound * 2).min(MAX);
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_bound() {
        let mut backoff = Backoff::new(MAX, MAX);
        let delays: Vec<_> = (0..1_000).map(|_| backoff.next_delay()).collect();
        assert!(delays.iter().any(|delay| *delay < MAX / 5));
        assert!(delays.iter().any(|delay| *delay > MAX * 4 / 5));
    }

    #[test]
    fn success_begins_anew() {
        let mut backoff = Backoff::new(MIN, MAX);
        for _ in 0..20 {
            backoff.next_delay();
        }
        backoff.reset();
        assert!(backoff.next_delay() <= MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_go_on_until_one_succeeds() {
        let mut attempts = 0;
        let value = Backoff::new(MIN, MAX)
            .until_stopped(&Lifecycle::new(), "connecting", || {
                attempts += 1;
                let answer = if attempts < 50 { Err(std::fmt::Error) } else { Ok(attempts) };
                std::future::ready(answer)
            })
            .await;
        assert_eq!(value, Some(50));
    }

    #[tokio::test(start_paused = true)]
    async fn stop_ends_the_wait_at_once() {
        let lifecycle = Lifecycle::new();
        let hour = Duration::from_hours(1);
        let start = tokio::time::Instant::now();
        let stopper = lifecycle.clone();

        let value = Backoff::new(hour, hour)
            .until_stopped(&lifecycle, "connecting", || {
                stopper.stop();
                std::future::ready(Err::<(), _>(std::fmt::Error))
            })
            .await;

        assert_eq!((value, start.elapsed()), (None, Duration::ZERO));
    }
}
