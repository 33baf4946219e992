//! Plates and the normal form that they are compared in.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// A plate in its normal form: Unicode NFKC, upper case, letters and digits only, 1 to 16 of them.
///
/// `ABC-123`, `abc 123` and `ＡＢＣ１２３` are the same plate, `ABC123`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plate(CompactString);

/// The most letters and digits of a plate.
const LONGEST: usize = 16;
/// The most bytes of a plate as read: room for spaces, dashes and wide scripts.
const LONGEST_AS_READ: usize = 256;

impl Plate {
    /// The normal form of a plate as read.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence and without the plate.
    #[inline]
    pub fn from_read(as_read: &str) -> Result<Self, &'static str> {
        if as_read.len() > LONGEST_AS_READ {
            return Err("is longer than 256 bytes");
        }
        let (normal, length) = if let Some(normal) = normal_ascii(as_read.as_bytes()) {
            let length = normal.len();
            (normal, length)
        } else {
            let normal = normal_unicode(as_read);
            let length = normal.chars().take(LONGEST + 1).count();
            (normal, length)
        };
        match length {
            0 => Err("has no letter and no digit"),
            1..=LONGEST => Ok(Self(normal)),
            _ => Err("has more than 16 letters and digits"),
        }
    }

    /// As [`from_read`](Self::from_read); bytes that are not UTF-8 are no plate either.
    #[inline]
    pub(crate) fn from_read_bytes(as_read: &[u8]) -> Option<Self> {
        match normal_ascii(as_read) {
            Some(normal) if as_read.len() <= LONGEST_AS_READ && (1..=LONGEST).contains(&normal.len()) => {
                Some(Self(normal))
            }
            _ => Self::from_read(std::str::from_utf8(as_read).ok()?).ok(),
        }
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

/// Room for a plate with one letter too many, and for those behind it. All of it is ASCII at any time, and its size is
/// one that is checked to be UTF-8 at once.
#[repr(align(16))]
struct Room([u8; 32]);

/// Cut behind the first letter that is too many; `None` for what is not ASCII.
#[inline]
fn normal_ascii(as_read: &[u8]) -> Option<CompactString> {
    let mut kept = Room([0; 32]);
    let mut length = 0;
    let mut all_bits = 0;
    for byte in as_read {
        // What is dropped is overwritten by the next letter: no branch on what a plate is made of.
        let letter = NORMAL_LETTERS[usize::from(*byte)];
        kept.0[length.min(LONGEST + 1)] = letter;
        length += usize::from(letter != 0);
        all_bits |= byte;
    }
    let kept = std::str::from_utf8(&kept.0).expect("letters and digits of ASCII are UTF-8");
    all_bits.is_ascii().then(|| kept[..length.min(LONGEST + 1)].into())
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
    fn a_plate_has_one_to_sixteen_letters_and_digits() {
        assert!(normal("").is_err());
        assert!(normal(" - ").is_err());
        assert!(normal("🚗").is_err());
        assert_eq!(normal("ABCDEFGH12345678"), Ok("ABCDEFGH12345678".into()));
        assert!(normal("ABCDEFGH123456789").is_err());
        assert!(normal(&"-".repeat(10_000)).is_err());
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
            prop_assert_eq!(normal_ascii(as_read.as_bytes()).unwrap(), &general[..general.len().min(LONGEST + 1)]);
        }
    }
}
