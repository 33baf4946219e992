//! Interns vehicles: an event carries a number instead of a lot and a plate.
//!
//! A plate of up to ten ASCII letters and digits and its lot are packed into the number itself. For the few others
//! (longer plates, other scripts) the number is an index into a list of texts.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;
use parking::{LotId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use super::Error;

/// A vehicle. Keys are equal exactly if lot and plate are equal.
pub(super) type VehicleKey = u64;

const LETTER_COUNT: u32 = 10;
/// The maximum length of a plain plate.
pub(super) const PLAIN_LETTERS: usize = LETTER_COUNT as usize;
const LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// The digits of a packed plate: letters count from 1, and 0 pads a shorter plate on the left.
const BASE: u64 = LETTERS.len() as u64 + 1;
const PLAIN_PLATES: u64 = BASE.pow(LETTER_COUNT);
/// Stands for the lot's number if the vehicle is in the list.
const LISTED: u64 = u64::MAX / PLAIN_PLATES - 1;

/// Slots of the direct-mapped cache from a lot's short name to its number.
const RECENT_LOTS: usize = 256;

/// The value of each byte as a letter of a plain plate, from 1; 0 means that it is none.
const LETTER_VALUES: [u8; 256] = {
    let mut values = [0; 256];
    let mut letter: u8 = 0;
    while (letter as usize) < LETTERS.len() {
        values[LETTERS[letter as usize] as usize] = letter + 1;
        letter += 1;
    }
    values
};

/// Decodes two letters at once; a byte is 0 where there is no letter.
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

/// The packed plate of the vehicle; `None` for a vehicle in the list.
pub(super) fn plain_plate_of(key: VehicleKey) -> Option<u64> {
    (key / PLAIN_PLATES != LISTED).then_some(key % PLAIN_PLATES)
}

/// A buffer for the text of a plain plate. It only ever contains ASCII, and has a size that is quickly checked to be
/// UTF-8.
#[derive(Debug, Default)]
#[repr(align(16))]
pub(super) struct PlateBuffer([u8; size_of::<u128>()]);

fn text_of(mut plate: u64, buffer: &mut PlateBuffer) -> &str {
    let buffer = &mut buffer.0;
    for pair in buffer[..PLAIN_LETTERS].as_chunks_mut().0.iter_mut().rev() {
        *pair = PAIRS[usize::try_from(plate % (BASE * BASE)).unwrap_or(0)];
        plate /= BASE * BASE;
    }
    let zeros = u128::from_le_bytes(*buffer).trailing_zeros() / u8::BITS;
    let text = std::str::from_utf8(buffer).expect("digits and capital letters are UTF-8");
    &text[(zeros as usize).min(PLAIN_LETTERS)..PLAIN_LETTERS]
}

/// All lots, and the vehicles in the list. All threads share it while files are read.
#[derive(Debug, Default)]
pub(super) struct VehicleInterner {
    lots: Mutex<Texts>,
    /// Each text is a lot's number in four bytes, then the plate.
    listed: Mutex<Texts>,
}

/// The view of one thread, with a cache of the lots that it has seen.
#[derive(Debug)]
pub(super) struct LocalInterner<'a> {
    names: &'a VehicleInterner,
    /// The lots of this thread: their local numbers, and in `numbers` their shared ones.
    lots: Texts,
    numbers: Vec<u32>,
    /// Recent lots with a short name: the name and the local number.
    recent: [(u64, u32); RECENT_LOTS],
    /// The time of the newest event of each of these lots.
    newest: Vec<Timestamp>,
    text: Vec<u8>,
}

impl VehicleInterner {
    pub(super) fn interner(&self) -> LocalInterner<'_> {
        LocalInterner {
            names: self,
            lots: Texts::default(),
            numbers: Vec::new(),
            recent: [(0, 0); RECENT_LOTS],
            newest: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Ends interning and returns the table from keys to names.
    pub(super) fn finish(self) -> InternedNames {
        let [lots, listed] = [self.lots, self.listed].map(|texts| {
            let mut texts = texts.into_inner().unwrap_or_else(PoisonError::into_inner);
            texts.numbers = HashTable::new();
            texts
        });
        let lots = (0..lots.len()).map(|number| text(lots.of(number)));
        InternedNames {
            lots: lots.map(|lot| LotId::parse(lot).expect("it was interned as a lot's name")).collect(),
            listed,
        }
    }
}

impl LocalInterner<'_> {
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

    /// The number of a lot.
    pub(super) fn lot_number(&mut self, lot: &[u8]) -> Result<u32, Error> {
        let own = self.own_number(lot)?;
        Ok(self.numbers[own])
    }

    fn own_number(&mut self, lot: &[u8]) -> Result<usize, Error> {
        // A short name as a number is unique: it has no zero byte, and is never empty.
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

    /// The shared number of each lot of this thread, and the time of its newest event.
    pub(super) fn newest(&self) -> impl Iterator<Item = (usize, Timestamp)> {
        self.numbers.iter().map(|number| *number as usize).zip(self.newest.iter().copied())
    }
}

/// The slot of a name among the [`RECENT_LOTS`].
fn hash_of_name(name: u64) -> usize {
    usize::try_from(name.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT_LOTS.ilog2())).unwrap_or(0)
}

fn number_for_all(texts: &Mutex<Texts>, text: &[u8]) -> Result<u32, Error> {
    texts.lock().unwrap_or_else(PoisonError::into_inner).number(text)
}

/// The names of all keys.
#[derive(Debug)]
pub(super) struct InternedNames {
    lots: Vec<LotId>,
    listed: Texts,
}

impl InternedNames {
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
    pub(super) fn plate<'a>(&'a self, key: VehicleKey, buffer: &'a mut PlateBuffer) -> &'a str {
        let (lot, plate) = (key / PLAIN_PLATES, key % PLAIN_PLATES);
        if lot == LISTED { self.in_list(key).1 } else { text_of(plate, buffer) }
    }

    fn in_list(&self, key: VehicleKey) -> (usize, &str) {
        let number = usize::try_from(key % PLAIN_PLATES).unwrap_or(usize::MAX);
        let (lot, plate) = self.listed.of(number).split_first_chunk().expect("a listed vehicle begins with its lot");
        (u32::from_le_bytes(*lot) as usize, text(plate))
    }
}

/// Interned texts, concatenated.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    /// The end of each text.
    ends: Vec<u32>,
    numbers: HashTable<u32>,
}

impl Texts {
    /// The text's number: an existing one, or the next.
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
    std::str::from_utf8(bytes).expect("names were interned from texts")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn threads_agree_on_the_keys_and_a_key_has_its_names() {
        let known =
            [("P1", "AB1"), ("P3", "AB1"), ("P1", "ÄÖ2"), ("P1", "B1"), ("P3", "ABCDEF12345"), ("P1", "京A12345")];
        let names = VehicleInterner::default();
        let (mut one, mut other) = (names.interner(), names.interner());
        let time = Timestamp::from_millis(0);

        let ours = known.map(|(lot, plate)| one.key(lot.as_bytes(), plate.as_bytes(), time).unwrap());
        let mut theirs = known;
        theirs.reverse();
        let mut theirs = theirs.map(|(lot, plate)| other.key(lot.as_bytes(), plate.as_bytes(), time).unwrap());
        theirs.reverse();

        assert_eq!(ours, theirs);
        let names = names.finish();
        let mut buffer = PlateBuffer::default();
        for (key, (lot, plate)) in ours.into_iter().zip(known) {
            assert_eq!((names.lots()[names.lot(key)].as_str(), names.plate(key, &mut buffer)), (lot, plate));
        }
    }

    #[test]
    fn a_lot_has_the_time_of_its_newest_event() {
        let names = VehicleInterner::default();
        let mut interner = names.interner();
        for (lot, millis) in [("P1", 5), ("P3", 9), ("P1", 7), ("P1", 6)] {
            interner.key(lot.as_bytes(), b"A", Timestamp::from_millis(millis)).unwrap();
        }
        let newest: Vec<_> = interner.newest().map(|(lot, time)| (lot, time.as_millis())).collect();
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
            let names = VehicleInterner::default();
            let mut interner = names.interner();
            let mut key = |lot: &String| interner.key(lot.as_bytes(), b"A", Timestamp::default()).unwrap();
            let keys: Vec<VehicleKey> = lots.iter().chain(&lots).map(&mut key).collect();
            let names = names.finish();
            let named: Vec<&str> = keys.iter().map(|key| names.lots()[names.lot(*key)].as_str()).collect();
            prop_assert_eq!(named, [&lots[..], &lots[..]].concat());
        }

        #[test]
        fn a_plain_plate_and_its_number_are_one(plate in "[0-9A-Z]{0,10}") {
            let number = plain_plate(plate.as_bytes()).unwrap();
            let mut buffer = PlateBuffer::default();
            prop_assert_eq!(text_of(number, &mut buffer), plate);
        }
    }
}
