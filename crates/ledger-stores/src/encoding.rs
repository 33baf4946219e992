//! Encodes the ledger's values for storage: enums as small numbers, timelines as bytes, sessions from their columns.
//!
//! Both adapters store the same values in the same columns; only their SQL differs. Numbers and bytes never change
//! their meaning, because stores outlive programs.

use matching::{Flags, Rule, Timeline};
use parking::{
    Direction, EventKey, GateId, LotId, Plate, Reason, Session, SessionId, Source, State, Timestamp, Vehicle,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, EventRow, SessionRow, receipt};

/// An enum that is stored as a number.
pub(super) trait Code: Copy + PartialEq + 'static {
    /// The name of the enum in error messages.
    const NAME: &'static str;
    /// Every variant with its number.
    const CODES: &'static [(Self, i16)];

    fn code(self) -> i16 {
        let found = Self::CODES.iter().find(|(word, _)| *word == self);
        found.map(|(_, code)| *code).expect("a test checks that every variant has a number")
    }

    fn from_code(code: i16) -> Result<Self, Error> {
        let found = Self::CODES.iter().find(|(_, known)| *known == code);
        found.map(|(word, _)| *word).ok_or_else(|| Error::Corrupt(format!("{code} is not a known {}", Self::NAME)))
    }
}

// The SQL of both adapters contains some of these numbers, for instance `state = 0`.
impl Code for State {
    const NAME: &'static str = "state of a session";
    const CODES: &'static [(Self, i16)] = &[
        (Self::Open, 0),
        (Self::HeldExit, 1),
        (Self::Matched, 2),
        (Self::UnmatchedExit, 3),
        (Self::UnmatchedEntry, 4),
        (Self::Void, 5),
    ];
}

impl Code for Reason {
    const NAME: &'static str = "reason";
    const CODES: &'static [(Self, i16)] = &[(Self::ReEntered, 1), (Self::MaxStay, 2), (Self::Unread, 3)];
}

impl Code for Source {
    const NAME: &'static str = "source of a session";
    const CODES: &'static [(Self, i16)] = &[(Self::Events, 0), (Self::Summary, 1)];
}

impl Code for Direction {
    const NAME: &'static str = "direction";
    const CODES: &'static [(Self, i16)] = &[(Self::Entry, 0), (Self::Exit, 1)];
}

impl Code for Rule {
    const NAME: &'static str = "rule";
    const CODES: &'static [(Self, i16)] = &[
        (Self::Entered, 1),
        (Self::Matched, 2),
        (Self::Held, 3),
        (Self::HoldEnded, 4),
        (Self::ReEntered, 5),
        (Self::MaxStay, 6),
        (Self::Unread, 7),
        (Self::Superseded, 8),
        (Self::ReadSuperseded, 9),
    ];
}

/// Encodes an optional variant.
pub(super) fn code_of<T: Code>(word: Option<T>) -> Option<i16> {
    word.map(Code::code)
}

/// Decodes an optional variant.
pub(super) fn word_of<T: Code>(code: Option<i16>) -> Result<Option<T>, Error> {
    code.map(T::from_code).transpose()
}

/// The first byte of a stored timeline, which identifies its encoding.
const FORMAT: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Written<T, N> {
    timeline: T,
    event_numbers: N,
}

/// Encodes a timeline and the numbers of its events.
pub(super) fn write_timeline(timeline: &Timeline, event_numbers: &[i64]) -> Vec<u8> {
    let written = Written { timeline, event_numbers };
    postcard::to_extend(&written, vec![FORMAT]).expect("serializing into a Vec cannot fail")
}

/// Decodes a timeline and the numbers of its events.
pub(super) fn read_timeline(bytes: &[u8]) -> Result<(Timeline, Vec<i64>), Error> {
    let Some((&FORMAT, rest)) = bytes.split_first() else {
        let format = bytes.first().map_or_else(|| "none".into(), u8::to_string);
        return Err(Error::Corrupt(format!("a timeline has the format {format}, and only {FORMAT} is known")));
    };
    let written: Written<Timeline, Vec<i64>> =
        postcard::from_bytes(rest).map_err(|error| Error::Corrupt(format!("a timeline is damaged: {error}")))?;
    if written.event_numbers.len() != written.timeline.events().len() {
        return Err(Error::Corrupt("a timeline and its event numbers differ in length".into()));
    }
    Ok((written.timeline, written.event_numbers))
}

/// One end of a stored session. A saved summary has no event.
pub(super) struct StoredEnd {
    pub(super) event_id: Option<Uuid>,
    pub(super) gate: Option<String>,
    pub(super) time_ms: Option<i64>,
}

/// The columns of a session, joined with its events and vehicle.
pub(super) struct StoredSession {
    pub(super) id: Uuid,
    pub(super) lot: String,
    pub(super) plate: String,
    pub(super) state: i16,
    pub(super) reason: Option<i16>,
    pub(super) source: i16,
    pub(super) superseded_by: Option<Uuid>,
    pub(super) entry: StoredEnd,
    pub(super) exit: StoredEnd,
    pub(super) recorded_ms: i64,
    pub(super) updated_ms: i64,
}

impl StoredSession {
    pub(super) fn row(self) -> Result<SessionRow, Error> {
        let session = Session {
            id: SessionId::from_uuid(self.id),
            vehicle: Vehicle { lot: lot_id(&self.lot)?, plate: plate(&self.plate)? },
            entry_event_id: self.entry.event_id,
            entry_time: self.entry.time_ms.map(Timestamp::from_millis),
            exit_event_id: self.exit.event_id,
            exit_time: self.exit.time_ms.map(Timestamp::from_millis),
            state: State::from_code(self.state)?,
            reason: word_of(self.reason)?,
        };
        Ok(SessionRow {
            session,
            source: Source::from_code(self.source)?,
            entry_gate: gate_id(self.entry.gate.as_deref())?,
            exit_gate: gate_id(self.exit.gate.as_deref())?,
            superseded_by: self.superseded_by.map(SessionId::from_uuid),
            recorded_at: Timestamp::from_millis(self.recorded_ms),
            updated_at: Timestamp::from_millis(self.updated_ms),
        })
    }
}

/// The columns of an event, joined with its gate.
pub(super) struct StoredEvent {
    pub(super) time_ms: i64,
    pub(super) direction: i16,
    pub(super) id: Uuid,
    pub(super) gate: Option<String>,
    pub(super) plate_as_read: String,
    pub(super) confidence: Option<f32>,
    pub(super) received_ms: i64,
    pub(super) recorded_ms: i64,
    pub(super) flags: u8,
    pub(super) receipt: Option<Vec<u8>>,
    pub(super) supersedes: Option<Uuid>,
    pub(super) superseded_by: Option<Uuid>,
}

impl StoredEvent {
    /// Builds the event of a vehicle with this timeline. Its flags come from the timeline as long as the event is in
    /// it.
    pub(super) fn row(self, vehicle: Vehicle, timeline: &Timeline) -> Result<EventRow, Error> {
        let key = event_key(self.time_ms, self.direction, self.id)?;
        let decided = timeline.position(&key).map(|index| timeline.events()[index].flags);
        Ok(EventRow {
            vehicle,
            key,
            gate: gate_id(self.gate.as_deref())?,
            plate_as_read: self.plate_as_read,
            confidence: self.confidence,
            received_at: Timestamp::from_millis(self.received_ms),
            recorded_at: Timestamp::from_millis(self.recorded_ms),
            flags: decided.unwrap_or_else(|| Flags::from_bits(self.flags)),
            receipt: self.receipt.map(|bytes| receipt::read(&bytes, self.received_ms)).transpose()?,
            supersedes: self.supersedes,
            superseded_by: self.superseded_by,
        })
    }
}

/// Decodes the name of a lot.
pub(super) fn lot_id(text: &str) -> Result<LotId, Error> {
    LotId::parse(text).map_err(|problem| Error::Corrupt(format!("the lot {text:?} {problem}")))
}

/// Decodes a plate. Error messages never contain it.
pub(super) fn plate(text: &str) -> Result<Plate, Error> {
    Plate::from_read(text).map_err(|problem| Error::Corrupt(format!("a plate {problem}")))
}

fn gate_id(text: Option<&str>) -> Result<Option<GateId>, Error> {
    let parse = |text: &str| GateId::parse(text).map_err(|problem| Error::Corrupt(format!("a gate {problem}")));
    text.map(parse).transpose()
}

/// Builds an event's key from its columns.
pub(super) fn event_key(time_ms: i64, direction: i16, id: Uuid) -> Result<EventKey, Error> {
    Ok(EventKey { time: Timestamp::from_millis(time_ms), direction: Direction::from_code(direction)?, id })
}

/// Decodes a counter.
pub(super) fn count(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::Corrupt(format!("the count {number} is negative")))
}

/// Encodes a counter.
pub(super) fn column(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_number_of_its_own() {
        fn check<T: Code + std::fmt::Debug>(all: &[T]) {
            assert_eq!(all.len(), T::CODES.len());
            for word in all {
                assert_eq!(T::from_code(word.code()), Ok(*word));
            }
        }
        check(State::ALL);
        check(Reason::ALL);
        check(Source::ALL);
        check(Rule::ALL);
        check(&[Direction::Entry, Direction::Exit]);
    }

    #[test]
    fn a_timeline_of_an_unknown_format_is_refused() {
        let bytes = write_timeline(&Timeline::default(), &[]);
        assert_eq!(read_timeline(&bytes), Ok((Timeline::default(), Vec::new())));

        let newer = [&[2], &bytes[1..]].concat();
        let expected = Error::Corrupt("a timeline has the format 2, and only 1 is known".into());
        assert_eq!(read_timeline(&newer), Err(expected));
    }
}
