//! Keys with versions, for hashes that only a holder of the key can make or compare.
//!
//! A ring as text has one key per line, `VERSION KEY`, and the highest version is the one in use. Storing the file is
//! left to the caller: apart from the ledger, because a hash stored beside its key protects nothing.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::HASH_BYTES;
use crate::base32::{decode, encode};

/// Keys by version; at least one. `Debug` shows the versions only.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    keys: BTreeMap<u32, [u8; Self::KEY_BYTES]>,
    newest: u32,
}

/// Why a text is no ring of keys. It says nothing of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringFault {
    /// There is no line.
    #[error("holds no key; expected are lines of a version and a key of 52 letters and digits")]
    Empty,
    /// A line is not of the form.
    #[error("line {0}: expected are a version and a key of 52 letters and digits, with a blank between")]
    Line(usize),
    /// A version is there twice.
    #[error("line {0}: this version is there already")]
    Twice(usize),
}

impl Keyring {
    /// The random bytes of a key.
    pub const KEY_BYTES: usize = 32;

    /// A ring of one key, version 1. The bytes have to come from a generator that is fit for secrets.
    pub fn from_random(random: &[u8; Self::KEY_BYTES]) -> Self {
        Self { keys: BTreeMap::from([(1, *random)]), newest: 1 }
    }

    /// The ring with one more key, which is used from now on.
    #[must_use]
    pub fn rotated(mut self, random: &[u8; Self::KEY_BYTES]) -> Self {
        self.newest = self.newest.checked_add(1).expect("nobody rotates four billion times");
        self.keys.insert(self.newest, *random);
        self
    }

    /// Reads a ring as text. Empty lines are ignored.
    ///
    /// # Errors
    /// Which line is wrong.
    pub fn parse(text: &str) -> Result<Self, KeyringFault> {
        let mut keys = BTreeMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let fault = KeyringFault::Line(index + 1);
            let (version, key) = line.trim().split_once(' ').ok_or(fault)?;
            let key = decode(key.trim()).ok_or(fault)?;
            if keys.insert(version.parse().map_err(|_| fault)?, key).is_some() {
                return Err(KeyringFault::Twice(index + 1));
            }
        }
        let newest = *keys.keys().next_back().ok_or(KeyringFault::Empty)?;
        Ok(Self { keys, newest })
    }

    /// The text that [`parse`](Self::parse) reads. It holds the keys.
    pub fn expose(&self) -> String {
        let lines = self.keys.iter().map(|(version, key)| format!("{version} {}\n", encode(key)));
        lines.collect::<Vec<_>>().concat()
    }

    /// The version in use.
    pub const fn newest(&self) -> u32 {
        self.newest
    }

    /// The versions, oldest first.
    pub(crate) fn versions(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.keys.keys().copied()
    }

    /// HMAC-SHA256 of some bytes by the key of a version; none when there is no such key. The label keeps uses apart
    /// that share a ring.
    pub(crate) fn mac(&self, version: u32, label: &str, bytes: &[u8]) -> Option<[u8; HASH_BYTES]> {
        let key = self.keys.get(&version)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(label.as_bytes());
        mac.update(&[0]);
        mac.update(bytes);
        Some(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<u32> = self.versions().collect();
        write!(formatter, "Keyring(versions {versions:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_comes_back_from_its_text() {
        let ring = Keyring::from_random(&[1; 32]).rotated(&[2; 32]);
        assert_eq!(Keyring::parse(&ring.expose()), Ok(ring.clone()));
        assert_eq!(Keyring::parse(&format!("\n{}\r\n\n", ring.expose().replace('\n', "\r\n"))), Ok(ring.clone()));
        assert_eq!((ring.newest(), format!("{ring:?}")), (2, "Keyring(versions [1, 2])".into()));
    }

    #[test]
    fn a_wrong_line_is_named_and_not_repeated() {
        let key = encode(&[1; 32]);
        for (text, fault) in [
            (String::new(), KeyringFault::Empty),
            (key.clone(), KeyringFault::Line(1)),
            (format!("1 {key}\n2 {}", &key[1..]), KeyringFault::Line(2)),
            (format!("one {key}"), KeyringFault::Line(1)),
            (format!("1 {key}\n1 {key}"), KeyringFault::Twice(2)),
        ] {
            assert_eq!(Keyring::parse(&text), Err(fault));
            assert!(!fault.to_string().contains(&key[1..]));
        }
    }

    #[test]
    fn a_hash_depends_on_key_label_and_content() {
        let ring = Keyring::from_random(&[1; 32]).rotated(&[2; 32]);
        let hash = ring.mac(1, "plate", b"AB1");
        assert_eq!(hash, ring.mac(1, "plate", b"AB1"));
        for other in [ring.mac(2, "plate", b"AB1"), ring.mac(1, "plat", b"eAB1"), ring.mac(1, "plate", b"AB2")] {
            assert_ne!(hash, other);
        }
        assert_eq!(ring.mac(3, "plate", b"AB1"), None);
    }
}
