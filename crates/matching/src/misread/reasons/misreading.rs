//! What a camera got wrong of a plate, in words: "8 read for B at place 2".

use std::fmt;

use parking::Plate;

use super::super::edits::{Edit, script};
use super::super::learn_cameras::cut_of;
use super::super::letters::{Letters, code_of};

/// The code of `A`; below it are the digits.
const LETTER_A: u8 = 10;

/// One error of a read. Places count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misreading {
    /// Another character was read.
    Replaced {
        /// Place in the plate.
        place: usize,
        /// The character that was read.
        read: char,
        /// The plate's character.
        plate: char,
    },
    /// A character was not read.
    LeftOut {
        /// Place in the plate.
        place: usize,
        /// The plate's character.
        plate: char,
    },
    /// A character was read that the plate does not have.
    Added {
        /// Place in the read.
        place: usize,
        /// The character that was read.
        read: char,
    },
    /// The end of the plate was not read.
    CutOff {
        /// The characters that are missing.
        end: String,
    },
}

impl fmt::Display for Misreading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { place, read, plate } => write!(formatter, "{read} read for {plate} at place {place}"),
            Self::LeftOut { place, plate } => write!(formatter, "{plate} left out at place {place}"),
            Self::Added { place, read } => write!(formatter, "{read} added at place {place}"),
            Self::CutOff { end } => write!(formatter, "{end} cut off the end"),
        }
    }
}

/// How `read` differs from `plate`, from the first place to the last. `texts` are plates that have all characters which
/// are neither digits nor Latin letters.
pub(super) fn all(plate: &Letters, read: &Letters, texts: &[Plate]) -> Vec<Misreading> {
    let edits = script(plate, read);
    let of = |code: u8| character(code, texts);
    let mut shift = 0_isize;
    let mut found = Vec::new();
    let cut = cut_of(plate, &edits);
    for edit in edits[cut..].iter().rev() {
        found.push(match *edit {
            Edit::Replaced { at, by } => {
                Misreading::Replaced { place: at + 1, read: of(by), plate: of(plate.codes()[at]) }
            }
            Edit::Deleted { at } => {
                shift -= 1;
                Misreading::LeftOut { place: at + 1, plate: of(plate.codes()[at]) }
            }
            Edit::Inserted { at, letter } => {
                shift += 1;
                Misreading::Added { place: at.saturating_add_signed(shift), read: of(letter) }
            }
        });
    }
    if cut > 0 {
        let end = plate.codes()[plate.len() - cut..].iter().map(|code| of(*code)).collect();
        found.push(Misreading::CutOff { end });
    }
    found
}

/// A plate as text.
pub(super) fn text_of(plate: &Letters, texts: &[Plate]) -> String {
    plate.codes().iter().map(|code| character(*code, texts)).collect()
}

fn character(code: u8, texts: &[Plate]) -> char {
    match code {
        0..LETTER_A => char::from(b'0' + code),
        LETTER_A..36 => char::from(b'A' + code - LETTER_A),
        _ => texts.iter().flat_map(|text| text.as_str().chars()).find(|letter| code_of(*letter) == code).unwrap_or('?'),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(plate: &str, read: &str) -> Vec<String> {
        let texts = [plate, read].map(|text| Plate::from_read(text).unwrap());
        let [plate, read] = [&texts[0], &texts[1]].map(Letters::of);
        assert_eq!(text_of(&plate, &texts), texts[0].as_str());
        all(&plate, &read, &texts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_kind_of_error_has_its_words() {
        assert_eq!(told("AB12CDE", "A812CDE"), ["8 read for B at place 2"]);
        assert_eq!(told("AB12CDE", "AB2CDE"), ["1 left out at place 3"]);
        assert_eq!(told("AB12CDE", "AB127CDE"), ["7 added at place 5"]);
        assert_eq!(told("AB12CDE", "IAB12CDE"), ["I added at place 1"]);
        assert_eq!(told("AB12CDE", "AB12CD"), ["E cut off the end"]);
        assert_eq!(told("AB12CDE", "A812C"), ["8 read for B at place 2", "DE cut off the end"]);
        assert_eq!(told("京A12345", "沪A12345"), ["沪 read for 京 at place 1"]);
        assert_eq!(told("AB12CDE", "AB12CDE"), [""; 0]);
    }

    proptest! {
        #[test]
        fn the_errors_of_a_read_lead_from_the_plate_to_it(plate in "[A-C0-2]{1,9}", read in "[A-C0-2]{1,9}") {
            let texts = [&plate, &read].map(|text| Plate::from_read(text).unwrap());
            let [from, to] = [&texts[0], &texts[1]].map(Letters::of);
            let mut rest: Vec<char> = plate.chars().collect();
            let mut shift = 0_isize;
            for error in all(&from, &to, &texts) {
                match error {
                    Misreading::Replaced { place, read, plate } => {
                        let at = (place - 1).checked_add_signed(shift).unwrap();
                        prop_assert_eq!(std::mem::replace(&mut rest[at], read), plate);
                    }
                    Misreading::LeftOut { place, plate } => {
                        prop_assert_eq!(rest.remove((place - 1).checked_add_signed(shift).unwrap()), plate);
                        shift -= 1;
                    }
                    Misreading::Added { place, read } => {
                        rest.insert(place - 1, read);
                        shift += 1;
                    }
                    Misreading::CutOff { end } => {
                        let cut: String = rest.drain(rest.len() - end.chars().count()..).collect();
                        prop_assert_eq!(cut, end);
                    }
                }
            }
            prop_assert_eq!(rest.into_iter().collect::<String>(), read);
        }
    }
}
