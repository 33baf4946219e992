//! How fast and how often is sent: limits, timeouts, and the delays between attempts. Pure.

use std::time::Duration;

use chrono::DateTime;
use parking::Timestamp;

/// The limits of a deliverer. The default is that of the service; tests have their own.
#[derive(Debug, Clone)]
pub struct Pace {
    /// The delay after the first failed attempt of a delivery; each later one is four times as long, up to `retry_max`.
    pub first_retry: Duration,
    /// The longest delay between attempts.
    pub retry_max: Duration,
    /// The longest delay between attempts while every one of them fails.
    pub probe_max: Duration,
    /// The longest wait for an answer.
    pub answer_timeout: Duration,
    /// How long a lease holds. It is extended after a third.
    pub lease: Duration,
    /// How often webhooks are read from the ledger, and changes if nothing tells of them.
    pub poll: Duration,
    /// How long progress may be unsaved.
    pub save: Duration,
    /// The longest that a stop waits for answers.
    pub stop: Duration,
    /// The requests to one receiver at once.
    pub requests_max: usize,
    /// The deliveries of a webhook that wait. At the limit, further changes are not looked at.
    pub waiting_max: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_secs(5),
            retry_max: Duration::from_hours(24),
            probe_max: Duration::from_mins(10),
            answer_timeout: Duration::from_secs(15),
            lease: Duration::from_mins(1),
            poll: Duration::from_secs(1),
            save: Duration::from_millis(500),
            stop: Duration::from_secs(2),
            requests_max: 8,
            waiting_max: 10_000,
        }
    }
}

impl Pace {
    /// The delay after this many failed attempts, at most `max`. `random` is from 0 to 1: half of the delay is random, so
    /// that deliveries that failed together are not repeated together.
    pub(crate) fn delay_ms(&self, failures: u32, max: Duration, random: f64) -> i64 {
        let factor = 4_u32.saturating_pow(failures.saturating_sub(1));
        let whole = self.first_retry.saturating_mul(factor).min(max);
        millis(whole.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0))
    }
}

/// The longest that a receiver can ask for.
const RETRY_AFTER_MAX_MS: i64 = 24 * 3_600_000;

/// The delay that a receiver asks for with `Retry-After`: seconds, or a date.
pub(crate) fn retry_after_ms(value: &str, now: Timestamp) -> Option<i64> {
    let seconds = value.trim().parse::<u32>().ok().map(|seconds| i64::from(seconds) * 1_000);
    let until = || Some(DateTime::parse_from_rfc2822(value.trim()).ok()?.timestamp_millis() - now.as_millis());
    seconds.or_else(until).map(|millis| millis.clamp(0, RETRY_AFTER_MAX_MS))
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_repeated_within_seconds_first_and_daily_in_the_end() {
        let pace = Pace::default();
        let seconds = |failures| pace.delay_ms(failures, pace.retry_max, 1.0) / 1_000;
        let delays: Vec<i64> = (1..=9).map(seconds).collect();
        assert_eq!(delays, [5, 20, 80, 320, 1_280, 5_120, 20_480, 81_920, 86_400]);
        assert_eq!(seconds(u32::MAX), 86_400);
        assert_eq!(pace.delay_ms(1, pace.retry_max, 0.0), 2_500, "half of the delay is random");
        assert_eq!(pace.delay_ms(9, pace.probe_max, 1.0), 600_000);
    }

    #[test]
    fn a_receiver_asks_for_a_delay_in_seconds_or_by_a_date() {
        let now = Timestamp::parse_rfc3339("2024-09-24T09:00:00Z").unwrap();
        for (value, expected) in [
            ("120", Some(120_000)),
            (" 0 ", Some(0)),
            ("4000000000", Some(86_400_000)),
            ("Tue, 24 Sep 2024 09:01:00 GMT", Some(60_000)),
            ("Tue, 24 Sep 2024 08:01:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(retry_after_ms(value, now), expected, "{value}");
        }
    }
}
