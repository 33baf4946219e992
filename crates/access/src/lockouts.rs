//! The back-off of many keys in bounded memory: users, or addresses.

use std::collections::BTreeMap;

use parking::Timestamp;

use crate::{Attempts, Backoff, Wait};

/// Attempts by key. At the limit the key whose last attempt is oldest makes room.
#[derive(Debug, Clone)]
pub struct Lockouts<Key> {
    backoff: Backoff,
    keys_max: usize,
    attempts: BTreeMap<Key, Attempts>,
}

impl<Key: Ord + Clone> Lockouts<Key> {
    /// No failures yet, of `keys_max` keys at most.
    pub fn new(backoff: Backoff, keys_max: usize) -> Self {
        Self { backoff, keys_max: keys_max.max(1), attempts: BTreeMap::new() }
    }

    /// Begins an attempt of a key; see [`Attempts::begin`].
    ///
    /// # Errors
    /// How long to wait instead.
    pub fn begin(&mut self, key: &Key, now: Timestamp) -> Result<(), Wait> {
        if !self.attempts.contains_key(key) {
            self.make_room(now);
        }
        self.attempts.entry(key.clone()).or_default().begin(&self.backoff, now)
    }

    /// The attempt that the key has begun has succeeded, and does not count; see [`Attempts::uncount`].
    pub fn uncount(&mut self, key: &Key) {
        self.attempts.entry(key.clone()).and_modify(Attempts::uncount);
    }

    /// The attempt that the key has begun has succeeded, and those before it are forgotten.
    pub fn succeeded(&mut self, key: &Key) {
        self.attempts.remove(key);
    }

    /// How many keys have failures, for a metric.
    pub fn len(&self) -> usize {
        self.attempts.len()
    }

    /// Whether no key has failures.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.attempts.len() < self.keys_max {
            return;
        }
        let backoff = self.backoff;
        self.attempts.retain(|_, attempts| !attempts.is_forgotten(&backoff, now));
        if self.attempts.len() >= self.keys_max {
            let oldest = self.attempts.iter().min_by_key(|(_, attempts)| attempts.last()).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.attempts.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn keys_do_not_slow_each_other_down() {
        let mut lockouts = Lockouts::new(Backoff::USER, 10);
        while lockouts.begin(&"maria", at(0)).is_ok() {}
        assert_eq!(lockouts.begin(&"mario", at(0)), Ok(()));
        lockouts.succeeded(&"maria");
        assert_eq!(lockouts.begin(&"maria", at(0)), Ok(()));
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_drops_the_oldest_first() {
        let mut lockouts = Lockouts::new(Backoff::USER, 100);
        for key in 0..10_000 {
            assert_eq!(lockouts.begin(&key, at(key)), Ok(()));
            assert!(lockouts.len() <= 100);
        }
        assert!(!lockouts.attempts.contains_key(&0) && lockouts.attempts.contains_key(&9_999));
        lockouts.succeeded(&9_999);
        assert!(lockouts.len() < 100 && !lockouts.is_empty());
    }
}
