//! A packed vehicle name, in sixteen bytes.
//!
//! There are few lots, so they are numbered. A plate of up to 16 ASCII letters and digits takes six bits a letter.
//! Longer plates and other scripts are kept as text.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use parking::{LotId, Vehicle};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A vehicle's lot and plate. A vehicle has the same name for the lifetime of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Packed { lot: u16, plate: PackedPlate },
    Spelled(Box<Vehicle>),
}

/// Six bits a letter, eight letters in six bytes. A byte array instead of integers: alignment 1, no padding.
type PackedPlate = [u8; 12];

/// Interns vehicles: numbers their lots, packs their plates, and hashes the result.
#[derive(Debug)]
pub(super) struct NameInterner {
    lots: Vec<LotId>,
    numbers: HashTable<u16>,
    /// Random at each start, so that no one can choose colliding plates.
    seeds: [u64; 2],
}

impl Default for NameInterner {
    fn default() -> Self {
        let random = RandomState::new();
        let seeds = [random.hash_one(0), random.hash_one(1)];
        Self { lots: Vec::new(), numbers: HashTable::new(), seeds }
    }
}

impl Name {
    fn spelled(vehicle: &Vehicle) -> Self {
        Self::Spelled(Box::new(vehicle.clone()))
    }
}

impl NameInterner {
    /// The name of a vehicle. A new lot gets the next number, as long as there are numbers.
    pub(super) fn of(&mut self, vehicle: &Vehicle) -> Name {
        let Some(plate) = packed(vehicle.plate.as_str()) else { return Name::spelled(vehicle) };
        let lot = self.number(&vehicle.lot).or_else(|| self.add(&vehicle.lot));
        lot.map_or_else(|| Name::spelled(vehicle), |lot| Name::Packed { lot, plate })
    }

    #[cold]
    fn add(&mut self, lot: &LotId) -> Option<u16> {
        let number = u16::try_from(self.lots.len()).ok()?;
        self.lots.push(lot.clone());
        let (lots, seeds) = (&self.lots, self.seeds);
        let hash = |number: &u16| hash_of_text(lots[usize::from(*number)].as_str(), seeds);
        self.numbers.insert_unique(hash(&number), number, hash);
        Some(number)
    }

    pub(super) fn hash(&self, name: &Name) -> u64 {
        match name {
            Name::Packed { lot, plate } => {
                let (mut first, mut second) = ([0; 8], [0; 8]);
                first[..6].copy_from_slice(&plate[..6]);
                first[6..].copy_from_slice(&lot.to_le_bytes());
                second[..6].copy_from_slice(&plate[6..]);
                folded([first, second].map(u64::from_le_bytes), self.seeds)
            }
            Name::Spelled(vehicle) => {
                let of_lot = hash_of_text(vehicle.lot.as_str(), self.seeds);
                hash_of_text(vehicle.plate.as_str(), [of_lot, self.seeds[1]])
            }
        }
    }

    fn number(&self, lot: &LotId) -> Option<u16> {
        let is_it = |number: &u16| self.lots[usize::from(*number)] == *lot;
        self.numbers.find(hash_of_text(lot.as_str(), self.seeds), is_it).copied()
    }
}

/// Lots and plates contain no zero byte, so padding with zeros keeps different texts different.
fn hash_of_text(text: &str, seeds: [u64; 2]) -> u64 {
    match letters(text) {
        Some(letters) => folded(letters, seeds),
        None => xxh3_64_with_seed(text.as_bytes(), seeds[0]),
    }
}

/// A folded multiplication: a fast hash with secret seeds.
fn folded([first, second]: [u64; 2], [seed, other_seed]: [u64; 2]) -> u64 {
    let [low, high] = halves((u128::from(first ^ seed) * u128::from(second ^ other_seed)).to_le_bytes());
    low ^ high
}

/// A text of up to 16 bytes, padded with zeros, as two halves.
fn letters(text: &str) -> Option<[u64; 2]> {
    let mut letters = [0; 16];
    letters.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(halves(letters))
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let (halves, _) = bytes.as_chunks();
    [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]
}

/// The plate in six bits a letter; `None` if it has a character outside `0-9A-Z`, or more than 16.
fn packed(plate: &str) -> Option<PackedPlate> {
    let [first, second] = letters(plate)?;
    let are_plain = count_plain(first) + count_plain(second) == plate.len();
    let mut plate = [0; 12];
    plate[..6].copy_from_slice(&squeezed(first).to_le_bytes()[..6]);
    plate[6..].copy_from_slice(&squeezed(second).to_le_bytes()[..6]);
    are_plain.then_some(plate)
}

/// How many of eight bytes are in `0-9A-Z`.
fn count_plain(bytes: u64) -> usize {
    const EVERY_BYTE: u64 = 0x0101_0101_0101_0101;
    const TOP_BITS: u64 = 0x80 * EVERY_BYTE;
    let below_128 = bytes & !TOP_BITS;
    // No sum carries into the next byte. The top bit shows whether the byte is in the range.
    let between = |first: u8, last: u8| {
        let from_first = below_128 + u64::from(0x80 - first) * EVERY_BYTE;
        let beyond_last = below_128 + u64::from(0x7F - last) * EVERY_BYTE;
        from_first & !beyond_last & !bytes & TOP_BITS
    };
    (between(b'0', b'9') | between(b'A', b'Z')).count_ones() as usize
}

/// The lower six bits of each byte, packed. They distinguish all of `0-9A-Z` and the empty byte.
fn squeezed(bytes: u64) -> u64 {
    let by_12 = bytes & 0x003F_003F_003F_003F | (bytes & 0x3F00_3F00_3F00_3F00) >> 2;
    let by_24 = by_12 & 0x0000_0FFF_0000_0FFF | (by_12 & 0x0FFF_0000_0FFF_0000) >> 4;
    by_24 & 0x00FF_FFFF | (by_24 & 0x00FF_FFFF_0000_0000) >> 8
}

#[cfg(test)]
mod tests {
    use parking::Plate;
    use proptest::prelude::*;

    use super::*;

    fn vehicle(lot: &str, plate: &str) -> Vehicle {
        Vehicle { lot: LotId::parse(lot).unwrap(), plate: Plate::from_read(plate).unwrap() }
    }

    /// Unpacks a plate, letter by letter.
    fn spelled(plate: PackedPlate) -> String {
        let bits = |index: usize| plate[index / 8] >> (index % 8) & 1;
        let code = |letter: usize| (0..6).map(|bit| bits(letter * 6 + bit) << bit).sum::<u8>();
        let letter = |code: u8| char::from(if code < 0x30 { code | 0x40 } else { code });
        (0..16).map(code).take_while(|code| *code != 0).map(letter).collect()
    }

    #[test]
    fn plates_of_ascii_are_packed_and_others_are_spelled() {
        let mut names = NameInterner::default();
        for (plate, is_packed) in [("A", true), ("AB123CD", true), ("0123456789ABCDEF", true), ("京A12345", false)] {
            let name = names.of(&vehicle("P3", plate));
            assert_eq!(matches!(name, Name::Packed { .. }), is_packed, "{plate}");
        }
    }

    #[test]
    fn lots_beyond_the_last_number_are_spelled() {
        let mut names = NameInterner::default();
        let numbers = 1 + usize::from(u16::MAX);
        for number in 0..numbers {
            names.of(&vehicle(&format!("L{number}"), "A1"));
        }
        let beyond = vehicle("one-more", "A1");
        assert_eq!(names.of(&beyond), Name::Spelled(Box::new(beyond.clone())));
        assert_eq!(names.of(&beyond), Name::Spelled(Box::new(beyond)));
        let last = Name::Packed { lot: u16::MAX, plate: packed("A1").unwrap() };
        assert_eq!(names.of(&vehicle(&format!("L{}", u16::MAX), "A1")), last);
    }

    proptest! {
        #[test]
        fn a_packed_plate_says_every_letter(plate in "[0-9A-Z]{1,16}") {
            prop_assert_eq!(spelled(packed(&plate).unwrap()), plate);
        }

        #[test]
        fn no_other_text_is_packed(text in "\\PC{0,20}|[0-9A-Z]{0,15}[\\x00-\\x7f][0-9A-Z]{0,15}") {
            let is_plain = text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
            prop_assert_eq!(packed(&text).is_some(), is_plain);
        }
    }
}
