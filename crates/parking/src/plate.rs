//! Plates and the normal form that they are compared in.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// A plate in its normal form: Unicode NFKC, upper case, letters and digits only, at most 16 of them.
///
/// `ABC-123`, `abc 123` and `ＡＢＣ１２３` are the same plate, `ABC123`. A read without a letter or digit, such as `--`,
/// `???` or the empty text, has the empty normal form: the camera saw a vehicle and read no plate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plate(CompactString);

/// The version of the normal form that this program computes. A ledger keeps the version that its plates were written
/// in.
pub const PLATE_NORMAL_FORM: u16 = 1;

/// The most letters and digits of a plate.
const LONGEST: usize = 16;
/// The most bytes of a plate as read: room for spaces, dashes and wide scripts.
const LONGEST_AS_READ: usize = 256;

impl Plate {
    /// The maximum length of a plate as read, in bytes.
    pub const AS_READ_BYTES_MAX: usize = LONGEST_AS_READ;

    /// The normal form of a plate as a camera read it; empty when it read no letter and no digit.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence and without the plate.
    pub fn from_read(as_read: &str) -> Result<Self, &'static str> {
        if as_read.len() > LONGEST_AS_READ {
            return Err("is longer than 256 bytes");
        }
        if let Some(normal) = NormalPlate::of_ascii(as_read.as_bytes()) {
            return normal.map(Self::from);
        }
        let normal = normal_unicode(as_read);
        check_length(normal.chars().take(LONGEST + 1).count())?;
        Ok(Self(normal))
    }

    /// The normal form of a plate that a person or a program names: in a query, a setting or a summary.
    ///
    /// # Errors
    /// As [`from_read`](Self::from_read), and when there is no letter and no digit.
    pub fn named(text: &str) -> Result<Self, &'static str> {
        let plate = Self::from_read(text)?;
        if plate.is_empty() { Err("has no letter and no digit") } else { Ok(plate) }
    }

    /// Whether no letter and no digit was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The letters and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Plate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The normal form of each byte of an ASCII text; 0 for those that are left out.
const NORMAL_LETTERS: [u8; 256] = {
    let mut letters = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            letters[byte as usize] = byte.to_ascii_uppercase();
        }
        byte += 1;
    }
    letters
};

fn check_length(letters: usize) -> Result<(), &'static str> {
    if letters <= LONGEST { Ok(()) } else { Err("has more than 16 letters and digits") }
}

/// What a [`Plate`] says, where it stands: without the cost of making one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NormalPlate {
    /// In UTF-8, and zeros behind it.
    letters: [u8; LONGEST_NORMAL],
    length: usize,
}

/// The most bytes of a normal form.
const LONGEST_NORMAL: usize = LONGEST * char::MAX_LEN_UTF8;

impl NormalPlate {
    /// The normal form of a plate as read, which must be UTF-8.
    #[inline]
    pub(crate) fn of(as_read: &[u8]) -> Option<Self> {
        match Self::of_ascii(as_read) {
            Some(normal) => normal.ok().filter(|_| as_read.len() <= LONGEST_AS_READ),
            None => Plate::from_read(std::str::from_utf8(as_read).ok()?).ok().map(|plate| Self::of_plate(&plate)),
        }
    }

    /// `None` for what is not ASCII.
    #[inline]
    fn of_ascii(as_read: &[u8]) -> Option<Result<Self, &'static str>> {
        let mut letters = [0; LONGEST_NORMAL];
        let mut length = 0;
        let mut all_bits = 0;
        for byte in as_read {
            // What is dropped is overwritten by the next letter: no branch on what a plate is made of. One that is too
            // many is seen by the length.
            let letter = NORMAL_LETTERS[usize::from(*byte)];
            letters[length.min(LONGEST)] = letter;
            length += usize::from(letter != 0);
            all_bits |= byte;
        }
        all_bits.is_ascii().then(|| check_length(length).map(|()| Self { letters, length }))
    }

    fn of_plate(plate: &Plate) -> Self {
        let text = plate.as_str().as_bytes();
        let mut letters = [0; LONGEST_NORMAL];
        letters[..text.len()].copy_from_slice(text);
        Self { letters, length: text.len() }
    }

    /// The letters and digits in UTF-8.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.letters[..self.length]
    }
}

impl From<NormalPlate> for Plate {
    fn from(normal: NormalPlate) -> Self {
        let text = std::str::from_utf8(normal.as_bytes()).expect("it was made of letters and digits");
        Self(text.into())
    }
}

/// Upper case can undo NFKC and the other way round, so both are repeated until nothing changes.
fn normal_unicode(as_read: &str) -> CompactString {
    let mut text: String = as_read.into();
    loop {
        let next: String =
            text.nfkc().flat_map(char::to_uppercase).nfkc().filter(|letter| letter.is_alphanumeric()).collect();
        if next == text {
            return text.into();
        }
        text = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(as_read: &str) -> Result<String, &'static str> {
        Plate::from_read(as_read).map(|plate| plate.to_string())
    }

    #[test]
    fn spellings_of_one_plate_have_one_normal_form() {
        for spelling in ["ABC-123", "abc123", " a b c . 1 2 3 ", "ＡＢＣ１２３", "ABC\u{200b}123", "ABC-１２３"]
        {
            assert_eq!(normal(spelling), Ok("ABC123".into()), "{spelling:?}");
        }
        assert_eq!(normal("京A·12345"), Ok("京A12345".into()));
        assert_eq!(normal("straße 1"), Ok("STRASSE1".into()));
    }

    #[test]
    fn a_read_without_a_letter_or_digit_has_the_empty_normal_form() {
        for nothing in ["", " ", "--", "???", "？？？", "🚗", "\u{200b}", "...\t—…"] {
            assert_eq!(normal(nothing), Ok(String::new()), "{nothing:?}");
            assert_eq!(Plate::named(nothing), Err("has no letter and no digit"), "{nothing:?}");
            assert_eq!(NormalPlate::of(nothing.as_bytes()).map(Plate::from), Plate::from_read("").ok(), "{nothing:?}");
        }
        assert_eq!(Plate::named("a-1").map(|plate| plate.to_string()), Ok("A1".into()));
    }

    #[test]
    fn a_plate_has_at_most_sixteen_letters_and_digits_and_a_read_256_bytes() {
        assert_eq!(normal("ABCDEFGH12345678"), Ok("ABCDEFGH12345678".into()));
        assert!(normal("ABCDEFGH123456789").is_err());
        assert_eq!(normal(&"-".repeat(256)), Ok(String::new()));
        assert_eq!(normal(&"-".repeat(257)), Err("is longer than 256 bytes"));
        assert_eq!(NormalPlate::of(&[b'-'; 257]), None);
    }

    proptest! {
        #[test]
        fn the_normal_form_of_a_normal_form_is_itself(as_read in "\\PC{0,20}") {
            if let Ok(plate) = Plate::from_read(&as_read) {
                prop_assert_eq!(Plate::from_read(plate.as_str()), Ok(plate.clone()));
            }
        }

        #[test]
        fn the_short_way_for_ascii_agrees_with_the_general_one(as_read in "[ -~]{0,24}") {
            let general = normal_unicode(&as_read);
            let expected = check_length(general.len()).map(|()| Plate(general));
            prop_assert_eq!(NormalPlate::of_ascii(as_read.as_bytes()).unwrap().map(Plate::from), expected);
        }
    }
}
