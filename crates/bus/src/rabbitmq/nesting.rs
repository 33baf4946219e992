//! Limits the nesting of message headers, and replaces headers that can't be parsed.
//!
//! The library parses, copies and drops nested tables and arrays by recursion: 15 KB of nested arrays, from any
//! client that may publish, overflow its stack. This module checks a table without recursion, and replaces one that
//! is nested too deeply, or that the library can't parse, by a flat table of the same length.

use std::ops::Range;

/// The maximum nesting of tables and arrays in message headers. A broker's own headers have three levels.
const NESTING_MAX: usize = 64;
/// The property flags before the headers, and the flag of the headers.
const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
pub(super) const HEADERS: u16 = 1 << 13;
/// Class, weight and body size precede the property flags.
pub(super) const FLAGS_OFFSET: usize = 12;
/// The only member of a replacement table; its value is the original bytes.
const TOO_DEEP_MEMBER: &[u8] = b"x-dwell-nested-too-deep";
const UNREADABLE_MEMBER: &[u8] = b"x-dwell-unreadable";

/// Limits the nesting in the payload of a content header frame. Returns true if the headers were replaced.
pub(super) fn bound(payload: &mut [u8]) -> bool {
    let Some(table) = headers_of(payload) else { return false };
    match shape_of(table, |_| {}) {
        Shape::Sound => return false,
        Shape::TooDeep => replace(table, TOO_DEEP_MEMBER),
        Shape::Unreadable => replace(table, UNREADABLE_MEMBER),
    }
    true
}

/// The bytes of the header table, without its length; `None` if it is missing or truncated.
fn headers_of(payload: &mut [u8]) -> Option<&mut [u8]> {
    let mut cursor = Cursor::new(payload, FLAGS_OFFSET);
    let flags = cursor.short()?;
    // The lowest bit announces more flags, which no broker sends.
    if flags & HEADERS == 0 || flags & 1 != 0 {
        return None;
    }
    for property in [CONTENT_TYPE, CONTENT_ENCODING] {
        if flags & property != 0 {
            cursor.short_string()?;
        }
    }
    let length = cursor.long()?;
    let begin = cursor.at;
    payload.get_mut(begin..begin.checked_add(length)?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The library can parse it, apart from names that are not UTF-8.
    Sound,
    /// Tables and arrays are nested more than [`NESTING_MAX`] deep.
    TooDeep,
    /// A length is wrong, or a type is unknown to the library.
    Unreadable,
}

/// The shape of a table; `on_name` gets the place of each name in it.
pub(super) fn shape_of(table: &[u8], mut on_name: impl FnMut(Range<usize>)) -> Shape {
    let mut cursor = Cursor::new(table, 0);
    // The open containers: where each ends, and whether its values have names.
    let mut open = vec![(table.len(), true)];
    while let Some((end, has_names)) = open.last().copied() {
        if cursor.at == end {
            open.pop();
            continue;
        }
        if has_names {
            let Some(name) = cursor.short_string() else { return Shape::Unreadable };
            on_name(name);
        }
        let Some(value) = cursor.value() else { return Shape::Unreadable };
        let length = match value {
            Value::Flat => 0,
            Value::Nested { length, .. } => length,
        };
        if cursor.at.saturating_add(length) > end {
            return Shape::Unreadable;
        }
        if let Value::Nested { length, has_names } = value {
            if open.len() == NESTING_MAX {
                return Shape::TooDeep;
            }
            open.push((cursor.at + length, has_names));
        }
    }
    Shape::Sound
}

/// Replaces a table by one with this only member, whose value is the remaining bytes.
fn replace(table: &mut [u8], member: &[u8]) {
    // Name and value have a length, and the value a type.
    let head_bytes = 1 + member.len() + 1 + 4;
    let bytes = table.len().checked_sub(head_bytes).and_then(|bytes| u32::try_from(bytes).ok());
    if let (Some(bytes), Ok(name)) = (bytes, u8::try_from(member.len())) {
        let head = [&[name], member, b"x", &bytes.to_be_bytes()].concat();
        table[..head.len()].copy_from_slice(&head);
    } else if let [name, rest @ .., kind] = table
        && let Ok(length) = u8::try_from(rest.len())
    {
        // Too short for that: a longer name without a value.
        *name = length;
        rest.fill(b'-');
        *kind = b'V';
    }
}

enum Value {
    Flat,
    Nested { length: usize, has_names: bool },
}

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    fn take<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        let taken = *self.bytes.get(self.at..)?.first_chunk()?;
        self.at += BYTES;
        Some(taken)
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.take()?)).ok()
    }

    pub(super) fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(bytes).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    /// Skips a short string, and returns its place.
    pub(super) fn short_string(&mut self) -> Option<Range<usize>> {
        let [length] = self.take()?;
        let begin = self.at;
        self.skip(length.into())?;
        Some(begin..self.at)
    }

    /// Skips a value, or the start of a container. The types are those of the library.
    fn value(&mut self) -> Option<Value> {
        let [kind] = self.take()?;
        let length = match kind {
            b'A' | b'F' => return Some(Value::Nested { length: self.long()?, has_names: kind == b'F' }),
            b'S' | b'x' => self.long()?,
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            _ => return None,
        };
        self.skip(length)?;
        Some(Value::Flat)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use lapin::types::parsing::parse_field_table;
    use lapin::types::{AMQPValue, FieldTable};

    use super::*;

    /// The payload of a content header with a member of every type, and then arrays and tables nested alternately.
    pub(in super::super) fn payload(levels: usize) -> Vec<u8> {
        let mut inner = Vec::new();
        for level in 0..levels {
            // An array in a table in an array …
            let in_table = level % 2 == 1;
            let inside = if in_table { [b"\x01n", &inner[..]].concat() } else { inner };
            let length = u32::try_from(inside.len()).unwrap().to_be_bytes();
            inner = [if in_table { b"F" } else { b"A" }, &length[..], &inside].concat();
        }
        let flat: Vec<u8> = [
            b"\x01at\x01\x01bb\x01\x01cB\x01\x01ds\0\x01\x01eu\0\x01\x01fI\0\0\0\x01\x01gi\0\0\0\x01".as_slice(),
            b"\x01hl\0\0\0\0\0\0\0\x01\x01if\0\0\0\0\x01jd\0\0\0\0\0\0\0\0\x01kD\0\0\0\0\0\x01lT\0\0\0\0\0\0\0\0",
            b"\x01mS\0\0\0\x03abc\x01nx\0\0\0\x02de\x01oV\x01pF\0\0\0\x04\x01qt\x01",
        ]
        .concat();
        let table = if levels == 0 { flat } else { [&flat[..], b"\x01z", &inner].concat() };
        let length = u32::try_from(table.len()).unwrap().to_be_bytes();
        let flags = (CONTENT_TYPE | CONTENT_ENCODING | HEADERS | (1 << 12)).to_be_bytes();
        let head = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &flags, b"\x10application/json\x04gzip"].concat();
        [&head[..], &length, &table, &[2]].concat()
    }

    /// The library's own parse.
    fn parsed(payload: &mut [u8]) -> FieldTable {
        let begin = FLAGS_OFFSET + 2 + 17 + 5;
        let (_, table) = parse_field_table(&payload[begin..]).unwrap();
        table
    }

    #[test]
    fn headers_of_ordinary_depth_stay_as_they_are() {
        for levels in [0, 1, 3, NESTING_MAX - 1] {
            let before = payload(levels);
            let mut after = before.clone();
            assert!(!bound(&mut after), "{levels}");
            assert!(after == before);
            assert_eq!(parsed(&mut after).inner().len(), 16 + usize::from(levels > 0), "{levels}");
        }
    }

    #[test]
    fn headers_that_are_nested_too_deep_become_flat_and_the_library_reads_them() {
        for levels in [NESTING_MAX, NESTING_MAX + 1, 1_000, 25_000] {
            let mut payload = payload(levels);
            let (begin, end) = (payload[..40].to_vec(), payload.last().copied());
            assert!(bound(&mut payload), "{levels}");
            assert_eq!((&payload[..40], payload.last().copied()), (&begin[..], end));
            let table = parsed(&mut payload);
            let members: Vec<_> = table.inner().iter().map(|(name, value)| (name.as_str(), value)).collect();
            assert!(matches!(members[..], [("x-dwell-nested-too-deep", AMQPValue::ByteArray(_))]), "{levels}");
            assert!(!bound(&mut payload));
        }
    }

    #[test]
    fn headers_that_the_library_can_not_parse_become_flat() {
        let with_table = |table: &[u8]| {
            let length = u32::try_from(table.len()).unwrap().to_be_bytes();
            [&[0; FLAGS_OFFSET][..], &HEADERS.to_be_bytes(), &length, table].concat()
        };
        let long = [b"\x01aS\0\0\0\x20".as_slice(), &[b'x'; 31]].concat();
        let tables: [(&[u8], &str); 6] = [
            (b"\x01aZ\0", "--"),
            (b"\x09a", ""),
            (b"\x01aA\0\0\0\x05t\x01", "-------"),
            (b"\x01aA\0\0\0\x01t\x01", "-------"),
            (b"\x01aF\0\0\0\x03\x01bI", "--------"),
            (&long, "x-dwell-unreadable"),
        ];
        for (table, name) in tables {
            let mut payload = with_table(table);
            assert!(bound(&mut payload), "{table:?}");
            let (rest, parsed) = parse_field_table(&payload[FLAGS_OFFSET + 2..]).unwrap();
            assert_eq!((rest, parsed.inner().keys().next().unwrap().as_str()), (&[][..], name), "{table:?}");
        }
    }

    #[test]
    fn a_header_that_is_cut_off_is_left_to_the_library() {
        let whole = payload(3);
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            assert!(!bound(&mut cut), "{length}");
            assert!(cut == whole[..length]);
        }
        for index in FLAGS_OFFSET..whole.len() {
            let mut other = whole.clone();
            other[index] = 0xff;
            bound(&mut other);
            assert_eq!(other.len(), whole.len());
        }
    }
}
