//! The history check: does a finished ledger agree with its events?
//!
//! Given every event and every session of one vehicle, it reports each difference from the definition: an event in
//! two sessions or in none, a wrong session, a missing one. It checks results only, so it works for an exported
//! ledger and for a simulated one.

use std::collections::BTreeMap;
use std::fmt;

use parking::{Direction, EventKey, LotId, Rules, Session, SessionId, State, Timestamp, Vehicle};
use uuid::Uuid;

use crate::canonical::{Stay, for_each_stay, unread_stay};
use crate::limits::Limits;
use crate::timeline::{Flags, Timeline, TimelineEvent};

/// A difference between a ledger and the definition. Its text contains no plate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The session is missing.
    Missing(SessionId),
    /// The session should not exist.
    Unexpected(SessionId),
    /// The session exists, but with other events, state or reason.
    Different(SessionId),
    /// The session's id is not derived from any of the vehicle's events.
    Foreign(SessionId),
    /// The event is missing in the stored timeline, or is only there.
    Timeline(Uuid),
    /// The stay of this entry was ended before its longest stay.
    EndedEarly(Uuid),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "session {id} is missing"),
            Self::Unexpected(id) => write!(f, "session {id} should not exist"),
            Self::Different(id) => {
                write!(f, "session {id} has other events or another state than its events result in")
            }
            Self::Foreign(id) => write!(f, "session {id} has an id that is not derived from any event of its vehicle"),
            Self::Timeline(id) => {
                write!(f, "event {id} is either in the stored timeline or among the events, but not in both")
            }
            Self::EndedEarly(id) => write!(f, "the stay of entry {id} was ended before its longest stay was over"),
        }
    }
}

/// What determines the final sessions, besides the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// The plate is unread.
    pub is_unread: bool,
    /// The limits of the lot.
    pub limits: Limits,
    /// The time of the newest event of the lot.
    pub lot_time: Timestamp,
}

/// Visits the final sessions of one vehicle's `events` (sorted by key, each once), when every hold and stay has
/// ended. Events with the flag [`Flags::SUPERSEDED`] have none.
pub fn for_each_settled_stay(events: &[TimelineEvent], settling: Settling, visit: impl FnMut(Stay)) {
    let Settling { is_unread, limits, lot_time } = settling;
    if is_unread {
        for_each_unread_stay(events, visit);
        return;
    }
    let has_ended = |event: &TimelineEvent| {
        event.key.direction == Direction::Exit || lot_time.millis_since(event.key.time) > limits.max_stay_ms
    };
    for_each_stay(events, limits, has_ended, visit);
}

fn for_each_unread_stay(events: &[TimelineEvent], mut visit: impl FnMut(Stay)) {
    for (index, event) in events.iter().enumerate().filter(|(_, event)| !event.flags.has(Flags::SUPERSEDED)) {
        visit(unread_stay(index, event.key.direction));
    }
}

/// The final sessions of one vehicle, when every hold and stay has ended; repeated events count once.
///
/// `lot_time` is the time of the newest event of the lot. Sessions are in the order of their anchor events.
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
    for_each_settled_stay(&timeline, settling, |stay| sessions.push(session_of(vehicle, &timeline, stay)));
    sessions
}

fn session_of(vehicle: &Vehicle, events: &[TimelineEvent], stay: Stay) -> Session {
    let key = |index: usize| events[index].key;
    let (entry, exit) = (stay.entry.map(key), stay.exit.map(key));
    Session {
        id: SessionId::of_event(vehicle, &key(stay.anchor())),
        vehicle: vehicle.clone(),
        entry_event_id: entry.map(|entry| entry.id),
        entry_time: entry.map(|entry| entry.time),
        exit_event_id: exit.map(|exit| exit.id),
        exit_time: exit.map(|exit| exit.time),
        state: stay.state,
        reason: stay.reason,
    }
}

/// The time of the newest event of each lot: the lot's clock.
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

/// Compares the standing sessions of one vehicle with the final sessions of its events; a held exit counts as
/// unmatched.
///
/// `standing` excludes void sessions and saved summaries.
pub fn check(
    vehicle: &Vehicle,
    events: &mut Vec<EventKey>,
    standing: &[Session],
    rules: &Rules,
    lot_time: Timestamp,
) -> Vec<Fault> {
    let settled = standing.iter().map(|session| {
        let state = if session.state == State::HeldExit { State::UnmatchedExit } else { session.state };
        Session { state, ..session.clone() }
    });
    differences(settled_sessions(vehicle, events, rules, lot_time), settled)
}

/// Everything that a ledger has of one vehicle at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    /// Every recorded event with its flags, sorted by key.
    pub events: Vec<TimelineEvent>,
    /// The stored timeline; empty for an unread plate.
    pub timeline: Timeline,
    /// The standing sessions.
    pub standing: Vec<Session>,
    /// The ids of the void sessions.
    pub void: Vec<SessionId>,
}

impl Account {
    /// The differences from the definition, while holds and stays may still be open.
    ///
    /// Each event is then in exactly one session or a re-read of one. `lot_time` is the time of the newest event of
    /// the lot, or later.
    pub fn faults(&self, vehicle: &Vehicle, rules: &Rules, lot_time: Timestamp) -> Vec<Fault> {
        let limits = Limits::of(rules, &vehicle.lot);
        let mut expected = Vec::new();
        let visit = |stay| expected.push(session_of(vehicle, &self.events, stay));
        if rules.is_unread(&vehicle.plate) {
            for_each_unread_stay(&self.events, visit);
        } else {
            for_each_stay(&self.events, limits, |event| event.flags.has(Flags::ENDED), visit);
        }
        let mut faults = differences(expected, self.standing.iter().cloned());
        faults.extend(self.foreign(vehicle));
        if !rules.is_unread(&vehicle.plate) {
            faults.extend(self.timeline_faults());
            faults.extend(self.ended_early(limits, lot_time));
        }
        faults
    }

    /// Void sessions whose id is not derived from any event.
    fn foreign(&self, vehicle: &Vehicle) -> impl Iterator<Item = Fault> {
        let mut given: Vec<SessionId> = if self.void.is_empty() {
            Vec::new()
        } else {
            self.events.iter().map(|e| SessionId::of_event(vehicle, &e.key)).collect()
        };
        given.sort_unstable();
        self.void.iter().filter(move |id| given.binary_search(id).is_err()).map(|id| Fault::Foreign(*id))
    }

    /// The differences between the stored timeline and the events.
    fn timeline_faults(&self) -> impl Iterator<Item = Fault> {
        let lacks = |event: &&TimelineEvent| {
            self.timeline.reaches(event.key.time) && self.timeline.position(&event.key).is_none()
        };
        let is_recorded =
            |event: &TimelineEvent| self.events.binary_search_by_key(&event.key, |known| known.key).is_ok();
        let lacking = self.events.iter().filter(lacks);
        let invented = self.timeline.events().iter().filter(move |event| !is_recorded(event));
        lacking.chain(invented).map(|event| Fault::Timeline(event.key.id))
    }

    fn ended_early(&self, limits: Limits, lot_time: Timestamp) -> impl Iterator<Item = Fault> {
        let is_early = move |event: &&TimelineEvent| {
            event.key.direction == Direction::Entry
                && event.flags.has(Flags::ENDED)
                && lot_time.millis_since(event.key.time) <= limits.max_stay_ms
        };
        self.events.iter().filter(is_early).map(|event| Fault::EndedEarly(event.key.id))
    }
}

fn differences(expected: Vec<Session>, standing: impl Iterator<Item = Session>) -> Vec<Fault> {
    let mut expected: BTreeMap<SessionId, Session> =
        expected.into_iter().map(|session| (session.id, session)).collect();
    let mut faults = Vec::new();
    for session in standing {
        match expected.remove(&session.id) {
            None => faults.push(Fault::Unexpected(session.id)),
            Some(right) if right != session => faults.push(Fault::Different(session.id)),
            Some(_) => {}
        }
    }
    faults.extend(expected.into_keys().map(Fault::Missing));
    faults
}
