//! Cursors: opaque positions in a list, at which the next page begins.
//!
//! A cursor belongs to one list: it contains a hash of the filter and the order, so that another list rejects it. It is
//! no secret and protects nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

/// The version of the cursor format.
const VERSION: u8 = 1;

/// The hash that identifies a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List(u64);

impl List {
    /// Hashes the parts that identify a list, in this order.
    pub fn of(parts: &[&str]) -> Self {
        Self(xxh3_64(parts.join("\n").as_bytes()))
    }

    /// The cursor whose page begins after `key`.
    pub fn after(self, key: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(1 + size_of::<u64>() + key.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.0.to_be_bytes());
        bytes.extend_from_slice(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key after which the page of a cursor begins.
    ///
    /// # Errors
    /// The cursor belongs to another list.
    pub fn key(self, cursor: &Cursor) -> Result<&[u8], String> {
        if cursor.list != self {
            return Err("belongs to a list with other parameters; repeat those parameters, or begin without a cursor"
                .to_owned());
        }
        Ok(&cursor.key)
    }
}

/// A cursor that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    list: List,
    key: Vec<u8>,
}

impl Cursor {
    /// Parses a cursor of any list.
    ///
    /// # Errors
    /// The text is no cursor.
    pub fn parse(text: &str) -> Result<Self, String> {
        const CURSOR_BYTES_MAX: usize = 256;
        let bytes = if text.len() <= CURSOR_BYTES_MAX { URL_SAFE_NO_PAD.decode(text).ok() } else { None };
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
    fn a_cursor_is_accepted_by_its_own_list_only() {
        let (one, other) = (List::of(&["P3", "newest"]), List::of(&["P3", "oldest"]));
        let cursor = one.after(b"key");

        let sent_back = Cursor::parse(&cursor).unwrap();
        assert_eq!(one.key(&sent_back), Ok(&b"key"[..]));
        assert!(other.key(&sent_back).unwrap_err().contains("other parameters"));
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    }

    #[test]
    fn a_text_that_is_no_cursor_is_refused() {
        let list = List::of(&[]);
        for text in ["", "1", "AAAA", "!!!!", &list.after(b""), &"A".repeat(10_000)] {
            assert!(Cursor::parse(text).is_err(), "{text} was accepted");
        }
    }
}
