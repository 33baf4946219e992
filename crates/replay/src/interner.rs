//! Vehicles as numbers, so that an event need not carry their names.
//!
//! A plate of up to ten ASCII letters and digits and its lot are packed into the number itself. The few others (longer
//! plates, other scripts) are kept in a list, and the number says where. What a number's events say is left to others.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;
use parking::{LotId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use super::Error;

/// A vehicle: equal for the same lot and plate, and for no others.
pub(super) type VehicleKey = u64;

const LETTER_COUNT: u32 = 10;
/// The most letters of a plain plate.
pub(super) const PLAIN_LETTERS: usize = LETTER_COUNT as usize;
const LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// A letter counts from 1; 0 stands before the first letter of a plate that is shorter.
const BASE: u64 = LETTERS.len() as u64 + 1;
const PLAIN_PLATES: u64 = BASE.pow(LETTER_COUNT);
/// In the place of a lot's number: the vehicle is in the list.
const LISTED: u64 = u64::MAX / PLAIN_PLATES - 1;

/// Of so many lots with a short name the number is at hand, without a search for the name.
const RECENT: usize = 256;

/// What each byte counts as a letter of a plain plate, from 1; 0 is no such letter.
const LETTER_VALUES: [u8; 256] = {
    let mut values = [0; 256];
    let mut letter: u8 = 0;
    while (letter as usize) < LETTERS.len() {
        values[LETTERS[letter as usize] as usize] = letter + 1;
        letter += 1;
    }
    values
};

/// Two letters at once; a byte is 0 where there is no letter.
const PAIRS: [[u8; 2]; (LETTERS.len() + 1) * (LETTERS.len() + 1)] = {
    let mut pairs = [[0; 2]; (LETTERS.len() + 1) * (LETTERS.len() + 1)];
    let mut number = 0;
    while number < pairs.len() {
        let (first, second) = (number / (LETTERS.len() + 1), number % (LETTERS.len() + 1));
        let first = if first == 0 { 0 } else { LETTERS[first - 1] };
        let second = if second == 0 { 0 } else { LETTERS[second - 1] };
        pairs[number] = [first, second];
        number += 1;
    }
    pairs
};

/// The number of a plain plate.
pub(super) fn plain_plate(plate: &[u8]) -> Option<u64> {
    if plate.len() > PLAIN_LETTERS {
        return None;
    }
    let mut number = 0;
    let mut are_letters = true;
    for byte in plate {
        let value = LETTER_VALUES[usize::from(*byte)];
        are_letters &= value != 0;
        number = number * BASE + u64::from(value);
    }
    are_letters.then_some(number)
}

/// The number of the vehicle's plate; `None` when the vehicle is listed.
pub(super) fn plain_plate_of(key: VehicleKey) -> Option<u64> {
    (key / PLAIN_PLATES != LISTED).then_some(key % PLAIN_PLATES)
}

/// Room for the text of a plain plate. All of it is ASCII at any time, and its size is one that is checked to be UTF-8 at
/// once.
#[derive(Debug, Default)]
#[repr(align(16))]
pub(super) struct PlateRoom([u8; size_of::<u128>()]);

fn text_of(mut plate: u64, room: &mut PlateRoom) -> &str {
    let room = &mut room.0;
    for pair in room[..PLAIN_LETTERS].as_chunks_mut().0.iter_mut().rev() {
        *pair = PAIRS[usize::try_from(plate % (BASE * BASE)).unwrap_or(0)];
        plate /= BASE * BASE;
    }
    let zeros = u128::from_le_bytes(*room).trailing_zeros() / u8::BITS;
    let text = std::str::from_utf8(room).expect("digits and capital letters are UTF-8");
    &text[(zeros as usize).min(PLAIN_LETTERS)..PLAIN_LETTERS]
}

/// All lots, and the vehicles that are listed. Shared by all threads while files are read.
#[derive(Debug, Default)]
pub(super) struct Names {
    lots: Mutex<Texts>,
    /// Each text is a lot's number in four bytes, then the plate.
    listed: Mutex<Texts>,
}

/// The names as one thread sees them.
#[derive(Debug)]
pub(super) struct Naming<'a> {
    names: &'a Names,
    /// Lots that this thread has met: their own numbers here, and those they have for all.
    lots: Texts,
    numbers: Vec<u32>,
    /// Lots with a short name that were met lately: the name, and their own number here.
    recent: [(u64, u32); RECENT],
    /// The time of the newest event of each of these lots.
    newest: Vec<Timestamp>,
    text: Vec<u8>,
}

impl Names {
    pub(super) fn naming(&self) -> Naming<'_> {
        Naming {
            names: self,
            lots: Texts::default(),
            numbers: Vec::new(),
            recent: [(0, 0); RECENT],
            newest: Vec::new(),
            text: Vec::new(),
        }
    }

    /// The names, once all are known.
    pub(super) fn finish(self) -> KnownNames {
        let [lots, listed] = [self.lots, self.listed].map(|texts| {
            let mut texts = texts.into_inner().unwrap_or_else(PoisonError::into_inner);
            texts.numbers = HashTable::new();
            texts
        });
        let lots = (0..lots.len()).map(|number| text(lots.of(number)));
        KnownNames { lots: lots.map(|lot| LotId::parse(lot).expect("it was a lot's name before")).collect(), listed }
    }
}

impl Naming<'_> {
    /// The key of the vehicle; `time` is that of an event in its lot.
    pub(super) fn key(&mut self, lot: &[u8], plate: &[u8], time: Timestamp) -> Result<VehicleKey, Error> {
        let own = self.own_number(lot)?;
        if own == self.newest.len() {
            self.newest.push(time);
        }
        self.newest[own] = self.newest[own].max(time);
        let lot = u64::from(self.numbers[own]);
        if let Some(plate) = plain_plate(plate)
            && lot < LISTED
        {
            return Ok(lot * PLAIN_PLATES + plate);
        }
        self.text.clear();
        self.text.extend_from_slice(&self.numbers[own].to_le_bytes());
        self.text.extend_from_slice(plate);
        Ok(LISTED * PLAIN_PLATES + u64::from(number_for_all(&self.names.listed, &self.text)?))
    }

    fn own_number(&mut self, lot: &[u8]) -> Result<usize, Error> {
        // As a number, a short name tells itself: it has no zero byte, and is never empty.
        let name = lot.iter().fold(0, |name: u64, byte| name << u8::BITS | u64::from(*byte));
        let is_short = lot.len() <= size_of::<u64>();
        let recent = hash_of_name(name);
        if self.recent[recent].0 == name && is_short {
            return Ok(self.recent[recent].1 as usize);
        }
        let own = self.lots.number(lot)?;
        if own as usize == self.numbers.len() {
            self.numbers.push(number_for_all(&self.names.lots, lot)?);
        }
        if is_short {
            self.recent[recent] = (name, own);
        }
        Ok(own as usize)
    }

    /// The number of each lot that this thread met, and the time of its newest event there.
    pub(super) fn newest(&self) -> impl Iterator<Item = (usize, Timestamp)> {
        self.numbers.iter().map(|number| *number as usize).zip(self.newest.iter().copied())
    }
}

/// A place among the [`RECENT`].
fn hash_of_name(name: u64) -> usize {
    usize::try_from(name.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT.ilog2())).unwrap_or(0)
}

fn number_for_all(texts: &Mutex<Texts>, text: &[u8]) -> Result<u32, Error> {
    texts.lock().unwrap_or_else(PoisonError::into_inner).number(text)
}

/// The names of all keys.
#[derive(Debug)]
pub(super) struct KnownNames {
    lots: Vec<LotId>,
    listed: Texts,
}

impl KnownNames {
    /// The lots, by number.
    pub(super) fn lots(&self) -> &[LotId] {
        &self.lots
    }

    /// The number of the vehicle's lot.
    pub(super) fn lot(&self, key: VehicleKey) -> usize {
        let lot = key / PLAIN_PLATES;
        if lot == LISTED { self.in_list(key).0 } else { usize::try_from(lot).unwrap_or(usize::MAX) }
    }

    /// The vehicle's plate.
    pub(super) fn plate<'a>(&'a self, key: VehicleKey, room: &'a mut PlateRoom) -> &'a str {
        let (lot, plate) = (key / PLAIN_PLATES, key % PLAIN_PLATES);
        if lot == LISTED { self.in_list(key).1 } else { text_of(plate, room) }
    }

    fn in_list(&self, key: VehicleKey) -> (usize, &str) {
        let number = usize::try_from(key % PLAIN_PLATES).unwrap_or(usize::MAX);
        let (lot, plate) = self.listed.of(number).split_first_chunk().expect("a listed vehicle begins with its lot");
        (u32::from_le_bytes(*lot) as usize, text(plate))
    }
}

/// Texts by number, one behind the other.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
    numbers: HashTable<u32>,
}

impl Texts {
    /// The text's number: the next one, when it is new.
    fn number(&mut self, text: &[u8]) -> Result<u32, Error> {
        let Self { bytes, ends, numbers } = self;
        let hash = xxh3_64(text);
        if let Some(number) = numbers.find(hash, |number| of(bytes, ends, *number as usize) == text) {
            return Ok(*number);
        }
        let number = u32::try_from(ends.len()).map_err(|_| Error::TooManyVehicles)?;
        bytes.extend_from_slice(text);
        ends.push(u32::try_from(bytes.len()).map_err(|_| Error::TooManyVehicles)?);
        numbers.insert_unique(hash, number, |number| xxh3_64(of(bytes, ends, *number as usize)));
        Ok(number)
    }

    fn of(&self, number: usize) -> &[u8] {
        of(&self.bytes, &self.ends, number)
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

fn of<'a>(bytes: &'a [u8], ends: &[u32], number: usize) -> &'a [u8] {
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[start as usize..ends[number] as usize]
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("names came from texts")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn threads_agree_on_the_keys_and_a_key_has_its_names() {
        let known =
            [("P1", "AB1"), ("P3", "AB1"), ("P1", "ÄÖ2"), ("P1", "B1"), ("P3", "ABCDEF12345"), ("P1", "京A12345")];
        let names = Names::default();
        let (mut one, mut other) = (names.naming(), names.naming());
        let time = Timestamp::from_millis(0);

        let ours = known.map(|(lot, plate)| one.key(lot.as_bytes(), plate.as_bytes(), time).unwrap());
        let mut theirs = known;
        theirs.reverse();
        let mut theirs = theirs.map(|(lot, plate)| other.key(lot.as_bytes(), plate.as_bytes(), time).unwrap());
        theirs.reverse();

        assert_eq!(ours, theirs);
        let names = names.finish();
        let mut room = PlateRoom::default();
        for (key, (lot, plate)) in ours.into_iter().zip(known) {
            assert_eq!((names.lots()[names.lot(key)].as_str(), names.plate(key, &mut room)), (lot, plate));
        }
    }

    #[test]
    fn a_lot_has_the_time_of_its_newest_event() {
        let names = Names::default();
        let mut naming = names.naming();
        for (lot, millis) in [("P1", 5), ("P3", 9), ("P1", 7), ("P1", 6)] {
            naming.key(lot.as_bytes(), b"A", Timestamp::from_millis(millis)).unwrap();
        }
        let newest: Vec<_> = naming.newest().map(|(lot, time)| (lot, time.as_millis())).collect();
        assert_eq!(newest, [(0, 7), (1, 9)]);
    }

    #[test]
    fn the_last_plain_plate_is_the_longest() {
        assert_eq!(plain_plate(b"ZZZZZZZZZZ"), Some(PLAIN_PLATES - 1));
        assert_eq!(
            ["", "0", "Z", "00", "äb"].map(|plate| plain_plate(plate.as_bytes())),
            [Some(0), Some(1), Some(36), Some(38), None]
        );
    }

    proptest! {
        #[test]
        fn every_lot_keeps_its_name_however_many_there_are(
            lots in prop::collection::vec("[A-Za-z0-9._-]{1,3}|[A-Za-z0-9._-]{7,18}", 1..700),
        ) {
            let names = Names::default();
            let mut naming = names.naming();
            let mut key = |lot: &String| naming.key(lot.as_bytes(), b"A", Timestamp::default()).unwrap();
            let keys: Vec<VehicleKey> = lots.iter().chain(&lots).map(&mut key).collect();
            let names = names.finish();
            let named: Vec<&str> = keys.iter().map(|key| names.lots()[names.lot(*key)].as_str()).collect();
            prop_assert_eq!(named, [&lots[..], &lots[..]].concat());
        }

        #[test]
        fn a_plain_plate_and_its_number_are_one(plate in "[0-9A-Z]{0,10}") {
            let number = plain_plate(plate.as_bytes()).unwrap();
            let mut room = PlateRoom::default();
            prop_assert_eq!(text_of(number, &mut room), plate);
        }
    }
}
