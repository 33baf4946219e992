//! Replaces invalid UTF-8 in the short strings of a delivery: a content type, the name of a header, a routing key.
//!
//! A broker passes any bytes there. The library can't parse them and closes the connection, at each redelivery again,
//! so that one message would stop all consumers. Each invalid byte becomes a question mark, so all lengths stay
//! unchanged. Header values may be any bytes and are left alone.

use std::ops::Range;

use super::nesting::{Cursor, FLAGS_OFFSET, HEADERS, shape_of};

/// The properties of a content header that are not short strings.
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const TIMESTAMP: u16 = 1 << 6;
/// The lowest flag of a property; those below are reserved.
const LOWEST_FLAG: u32 = 2;
/// Class and method of `basic.deliver`.
const DELIVER: [u8; 4] = [0, 60, 0, 60];
/// A delivery tag and the flag of a redelivery.
const TAG_BYTES: usize = 9;

/// Replaces invalid texts in the payload of a content header. Returns whether there were some.
pub(super) fn repair_content_header(payload: &mut [u8]) -> bool {
    // The most frequent case.
    if payload.get(FLAGS_OFFSET + 2..).is_none_or(<[u8]>::is_ascii) {
        return false;
    }
    let mut texts = Vec::new();
    // What can't be parsed at all has no further texts.
    let _: Option<()> = texts_of_content_header(payload, &mut texts);
    repair(payload, &texts)
}

fn texts_of_content_header(payload: &[u8], texts: &mut Vec<Range<usize>>) -> Option<()> {
    let mut cursor = Cursor::new(payload, FLAGS_OFFSET);
    let flags = cursor.short()?;
    for property in (LOWEST_FLAG..u16::BITS).rev().map(|bit| 1 << bit).filter(|property| flags & property != 0) {
        match property {
            HEADERS => {
                let length = cursor.long()?;
                let begin = cursor.at;
                cursor.skip(length)?;
                shape_of(&payload[begin..cursor.at], |name| texts.push(begin + name.start..begin + name.end));
            }
            DELIVERY_MODE | PRIORITY => cursor.skip(1)?,
            TIMESTAMP => cursor.skip(8)?,
            _ => texts.push(cursor.short_string()?),
        }
    }
    Some(())
}

/// Replaces invalid texts in the payload of a method, if it is a delivery. Returns whether there were some.
pub(super) fn repair_delivery(payload: &mut [u8]) -> bool {
    texts_of_delivery(payload).is_some_and(|texts| repair(payload, &texts))
}

/// The consumer tag, the exchange and the routing key.
fn texts_of_delivery(payload: &[u8]) -> Option<[Range<usize>; 3]> {
    if !payload.starts_with(&DELIVER) {
        return None;
    }
    let mut cursor = Cursor::new(payload, DELIVER.len());
    let consumer_tag = cursor.short_string()?;
    cursor.skip(TAG_BYTES)?;
    Some([consumer_tag, cursor.short_string()?, cursor.short_string()?])
}

fn repair(payload: &mut [u8], texts: &[Range<usize>]) -> bool {
    let mut is_repaired = false;
    for text in texts {
        let mut rest = &mut payload[text.clone()];
        while let Err(error) = std::str::from_utf8(rest) {
            let begin = error.valid_up_to();
            let end = error.error_len().map_or(rest.len(), |length| begin + length);
            rest[begin..end].fill(b'?');
            rest = &mut rest[end..];
            is_repaired = true;
        }
    }
    is_repaired
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{basic::parse_properties, parse_class};

    use super::super::nesting::{self, tests::payload};
    use super::*;

    #[test]
    fn a_content_header_with_any_byte_in_its_texts_can_be_parsed() {
        let whole = payload(3);
        let mut texts = Vec::new();
        texts_of_content_header(&whole, &mut texts).unwrap();
        // Content type and encoding, 16 headers, the outer name of the nested ones, and one in the table in the table.
        assert_eq!(texts.len(), 2 + 17 + 1 + 1);
        for at in texts.into_iter().flatten() {
            for byte in [0x80, 0xc3, 0xe2, 0xf0, 0xff] {
                let mut other = whole.clone();
                other[at] = byte;
                assert!(!nesting::bound(&mut other) && repair_content_header(&mut other), "byte {at}");
                assert_eq!(other[at], b'?');
                let parsed = parse_properties(&other[FLAGS_OFFSET..]);
                assert!(parsed.is_ok_and(|(rest, _)| rest.is_empty()), "byte {at}");
            }
        }
    }

    #[test]
    fn valid_texts_and_values_of_any_bytes_stay_unchanged() {
        let mut valid = payload(2);
        assert!(!repair_content_header(&mut valid));
        assert!(valid == payload(2));
        let of = |flags: u16, rest: &[u8]| [&[0; FLAGS_OFFSET][..], &flags.to_be_bytes(), rest].concat();
        let table = b"\0\0\0\x0b\x02\xc3\xa9S\0\0\0\x03\xff\xfe\0";
        for unchanged in [
            of(HEADERS, table),
            of(TIMESTAMP | 4, &[&[0xff; 8][..], "\u{7}Grüße".as_bytes()].concat()),
            of(PRIORITY | DELIVERY_MODE, &[0xff, 0xff]),
            of(0, b""),
            vec![0xff; FLAGS_OFFSET + 1],
        ] {
            let mut payload = unchanged.clone();
            assert!(!repair_content_header(&mut payload), "{unchanged:?}");
            assert_eq!(payload, unchanged);
        }
    }

    #[test]
    fn a_delivery_with_any_routing_key_can_be_parsed() {
        let delivery = [&DELIVER[..], b"\x03tag", &[0xff; 8], &[1], b"\x04amq.", b"\x05a\xe2\x28\xff\xc3"].concat();
        let mut repaired = delivery.clone();
        assert!(parse_class(&delivery[..]).is_err());
        assert!(repair_delivery(&mut repaired));
        assert_eq!(&repaired[repaired.len() - 5..], b"a?(??");
        assert!(parse_class(&repaired[..]).is_ok());
        assert!(!repair_delivery(&mut repaired));
        let mut other = [&[0, 60, 0, 50][..], &delivery[4..]].concat();
        assert!(!repair_delivery(&mut other));
        for length in 0..delivery.len() {
            assert!(!repair_delivery(&mut delivery[..length].to_vec()), "{length}");
        }
    }
}
