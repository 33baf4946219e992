//! The short way to read a gate event: an object as programs write them, without escapes and without nested values.
//!
//! It is several times as fast as the general parser, and never the judge: what it does not take, wrong events among
//! it, is read again by the general parser; what it takes, the general parser takes with the same result. A property
//! test holds the two together.

use uuid::Uuid;

use super::{MEMBERS, Member, check_confidence};
use crate::lot::is_name;
use crate::plate::NormalPlate;
use crate::{Direction, EventKey, GateEvent, GateId, LotId, Vehicle, time};

/// A gate event that passed every check; its names still stand in the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainEvent<'a> {
    key: EventKey,
    /// ASCII, as the gate is.
    lot: &'a [u8],
    plate: NormalPlate,
    plate_as_read: &'a [u8],
    gate: &'a [u8],
    confidence: Option<f32>,
}

impl PlainEvent<'_> {
    /// The time, the direction and the id.
    pub fn key(&self) -> &EventKey {
        &self.key
    }

    /// The lot's name, in ASCII.
    pub fn lot(&self) -> &[u8] {
        self.lot
    }

    /// The plate in its normal form, in UTF-8.
    pub fn plate(&self) -> &[u8] {
        self.plate.as_bytes()
    }

    /// The event with names of its own.
    pub fn into_event(self) -> GateEvent {
        let text = |bytes| std::str::from_utf8(bytes).expect("it was checked when it was read");
        GateEvent {
            vehicle: Vehicle { lot: LotId::of_name(text(self.lot)), plate: self.plate.into() },
            key: self.key,
            plate_as_read: text(self.plate_as_read).into(),
            gate: (!self.gate.is_empty()).then(|| GateId::of_name(text(self.gate))),
            confidence: self.confidence,
        }
    }
}

/// A longer one is not plain; whether it may be so long is for the general parser to say.
const BYTES_MAX: usize = 1024;

/// Reads an event of the plain shape; `None` says nothing about one of another shape.
pub fn parse_plain(json: &[u8]) -> Option<PlainEvent<'_>> {
    parse_plain_line(json, json.len())
}

/// As [`parse_plain`] for the first `length` bytes of `text`. What follows them is no part of the event, but when
/// there is something, the end is read as fast as the rest.
pub fn parse_plain_line(text: &[u8], length: usize) -> Option<PlainEvent<'_>> {
    if length > BYTES_MAX {
        return None;
    }
    let values = Values::read(text, length)?;
    let (entry, exit) = (values.of(Member::EntryDateTime), values.of(Member::ExitDateTime));
    if entry.is_empty() == exit.is_empty() {
        return None;
    }
    let (direction, time) = if exit.is_empty() { (Direction::Entry, entry) } else { (Direction::Exit, exit) };
    let time = time::parse(time).ok()?;
    let id = Some(values.of(Member::Id)).filter(|id| id.len() == ID_BYTES)?;
    let id = Uuid::try_parse_ascii(id).ok().filter(|id| !id.is_nil())?;
    let plate_as_read = values.of(Member::VehiclePlate);
    let plate = NormalPlate::of(plate_as_read)?;
    // Letters and digits alone stand for themselves.
    if plate.as_bytes().len() != plate_as_read.len() && !is_plain(plate_as_read) {
        return None;
    }
    let (lot, gate) = (values.of(Member::LotId), values.of(Member::GateId));
    if !(lot.is_empty() || is_name(lot)) || !(gate.is_empty() || is_name(gate)) {
        return None;
    }
    let confidence = match values.of(Member::Confidence) {
        [] => None,
        number => Some(check_confidence(std::str::from_utf8(number).ok()?).ok()?),
    };
    Some(PlainEvent {
        key: EventKey { time, direction, id },
        lot: if lot.is_empty() { LotId::MAIN.as_bytes() } else { lot },
        plate,
        plate_as_read,
        gate,
        confidence,
    })
}

/// The values of the members as they stand, without quotes; an empty one is absent.
struct Values<'a>([&'a [u8]; MEMBERS.len()]);

impl<'a> Values<'a> {
    fn of(&self, member: Member) -> &'a [u8] {
        self.0[member as usize]
    }

    fn read(text: &'a [u8], length: usize) -> Option<Self> {
        let mut cursor = Cursor { text, end: length.min(text.len()), at: 0 };
        let mut values = Self([&[]; MEMBERS.len()]);
        let mut seen = 0_u32;
        cursor.next_is(b'{')?;
        cursor.next_is(b'"')?;
        loop {
            if let Some(member) = cursor.member() {
                if seen & (1 << member) != 0 {
                    return None;
                }
                seen |= 1 << member;
                values.0[member] = cursor.value_of(member)?;
            } else {
                cursor.skip_string()?;
                cursor.skip_value()?;
            }
            if cursor.takes(*b",\"") {
                continue;
            }
            match cursor.next()? {
                b',' => cursor.next_is(b'"')?,
                b'}' => return cursor.next().is_none().then_some(values),
                _ => return None,
            }
        }
    }
}

/// A value without quotes.
enum Bare<'a> {
    Number(&'a [u8]),
    Boolean,
    Null,
}

/// Reads without a branch on which member comes or how long its value is: such a branch would be guessed wrong.
struct Cursor<'a> {
    text: &'a [u8],
    end: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is no white space, which stays.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        while self.at < self.end {
            let byte = self.text[self.at];
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes the next byte that is no white space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn next_is(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// Takes two bytes if they stand next, with no white space between them.
    #[inline]
    fn takes(&mut self, both: [u8; 2]) -> bool {
        let is_next = self.window(self.at) == both;
        self.at += if is_next { both.len() } else { 0 };
        is_next
    }

    /// Takes a name behind its opening quote, with the closing one, when it is a member's: its place in [`MEMBERS`].
    #[inline]
    fn member(&mut self) -> Option<usize> {
        let window = u128::from_le_bytes(self.window(self.at));
        let Name { text, mask, bytes, member } = NAMES[slot_of(window)];
        let is_member = window & mask == text;
        self.at += if is_member { bytes } else { 0 };
        is_member.then_some(member)
    }

    /// So many bytes from `place` on, and zeros behind the end of the text.
    #[inline]
    fn window<const BYTES: usize>(&self, place: usize) -> [u8; BYTES] {
        let rest = self.text.get(place..).unwrap_or(&[]);
        rest.first_chunk().copied().unwrap_or_else(|| padded_of(rest))
    }

    /// Takes what stands behind an opening quote, and the next quote after `unseen` bytes. Whether it has escapes or
    /// control characters, and a quote among the unseen, is left to be checked.
    #[inline]
    fn string(&mut self, unseen: usize) -> Option<&'a [u8]> {
        let start = self.at;
        let mut place = start + unseen;
        let mut quotes = quotes_of(self.window(place));
        while quotes == 0 {
            place += size_of::<u64>();
            if place >= self.end {
                return None;
            }
            quotes = quotes_of(self.window(place));
        }
        place += (quotes.trailing_zeros() / u8::BITS) as usize;
        self.at = place + 1;
        (place < self.end).then(|| &self.text[start..place])
    }

    /// The colon and the value of a member that is known; nothing for `null`.
    #[inline]
    fn value_of(&mut self, member: usize) -> Option<&'a [u8]> {
        let is_number = member == Member::Confidence as usize;
        if self.begins_string()? {
            return self.string(CHECKED_BYTES[member]).filter(|value| !value.is_empty() && !is_number);
        }
        match self.bare_value()? {
            Bare::Null => Some(&[]),
            Bare::Number(number) => is_number.then_some(number),
            Bare::Boolean => None,
        }
    }

    /// Takes the colon, and the quote if a string follows.
    #[inline]
    fn begins_string(&mut self) -> Option<bool> {
        if self.takes(*b":\"") {
            return Some(true);
        }
        self.next_is(b':')?;
        let is_string = self.peek()? == b'"';
        self.at += usize::from(is_string);
        Some(is_string)
    }

    fn skip_string(&mut self) -> Option<()> {
        is_plain_text(self.string(0)?).then_some(())
    }

    fn skip_value(&mut self) -> Option<()> {
        if self.begins_string()? {
            return self.skip_string();
        }
        self.bare_value().map(|_| ())
    }

    #[cold]
    fn bare_value(&mut self) -> Option<Bare<'a>> {
        let rest = &self.text[self.at..self.end];
        let (value, length) = match rest.first()? {
            b'n' if rest.starts_with(b"null") => (Bare::Null, 4),
            b't' if rest.starts_with(b"true") => (Bare::Boolean, 4),
            b'f' if rest.starts_with(b"false") => (Bare::Boolean, 5),
            b'-' | b'0'..=b'9' => {
                let length = length_of_number(rest)?;
                (Bare::Number(&rest[..length]), length)
            }
            _ => return None,
        };
        self.at += length;
        Some(value)
    }
}

/// The highest bit of each byte that is a quote. Only the lowest of the bits is to be relied on: a borrow may set others
/// above it.
#[inline]
const fn quotes_of(window: [u8; size_of::<u64>()]) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    let others = u64::from_le_bytes(window) ^ (EACH * b'"' as u64);
    others.wrapping_sub(EACH) & !others & (EACH << 7)
}

/// Whether a string, so far as bytes tell, stands for itself: without escapes and without control characters.
#[inline]
fn is_plain(string: &[u8]) -> bool {
    string.iter().filter(|byte| **byte < b' ' || **byte == b'\\').count() == 0
}

fn is_plain_text(string: &[u8]) -> bool {
    is_plain(string) && std::str::from_utf8(string).is_ok()
}

const ID_BYTES: usize = 36;
/// The bytes up to the seconds of a time.
const TIME_BYTES: usize = 19;

/// So many bytes at the beginning of each member's value are such that no quote, escape or control character in them
/// passes the check of the value.
const CHECKED_BYTES: [usize; MEMBERS.len()] = {
    let mut checked = [0; MEMBERS.len()];
    checked[Member::Id as usize] = ID_BYTES;
    checked[Member::EntryDateTime as usize] = TIME_BYTES;
    checked[Member::ExitDateTime as usize] = TIME_BYTES;
    checked
};

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

/// A member's name as it stands behind an opening quote.
#[derive(Clone, Copy)]
struct Name {
    /// The name and its closing quote, as a number.
    text: u128,
    /// The bits that count.
    mask: u128,
    bytes: usize,
    /// Its place in [`MEMBERS`].
    member: usize,
}

const SLOTS: usize = 32;

/// Where a name that begins like this stands in [`NAMES`], if it is there.
#[inline]
const fn slot_of(window: u128) -> usize {
    (window ^ (window >> u8::BITS)) as usize % SLOTS
}

/// The members by [`slot_of`] their names, which no two share.
const NAMES: [Name; SLOTS] = {
    // Nothing is equal to this one: no bit counts, and its text has one.
    let mut names = [Name { text: 1, mask: 0, bytes: 0, member: 0 }; SLOTS];
    let mut member = 0;
    while member < MEMBERS.len() {
        let name = MEMBERS[member].as_bytes();
        let mut text = padded_of(name);
        text[name.len()] = b'"';
        let text = u128::from_le_bytes(text);
        let slot = slot_of(text);
        assert!(names[slot].mask == 0, "two members share a slot");
        let bytes = name.len() + 1;
        names[slot] = Name { text, mask: u128::MAX >> ((size_of::<u128>() - bytes) * 8), bytes, member };
        member += 1;
    }
    names
};

const fn padded_of<const BYTES: usize>(text: &[u8]) -> [u8; BYTES] {
    let mut padded = [0; BYTES];
    padded.split_at_mut(text.len()).0.copy_from_slice(text);
    padded
}
