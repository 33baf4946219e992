//! Plates as keyed hashes: the audit log can be searched for a plate by those who have plate and key, and shows it to
//! nobody.
//!
//! A hash without a key would not do: there are few enough plates to try them all. Destroying a key makes its hashes
//! meaningless.

use std::fmt;

use parking::Plate;

use crate::Keyring;
use crate::base32::{decode, encode, text_length};

const BYTES: usize = 16;
const LABEL: &str = "dwell plate 1";

/// A keyed hash of a plate's normal form, and the version of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlateHash {
    version: u32,
    hash: [u8; BYTES],
}

impl PlateHash {
    /// The hash of a plate by the key in use.
    pub fn new(keys: &Keyring, plate: &Plate) -> Self {
        Self::of_version(keys, keys.newest(), plate).expect("a ring holds its newest key")
    }

    /// The hashes that a plate may have, by all keys, newest first: to search for it.
    pub fn all(keys: &Keyring, plate: &Plate) -> Vec<Self> {
        keys.versions().rev().filter_map(|version| Self::of_version(keys, version, plate)).collect()
    }

    fn of_version(keys: &Keyring, version: u32, plate: &Plate) -> Option<Self> {
        let whole = keys.mac(version, LABEL, plate.as_str().as_bytes())?;
        let hash = *whole.first_chunk().expect("an HMAC-SHA256 is longer");
        Some(Self { version, hash })
    }

    /// Reads the text that [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let parts = text.split_once('.').filter(|(_, hash)| hash.len() == text_length(BYTES));
        let read = parts.and_then(|(version, hash)| Some((version.parse().ok()?, decode(hash)?)));
        let (version, hash) = read.ok_or("is not the version of a key, a dot, and a hash of 26 letters and digits")?;
        Ok(Self { version, hash })
    }
}

impl fmt::Display for PlateHash {
    /// `1.` and 26 letters and digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.version, encode(&self.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plate(text: &str) -> Plate {
        Plate::named(text).unwrap()
    }

    #[test]
    fn a_plate_has_one_hash_however_it_is_spelled() {
        let keys = Keyring::from_random(&[1; 32]);
        assert_eq!(PlateHash::new(&keys, &plate("abc-123")), PlateHash::new(&keys, &plate("ABC123")));
        assert_ne!(PlateHash::new(&keys, &plate("ABC124")), PlateHash::new(&keys, &plate("ABC123")));
        assert_ne!(
            PlateHash::new(&Keyring::from_random(&[2; 32]), &plate("ABC123")),
            PlateHash::new(&keys, &plate("ABC123"))
        );
    }

    #[test]
    fn a_plate_is_found_after_the_key_was_rotated() {
        let before = Keyring::from_random(&[1; 32]);
        let recorded = PlateHash::new(&before, &plate("ABC123"));
        let after = before.rotated(&[2; 32]);
        let sought = PlateHash::all(&after, &plate("ABC123"));
        assert_eq!(sought.len(), 2);
        assert_eq!(sought[0], PlateHash::new(&after, &plate("ABC123")));
        assert!(sought.contains(&recorded));
    }

    #[test]
    fn a_hash_comes_back_from_its_text_and_shows_nothing_of_the_plate() {
        let hash = PlateHash::new(&Keyring::from_random(&[1; 32]), &plate("ABC123"));
        assert_eq!(PlateHash::parse(&hash.to_string()), Ok(hash));
        assert!(!format!("{hash} {hash:?}").contains("ABC123"));
        for wrong in ["", "1", "1.", ".abc", "ABC123", "x.00000000000000000000000000", "1.0000000000000000000000000"] {
            assert!(PlateHash::parse(wrong).is_err(), "{wrong} was taken");
        }
    }
}
