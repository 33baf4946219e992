//! The history check: is a finished ledger what its events say it must be?
//!
//! Given every event and every session of one vehicle, tells where they disagree with the definition: an event in two
//! sessions or in none, a session that should not stand, a missing one. It judges results only, so it is as good for
//! an exported ledger as for a simulated one.

use std::collections::BTreeMap;
use std::fmt;

use parking::{Direction, EventKey, LotId, Rules, Session, SessionId, State, Timestamp, Vehicle};

use crate::canonical::{Limits, Stay, for_each_stay, unread_stay};
use crate::timeline::{Flags, TimelineEvent};

/// Where a ledger and the definition disagree. The text holds no plate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The session should stand, and does not.
    Missing(SessionId),
    /// The session stands, and should not.
    Unexpected(SessionId),
    /// The session stands, but with other events, state or reason.
    Different(SessionId),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "session {id} should stand and is missing"),
            Self::Unexpected(id) => write!(f, "session {id} stands and should not"),
            Self::Different(id) => write!(f, "session {id} has other events or another state than its events say"),
        }
    }
}

/// What decides, besides a vehicle's events, which sessions they are in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// The plate says that nothing was read.
    pub is_unread: bool,
    /// The limits of the lot.
    pub limits: Limits,
    /// The time of the newest event of the lot.
    pub lot_time: Timestamp,
}

/// Visits the sessions of one vehicle's `events` (sorted by key, each once) once nothing is awaited any more.
pub fn for_each_settled_stay(events: &[TimelineEvent], settling: Settling, mut visit: impl FnMut(Stay)) {
    let Settling { is_unread, limits, lot_time } = settling;
    if is_unread {
        for (place, event) in events.iter().enumerate() {
            visit(unread_stay(place, event.key.direction));
        }
        return;
    }
    let has_ended = |event: &TimelineEvent| {
        event.key.direction == Direction::Exit || lot_time.millis_since(event.key.time) > limits.max_stay_ms
    };
    for_each_stay(events, limits, has_ended, visit);
}

/// The sessions of one vehicle once nothing is awaited any more; repeated events count once.
///
/// `lot_time` is the time of the newest event of the lot. Sessions come in the order of their giving events.
pub fn settled_sessions(
    vehicle: &Vehicle,
    events: &mut Vec<EventKey>,
    rules: &Rules,
    lot_time: Timestamp,
) -> Vec<Session> {
    events.sort_unstable();
    events.dedup();
    let is_unread = rules.is_unread(&vehicle.plate);
    let settling = Settling { is_unread, limits: Limits::of(rules, &vehicle.lot), lot_time };
    let timeline: Vec<TimelineEvent> =
        events.iter().map(|key| TimelineEvent { key: *key, flags: Flags::default() }).collect();
    let mut sessions = Vec::new();
    for_each_settled_stay(&timeline, settling, |stay| {
        let key = |place: usize| timeline[place].key;
        let (entry, exit) = (stay.entry.map(key), stay.exit.map(key));
        sessions.push(Session {
            id: SessionId::of_event(vehicle, &key(stay.giving())),
            vehicle: vehicle.clone(),
            entry_event_id: entry.map(|entry| entry.id),
            entry_time: entry.map(|entry| entry.time),
            exit_event_id: exit.map(|exit| exit.id),
            exit_time: exit.map(|exit| exit.time),
            state: stay.state,
            reason: stay.reason,
        });
    });
    sessions
}

/// The newest event of each lot: the lot's own time.
pub fn lot_times<'a>(events: impl IntoIterator<Item = (&'a LotId, Timestamp)>) -> BTreeMap<LotId, Timestamp> {
    let mut times = BTreeMap::new();
    for (lot, time) in events {
        match times.get_mut(lot) {
            Some(newest) => *newest = time.max(*newest),
            None => {
                times.insert(lot.clone(), time);
            }
        }
    }
    times
}

/// Compares the sessions that stand for one vehicle with those that its events say; a held exit counts as unmatched.
///
/// `standing` leaves out void sessions and saved summaries.
pub fn check(
    vehicle: &Vehicle,
    events: &mut Vec<EventKey>,
    standing: &[Session],
    rules: &Rules,
    lot_time: Timestamp,
) -> Vec<Fault> {
    let mut expected: BTreeMap<SessionId, Session> =
        settled_sessions(vehicle, events, rules, lot_time).into_iter().map(|session| (session.id, session)).collect();
    let mut faults = Vec::new();
    for session in standing {
        let state = if session.state == State::HeldExit { State::UnmatchedExit } else { session.state };
        match expected.remove(&session.id) {
            None => faults.push(Fault::Unexpected(session.id)),
            Some(right) if right != (Session { state, ..session.clone() }) => faults.push(Fault::Different(session.id)),
            Some(_) => {}
        }
    }
    faults.extend(expected.into_keys().map(Fault::Missing));
    faults
}
