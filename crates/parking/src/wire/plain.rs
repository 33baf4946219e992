//! The short way to read a gate event: an object as programs write them, without escapes and without nested values.
//!
//! It is several times as fast as the general parser, and never the judge: what it does not take, wrong events among
//! it, is read again by the general parser; what it takes, the general parser takes with the same result. A property
//! test holds the two together.

use uuid::Uuid;

use super::{MEMBERS, Member, check_confidence};
use crate::lot::is_name;
use crate::{Direction, EventKey, GateEvent, GateId, LotId, Plate, Timestamp, Vehicle};

/// A gate event that passed every check; its names still stand in the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainEvent<'a> {
    key: EventKey,
    lot: &'a str,
    plate: Plate,
    plate_as_read: &'a str,
    gate: Option<&'a str>,
    confidence: Option<f32>,
}

impl PlainEvent<'_> {
    /// The time, the direction and the id.
    pub fn key(&self) -> &EventKey {
        &self.key
    }

    /// The lot's name.
    pub fn lot(&self) -> &str {
        self.lot
    }

    /// The plate in its normal form.
    pub fn plate(&self) -> &Plate {
        &self.plate
    }

    /// The event with names of its own.
    pub fn into_event(self) -> GateEvent {
        GateEvent {
            vehicle: Vehicle { lot: LotId::of_name(self.lot), plate: self.plate },
            key: self.key,
            plate_as_read: self.plate_as_read.into(),
            gate: self.gate.map(GateId::of_name),
            confidence: self.confidence,
        }
    }
}

/// Reads an event of the plain shape; `None` says nothing about one of another shape.
pub fn parse_plain(json: &[u8]) -> Option<PlainEvent<'_>> {
    let values = Values::read(json)?;
    let (direction, time) = match (values.of(Member::EntryDateTime), values.of(Member::ExitDateTime)) {
        (Some(entry), None) => (Direction::Entry, entry),
        (None, Some(exit)) => (Direction::Exit, exit),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let time = Timestamp::parse_rfc3339(time).ok()?;
    let id = values.of(Member::Id).filter(|id| id.len() == 36)?;
    let id = Uuid::try_parse(id).ok().filter(|id| !id.is_nil())?;
    let plate_as_read = values.of(Member::VehiclePlate)?;
    let (lot, gate) = (values.of(Member::LotId), values.of(Member::GateId));
    if !lot.into_iter().chain(gate).all(is_name) {
        return None;
    }
    Some(PlainEvent {
        key: EventKey { time, direction, id },
        lot: lot.unwrap_or(LotId::MAIN),
        plate: Plate::from_read(plate_as_read).ok()?,
        plate_as_read,
        gate,
        confidence: values.of(Member::Confidence).map(check_confidence).transpose().ok()?,
    })
}

/// The values of the members as they stand, without quotes; an empty one is absent.
struct Values<'a>([&'a str; MEMBERS.len()]);

impl<'a> Values<'a> {
    fn of(&self, member: Member) -> Option<&'a str> {
        let value = self.0[member as usize];
        (!value.is_empty()).then_some(value)
    }

    fn read(json: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(json).ok()?;
        let mut quotes = Quotes::default();
        quotes.find(json)?;
        let mut cursor = Cursor { text: json, at: 0, quotes: &mut quotes };
        cursor.next_is(b'{')?;
        let mut values = Self([""; MEMBERS.len()]);
        let mut seen = 0_u32;
        loop {
            let name = cursor.name()?;
            cursor.next_is(b':')?;
            let value = cursor.value()?;
            if let Name::Member(member) = name {
                let is_expected = match value {
                    Value::String(start, end) => {
                        values.0[member] = text.get(start..end)?;
                        start < end && member != Member::Confidence as usize
                    }
                    Value::Number(start, end) => {
                        values.0[member] = text.get(start..end)?;
                        member == Member::Confidence as usize
                    }
                    Value::Null => true,
                    Value::Boolean => false,
                };
                if !is_expected || seen & (1 << member) != 0 {
                    return None;
                }
                seen |= 1 << member;
            }
            match cursor.next()? {
                b',' => {}
                b'}' => return cursor.is_at_end().then_some(values),
                _ => return None,
            }
        }
    }
}

/// What a member's name is.
#[derive(Clone, Copy)]
enum Name {
    /// The one at this place in [`MEMBERS`].
    Member(usize),
    /// One that is ignored.
    Other,
}

/// A value, and from where to where it stands; a string without its quotes.
#[derive(Clone, Copy)]
enum Value {
    String(usize, usize),
    Number(usize, usize),
    Boolean,
    Null,
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    quotes: &'a mut Quotes,
}

impl Cursor<'_> {
    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
        }
    }

    fn next_is(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    fn is_at_end(&mut self) -> bool {
        self.next().is_none()
    }

    fn name(&mut self) -> Option<Name> {
        self.next_is(b'"')?;
        let (start, end) = self.string()?;
        let (place, padded) = MEMBER_OF_LENGTH[(end - start).min(PADDED_BYTES - 1)];
        if end - start >= PADDED_BYTES {
            return Some(Name::Other);
        }
        let bytes = match self.text.get(start..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => *bytes,
            None => padded_of(&self.text[start..end]),
        };
        let name = u128::from_le_bytes(bytes) & MASKS[end - start];
        Some(if name == padded { Name::Member(place) } else { Name::Other })
    }

    #[inline]
    fn value(&mut self) -> Option<Value> {
        let first = self.next()?;
        if first == b'"' { self.string().map(|(start, end)| Value::String(start, end)) } else { self.bare_value() }
    }

    /// A value without quotes, whose first byte was taken.
    #[cold]
    fn bare_value(&mut self) -> Option<Value> {
        let start = self.at - 1;
        let rest = &self.text[start..];
        let (value, length) = match rest[0] {
            b'n' if rest.starts_with(b"null") => (Value::Null, 4),
            b't' if rest.starts_with(b"true") => (Value::Boolean, 4),
            b'f' if rest.starts_with(b"false") => (Value::Boolean, 5),
            b'-' | b'0'..=b'9' => {
                let length = length_of_number(rest)?;
                (Value::Number(start, start + length), length)
            }
            _ => return None,
        };
        self.at = start + length;
        Some(value)
    }

    /// Behind an opening quote: from where to where the string stands. Goes on behind its closing quote.
    #[inline]
    fn string(&mut self) -> Option<(usize, usize)> {
        let (opening, closing) = self.quotes.next_two()?;
        self.at = closing + 1;
        Some((opening + 1, closing))
    }
}

/// A longer text does not take the short way.
const BYTES_MAX: usize = 1024;
const BLOCK: usize = u64::BITS as usize;
/// A text with more quotes does not take the short way.
const QUOTES_MAX: usize = 40;
/// So many quotes are looked for in a block whether they are there or not: a branch for each would be guessed wrong.
const AT_ONCE: usize = 12;

/// The places of the quotes of a text, one after the other.
struct Quotes {
    places: [u32; QUOTES_MAX + BLOCK + AT_ONCE],
    count: usize,
    taken: usize,
}

impl Default for Quotes {
    fn default() -> Self {
        Self { places: [0; QUOTES_MAX + BLOCK + AT_ONCE], count: 0, taken: 0 }
    }
}

impl Quotes {
    /// `None` for a text with escapes or control characters, where a quote may be none or a line end hides.
    fn find(&mut self, text: &[u8]) -> Option<()> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let (blocks, rest) = text.as_chunks();
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        for (start, block) in (0..).step_by(BLOCK).zip(blocks.iter().chain([&last])) {
            let (bits, is_plain) = quotes_of(block);
            self.add(start, bits);
            if !is_plain || self.count > QUOTES_MAX {
                return None;
            }
        }
        Some(())
    }

    fn add(&mut self, start: u32, bits: u64) {
        let found = bits.count_ones() as usize;
        let mut left = bits;
        for places in self.places[self.count..].chunks_exact_mut(AT_ONCE) {
            for place in places {
                // Behind the last one this is no place; the next block overwrites it.
                *place = start + left.trailing_zeros();
                left &= left.wrapping_sub(1);
            }
            if left == 0 {
                break;
            }
        }
        self.count += found;
    }

    /// The places of an opening and a closing quote.
    #[inline]
    fn next_two(&mut self) -> Option<(usize, usize)> {
        let at = self.taken;
        self.taken += 2;
        if self.taken > self.count {
            return None;
        }
        Some((self.places[at] as usize, self.places[at + 1] as usize))
    }
}

/// The quotes of a block, a bit for each, and whether it has no backslash and no control character. Written such that
/// compilers make a few vector instructions of it.
fn quotes_of(block: &[u8; BLOCK]) -> (u64, bool) {
    let mut are_quotes = [0; BLOCK];
    let mut specials = 0;
    for (is_quote, byte) in are_quotes.iter_mut().zip(block) {
        *is_quote = u8::from(*byte == b'"');
        specials |= u8::from(*byte < b' ') | u8::from(*byte == b'\\');
    }
    // The product has the lowest bit of each of the eight bytes in its highest byte, in their order.
    let packed = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    let bits = are_quotes.as_chunks().0.iter().rev().fold(0, |bits, eight| bits << 8 | packed(eight));
    (bits, specials == 0)
}

/// The length of a number without an exponent at the beginning of `text`.
fn length_of_number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text[0] == b'-');
    let whole = digits(sign);
    if whole == 0 || (whole > 1 && text[sign] == b'0') {
        return None;
    }
    let point = sign + whole;
    let end = match text.get(point) {
        Some(b'.') => point + 1 + Some(digits(point + 1)).filter(|fraction| *fraction > 0)?,
        _ => point,
    };
    (!matches!(text.get(end), Some(b'e' | b'E'))).then_some(end)
}

const PADDED_BYTES: usize = size_of::<u128>();

/// The one member of each length, by its place in [`MEMBERS`], and its name as a number. No two are equally long.
const MEMBER_OF_LENGTH: [(usize, u128); PADDED_BYTES] = {
    // No name is as long as this number of bytes that are all set.
    let mut of_length = [(0, u128::MAX); PADDED_BYTES];
    let mut place = 0;
    while place < MEMBERS.len() {
        let name = MEMBERS[place].as_bytes();
        assert!(of_length[name.len()].1 == u128::MAX, "two members with names of one length");
        of_length[name.len()] = (place, u128::from_le_bytes(padded_of(name)));
        place += 1;
    }
    of_length
};

/// The bytes of a name of each length.
const MASKS: [u128; PADDED_BYTES] = {
    let mut masks = [0; PADDED_BYTES];
    let mut length = 1;
    while length < PADDED_BYTES {
        masks[length] = masks[length - 1] << u8::BITS | 0xff;
        length += 1;
    }
    masks
};

const fn padded_of(name: &[u8]) -> [u8; PADDED_BYTES] {
    let mut padded = [0; PADDED_BYTES];
    padded.split_at_mut(name.len()).0.copy_from_slice(name);
    padded
}
