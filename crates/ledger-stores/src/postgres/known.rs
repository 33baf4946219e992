//! Caches the numbers of lots and reserved event numbers for the writers of a process, which saves queries in each
//! transaction.
//!
//! A server may restart with an older copy of the database, in which lots have other numbers and event numbers are free
//! again. The cache therefore belongs to a generation of connections. Each new connection starts a generation, before
//! its first use, and clears the cache.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parking::LotId;

/// The cache shared by all writers of this process.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    generation: u64,
    /// The numbers of lots, which never change.
    lots: HashMap<LotId, i64>,
    /// Event numbers reserved for this process.
    event_numbers: Range<i64>,
}

impl Known {
    /// Returns the cached numbers of these lots.
    pub(super) fn lot_numbers<'a>(
        &self,
        generation: u64,
        lots: impl Iterator<Item = &'a LotId>,
    ) -> HashMap<LotId, i64> {
        let facts = self.at(generation);
        lots.filter_map(|lot| Some((lot.clone(), *facts.lots.get(lot)?))).collect()
    }

    /// Caches the lot numbers of a committed transaction.
    pub(super) fn remember_lots(&self, generation: u64, lots: HashMap<LotId, i64>) {
        let mut facts = self.at(generation);
        if facts.generation == generation {
            facts.lots.extend(lots);
        }
    }

    /// Takes `count` consecutive event numbers, if as many are left.
    pub(super) fn take_event_numbers(&self, generation: u64, count: i64) -> Option<i64> {
        let left = &mut self.at(generation).event_numbers;
        let first = left.start;
        (left.end - first >= count).then(|| {
            left.start += count;
            first
        })
    }

    /// Caches the rest of a reserved block of event numbers.
    pub(super) fn remember_event_numbers(&self, generation: u64, left: Range<i64>) {
        let mut facts = self.at(generation);
        if facts.generation == generation {
            facts.event_numbers = left;
        }
    }

    /// Returns the cache of this generation, or of a later one.
    fn at(&self, generation: u64) -> MutexGuard<'_, Facts> {
        let mut facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.generation < generation {
            *facts = Facts { generation, ..Facts::default() };
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_over_older_connections_is_forgotten_and_not_learned_again() {
        let (known, lot) = (Known::default(), LotId::default());
        let lots = |number| HashMap::from([(lot.clone(), number)]);
        known.remember_lots(1, lots(7));
        known.remember_event_numbers(1, 100..200);
        let before = (known.lot_numbers(1, [&lot].into_iter()), known.take_event_numbers(1, 60));

        let after = (known.lot_numbers(2, [&lot].into_iter()), known.take_event_numbers(2, 1));
        known.remember_lots(1, lots(7));
        known.remember_event_numbers(1, 160..200);
        let later = (known.lot_numbers(2, [&lot].into_iter()), known.take_event_numbers(2, 1));

        assert_eq!(before, (lots(7), Some(100)));
        assert_eq!([after, later], [(HashMap::new(), None), (HashMap::new(), None)]);
    }

    #[test]
    fn numbers_of_events_are_given_out_once() {
        let known = Known::default();
        known.remember_event_numbers(1, 100..110);
        let taken = [6, 6, 4, 1].map(|count| known.take_event_numbers(1, count));
        assert_eq!(taken, [Some(100), None, Some(106), None]);
    }
}
