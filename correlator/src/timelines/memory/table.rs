//! The vehicles and their timelines: at most 64 bytes for a vehicle with one event.
//!
//! Entries are in one vector, independent of the spare slots of the index. Eviction is the clock algorithm: a hand
//! passes over the entries and removes the first one that was not used since it last passed.

use hashbrown::HashTable;
use matching::Timeline;
use parking::Vehicle;

use super::entry::{Content, Entry};
use super::name::{Name, NameInterner};

/// The packed timelines, by vehicle.
#[derive(Debug, Default)]
pub struct Table {
    names: NameInterner,
    entries: Vec<Option<Entry>>,
    /// Free indices of `entries`.
    free: Vec<u32>,
    /// Indices of `entries`, by name.
    index: HashTable<u32>,
    bytes_elsewhere: usize,
    hand: usize,
}

/// The lookup state of a vehicle: computed once for several calls.
#[derive(Debug)]
pub struct Address {
    name: Name,
    hash: u64,
    /// The index of the vehicle's entry when it was looked up. The entry may have been evicted since.
    entry_index: Option<u32>,
}

/// The cached state of a vehicle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The vehicle's version in the ledger.
    pub version: u64,
    /// Its recent events.
    pub timeline: Timeline,
}

/// The maximum share of the index per entry, in bytes: a place and a control byte, of which at least 7 in 16 are used.
const INDEX_BYTES_MAX: usize = (size_of::<u32>() + 1) * 16 / 7 + 1;
/// The maximum bytes of an entry with its share of the index.
const ENTRY_BYTES: usize = size_of::<Option<Entry>>() + INDEX_BYTES_MAX;
const _: () = assert!(ENTRY_BYTES <= 64);

impl Table {
    /// The lookup state of a vehicle, cached or not.
    pub fn address(&mut self, vehicle: &Vehicle) -> Address {
        let name = self.names.of(vehicle);
        Address { hash: self.names.hash(&name), name, entry_index: None }
    }

    /// The cached states of these vehicles, in their order. Their addresses keep the index.
    pub fn get(&mut self, vehicles: &mut [Address]) -> Vec<Option<Kept>> {
        // Three passes (probe, verify the key, read the entry), so that the cache misses of many vehicles overlap.
        for vehicle in vehicles.iter_mut() {
            vehicle.entry_index = self.index.find(vehicle.hash, |_| true).copied();
        }
        for vehicle in vehicles.iter_mut() {
            vehicle.entry_index = vehicle
                .entry_index
                .and_then(|entry_index| self.touch(entry_index, vehicle).or_else(|| self.search(vehicle)));
        }
        vehicles.iter().map(|vehicle| self.used(vehicle.entry_index?)).collect()
    }

    /// The index, if its entry is the vehicle's. Setting the bit also fetches the end of the entry, perhaps another
    /// cache line.
    fn touch(&mut self, entry_index: u32, vehicle: &Address) -> Option<u32> {
        let entry = self.entries.get_mut(entry_index as usize)?.as_mut()?;
        if entry.name != vehicle.name {
            return None;
        }
        entry.content.is_recent = true;
        Some(entry_index)
    }

    fn used(&mut self, entry_index: u32) -> Option<Kept> {
        let content = &mut self.entries[entry_index as usize].as_mut()?.content;
        content.is_recent = true;
        Some(Kept { version: content.version(), timeline: content.timeline() })
    }

    /// Stores a vehicle's timeline. Data that no gate or ledger produces is not stored.
    pub fn put(&mut self, vehicle: &Address, version: u64, timeline: &Timeline) {
        let Some(mut content) = Content::new(version, timeline) else {
            self.remove(vehicle);
            return;
        };
        let entry_index = self.find(vehicle).unwrap_or_else(|| self.room_for(vehicle));
        let slot = &mut self.entries[entry_index as usize];
        if let Some(entry) = slot {
            self.bytes_elsewhere -= entry.bytes_elsewhere();
            content.is_recent = entry.content.is_recent;
            entry.content = content;
            self.bytes_elsewhere += entry.bytes_elsewhere();
        } else {
            let entry = slot.insert(Entry { name: vehicle.name.clone(), content });
            self.bytes_elsewhere += entry.bytes_elsewhere();
        }
    }

    /// Removes a vehicle.
    pub fn remove(&mut self, vehicle: &Address) {
        if let Some(entry_index) = self.find(vehicle) {
            self.clear(entry_index, vehicle.hash);
        }
    }

    /// Evicts vehicles that were not used recently until the table has at most `bytes_max`.
    pub fn shrink_to(&mut self, bytes_max: u64) {
        while self.bytes() > bytes_max && !self.is_empty() {
            self.hand = (self.hand + 1) % self.entries.len();
            match &mut self.entries[self.hand] {
                None => {}
                Some(entry) if entry.content.is_recent => entry.content.is_recent = false,
                Some(entry) => {
                    let hash = self.names.hash(&entry.name);
                    self.clear(entry_number(self.hand), hash);
                }
            }
        }
    }

    /// The approximate memory of the table.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.index.len() * ENTRY_BYTES + self.bytes_elsewhere).unwrap_or(u64::MAX)
    }

    /// The number of cached vehicles.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no vehicle is cached.
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    #[inline]
    fn is_at(&self, entry_index: u32, vehicle: &Address) -> bool {
        self.entries.get(entry_index as usize).and_then(Option::as_ref).is_some_and(|entry| entry.name == vehicle.name)
    }

    #[inline]
    fn find(&self, vehicle: &Address) -> Option<u32> {
        vehicle.entry_index.filter(|entry_index| self.is_at(*entry_index, vehicle)).or_else(|| self.search(vehicle))
    }

    fn search(&self, vehicle: &Address) -> Option<u32> {
        self.index.find(vehicle.hash, |entry_index| self.is_at(*entry_index, vehicle)).copied()
    }

    /// A free index, assigned to the vehicle.
    #[inline]
    fn room_for(&mut self, vehicle: &Address) -> u32 {
        let entry_index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            entry_number(self.entries.len() - 1)
        });
        let (entries, names) = (&self.entries, &self.names);
        let hash_of =
            |entry_index: &u32| entries[*entry_index as usize].as_ref().map_or(0, |entry| names.hash(&entry.name));
        self.index.insert_unique(vehicle.hash, entry_index, hash_of);
        entry_index
    }

    fn clear(&mut self, entry_index: u32, hash: u64) {
        let Some(entry) = &self.entries[entry_index as usize] else { return };
        self.bytes_elsewhere -= entry.bytes_elsewhere();
        self.entries[entry_index as usize] = None;
        if let Ok(slot) = self.index.find_entry(hash, |other| *other == entry_index) {
            slot.remove();
        }
        self.free.push(entry_index);
    }
}

fn entry_number(entry_index: usize) -> u32 {
    u32::try_from(entry_index).expect("the memory limit keeps the number of entries below 2^32")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use matching::{Flags, TimelineEvent};
    use parking::{Direction, EventKey, LotId, Plate, Timestamp};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn vehicle(number: u8) -> Vehicle {
        let plate = if number.is_multiple_of(5) { format!("京A{number}") } else { format!("A{number}") };
        let lot = format!("P{}", number % 3);
        Vehicle { lot: LotId::parse(&lot).unwrap(), plate: Plate::from_read(&plate).unwrap() }
    }

    fn timeline(events: i64) -> Timeline {
        let event = |number| {
            let time = Timestamp::from_millis(number * 1_000);
            let key = EventKey { time, direction: Direction::Entry, id: Uuid::from_u128(7) };
            TimelineEvent { key, flags: Flags::ANCHOR }
        };
        Timeline::new(None, (0..events).map(event).collect())
    }

    fn put(table: &mut Table, number: u8, version: u64, events: i64) {
        let address = table.address(&vehicle(number));
        table.put(&address, version, &timeline(events));
    }

    fn remove(table: &mut Table, number: u8) {
        let address = table.address(&vehicle(number));
        table.remove(&address);
    }

    fn get(table: &mut Table, number: u8) -> Option<Kept> {
        let address = table.address(&vehicle(number));
        table.get(&mut [address]).remove(0)
    }

    #[derive(Debug, Clone)]
    enum Call {
        Put { vehicle: u8, version: u64, events: i64 },
        Remove(u8),
        Get(u8),
    }

    fn call() -> impl Strategy<Value = Call> {
        prop_oneof![
            3 => (0..40_u8, 1..100_u64, 1..4_i64)
                .prop_map(|(vehicle, version, events)| Call::Put { vehicle, version, events }),
            1 => (0..40_u8).prop_map(Call::Remove),
            1 => (0..40_u8).prop_map(Call::Get),
        ]
    }

    proptest! {
        #[test]
        fn a_table_with_room_is_a_map_from_vehicle_to_timeline(calls in prop::collection::vec(call(), 0..300)) {
            let (mut table, mut model) = (Table::default(), HashMap::new());
            for call in calls {
                match call {
                    Call::Put { vehicle: number, version, events } => {
                        put(&mut table, number, version, events);
                        model.insert(number, Kept { version, timeline: timeline(events) });
                    }
                    Call::Remove(number) => {
                        remove(&mut table, number);
                        model.remove(&number);
                    }
                    Call::Get(number) => prop_assert_eq!(get(&mut table, number), model.get(&number).cloned()),
                }
                prop_assert_eq!(table.len(), model.len());
            }
            for number in 0..40 {
                prop_assert_eq!(get(&mut table, number), model.get(&number).cloned());
                remove(&mut table, number);
            }
            prop_assert_eq!((table.len(), table.bytes()), (0, 0));
        }

        #[test]
        fn an_address_leads_to_its_vehicle_whatever_has_happened_since(calls in prop::collection::vec(call(), 0..300)) {
            let (mut table, mut model) = (Table::default(), HashMap::new());
            let mut addresses: Vec<Address> = (0..40).map(|number| table.address(&vehicle(number))).collect();
            for call in calls {
                match call {
                    Call::Put { vehicle: number, version, events } => {
                        table.put(&addresses[usize::from(number)], version, &timeline(events));
                        model.insert(number, Kept { version, timeline: timeline(events) });
                    }
                    Call::Remove(number) => {
                        table.remove(&addresses[usize::from(number)]);
                        model.remove(&number);
                    }
                    Call::Get(_) => {
                        let expected: Vec<_> = (0..40).map(|number| model.get(&number).cloned()).collect();
                        prop_assert_eq!(table.get(&mut addresses), expected);
                    }
                }
                prop_assert_eq!(table.len(), model.len());
            }
        }

        #[test]
        fn a_table_that_must_shrink_stays_within_its_limit(calls in prop::collection::vec(call(), 1..300)) {
            const BYTES_MAX: u64 = 1_000;
            let mut table = Table::default();
            for call in calls {
                if let Call::Put { vehicle: number, version, events } = call {
                    put(&mut table, number, version, events);
                    table.shrink_to(BYTES_MAX);
                    prop_assert!(table.bytes() <= BYTES_MAX);
                    prop_assert!(!table.is_empty());
                }
            }
        }
    }

    #[test]
    fn who_is_used_stays_when_room_is_sought() {
        let mut table = Table::default();
        for number in 1..=4 {
            put(&mut table, number, 1, 1);
        }
        get(&mut table, 2);
        table.shrink_to(table.bytes() / 4);
        assert_eq!((table.len(), get(&mut table, 2).is_some()), (1, true));
    }

    #[test]
    fn what_can_not_be_packed_is_forgotten() {
        let mut table = Table::default();
        put(&mut table, 1, 1, 1);
        put(&mut table, 1, u64::MAX, 1);
        assert_eq!((get(&mut table, 1), table.bytes()), (None, 0));
    }
}
