//! The fast path of the parser: a gate event as programs usually write it, without escapes and nested values.
//!
//! It is several times as fast as the general parser and only accepts: the general parser reads all other texts,
//! including invalid events. A property test holds that both return equal events.

mod cursor;

use uuid::Uuid;

use self::cursor::Cursor;
use super::{MEMBERS, Member, PLAIN_MEMBERS, check_confidence};
use crate::lot::is_name;
use crate::plate::NormalPlate;
use crate::{Direction, EventKey, GateEvent, GateId, LotId, Vehicle, time};

/// A gate event that passed every check; its names borrow from the parsed text.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainEvent<'a> {
    key: EventKey,
    /// ASCII, like the gate.
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

    /// The gate's name, in ASCII; empty when it is not known.
    pub fn gate(&self) -> &[u8] {
        self.gate
    }

    /// The event with owned names.
    pub fn into_event(self) -> GateEvent {
        let text = |bytes| std::str::from_utf8(bytes).expect("the parser has checked the text");
        GateEvent {
            vehicle: Vehicle { lot: LotId::of_name(text(self.lot)), plate: self.plate.into() },
            key: self.key,
            plate_as_read: text(self.plate_as_read).into(),
            gate: (!self.gate.is_empty()).then(|| GateId::of_name(text(self.gate))),
            confidence: self.confidence,
        }
    }
}

/// The longest event of the fast path, bytes; the general parser checks the limit of an event.
const BYTES_MAX: usize = 1024;

/// Parses an event of the usual shape; `None` for any other text, which may be a valid event.
pub fn parse_plain(json: &[u8]) -> Option<PlainEvent<'_>> {
    parse_plain_line(json, json.len())
}

/// Like [`parse_plain`], for the first `length` bytes of `text`. The bytes after them don't belong to the event, but
/// let the parser read its end as fast as the rest.
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
    // An empty text is a plate and an absent member is none; the general parser tells the two apart.
    let plate_as_read = Some(values.of(Member::VehiclePlate)).filter(|plate| !plate.is_empty())?;
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
struct Values<'a>([&'a [u8]; PLAIN_MEMBERS]);

impl<'a> Values<'a> {
    fn of(&self, member: Member) -> &'a [u8] {
        self.0[member as usize]
    }

    fn read(text: &'a [u8], length: usize) -> Option<Self> {
        let mut cursor = Cursor::new(text, length);
        let mut values = Self([&[]; PLAIN_MEMBERS]);
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
                let name = cursor.plain_string()?;
                if MEMBERS[PLAIN_MEMBERS..].iter().any(|member| member.as_bytes() == name) {
                    return None;
                }
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

/// Whether a string, so far as bytes tell, stands for itself: without escapes and without control characters.
#[inline]
fn is_plain(string: &[u8]) -> bool {
    string.iter().filter(|byte| **byte < b' ' || **byte == b'\\').count() == 0
}

fn is_plain_text(string: &[u8]) -> bool {
    is_plain(string) && std::str::from_utf8(string).is_ok()
}

const ID_BYTES: usize = 36;
