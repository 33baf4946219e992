//! An in-memory ledger of one vehicle, which checks everything that the real one may rely on.

use std::collections::BTreeMap;

use matching::{
    Decision, ExpectedVersion, Flags, Limits, Rule, SessionChange, Snapshot, Timeline, TimelineEvent, TooOld, supersede,
};
use parking::{Direction, EventKey, LotId, Plate, Reason, SessionId, State, Timestamp, Vehicle};
use uuid::Uuid;

use crate::naive::Naive;

pub(crate) const LIMITS: Limits = Limits { re_read_window_ms: 10, max_stay_ms: 200 };

pub(crate) fn vehicle() -> Vehicle {
    Vehicle { lot: LotId::default(), plate: Plate::from_read("ABC123").unwrap() }
}

pub(crate) fn event(direction: Direction, millis: i64, id: u128) -> EventKey {
    EventKey { time: Timestamp::from_millis(millis), direction, id: Uuid::from_u128(id) }
}

pub(crate) fn entry(millis: i64) -> EventKey {
    event(Direction::Entry, millis, 1)
}

pub(crate) fn exit(millis: i64) -> EventKey {
    event(Direction::Exit, millis, 1)
}

/// The ledger's data of one vehicle: every event, every session, and the snapshot.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) snapshot: Snapshot,
    pub(crate) events: BTreeMap<EventKey, Flags>,
    pub(crate) sessions: BTreeMap<SessionId, SessionChange>,
    pub(crate) matched: u32,
    pub(crate) unmatched: u32,
    pub(crate) reloads: u32,
}

impl Ledger {
    /// Decides on a batch and records it; returns the changes.
    pub(crate) fn take(&mut self, arrivals: &[EventKey], ended: &[EventKey]) -> Vec<SessionChange> {
        let limits = LIMITS;
        let decide = |snapshot: &Snapshot| snapshot.step(&vehicle(), limits, arrivals, ended);
        let decision = self.decided(decide);
        self.record(arrivals, decision)
    }

    /// Decides that recorded events count as not having happened, and records it; returns the changes.
    pub(crate) fn supersede(&mut self, superseded: &[EventKey]) -> Vec<SessionChange> {
        let decide = |snapshot: &Snapshot| supersede(&vehicle(), &snapshot.timeline, LIMITS, superseded);
        let decision = self.decided(decide);
        self.record(&[], decision)
    }

    fn decided(&mut self, decide: impl Fn(&Snapshot) -> Result<Decision, TooOld>) -> Decision {
        match decide(&self.snapshot) {
            Ok(decision) => decision,
            Err(too_old) => {
                self.reloads += 1;
                let longer = self.loaded_reaching(too_old.0);
                decide(&longer).expect("a timeline loaded to reach that far reaches that far")
            }
        }
    }

    fn record(&mut self, arrivals: &[EventKey], decision: Decision) -> Vec<SessionChange> {
        assert_eq!(decision.no_room, [0; 0], "a decision with events that have no room must not be recorded");
        for (index, flags) in &decision.new_events {
            assert_eq!(self.events.insert(arrivals[*index], *flags), None, "an event was recorded twice");
        }
        for (key, flags) in &decision.flags {
            assert!(self.events.insert(*key, *flags).is_some(), "flags of an event that is not there");
        }
        for change in &decision.changes {
            let before = self.sessions.insert(change.session, change.clone());
            assert_eq!(
                change.from,
                before.as_ref().map(|before| before.to),
                "a change must begin where the session stands"
            );
            let visible = |change: &SessionChange| (change.entry, change.exit, change.to, change.reason);
            assert!(before.is_none_or(|before| visible(&before) != visible(change)), "a change must change something");
        }
        self.matched += decision.first_matched;
        self.unmatched += decision.first_unmatched;
        let version = self.snapshot.base.version + u64::try_from(decision.new_events.len()).unwrap().max(1);
        self.snapshot = Snapshot {
            base: ExpectedVersion { version, digest: decision.timeline.digest() },
            timeline: decision.timeline,
        };
        decision.changes.into_vec()
    }

    fn loaded_reaching(&self, time: Timestamp) -> Snapshot {
        let events = self.events.iter().map(|(key, flags)| TimelineEvent { key: *key, flags: *flags }).collect();
        let mut timeline = Timeline::new(None, events);
        timeline.cut_before(time, LIMITS);
        Snapshot { base: self.snapshot.base, timeline }
    }

    /// Ends every hold, and every stay longer than the longest one on the lot's clock.
    pub(crate) fn settle(&mut self, lot_time_ms: i64) {
        let is_due = |change: &&SessionChange| match change.to {
            State::HeldExit => true,
            State::Open => change.entry.is_some_and(|entry| lot_time_ms - entry.time.as_millis() > LIMITS.max_stay_ms),
            State::Matched | State::UnmatchedExit | State::UnmatchedEntry | State::Void => false,
        };
        let due: Vec<EventKey> = self.sessions.values().filter(is_due).map(anchor).collect();
        if let Some(oldest) = due.iter().map(|key| key.time).min() {
            self.snapshot = self.loaded_reaching(oldest);
            self.take(&[], &due);
        }
    }

    /// The standing sessions, in the form of the naive implementation.
    pub(crate) fn standing(&self) -> Vec<Naive> {
        let mut standing: Vec<Naive> =
            self.sessions.values().filter(|change| change.to != State::Void).map(as_naive).collect();
        standing.sort_by_key(|(entry, exit, _, _)| entry.or(*exit));
        standing
    }
}

fn anchor(change: &SessionChange) -> EventKey {
    let (entry, exit, _, _) = as_naive(change);
    entry.or(exit).expect("a session has an entry or an exit")
}

fn as_naive(change: &SessionChange) -> Naive {
    let key = |direction, end: matching::EventRef| EventKey { time: end.time, direction, id: end.id };
    (
        change.entry.map(|end| key(Direction::Entry, end)),
        change.exit.map(|end| key(Direction::Exit, end)),
        change.to,
        change.reason,
    )
}

/// A change in short form, for examples: anchor time, previous state, new state, rule.
pub(crate) fn told(changes: &[SessionChange]) -> Vec<(i64, Option<State>, State, Rule)> {
    changes.iter().map(|change| (anchor(change).time.as_millis(), change.from, change.to, change.rule)).collect()
}

/// A standing session in short form, for examples: entry and exit time, state, reason.
pub(crate) type Short = (Option<i64>, Option<i64>, State, Option<Reason>);

pub(crate) fn short(sessions: &[Naive]) -> Vec<Short> {
    let millis = |key: &Option<EventKey>| key.map(|key| key.time.as_millis());
    sessions.iter().map(|(entry, exit, state, reason)| (millis(entry), millis(exit), *state, *reason)).collect()
}
