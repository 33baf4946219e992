//! Cursors: where the next page of a list begins, in a form that clients can't build on.
//!
//! A cursor belongs to one list: it holds a fingerprint of the filter and the order, so that it can't be taken to
//! another list by mistake. It is no secret and guards nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

/// The layout of the cursors that are made here.
const VERSION: u8 = 1;

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
        let mut bytes = Vec::with_capacity(1 + size_of::<u64>() + key.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.0.to_be_bytes());
        bytes.extend_from_slice(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key that a cursor of this list goes on after.
    pub fn key(self, cursor: &Cursor) -> Result<&[u8], String> {
        if cursor.list != self {
            return Err("belongs to a list with other parameters; repeat those, or begin without a cursor".to_owned());
        }
        Ok(&cursor.key)
    }
}

/// Where a list goes on, as a client sent it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    list: List,
    key: Vec<u8>,
}

impl Cursor {
    /// Reads the text of a cursor, of whichever list.
    pub fn parse(text: &str) -> Result<Self, String> {
        const LONGEST: usize = 256;
        let bytes = if text.len() <= LONGEST { URL_SAFE_NO_PAD.decode(text).ok() } else { None };
        let parsed = bytes.and_then(|bytes| {
            let (list, key) = bytes.strip_prefix(&[VERSION])?.split_first_chunk()?;
            let list = List(u64::from_be_bytes(*list));
            (!key.is_empty()).then(|| Self { list, key: key.to_vec() })
        });
        parsed.ok_or_else(|| "is not a next_cursor of this API; begin without one".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_its_key_back_to_its_own_list_only() {
        let (one, other) = (List::of(&["P3", "newest"]), List::of(&["P3", "oldest"]));
        let cursor = one.after(b"key");

        let sent_back = Cursor::parse(&cursor).unwrap();
        assert_eq!(one.key(&sent_back), Ok(&b"key"[..]));
        assert!(other.key(&sent_back).unwrap_err().contains("other parameters"));
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let list = List::of(&[]);
        for text in ["", "1", "AAAA", "!!!!", &list.after(b""), &"A".repeat(10_000)] {
            assert!(Cursor::parse(text).is_err(), "{text} was taken");
        }
    }
}
