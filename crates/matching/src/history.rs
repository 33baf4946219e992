//! The history check: is a finished ledger what its events say it must be?
//!
//! Given every event and every session of one vehicle, tells where they disagree with the definition: an event in two
//! sessions or in none, a session that should not stand, a missing one. It judges results only, so it is as good for
//! an exported ledger as for a simulated one.

use std::collections::BTreeMap;
use std::fmt;

use parking::{Direction, EventKey, LotId, Rules, Session, SessionId, State, Timestamp, Vehicle};

use crate::canonical::{Limits, for_each_stay};
use crate::step::unread_change;
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
    if rules.is_unread(&vehicle.plate) {
        return events.iter().map(|key| unread_session(vehicle, *key)).collect();
    }
    let limits = Limits::of(rules, &vehicle.lot);
    let timeline: Vec<TimelineEvent> =
        events.iter().map(|key| TimelineEvent { key: *key, flags: Flags::default() }).collect();
    let has_ended = |event: &TimelineEvent| {
        event.key.direction == Direction::Exit || lot_time.millis_since(event.key.time) > limits.max_stay_ms
    };
    let mut sessions = Vec::new();
    for_each_stay(&timeline, limits, has_ended, |stay| {
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

fn unread_session(vehicle: &Vehicle, key: EventKey) -> Session {
    let change = unread_change(vehicle, key);
    Session {
        id: change.session,
        vehicle: vehicle.clone(),
        entry_event_id: change.entry.map(|entry| entry.id),
        entry_time: change.entry.map(|entry| entry.time),
        exit_event_id: change.exit.map(|exit| exit.id),
        exit_time: change.exit.map(|exit| exit.time),
        state: change.to,
        reason: change.reason,
    }
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
