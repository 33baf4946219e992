//! Gate events as records, hash-partitioned by vehicle, so that one partition has all events of a vehicle.
//!
//! Each reading thread has one [`Intake`]. [`settling`](super::settling) matches the events.

use event_files::Seen;
use parking::{Direction, EventKey, Timestamp};
use uuid::Uuid;

use super::Error;
use super::gates::{GATE_BITS, GateInterner, GateNumber, LocalGates};
use super::interner::{LocalInterner, VehicleInterner, VehicleKey};
use super::spill_store::{PartitionWriter, Partitions};
use super::superseded::{Named, Superseded};

/// Vehicle, moment and the two halves of the id. The moment is the time in milliseconds, one bit of direction, and the
/// gate. So records are sorted as the events of a vehicle are, but those of one moment at several gates.
pub(super) type EventRecord = [u64; EVENT_WORDS];
pub(super) const EVENT_WORDS: usize = 4;

/// Few enough for one open block per thread and partition, many enough that one partition fits into a processor's
/// cache.
pub(super) const PARTITIONS: usize = 1 << PARTITION_BITS;
const PARTITION_BITS: u32 = 8;
/// The time of every 512th event is sampled, to estimate the distribution over time.
const SAMPLE_EVENTS: u64 = 512;

/// The event key of a record.
pub(super) fn key_of(record: &EventRecord) -> EventKey {
    let [_, moment, high, low] = *record;
    let moment = moment >> GATE_BITS;
    let direction = if moment & 1 == 1 { Direction::Exit } else { Direction::Entry };
    let time = Timestamp::from_millis((moment >> 1).cast_signed());
    EventKey { time, direction, id: Uuid::from_u64_pair(high, low) }
}

/// The gate of a record.
pub(super) fn gate_of(record: &EventRecord) -> GateNumber {
    GateNumber::try_from(record[1] & ((1 << GATE_BITS) - 1)).unwrap_or(0)
}

fn record_of(vehicle: VehicleKey, key: &EventKey, gate: GateNumber) -> EventRecord {
    // A time is never before 1970, and even the year 9999 leaves room for direction and gate.
    let moment = key.time.as_millis().unsigned_abs() << 1 | u64::from(key.direction == Direction::Exit);
    let (high, low) = key.id.as_u64_pair();
    [vehicle, moment << GATE_BITS | u64::from(gate), high, low]
}

/// The upper bits of a multiplicative hash of the vehicle.
fn partition_of(vehicle: VehicleKey) -> usize {
    let hash = (vehicle ^ (vehicle >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(hash >> (u64::BITS - PARTITION_BITS)).unwrap_or(0)
}

/// Partitions the events of one thread.
#[derive(Debug)]
pub(super) struct Intake<'a> {
    interner: LocalInterner<'a>,
    gates: LocalGates<'a>,
    named: Vec<Named>,
    writer: PartitionWriter<'a, EVENT_WORDS>,
    count: u64,
    sample: Vec<Timestamp>,
}

/// Statistics of the events of all threads.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) count: u64,
    /// The times of a sample of the events.
    pub(super) sample: Vec<Timestamp>,
    /// The time of the newest event of each lot, by the lot's number.
    pub(super) newest: Vec<Timestamp>,
    /// The events that others supersede.
    pub(super) superseded: Superseded,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        names: &'a VehicleInterner,
        gates: &'a GateInterner,
        partitions: &'a Partitions<'_, EVENT_WORDS>,
    ) -> Self {
        let (interner, gates, writer) = (names.interner(), gates.interner(), partitions.writer());
        Self { interner, gates, named: Vec::new(), writer, count: 0, sample: Vec::new() }
    }

    pub(super) fn take(&mut self, seen: Seen<'_>) -> Result<(), Error> {
        let Seen { lot, plate, key, gate, supersedes } = seen;
        let vehicle = self.interner.key(lot, plate, key.time)?;
        let gate = self.gates.number(gate);
        if let Some(id) = supersedes {
            self.named.push((self.interner.lot_number(lot)?, gate, id));
        }
        if self.count.is_multiple_of(SAMPLE_EVENTS) {
            self.sample.push(key.time);
        }
        self.count += 1;
        self.writer.push(partition_of(vehicle), &record_of(vehicle, key, gate))
    }

    /// The number of events so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Flushes the open blocks, and adds the statistics to `survey`.
    pub(super) fn finish(self, survey: &mut Survey) {
        survey.count += self.count;
        survey.sample.extend(self.sample);
        survey.superseded.extend(self.named);
        for (lot, time) in self.interner.newest() {
            if survey.newest.len() <= lot {
                survey.newest.resize(lot + 1, Timestamp::default());
            }
            survey.newest[lot] = survey.newest[lot].max(time);
        }
        self.writer.finish();
    }
}

/// Sorts the events of a partition by vehicle and moment, in a reusable buffer.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    records: Vec<EventRecord>,
}

impl Sorter {
    /// Takes the partition and sorts it: the events of one vehicle are adjacent and in order of their keys, but those of
    /// one moment at several gates.
    pub(super) fn sorted(
        &mut self,
        partitions: &Partitions<'_, EVENT_WORDS>,
        partition: usize,
    ) -> Result<&[EventRecord], Error> {
        partitions.take(partition, &mut self.records)?;
        self.records.sort_unstable();
        Ok(&self.records)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::spill_store::SpillStore;
    use super::*;

    proptest! {
        #[test]
        fn the_events_of_a_vehicle_come_together_in_order(
            records in prop::collection::vec([0_u64..9, 0_u64..9, 0_u64..2, 0_u64..2], 0..300),
        ) {
            let store = SpillStore::new(&std::env::temp_dir(), usize::MAX);
            let partitions = Partitions::new(&store, 1);
            let mut writer = partitions.writer();
            for record in &records {
                writer.push(0, record).unwrap();
            }
            writer.finish();
            let mut sorter = Sorter::default();
            let sorted = sorter.sorted(&partitions, 0).unwrap();

            let mut expected = records;
            expected.sort_unstable();
            prop_assert_eq!(sorted, expected);
        }

        #[test]
        fn a_record_has_the_whole_key_and_the_gate(
            millis in 0..=253_402_300_799_999_i64,
            exit: bool,
            id: u128,
            gate in 0..1_u16 << GATE_BITS,
        ) {
            let direction = if exit { Direction::Exit } else { Direction::Entry };
            let key = EventKey { time: Timestamp::from_millis(millis), direction, id: Uuid::from_u128(id) };
            let record = record_of(7, &key, gate);
            prop_assert_eq!((key_of(&record), gate_of(&record)), (key, gate));
        }
    }
}
