//! Lists and live feeds are recorded once a minute and user: a page that refreshes itself would fill the log with the
//! same line.

use std::collections::BTreeMap;
use std::time::Duration;

use parking::Timestamp;

use super::Action;
use crate::Who;

/// When which user's lists were last recorded, for a bounded number of users.
#[derive(Debug, Clone)]
pub struct Throttle {
    recorded: BTreeMap<(String, Action), Timestamp>,
    keys_max: usize,
}

impl Throttle {
    /// How often one action of one user is recorded, at most.
    pub const EVERY: Duration = Duration::from_mins(1);

    /// Nothing recorded yet, of `keys_max` users and actions at most. Beyond that all are forgotten: then lines are
    /// written too often, and never too seldom.
    pub fn new(keys_max: usize) -> Self {
        Self { recorded: BTreeMap::new(), keys_max }
    }

    /// Whether this one is to be recorded.
    pub fn is_due(&mut self, who: &Who, action: Action, now: Timestamp) -> bool {
        let every_ms = i64::try_from(Self::EVERY.as_millis()).expect("a minute is short");
        let key = (who.to_string(), action);
        let is_due = |last: &Timestamp| !(0..every_ms).contains(&now.millis_since(*last));
        if !self.recorded.get(&key).is_none_or(is_due) {
            return false;
        }
        if self.recorded.len() >= self.keys_max {
            self.recorded.clear();
        }
        self.recorded.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn lists_are_recorded_once_a_minute_and_user() {
        let mut throttle = Throttle::new(10);
        let mut due = |who: &Who, action, seconds| throttle.is_due(who, action, at(seconds));
        assert!(due(&Who::Local, Action::List, 0));
        assert!(!due(&Who::Local, Action::List, 59));
        assert!(due(&Who::Local, Action::Follow, 59), "another action has a minute of its own");
        assert!(due(&Who::Anonymous, Action::List, 59), "another user has a minute of their own");
        assert!(due(&Who::Local, Action::List, 60));
        assert!(due(&Who::Local, Action::List, -60), "a clock that goes back records rather too much");
    }

    #[test]
    fn at_its_limit_it_records_too_often_and_never_too_seldom() {
        let mut throttle = Throttle::new(1);
        for _ in 0..3 {
            assert!(throttle.is_due(&Who::Local, Action::List, at(0)));
            assert!(throttle.is_due(&Who::Anonymous, Action::List, at(0)));
            assert_eq!(throttle.recorded.len(), 1);
        }
    }
}
