//! Cursors: where the next page of a list begins, in a form that clients can't build on.
//!
//! A cursor belongs to one list: it holds a fingerprint of the filter and the order, so that it can't be taken to
//! another list by mistake. It is no secret and guards nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

/// The layout of the cursors that are made here.
const VERSION: u8 = 1;
const HEAD: usize = 9;

/// One list, told apart from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List(u64);

impl List {
    /// The list that these parts make up, in this order.
    pub fn of(parts: &[&str]) -> Self {
        Self(xxh3_64(parts.join("\n").as_bytes()))
    }

    /// The cursor that goes on after `key`.
    pub fn after(self, key: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(HEAD + key.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.0.to_be_bytes());
        bytes.extend_from_slice(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key that a cursor of this list goes on after.
    pub fn key(self, cursor: &str) -> Result<Vec<u8>, String> {
        const LONGEST: usize = 256;
        let bytes = if cursor.len() <= LONGEST { URL_SAFE_NO_PAD.decode(cursor).ok() } else { None };
        let bytes = bytes.filter(|bytes| bytes.len() > HEAD && bytes[0] == VERSION);
        let Some(bytes) = bytes else {
            return Err("is not a next_cursor of this API; begin without one".to_owned());
        };
        if bytes[1..HEAD] != self.0.to_be_bytes() {
            return Err("belongs to a list with other parameters; repeat those, or begin without a cursor".to_owned());
        }
        Ok(bytes[HEAD..].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_its_key_back_to_its_own_list_only() {
        let (one, other) = (List::of(&["P3", "newest"]), List::of(&["P3", "oldest"]));
        let cursor = one.after(b"key");

        assert_eq!(one.key(&cursor), Ok(b"key".to_vec()));
        assert!(other.key(&cursor).unwrap_err().contains("other parameters"));
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let list = List::of(&[]);
        for text in ["", "1", "AAAA", "!!!!", &list.after(b""), &"A".repeat(10_000)] {
            assert!(list.key(text).is_err(), "{text} was taken");
        }
    }
}
