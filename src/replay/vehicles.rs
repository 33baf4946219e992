//! Vehicles and lots as numbers, so that an event need not carry their names.
//!
//! Names stand once, behind one another in one text. What a number's events say is left to [`events`](super::events).

use std::collections::BTreeMap;

use hashbrown::HashTable;
use parking::{LotId, Plate, Timestamp, Vehicle};
use xxhash_rust::xxh3::xxh3_64;

use super::Error;

/// The bytes of a lot's number before the plate, so that one look-up finds lot and plate.
const LOT_BYTES: usize = size_of::<u32>();

/// A lot that events named.
#[derive(Debug)]
pub(super) struct SeenLot {
    pub(super) id: LotId,
    /// The time of its newest event.
    pub(super) time: Timestamp,
}

/// All vehicles and lots that events named, by number.
#[derive(Debug, Default)]
pub(super) struct Vehicles {
    lots: Vec<SeenLot>,
    lot_numbers: BTreeMap<LotId, u32>,
    last_lot: usize,
    /// Each vehicle's lot number and plate, one behind the other.
    names: Vec<u8>,
    /// Where each vehicle's name ends.
    ends: Vec<u32>,
    numbers: HashTable<u32>,
    name: Vec<u8>,
}

impl Vehicles {
    /// The vehicle's number; `time` is that of an event in its lot.
    pub(super) fn number(&mut self, vehicle: &Vehicle, time: Timestamp) -> Result<u32, Error> {
        let lot = self.lot(&vehicle.lot, time)?;
        self.name.clear();
        self.name.extend_from_slice(&lot.to_le_bytes());
        self.name.extend_from_slice(vehicle.plate.as_str().as_bytes());
        let Self { names, ends, numbers, name, .. } = self;
        let hash = xxh3_64(name);
        if let Some(number) = numbers.find(hash, |number| name_of(names, ends, *number) == name.as_slice()) {
            return Ok(*number);
        }
        let number = u32::try_from(ends.len()).map_err(|_| Error::TooManyVehicles)?;
        names.extend_from_slice(name);
        ends.push(u32::try_from(names.len()).map_err(|_| Error::TooManyVehicles)?);
        numbers.insert_unique(hash, number, |number| xxh3_64(name_of(names, ends, *number)));
        Ok(number)
    }

    /// How many vehicles there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The lots, by number.
    pub(super) fn lots(&self) -> &[SeenLot] {
        &self.lots
    }

    /// The number of the vehicle's lot, and its plate.
    pub(super) fn name(&self, number: u32) -> (usize, &str) {
        let (lot, plate) = name_of(&self.names, &self.ends, number).split_at(LOT_BYTES);
        let lot = u32::from_le_bytes(lot.try_into().expect("a name begins with the bytes of a lot's number"));
        (lot as usize, std::str::from_utf8(plate).expect("a plate is text"))
    }

    /// The vehicle of that number.
    pub(super) fn vehicle(&self, number: u32) -> Vehicle {
        let (lot, plate) = self.name(number);
        let plate = Plate::from_read(plate).expect("the normal form of a plate is a plate");
        Vehicle { lot: self.lots[lot].id.clone(), plate }
    }

    /// Gives back the memory that only [`number`](Self::number) needs.
    pub(super) fn forget_numbers(&mut self) {
        self.numbers = HashTable::new();
    }

    fn lot(&mut self, id: &LotId, time: Timestamp) -> Result<u32, Error> {
        if self.lots.get(self.last_lot).is_none_or(|lot| lot.id != *id) {
            self.last_lot = if let Some(number) = self.lot_numbers.get(id) {
                *number as usize
            } else {
                let number = u32::try_from(self.lots.len()).map_err(|_| Error::TooManyVehicles)?;
                self.lot_numbers.insert(id.clone(), number);
                self.lots.push(SeenLot { id: id.clone(), time });
                number as usize
            };
        }
        let lot = &mut self.lots[self.last_lot];
        lot.time = lot.time.max(time);
        u32::try_from(self.last_lot).map_err(|_| Error::TooManyVehicles)
    }
}

fn name_of<'a>(names: &'a [u8], ends: &[u32], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &names[start as usize..ends[number] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vehicle(lot: &str, plate: &str) -> Vehicle {
        Vehicle { lot: LotId::parse(lot).unwrap(), plate: Plate::from_read(plate).unwrap() }
    }

    #[test]
    fn a_vehicle_keeps_its_number_and_a_number_its_vehicle() {
        let known = [vehicle("P1", "AB1"), vehicle("P3", "AB1"), vehicle("P1", "ÄÖ2"), vehicle("P1", "B1")];
        let mut vehicles = Vehicles::default();
        let time = Timestamp::from_millis(0);

        let mut number_all = || known.each_ref().map(|vehicle| vehicles.number(vehicle, time).unwrap());

        assert_eq!([number_all(), number_all()], [[0, 1, 2, 3]; 2]);
        assert_eq!([0, 1, 2, 3].map(|number| vehicles.vehicle(number)), known);
    }

    #[test]
    fn a_lot_has_the_time_of_its_newest_event() {
        let mut vehicles = Vehicles::default();
        for (lot, millis) in [("P1", 5), ("P3", 9), ("P1", 7), ("P1", 6)] {
            vehicles.number(&vehicle(lot, "A"), Timestamp::from_millis(millis)).unwrap();
        }
        let times: Vec<_> = vehicles.lots().iter().map(|lot| (lot.id.as_str(), lot.time.as_millis())).collect();
        assert_eq!(times, [("P1", 7), ("P3", 9)]);
    }
}
