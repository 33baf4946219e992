//! Sessions: one stay each, their states, and the ids that are derived from the events that give them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::{Direction, EventKey, Timestamp, Vehicle};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Entered, still inside.
    Open,
    /// An entry and its exit.
    Matched,
    /// An exit whose entry may still arrive.
    HeldExit,
    /// An exit without an entry.
    UnmatchedExit,
    /// An entry without an exit; the [`Reason`] says why.
    UnmatchedEntry,
    /// It no longer stands: later evidence gave its events to another session.
    Void,
}

/// Why a session is unmatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The vehicle entered again: its exit was missed.
    ReEntered,
    /// No exit came within the lot's longest stay.
    MaxStay,
    /// The plate says that nothing was read.
    Unread,
}

/// Where a session comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Gate events, matched by the correlator.
    Events,
    /// `POST /save_summary`: both times from a client, without event ids.
    Summary,
}

macro_rules! words {
    ($type:ident, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// Every value, in the order of its definition.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in files, metrics, logs and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord(concat!("allowed are", $(" ", $word),+))),
                }
            }
        }
    };
}

words!(
    State,
    Open = "open",
    Matched = "matched",
    HeldExit = "held_exit",
    UnmatchedExit = "unmatched_exit",
    UnmatchedEntry = "unmatched_entry",
    Void = "void"
);
words!(Reason, ReEntered = "re_entered", MaxStay = "max_stay", Unread = "unread");
words!(Source, Events = "events", Summary = "summary");

/// A word that is none of those allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownWord(&'static str);

/// A session's id: a UUID of version 8, the anchor event's time in the first 48 bits and a hash of its
/// identity in the rest. The same events always give the same ids, and ids grow with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

/// The most bytes of a lot or a plate that were checked.
const LONGEST_NAME: usize = 64;
/// Enough for every identity of names that are not longer.
const IDENTITY_BYTES: usize = 192;

/// What gives a session: the first word of its identity, with zeros behind it.
type AnchorKind = [u8; 8];
const ENTRY: AnchorKind = *b"entry\0\0\0";
const EXIT: AnchorKind = *b"exit\0\0\0\0";
const SUMMARY: AnchorKind = *b"summary\0";

impl SessionId {
    /// The id of the session that an event of `vehicle` gives: its entry, or else its exit.
    #[inline]
    pub fn of_event(vehicle: &Vehicle, key: &EventKey) -> Self {
        Self::of_names(vehicle.lot.as_str(), vehicle.plate.as_str(), key, &mut Vec::new())
    }

    /// The same for a vehicle by its lot and its plate in normal form; `room` is for identities that are unusually long.
    #[inline]
    pub fn of_names(lot: &str, plate: &str, key: &EventKey, room: &mut Vec<u8>) -> Self {
        Self(Uuid::from_u128(number_of_event([lot, plate], key, room)))
    }

    /// The id of a session that a client saved as a summary: by lot, plate and both times.
    pub fn of_summary(vehicle: &Vehicle, entry: Timestamp, exit: Timestamp) -> Self {
        let names = [vehicle.lot.as_str(), vehicle.plate.as_str()];
        Self(Uuid::from_u128(number(entry, SUMMARY, names, exit.as_millis().to_be_bytes(), &mut Vec::new())))
    }

    /// The id as a UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// An id that was stored or received.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

fn number_of_event(names: [&str; 2], key: &EventKey, room: &mut Vec<u8>) -> u128 {
    let anchor = match key.direction {
        Direction::Entry => ENTRY,
        Direction::Exit => EXIT,
    };
    number(key.time, anchor, names, *key.id.as_bytes(), room)
}

/// The id as a number, which a processor hands over in registers.
///
/// The parts hold no zero byte but the last, so ending each with one keeps different identities apart.
#[inline]
fn number<const LAST: usize>(
    time: Timestamp,
    anchor: AnchorKind,
    [lot, plate]: [&str; 2],
    last: [u8; LAST],
    room: &mut Vec<u8>,
) -> u128 {
    let millis = time.as_millis().unsigned_abs();
    let anchor_length = anchor.iter().position(|byte| *byte == 0).unwrap_or(anchor.len());
    let hash = if lot.len() <= LONGEST_NAME && plate.len() <= LONGEST_NAME {
        let mut identity = [0; IDENTITY_BYTES];
        identity[..8].copy_from_slice(&millis.to_be_bytes());
        identity[8..16].copy_from_slice(&anchor);
        let lot_at = 8 + anchor_length + 1;
        identity[lot_at..lot_at + lot.len()].copy_from_slice(lot.as_bytes());
        let plate_at = lot_at + lot.len() + 1;
        identity[plate_at..plate_at + plate.len()].copy_from_slice(plate.as_bytes());
        let last_at = plate_at + plate.len() + 1;
        identity[last_at..last_at + LAST].copy_from_slice(&last);
        xxh3_128(&identity[..=last_at + LAST])
    } else {
        room.clear();
        room.extend(millis.to_be_bytes());
        for part in [&anchor[..anchor_length], lot.as_bytes(), plate.as_bytes(), &last] {
            room.extend_from_slice(part);
            room.push(0);
        }
        xxh3_128(room)
    };
    let bits = u128::from(millis) << 80 | hash & (u128::MAX >> 48);
    uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid().as_u128()
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_hyphenated())
    }
}

/// One stay as it stands: what a row of a session file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Derived from the anchor event.
    pub id: SessionId,
    /// The lot and the plate.
    pub vehicle: Vehicle,
    /// The entry event; `None` for an exit alone and for a summary.
    pub entry_event_id: Option<Uuid>,
    /// When the vehicle entered.
    pub entry_time: Option<Timestamp>,
    /// The exit event; `None` for an entry alone and for a summary.
    pub exit_event_id: Option<Uuid>,
    /// When the vehicle left.
    pub exit_time: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
    /// Why it is unmatched.
    pub reason: Option<Reason>,
}

impl Session {
    /// When the event was that gives it: its entry, or else its exit.
    pub fn given_at(&self) -> Option<Timestamp> {
        self.entry_time.or(self.exit_time)
    }

    /// Exit time minus entry time of a matched session, milliseconds.
    pub fn dwell_ms(&self) -> Option<i64> {
        match (self.state, self.entry_time, self.exit_time) {
            (State::Matched, Some(entry), Some(exit)) => Some(exit.millis_since(entry)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LotId, Plate};

    fn vehicle(lot: &str, plate: &str) -> Vehicle {
        Vehicle { lot: LotId::parse(lot).unwrap(), plate: Plate::from_read(plate).unwrap() }
    }

    fn key(millis: i64, direction: Direction) -> EventKey {
        EventKey { time: Timestamp::from_millis(millis), direction, id: Uuid::from_u128(7) }
    }

    #[test]
    fn a_session_id_never_changes_from_release_to_release() {
        let id = SessionId::of_event(&vehicle("P3", "ABC123"), &key(1_727_168_400_125, Direction::Entry));
        assert_eq!(id.to_string(), "01922342-4afd-8a2e-ab23-969652be6075");
        assert_eq!(id.as_uuid().get_version_num(), 8);
    }

    #[test]
    fn the_id_of_long_names_is_made_as_that_of_short_ones() {
        let key = key(1_727_168_400_125, Direction::Exit);
        for (lot, plate) in [(1, 1), (64, 64), (64, 65), (65, 64), (300, 300)] {
            let (lot, plate) = ("L".repeat(lot), "京".repeat(plate));
            let millis = 1_727_168_400_125_u64.to_be_bytes();
            let names = format!("exit\0{lot}\0{plate}\0");
            let identity = [&millis, names.as_bytes(), key.id.as_bytes(), &[0]].concat();
            let mut expected = xxh3_128(&identity).to_be_bytes();
            expected[..6].copy_from_slice(&millis[2..]);
            let expected = uuid::Builder::from_custom_bytes(expected).into_uuid();
            assert_eq!(SessionId::of_names(&lot, &plate, &key, &mut vec![7; 9]).as_uuid(), expected);
        }
    }

    #[test]
    fn ids_grow_with_time_and_differ_in_every_part_of_the_identity() {
        let base = SessionId::of_event(&vehicle("P3", "ABC123"), &key(1000, Direction::Entry));
        let others = [
            SessionId::of_event(&vehicle("P4", "ABC123"), &key(1000, Direction::Entry)),
            SessionId::of_event(&vehicle("P3", "ABC124"), &key(1000, Direction::Entry)),
            SessionId::of_event(&vehicle("P3", "ABC123"), &key(1000, Direction::Exit)),
            SessionId::of_event(
                &vehicle("P3", "ABC123"),
                &EventKey { id: Uuid::from_u128(8), ..key(1000, Direction::Entry) },
            ),
            SessionId::of_summary(&vehicle("P3", "ABC123"), Timestamp::from_millis(1000), Timestamp::from_millis(2000)),
        ];
        assert!(others.iter().all(|other| *other != base));
        assert!(base < SessionId::of_event(&vehicle("P3", "ABC123"), &key(1001, Direction::Entry)));
    }
}
