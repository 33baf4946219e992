//! The wire format of gate events: one JSON object, or an array of them, in one message.
//!
//! The parser is strict about ids, times, lengths and repeated members, and ignores extra members. It parses each
//! element of an array on its own, so an invalid event costs no valid one. An invalid optional member is [`Dropped`];
//! the event is accepted. A byte order mark before a body or an event is ignored. Events of the usual shape take the
//! fast path ([`parse_plain`]); the general parser reads all others. CSV files have the same members as columns: their
//! reader fills [`Members`] and calls [`Members::check`].

use std::borrow::Cow;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::refusal::told;
use crate::{Candidate, Certainty, Direction, EventKey, GateEvent, GateId, LotId, Plate, Refusal, Timestamp, Vehicle};

mod certainty;
mod dropped;
mod elements;
mod fast_path;

pub use self::dropped::Dropped;
pub use self::fast_path::{PlainEvent, parse_plain, parse_plain_line};

/// The largest message body that is taken, bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The most events of one message.
pub const MAX_EVENTS_OF_MESSAGE: usize = 10_000;

/// The members of one gate event as text, before they are checked. `None` is absent.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Members<'a> {
    /// A UUID, not nil.
    pub id: Option<Cow<'a, str>>,
    /// The plate as read.
    pub vehicle_plate: Option<Cow<'a, str>>,
    /// RFC 3339; present for an entry.
    pub entry_date_time: Option<Cow<'a, str>>,
    /// RFC 3339; present for an exit.
    pub exit_date_time: Option<Cow<'a, str>>,
    /// The lot's name.
    pub lot_id: Option<Cow<'a, str>>,
    /// The gate's name; dropped when it can't be one.
    pub gate_id: Option<Cow<'a, str>>,
    /// A number from 0 to 1; dropped when it is none.
    pub confidence: Option<Cow<'a, str>>,
    /// A JSON array of numbers from 0 to 1, one a character; dropped when it is none.
    pub character_confidences: Option<Cow<'a, str>>,
    /// A JSON array of objects with a `plate` and perhaps a `confidence`; those that are none are dropped.
    pub candidates: Option<Cow<'a, str>>,
    /// The id of another read of the same lot and gate; dropped when it can't be one.
    pub supersedes: Option<Cow<'a, str>>,
}

/// A gate event and the optional members that it had to be taken without.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedEvent {
    /// The event.
    pub event: GateEvent,
    /// What its camera says of its certainty beyond the confidence.
    pub certainty: Option<Box<Certainty>>,
    /// The id of the read of the same lot and gate that this one replaces; never its own.
    pub supersedes: Option<Uuid>,
    /// What could not be used.
    pub dropped: Dropped,
}

impl ParsedEvent {
    /// An event without any member beyond those of the event itself.
    fn of(event: GateEvent) -> Self {
        Self { event, certainty: None, supersedes: None, dropped: Dropped::default() }
    }
}

impl Members<'_> {
    /// The gate event that the members say.
    ///
    /// # Errors
    /// The first member that is wrong, and why.
    pub fn check(&self) -> Result<ParsedEvent, Refusal> {
        let id = check_id(required("id", self.id.as_ref())?)?;
        let plate_as_read = required("vehicle_plate", self.vehicle_plate.as_ref())?;
        let plate = Plate::from_read(plate_as_read).map_err(|problem| Refusal::new("vehicle_plate", problem))?;
        let (direction, time) = self.passage()?;
        let lot = self.lot()?;
        let mut dropped = Dropped::default();
        let gate = usable(self.gate_id.as_ref(), GateId::parse, &mut dropped.gate_id);
        let confidence = usable(self.confidence.as_ref(), check_confidence, &mut dropped.confidence);
        let certainty = self.certainty(&plate, plate_as_read, &mut dropped);
        let supersedes = usable(self.supersedes.as_ref(), |text| other_id(text, id), &mut dropped.supersedes);
        let event = GateEvent {
            vehicle: Vehicle { lot, plate },
            key: EventKey { time, direction, id },
            plate_as_read: plate_as_read.into(),
            gate,
            confidence,
        };
        Ok(ParsedEvent { event, certainty, supersedes, dropped })
    }

    fn lot(&self) -> Result<LotId, Refusal> {
        let Some(text) = &self.lot_id else { return Ok(LotId::default()) };
        LotId::parse(text).map_err(|problem| Refusal::new("lot_id", format!("{} {problem}", told(text))))
    }

    fn passage(&self) -> Result<(Direction, Timestamp), Refusal> {
        let (direction, member, text) = match (&self.entry_date_time, &self.exit_date_time) {
            (Some(entry), None) => (Direction::Entry, "entry_date_time", entry),
            (None, Some(exit)) => (Direction::Exit, "exit_date_time", exit),
            (Some(_), Some(_)) => {
                return Err(Refusal::new(
                    "exit_date_time",
                    "stands beside entry_date_time: one of the two says the direction",
                ));
            }
            (None, None) => {
                return Err(Refusal::new(
                    "entry_date_time",
                    "and exit_date_time are both missing: one of the two says the direction",
                ));
            }
        };
        let time = Timestamp::parse_rfc3339(text)
            .map_err(|problem| Refusal::new(member, format!("{} {problem}", told(text))))?;
        Ok((direction, time))
    }
}

fn required<'a>(member: &'static str, text: Option<&'a Cow<'_, str>>) -> Result<&'a str, Refusal> {
    text.map(|text| &**text).ok_or_else(|| Refusal::new(member, "is missing"))
}

/// The value of an optional member; one that can't be used is absent, and noted in `is_dropped`.
fn usable<T>(
    text: Option<&Cow<'_, str>>,
    check: impl Fn(&str) -> Result<T, &'static str>,
    is_dropped: &mut bool,
) -> Option<T> {
    let value = check(text?).ok();
    *is_dropped = value.is_none();
    value
}

/// The id of another event than the one with the id `own`.
fn other_id(text: &str, own: Uuid) -> Result<Uuid, &'static str> {
    match check_id(text) {
        Ok(id) if id != own => Ok(id),
        Ok(_) | Err(_) => Err("is not the id of another event"),
    }
}

fn check_id(text: &str) -> Result<Uuid, Refusal> {
    let hyphenated = text.len() == 36;
    match Uuid::try_parse(text) {
        Ok(id) if hyphenated && !id.is_nil() => Ok(id),
        Ok(id) if id.is_nil() => Err(Refusal::new("id", "is the nil UUID, which names nothing")),
        _ => Err(Refusal::new(
            "id",
            format!("{} is not a UUID such as 9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", told(text)),
        )),
    }
}

fn check_confidence(text: &str) -> Result<f32, &'static str> {
    match text.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("is not a number from 0 to 1"),
    }
}

/// An element of a message: the event or why it is refused, and the JSON text it stood in.
#[derive(Debug, Clone, PartialEq)]
pub struct Element<'a> {
    /// The event, or what is wrong with it.
    pub event: Result<ParsedEvent, Refusal>,
    /// The element's own JSON text.
    pub json: &'a [u8],
}

/// Reads a message body: one event, or an array of events.
///
/// # Errors
/// When the body as a whole is not JSON, neither an object nor an array, or too large.
pub fn parse_message(body: &[u8]) -> Result<Vec<Element<'_>>, Refusal> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Refusal::new("body", format!("has {} bytes; allowed are {MAX_BODY_BYTES}", body.len())));
    }
    let body = without_byte_order_mark(body);
    if body.trim_ascii_start().first() != Some(&b'[') {
        return Ok(vec![Element { event: Ok(parse_event(body)?), json: body }]);
    }
    let elements = elements::split(body).ok_or_else(|| Refusal::new("body", "is not a whole JSON array"))?;
    if elements.len() > MAX_EVENTS_OF_MESSAGE {
        return Err(Refusal::new(
            "body",
            format!("has {} events; allowed are {MAX_EVENTS_OF_MESSAGE}", elements.len()),
        ));
    }
    Ok(elements.into_iter().map(|json| Element { event: parse_event(json), json }).collect())
}

/// The text behind a byte order mark, which Windows programs write and concatenating files repeats.
pub fn without_byte_order_mark(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf") {
        text = rest;
    }
    text
}

/// Reads one gate event, a JSON object.
///
/// # Errors
/// The member that is wrong, and why; `body` when it is no JSON object.
pub fn parse_event(json: &[u8]) -> Result<ParsedEvent, Refusal> {
    parse_plain(json).map_or_else(|| parse_any(json), |event| Ok(ParsedEvent::of(event.into_event())))
}

/// The general parser: the judge of what is an event, and the one that says what is wrong.
fn parse_any(json: &[u8]) -> Result<ParsedEvent, Refusal> {
    let json = without_byte_order_mark(json);
    if json.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(Refusal::new("body", "is not a JSON object"));
    }
    let raw: RawMembers<'_> = serde_json::from_slice(json).map_err(|error| not_json(&error))?;
    if let Some(member) = raw.repeated {
        return Err(Refusal::new(member, "is there twice"));
    }
    let text = |member| raw.text(member);
    let json = |member| raw.of(member).map(|value| Cow::Borrowed(value.get()));
    let members = Members {
        id: text(Member::Id)?,
        vehicle_plate: text(Member::VehiclePlate)?,
        entry_date_time: text(Member::EntryDateTime)?,
        exit_date_time: text(Member::ExitDateTime)?,
        lot_id: text(Member::LotId)?,
        // What is no string is of as little use as an empty one, and dropped like it.
        gate_id: text(Member::GateId).unwrap_or(Some(Cow::Borrowed(""))),
        // As it stands: a number in quotes is no number.
        confidence: json(Member::Confidence),
        character_confidences: json(Member::CharacterConfidences),
        candidates: json(Member::Candidates),
        supersedes: text(Member::Supersedes).unwrap_or(Some(Cow::Borrowed(""))),
    };
    members.check()
}

/// serde's own text may quote a value, which may be a plate; so this reports only the kind and the position.
fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal::new("body", format!("is not JSON: {} at line {} column {}", kind_of(error), error.line(), error.column()))
}

fn kind_of(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "a syntax error",
        serde_json::error::Category::Data => "an unexpected value",
        serde_json::error::Category::Io => "it can't be read",
    }
}

#[derive(Clone, Copy)]
enum Member {
    Id,
    VehiclePlate,
    EntryDateTime,
    ExitDateTime,
    LotId,
    GateId,
    Confidence,
    CharacterConfidences,
    Candidates,
    Supersedes,
}

/// The members that events of the plain shape have. They come first; few events have one of the others.
const PLAIN_MEMBERS: usize = 7;
const MEMBERS: [&str; PLAIN_MEMBERS + 3] = [
    "id",
    "vehicle_plate",
    "entry_date_time",
    "exit_date_time",
    "lot_id",
    "gate_id",
    "confidence",
    "character_confidences",
    "candidates",
    "supersedes",
];

/// A member's place in [`MEMBERS`]; `None` for one that is ignored.
struct Known(Option<usize>);

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Known;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Known, E> {
                Ok(Known(MEMBERS.iter().position(|member| *member == name)))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[derive(Default)]
struct RawMembers<'a> {
    values: [Option<&'a RawValue>; MEMBERS.len()],
    repeated: Option<&'static str>,
}

impl<'a> RawMembers<'a> {
    fn of(&self, member: Member) -> Option<&'a RawValue> {
        self.values[member as usize].filter(|value| value.get() != "null")
    }

    fn text(&self, member: Member) -> Result<Option<Cow<'a, str>>, Refusal> {
        let Some(value) = self.of(member) else { return Ok(None) };
        let json = value.get();
        let plain = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|text| !text.contains('\\'));
        if let Some(text) = plain {
            return Ok(Some(Cow::Borrowed(text)));
        }
        let text: String =
            serde_json::from_str(json).map_err(|_| Refusal::new(MEMBERS[member as usize], "is not a string"))?;
        Ok(Some(Cow::Owned(text)))
    }
}

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = RawMembers<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = RawMembers::default();
                while let Some(Known(known)) = map.next_key()? {
                    let value: &'de RawValue = map.next_value()?;
                    let Some(index) = known else { continue };
                    if members.values[index].replace(value).is_some() {
                        members.repeated = Some(MEMBERS[index]);
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Writes a gate event as one JSON object, without a line end.
pub fn write_event(event: &GateEvent, out: &mut Vec<u8>) {
    write_event_with(event, None, None, out);
}

/// Writes a gate event, with what its camera says of its certainty and the id of the read that it replaces, as one JSON
/// object, without a line end.
pub fn write_event_with(event: &GateEvent, certainty: Option<&Certainty>, supersedes: Option<Uuid>, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Written<'a> {
        id: Uuid,
        vehicle_plate: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        entry_date_time: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_date_time: Option<String>,
        lot_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        gate_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        confidence: Option<f32>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        character_confidences: &'a [f32],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        candidates: &'a [Candidate],
        #[serde(skip_serializing_if = "Option::is_none")]
        supersedes: Option<Uuid>,
    }
    let time_of = |direction| (event.key.direction == direction).then(|| event.key.time.to_string());
    let written = Written {
        id: event.key.id,
        vehicle_plate: &event.plate_as_read,
        entry_date_time: time_of(Direction::Entry),
        exit_date_time: time_of(Direction::Exit),
        lot_id: event.vehicle.lot.as_str(),
        gate_id: event.gate.as_ref().map(GateId::as_str),
        confidence: event.confidence,
        character_confidences: certainty.map_or(&[], |certainty| &certainty.characters[..]),
        candidates: certainty.map_or(&[], |certainty| &certainty.candidates[..]),
        supersedes,
    };
    serde_json::to_writer(out, &written)
        .expect("plain strings and numbers are always JSON, and memory always takes them");
}

#[cfg(test)]
mod tests;
