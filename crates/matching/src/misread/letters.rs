//! A plate as small numbers, and which letters and digits cameras take for each other.
//!
//! The look-alikes are the groups that makers of cameras publish. The skeleton classes are coarser and part the
//! symbols: two plates with the same skeleton may differ only where a camera easily errs.

use std::fmt;

use parking::Plate;
use xxhash_rust::xxh3::xxh3_64;

/// The most letters of a plate.
pub const LONGEST: usize = 16;
/// Digits, letters, and one symbol for all others.
pub const SYMBOLS: usize = 37;
/// The symbol of what is neither a digit nor a Latin letter, such as the province of a Chinese plate.
pub const OTHER: usize = 36;

/// Which letters cameras take for each other, in the published groups.
const LOOK_ALIKES: [&str; 14] =
    ["0OQD", "1IL", "2Z", "5S", "8B3", "6G", "VY", "EF", "KX", "MN", "UV", "CG", "PR", "4A"];
/// Look-alikes that are named less often.
const RARE_LOOK_ALIKES: [&str; 10] = ["17T", "1J", "7Z", "MW", "HN", "HK", "0CG6", "XY", "FP", "9G"];
/// The classes of the skeleton; a symbol that is in none is a class of its own.
const CLASSES: [&str; 9] = ["0ODQCG6", "1ILT7J", "2Z", "5S", "8B3", "UVYX", "EFPR", "MNWHK", "4A"];

/// Codes in a word of [`Letters::words`].
pub(crate) const WORD: usize = 8;

/// Letters of Chinese plates: each has a code of its own, as two of them must never count as one.
const PROVINCES: [char; 37] = [
    '京', '津', '沪', '渝', '冀', '豫', '云', '辽', '黑', '湘', '皖', '鲁', '新', '苏', '浙', '赣', '鄂', '桂', '甘',
    '晋', '蒙', '陕', '吉', '闽', '贵', '粤', '青', '藏', '川', '宁', '琼', '使', '领', '学', '警', '港', '澳',
];
/// All other letters share this many codes.
const OTHERS: u64 = 220 - PROVINCES.len() as u64;

/// A plate in numbers: 0 to 9 are the digits, 10 to 35 the letters, larger ones stand for other characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letters {
    codes: [u8; LONGEST],
    length: u8,
}

impl Letters {
    /// The letters of a plate.
    pub fn of(plate: &Plate) -> Self {
        let mut letters = Self { codes: [0; LONGEST], length: 0 };
        for letter in plate.as_str().chars().take(LONGEST) {
            letters.push(code_of(letter));
        }
        letters
    }

    /// The codes, one a letter.
    pub fn codes(&self) -> &[u8] {
        &self.codes[..usize::from(self.length)]
    }

    /// How many letters there are.
    pub fn len(&self) -> usize {
        usize::from(self.length)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The codes as two numbers, the first code lowest; zeros behind the last.
    #[inline]
    pub(crate) fn words(&self) -> [u64; 2] {
        words_of(self.codes)
    }

    fn push(&mut self, code: u8) {
        if self.len() < LONGEST {
            self.codes[self.len()] = code;
            self.length += 1;
        }
    }

    /// With another letter at `place`.
    #[must_use]
    pub(crate) fn with(mut self, place: usize, code: u8) -> Self {
        self.codes[place] = code;
        self
    }

    /// Without the letter at `place`.
    #[must_use]
    pub(crate) fn without(mut self, place: usize) -> Self {
        let length = self.len();
        self.codes.copy_within(place + 1..length, place);
        self.codes[length - 1] = 0;
        self.length -= 1;
        self
    }

    /// With one more letter before `place`; `None` when there is no room.
    pub(crate) fn with_inserted(mut self, place: usize, code: u8) -> Option<Self> {
        let length = self.len();
        if length == LONGEST {
            return None;
        }
        self.codes.copy_within(place..length, place + 1);
        self.codes[place] = code;
        self.length += 1;
        Some(self)
    }

    /// The plate `by` places away by its last letter, when it ends in one. Plates of one fleet are neighbours.
    pub(crate) fn neighbour_by_letter(self, by: i32) -> Option<Self> {
        let last = self.len().checked_sub(1).filter(|last| (10..36).contains(&self.codes[*last]))?;
        let moved = i32::from(self.codes[last]) + by;
        u8::try_from(moved).ok().filter(|code| (10..36).contains(code)).map(|code| self.with(last, code))
    }

    /// How many places apart two plates are by number, and by the last letter; `None` when they differ elsewhere too.
    pub(crate) fn apart(&self, other: &Self) -> [Option<u32>; 2] {
        let (ours, theirs) = (self.codes(), other.codes());
        let first = ours.iter().zip(theirs).position(|(one, other)| one != other);
        let Some(first) = first.filter(|_| ours.len() == theirs.len()) else { return [None; 2] };
        let last = ours.len() - 1;
        let is_letter = |code: u8| (10..36).contains(&code);
        let by_letter = (first == last && is_letter(ours[last]) && is_letter(theirs[last]))
            .then(|| u32::from(ours[last].abs_diff(theirs[last])));
        // From the first difference on: digits, and behind them the same letters.
        let digits = |codes: &[u8]| codes[first..].iter().take_while(|code| **code < 10).count();
        let (count, rest) = (digits(ours), first + digits(ours));
        let is_last_run = ours[rest..].iter().all(|code| *code >= 10) && ours[rest..] == theirs[rest..];
        let number = |codes: &[u8]| codes[first..rest].iter().fold(0_u32, |sum, code| sum * 10 + u32::from(*code));
        let by_number = (count > 0 && count <= 6 && count == digits(theirs) && is_last_run)
            .then(|| number(ours).abs_diff(number(theirs)));
        [by_number, by_letter]
    }

    /// The plate `by` places away in the last run of digits.
    pub(crate) fn neighbour_by_number(mut self, by: i32) -> Option<Self> {
        let is_digit = |code: &u8| *code < 10;
        let end = self.codes().iter().rposition(is_digit)? + 1;
        let start = self.codes()[..end].iter().rposition(|code| !is_digit(code)).map_or(0, |before| before + 1);
        let mut number: i64 = 0;
        for code in &self.codes[start..end] {
            number = number * 10 + i64::from(*code);
        }
        number += i64::from(by);
        if number < 0 {
            return None;
        }
        for place in (start..end).rev() {
            self.codes[place] = u8::try_from(number % 10).expect("a digit is below ten");
            number /= 10;
        }
        (number == 0).then_some(self)
    }
}

/// Sixteen bytes as two numbers, the first byte lowest.
#[inline]
pub(crate) fn words_of(bytes: [u8; LONGEST]) -> [u64; 2] {
    let mut words = [[0; WORD]; 2];
    words[0].copy_from_slice(&bytes[..WORD]);
    words[1].copy_from_slice(&bytes[WORD..]);
    words.map(u64::from_le_bytes)
}

impl fmt::Debug for Letters {
    /// Only how long it is: a plate belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letters({})", self.length)
    }
}

pub(super) fn code_of(letter: char) -> u8 {
    match letter {
        '0'..='9' => letter as u8 - b'0',
        'A'..='Z' => letter as u8 - b'A' + 10,
        _ => {
            let hash = || xxh3_64(letter.encode_utf8(&mut [0; 4]).as_bytes()) % OTHERS;
            let province = PROVINCES.iter().position(|province| *province == letter).map(|at| at as u64);
            36 + u8::try_from(province.unwrap_or_else(|| PROVINCES.len() as u64 + hash()))
                .expect("220 values fit behind 36")
        }
    }
}

/// The symbol of a code: all that are neither digit nor Latin letter are one.
#[inline]
pub(crate) fn symbol(code: u8) -> usize {
    usize::from(code).min(OTHER)
}

/// What the alphabet says, as tables.
pub(crate) struct Alphabet {
    /// The class of each symbol, from 1.
    pub class: [u8; SYMBOLS],
    /// How much two symbols look alike: 0 not, else a share.
    pub alike: [[f64; SYMBOLS]; SYMBOLS],
}

const fn code_of_ascii(byte: u8) -> usize {
    if byte.is_ascii_digit() { (byte - b'0') as usize } else { (byte - b'A') as usize + 10 }
}

const fn mark(alike: &mut [[f64; SYMBOLS]; SYMBOLS], group: &str, weight: f64) {
    let bytes = group.as_bytes();
    let mut one = 0;
    while one < bytes.len() {
        let mut other = 0;
        while other < bytes.len() {
            let (from, to) = (code_of_ascii(bytes[one]), code_of_ascii(bytes[other]));
            if from != to && alike[from][to] == 0.0 {
                alike[from][to] = weight;
            }
            other += 1;
        }
        one += 1;
    }
}

/// The tables of the published groups.
pub(crate) static ALPHABET: Alphabet = {
    let mut alike = [[0.0; SYMBOLS]; SYMBOLS];
    let mut group = 0;
    while group < LOOK_ALIKES.len() {
        mark(&mut alike, LOOK_ALIKES[group], 1.0);
        group += 1;
    }
    group = 0;
    while group < RARE_LOOK_ALIKES.len() {
        mark(&mut alike, RARE_LOOK_ALIKES[group], 0.1);
        group += 1;
    }
    let mut class = [0; SYMBOLS];
    let mut next = 1;
    while (next as usize) <= CLASSES.len() {
        let bytes = CLASSES[next as usize - 1].as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            class[code_of_ascii(bytes[at])] = next;
            at += 1;
        }
        next += 1;
    }
    let mut code = 0;
    while code < SYMBOLS {
        if class[code] == 0 {
            class[code] = next;
            next += 1;
        }
        code += 1;
    }
    // A class has to fit into four bits of a skeleton.
    assert!(next <= 16);
    Alphabet { class, alike }
};

/// Whether a camera easily takes one symbol for the other: what costs a single edit in the filter.
pub(crate) const fn is_alike(one: usize, other: usize) -> bool {
    ALPHABET.class[one] == ALPHABET.class[other] || ALPHABET.alike[one][other] > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn letters(text: &str) -> Letters {
        Letters::of(&Plate::from_read(text).unwrap())
    }

    #[test]
    fn the_provinces_of_china_differ_in_their_codes() {
        let codes: std::collections::BTreeSet<u8> = PROVINCES.iter().map(|province| code_of(*province)).collect();
        assert_eq!(codes.len(), PROVINCES.len());
        assert!(!codes.contains(&code_of('Ä')) && codes.iter().all(|code| *code >= 36));
    }

    #[test]
    fn the_classes_part_the_symbols() {
        for symbol in 0..SYMBOLS {
            assert!(ALPHABET.class[symbol] > 0, "{symbol}");
        }
        let symbol_of = |text: &str| symbol(letters(text).codes()[0]);
        let alike = |one: &str, other: &str| is_alike(symbol_of(one), symbol_of(other));
        assert!(alike("0", "O") && alike("8", "B") && alike("K", "X") && alike("京", "沪"));
        assert!(!alike("0", "8") && !alike("A", "B") && !alike("9", "京"));
    }

    #[test]
    fn neighbours_count_in_the_last_run_of_digits_or_by_the_last_letter() {
        let by_number = |text: &str, by: i32| letters(text).neighbour_by_number(by);
        assert_eq!(by_number("AB129CD", 1), Some(letters("AB130CD")));
        assert_eq!(by_number("AB100", -1), Some(letters("AB099")));
        assert_eq!([by_number("AB99", 1), by_number("ABC", 1)], [None, None]);
        let by_letter = |text: &str, by: i32| letters(text).neighbour_by_letter(by);
        assert_eq!(by_letter("AB12C", 1), Some(letters("AB12D")));
        assert_eq!([by_letter("ABZ", 1), by_letter("AB1", 1)], [None, None]);
        let apart = |one: &str, other: &str| letters(one).apart(&letters(other));
        assert_eq!(apart("AB129CD", "AB131CD"), [Some(2), None]);
        assert_eq!(apart("AB12C", "AB12F"), [None, Some(3)]);
        assert_eq!([apart("AB12C", "AC12C"), apart("AB12C", "AB1CC"), apart("A1B2", "A2B2")], [[None; 2]; 3]);
    }

    #[test]
    fn letters_are_changed_taken_out_and_put_in() {
        let plate = letters("ABC1");
        assert_eq!(plate.with(0, 11), letters("BBC1"));
        assert_eq!(plate.without(3), letters("ABC"));
        assert_eq!(plate.with_inserted(4, 2), Some(letters("ABC12")));
        assert_eq!(letters("ABCDEFGH12345678").with_inserted(0, 1), None);
    }
}
