//! Decides how many requests a receiver gets that refuses all of them: one at a time, and less and less often. Pure.

use parking::Timestamp;

use crate::pace::Pace;

/// After this many failures in a row, without one success, the receiver counts as down.
const FAILURES_MAX: u32 = 16;

/// What the attempts of late say about a receiver.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    closed_until: Timestamp,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 0, closed_until: Timestamp::from_millis(0) }
    }
}

impl Breaker {
    /// Whether every attempt of late has failed, so that one at a time is enough to see whether that changes.
    pub(crate) fn is_probing(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// How many requests there may be at once.
    pub(crate) fn requests_max(&self, pace: &Pace, now: Timestamp) -> usize {
        match (now < self.closed_until, self.is_probing()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => pace.requests_max,
        }
    }

    /// When the next request may be sent, if not now.
    pub(crate) fn opens_at(&self) -> Timestamp {
        self.closed_until
    }

    /// An attempt has succeeded; returns whether the receiver counted as down.
    pub(crate) fn succeeded(&mut self) -> bool {
        let was_probing = self.is_probing();
        *self = Self::default();
        was_probing
    }

    /// An attempt has failed. The receiver may have asked for a delay.
    pub(crate) fn failed(&mut self, pace: &Pace, now: Timestamp, retry_after_ms: Option<i64>, random: f64) {
        // Several requests were under way when the receiver began to count as down: they are one failure.
        let is_remainder = self.is_probing() && now < self.closed_until;
        self.failures = self.failures.saturating_add(u32::from(!is_remainder));
        let probes = (self.failures + 1).saturating_sub(FAILURES_MAX);
        let own_ms = if probes == 0 || is_remainder { 0 } else { pace.delay_ms(probes, pace.probe_max, random) };
        let until = now.plus_millis(own_ms.max(retry_after_ms.unwrap_or(0)));
        self.closed_until = self.closed_until.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_refuses_everything_gets_one_request_at_a_time_and_less_and_less_often() {
        let (pace, mut breaker) = (Pace::default(), Breaker::default());
        let mut now = Timestamp::from_millis(0);
        for _ in 1..FAILURES_MAX {
            breaker.failed(&pace, now, None, 1.0);
            assert_eq!(breaker.requests_max(&pace, now), pace.requests_max);
        }
        let mut delays = Vec::new();
        for _ in 0..6 {
            for _ in 0..8 {
                breaker.failed(&pace, now, None, 1.0);
            }
            assert_eq!(breaker.requests_max(&pace, now), 0);
            delays.push(breaker.opens_at().millis_since(now) / 1_000);
            now = breaker.opens_at();
            assert_eq!(breaker.requests_max(&pace, now), 1);
        }
        assert_eq!(delays, [5, 20, 80, 320, 600, 600]);

        assert!(breaker.succeeded());
        assert_eq!(breaker.requests_max(&pace, now), pace.requests_max);
        assert!(!breaker.succeeded());
    }

    #[test]
    fn a_receiver_gets_nothing_while_the_delay_lasts_that_it_asked_for() {
        let (pace, mut breaker, now) = (Pace::default(), Breaker::default(), Timestamp::from_millis(0));
        breaker.failed(&pace, now, Some(120_000), 1.0);
        breaker.failed(&pace, now, None, 1.0);
        assert_eq!(breaker.requests_max(&pace, now.plus_millis(119_999)), 0);
        assert_eq!(breaker.requests_max(&pace, now.plus_millis(120_000)), pace.requests_max);
    }
}
