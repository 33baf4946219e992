//! Gate events as records on shelves by vehicle, so that all events of a vehicle come together in the end.
//!
//! One [`Intake`] for each thread that reads. What the events are is decided in [`settling`](super::settling).

use parking::{Direction, EventKey, Timestamp};
use uuid::Uuid;

use super::Error;
use super::depot::{Filler, Shelves};
use super::names::{Names, Naming, VehicleKey};
use super::spread::{Spread, place_bits};

/// Vehicle, moment and the two halves of the id. The moment is the time in milliseconds and one bit of direction, so
/// records are sorted as the events of a vehicle are.
pub(super) type EventRecord = [u64; EVENT_WORDS];
pub(super) const EVENT_WORDS: usize = 4;

/// Few enough that each thread has a block under way for each, many enough that one fits into a processor's cache.
pub(super) const SHELVES: usize = 1 << SHELF_BITS;
const SHELF_BITS: u32 = 8;
/// One event in so many is remembered, to know how they lie in time.
const SAMPLE: u64 = 512;

/// The key of the event that the record is of.
pub(super) fn key_of(record: &EventRecord) -> EventKey {
    let [_, moment, high, low] = *record;
    let direction = if moment & 1 == 1 { Direction::Exit } else { Direction::Entry };
    let time = Timestamp::from_millis((moment >> 1).cast_signed());
    EventKey { time, direction, id: Uuid::from_u64_pair(high, low) }
}

fn record_of(vehicle: VehicleKey, key: &EventKey) -> EventRecord {
    // A time is never before 1970.
    let moment = key.time.as_millis().unsigned_abs() << 1 | u64::from(key.direction == Direction::Exit);
    let (high, low) = key.id.as_u64_pair();
    [vehicle, moment, high, low]
}

/// Spreads vehicles evenly: the upper bits say the shelf, the next ones the place on it.
fn hash_of(vehicle: VehicleKey) -> u64 {
    (vehicle ^ (vehicle >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn shelf_of(vehicle: VehicleKey) -> usize {
    usize::try_from(hash_of(vehicle) >> (u64::BITS - SHELF_BITS)).unwrap_or(0)
}

/// The upper `bits` of what is left of the hash on one shelf.
fn place_of(vehicle: VehicleKey, bits: u32) -> usize {
    usize::try_from((hash_of(vehicle) << SHELF_BITS).unbounded_shr(u64::BITS - bits)).unwrap_or(0)
}

/// Takes events, on one thread.
#[derive(Debug)]
pub(super) struct Intake<'a> {
    naming: Naming<'a>,
    filler: Filler<'a, EVENT_WORDS>,
    count: u64,
    sample: Vec<Timestamp>,
}

/// What is known of the events that were taken, besides the events.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) count: u64,
    /// The times of a few events, which lie as those of all do.
    pub(super) sample: Vec<Timestamp>,
    /// The time of the newest event of each lot, by the lot's number.
    pub(super) newest: Vec<Timestamp>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(names: &'a Names, shelves: &'a Shelves<'_, EVENT_WORDS>) -> Self {
        Self { naming: names.naming(), filler: shelves.filler(), count: 0, sample: Vec::new() }
    }

    pub(super) fn take(&mut self, lot: &[u8], plate: &[u8], key: &EventKey) -> Result<(), Error> {
        let vehicle = self.naming.key(lot, plate, key.time)?;
        if self.count.is_multiple_of(SAMPLE) {
            self.sample.push(key.time);
        }
        self.count += 1;
        self.filler.push(shelf_of(vehicle), &record_of(vehicle, key))
    }

    /// How many events it took.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Puts everything on the shelves, and adds what it knows to `survey`.
    pub(super) fn finish(self, survey: &mut Survey) {
        survey.count += self.count;
        survey.sample.extend(self.sample);
        for (lot, time) in self.naming.newest() {
            if survey.newest.len() <= lot {
                survey.newest.resize(lot + 1, Timestamp::default());
            }
            survey.newest[lot] = survey.newest[lot].max(time);
        }
        self.filler.finish();
    }
}

/// Sorts the events of a shelf by vehicle and moment, in room of its own.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    taken: Vec<EventRecord>,
    sorted: Vec<EventRecord>,
    spread: Spread,
}

impl Sorter {
    /// Empties the shelf. The events of one vehicle stand together in the order of their keys, the vehicles in none.
    pub(super) fn sorted(&mut self, shelves: &Shelves<'_, EVENT_WORDS>, place: usize) -> Result<&[EventRecord], Error> {
        shelves.take(place, &mut self.taken)?;
        let bits = place_bits(self.taken.len());
        self.spread.sort(&self.taken, &mut self.sorted, 1 << bits, |record| place_of(record[0], bits));
        Ok(&self.sorted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::depot::Depot;
    use super::*;

    proptest! {
        #[test]
        fn the_events_of_a_vehicle_come_together_in_order(
            records in prop::collection::vec([0_u64..9, 0_u64..9, 0_u64..2, 0_u64..2], 0..300),
        ) {
            let depot = Depot::new(&std::env::temp_dir(), usize::MAX);
            let shelves = Shelves::new(&depot, 1);
            let mut filler = shelves.filler();
            for record in &records {
                filler.push(0, record).unwrap();
            }
            filler.finish();
            let mut sorter = Sorter::default();
            let sorted = sorter.sorted(&shelves, 0).unwrap();

            let mut vehicles: Vec<Vec<EventRecord>> =
                sorted.chunk_by(|one, next| one[0] == next[0]).map(<[_]>::to_vec).collect();
            vehicles.sort();
            let mut expected = records;
            expected.sort_unstable();
            prop_assert_eq!(vehicles.concat(), expected);
        }

        #[test]
        fn a_record_has_the_whole_key(millis in 0..=253_402_300_799_999_i64, exit: bool, id: u128) {
            let direction = if exit { Direction::Exit } else { Direction::Entry };
            let key = EventKey { time: Timestamp::from_millis(millis), direction, id: Uuid::from_u128(id) };
            prop_assert_eq!(key_of(&record_of(7, &key)), key);
        }
    }
}
