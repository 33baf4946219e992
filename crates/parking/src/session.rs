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

/// A session's id: a UUID of version 8, the giving event's time in the first 48 bits and a hash of its
/// identity in the rest. The same events always give the same ids, and ids grow with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

/// Enough for every identity of a lot and a plate that were checked.
const IDENTITY_BYTES: usize = 192;

impl SessionId {
    /// The id of the session that an event of `vehicle` gives: its entry, or else its exit.
    pub fn of_event(vehicle: &Vehicle, key: &EventKey) -> Self {
        Self::of_names(vehicle.lot.as_str(), vehicle.plate.as_str(), key, &mut Vec::new())
    }

    /// The same for a vehicle by its lot and its plate in normal form; `room` is for identities that are unusually long.
    pub fn of_names(lot: &str, plate: &str, key: &EventKey, room: &mut Vec<u8>) -> Self {
        let direction: &[u8] = match key.direction {
            Direction::Entry => b"entry",
            Direction::Exit => b"exit",
        };
        Self::derive(key.time, &[direction, lot.as_bytes(), plate.as_bytes(), key.id.as_bytes()], room)
    }

    /// The id of a session that a client saved as a summary: by lot, plate and both times.
    pub fn of_summary(vehicle: &Vehicle, entry: Timestamp, exit: Timestamp) -> Self {
        let exit_millis = exit.as_millis().to_be_bytes();
        Self::derive(
            entry,
            &[b"summary", vehicle.lot.as_str().as_bytes(), vehicle.plate.as_str().as_bytes(), &exit_millis],
            &mut Vec::new(),
        )
    }

    /// `parts` hold no zero byte but in the last, so joining them with one keeps different identities apart.
    fn derive(time: Timestamp, parts: &[&[u8]], room: &mut Vec<u8>) -> Self {
        let millis = time.as_millis().unsigned_abs();
        let mut in_place = [0; IDENTITY_BYTES];
        let length = size_of::<u64>() + parts.iter().map(|part| part.len() + 1).sum::<usize>();
        let identity = if let Some(in_place) = in_place.get_mut(..length) {
            in_place
        } else {
            room.clear();
            room.resize(length, 0);
            room.as_mut_slice()
        };
        let (begin, mut rest) = identity.split_at_mut(size_of::<u64>());
        begin.copy_from_slice(&millis.to_be_bytes());
        for part in parts {
            let (place, behind) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            // The zero that ends the part is there already.
            rest = &mut behind[1..];
        }
        let mut bytes = xxh3_128(identity).to_be_bytes();
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
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

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_hyphenated())
    }
}

/// One stay as it stands: what a row of a session file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Derived from the giving event.
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
