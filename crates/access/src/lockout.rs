//! Failed sign-ins slow further ones down: a back-off for one key, as a state machine of attempts and time.
//!
//! An attempt counts as failed from its start until its success is reported, so that many concurrent attempts are not
//! all admitted while the first password is being hashed. The states of all keys are kept
//! by [`Lockouts`](crate::Lockouts).

use std::time::Duration;

use parking::Timestamp;

/// How failures slow down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Failures that cost nothing: people mistype.
    pub free: u32,
    /// The wait after the first failure beyond those; each further one doubles it.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// The time without an attempt after which failures are forgotten.
    pub forgotten_after: Duration,
}

impl Backoff {
    /// For one user, from wherever: a wait that stops guessing and does not keep the user out for long, as anybody can
    /// cause it.
    pub const USER: Self = Self {
        free: 5,
        first: Duration::from_secs(1),
        longest: Duration::from_mins(1),
        forgotten_after: Duration::from_hours(1),
    };
    /// For one address, whatever users it tries. Behind a proxy or a router many people share one, so there are more free
    /// failures, and they are soon forgotten. A success takes back its own attempt ([`Attempts::uncount`]) and clears
    /// nothing else: otherwise one valid account would be enough to reset the count between guesses.
    pub const ADDRESS: Self = Self {
        free: 20,
        first: Duration::from_secs(1),
        longest: Duration::from_mins(1),
        forgotten_after: Duration::from_mins(15),
    };
    /// For the one-time code of the set-up.
    pub const SETUP: Self = Self {
        free: 3,
        first: Duration::from_secs(5),
        longest: Duration::from_mins(15),
        forgotten_after: Duration::from_hours(24),
    };

    /// How long to wait after this number of failures in a row.
    pub fn wait_after(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.free) {
            None | Some(0) => Duration::ZERO,
            Some(beyond) => {
                let doubled = 2_u32.checked_pow(beyond - 1).and_then(|factor| self.first.checked_mul(factor));
                doubled.map_or(self.longest, |wait| wait.min(self.longest))
            }
        }
    }
}

/// What is known of one key's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    failures: u32,
    last: Timestamp,
}

/// An attempt came too early. Answered with 429 and `Retry-After`, before any password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed sign-ins; try again in {seconds} s")]
pub struct Wait {
    /// Whole seconds until the next attempt, at least one.
    pub seconds: u64,
}

impl Attempts {
    /// Begins an attempt. It counts as failed until [`succeeded`](Self::succeeded).
    ///
    /// # Errors
    /// How long to wait instead. That attempt does not count.
    pub fn begin(&mut self, backoff: &Backoff, now: Timestamp) -> Result<(), Wait> {
        if self.is_forgotten(backoff, now) {
            *self = Self::default();
        }
        // After a clock that was ahead, the wait starts again: it must not last until that time is reached.
        self.last = self.last.min(now);
        let left = backoff.wait_after(self.failures).saturating_sub(self.since_last(now));
        if !left.is_zero() {
            return Err(Wait { seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0) });
        }
        self.failures = self.failures.saturating_add(1);
        self.last = now;
        Ok(())
    }

    /// The attempt that was begun has succeeded: what was before it is forgotten.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The attempt that was begun has succeeded: it does not count as failed, and those before it still do.
    pub fn uncount(&mut self) {
        self.failures = self.failures.saturating_sub(1);
    }

    /// Whether nothing is left that would slow down.
    pub fn is_forgotten(&self, backoff: &Backoff, now: Timestamp) -> bool {
        self.failures == 0 || self.since_last(now) >= backoff.forgotten_after
    }

    /// When the last attempt was.
    pub(crate) fn last(&self) -> Timestamp {
        self.last
    }

    /// A clock that went back counts as if no time had passed.
    fn since_last(&self, now: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(now.millis_since(self.last)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff::USER;
    const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn at(seconds: i64) -> Timestamp {
        BEGIN.plus_millis(seconds * 1_000)
    }

    /// Attempts that failed so often, the last one at `at(0)`.
    fn failed(times: u32) -> Attempts {
        Attempts { failures: times, last: at(0) }
    }

    #[test]
    fn a_few_slips_cost_nothing_and_each_further_one_doubles_the_wait() {
        let mut attempts = Attempts::default();
        for _ in 0..BACKOFF.free {
            assert_eq!(attempts.begin(&BACKOFF, at(0)), Ok(()));
        }
        assert_eq!(attempts.begin(&BACKOFF, at(0)), Ok(()), "the sixth is the first that is slowed");
        assert_eq!(attempts.begin(&BACKOFF, at(0)), Err(Wait { seconds: 1 }));
        let waits: Vec<u64> = (4..14).map(|failures| BACKOFF.wait_after(failures).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(BACKOFF.wait_after(u32::MAX), BACKOFF.longest);
    }

    #[test]
    fn a_wait_ends_when_it_is_over_and_waiting_does_not_prolong_it() {
        let mut attempts = failed(8);
        assert_eq!(attempts.begin(&BACKOFF, at(0)), Err(Wait { seconds: 4 }));
        assert_eq!(attempts.begin(&BACKOFF, BEGIN.plus_millis(3_999)), Err(Wait { seconds: 1 }));
        assert_eq!(attempts.begin(&BACKOFF, at(4)), Ok(()));
        assert_eq!(attempts.begin(&BACKOFF, at(4)), Err(Wait { seconds: 8 }));
    }

    #[test]
    fn attempts_at_once_count_before_their_passwords_are_hashed() {
        let mut attempts = Attempts::default();
        let let_through = (0..1_000).filter(|_| attempts.begin(&BACKOFF, at(0)).is_ok()).count();
        assert_eq!(let_through, 6);
    }

    #[test]
    fn a_success_and_a_long_silence_forget_failures() {
        let mut attempts = failed(20);
        attempts.succeeded();
        assert_eq!(attempts, Attempts::default());
        let mut attempts = failed(20);
        assert_eq!(attempts.begin(&BACKOFF, at(3_600)), Ok(()));
        assert_eq!(attempts, Attempts { failures: 1, last: at(3_600) });
    }

    #[test]
    fn a_clock_that_goes_back_does_not_let_through() {
        let mut attempts = failed(8);
        assert_eq!(attempts.begin(&BACKOFF, at(-86_400)), Err(Wait { seconds: 4 }));
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nobody_out_for_longer_than_the_wait() {
        let mut attempts = failed(20);
        let seconds = BACKOFF.longest.as_secs();
        assert_eq!(attempts.begin(&BACKOFF, at(-86_400)), Err(Wait { seconds }));
        assert_eq!(attempts.begin(&BACKOFF, at(-86_340)), Ok(()));
    }

    #[test]
    fn a_valid_account_does_not_reset_the_count_of_its_address() {
        let mut address = Attempts::default();
        let mut guesses = 0;
        while address.begin(&Backoff::ADDRESS, at(0)).is_ok() {
            guesses += 1;
            assert!(guesses < 100);
            if address.begin(&Backoff::ADDRESS, at(0)).is_ok() {
                address.uncount();
            }
        }
        assert_eq!(guesses, Backoff::ADDRESS.free + 1, "the free ones, and the first that is slowed down");
    }

    #[test]
    fn successes_alone_never_slow_an_address_down() {
        let mut address = Attempts::default();
        for _ in 0..1_000 {
            assert_eq!(address.begin(&Backoff::ADDRESS, at(0)), Ok(()));
            address.uncount();
        }
    }

    proptest! {
        #[test]
        fn however_attempts_are_spaced_few_are_let_through_in_an_hour(
            gaps_ms in prop::collection::vec(0_i64..30_000, 1..400),
        ) {
            let (mut attempts, mut now, mut let_through) = (Attempts::default(), BEGIN, 0_i64);
            for gap in gaps_ms {
                now = now.plus_millis(gap);
                let_through += i64::from(attempts.begin(&BACKOFF, now).is_ok());
            }
            // Free ones, those of the doubling, and then one in each longest wait.
            let longest_ms = i64::try_from(BACKOFF.longest.as_millis()).unwrap();
            prop_assert!(let_through <= 5 + 7 + now.millis_since(BEGIN) / longest_ms + 1);
        }
    }
}
