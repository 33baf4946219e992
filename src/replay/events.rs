//! All events of a replay in little memory: 28 bytes each, and nothing beside them on the heap.
//!
//! Sorted by vehicle and key, the events of a vehicle are its timeline. Which of them gives which session is marked in
//! the event itself, so that the sessions need no memory of their own. The definition of the sessions is `matching`'s.

use matching::history::{Settling, for_each_settled_stay};
use matching::{Flags, Limits, Stay, TimelineEvent};
use parking::{Direction, EventKey, GateEvent, Plate, Reason, Rules, State, Timestamp};
use uuid::Uuid;

use super::Error;
use super::vehicles::Vehicles;

/// The lowest bits of `moment` are the mark, then one bit of direction, then the time: sorting by `moment` sorts by time
/// and direction, as long as nothing is marked.
const MARK_BITS: u32 = 15;
const MARK_MASK: u64 = (1 << MARK_BITS) - 1;

/// What a mark says; its place, counted from 1, is the mark. 0 marks a re-read.
const OUTCOMES: [(State, Option<Reason>); 7] = [
    (State::Matched, None),
    (State::Open, None),
    (State::UnmatchedExit, None),
    (State::UnmatchedEntry, Some(Reason::ReEntered)),
    (State::UnmatchedEntry, Some(Reason::MaxStay)),
    (State::UnmatchedEntry, Some(Reason::Unread)),
    (State::UnmatchedExit, Some(Reason::Unread)),
];

/// One event. Packed, because the four bytes that alignment would cost are a seventh of all memory.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub(super) struct Event {
    moment: u64,
    id: u128,
    vehicle: u32,
}

impl Event {
    fn new(vehicle: u32, key: &EventKey) -> Self {
        // A time is never before 1970 and fits into 48 bits until the year 10889.
        let time = key.time.as_millis().unsigned_abs();
        let moment = ((time << 1) | u64::from(key.direction == Direction::Exit)) << MARK_BITS;
        Self { moment, id: key.id.as_u128(), vehicle }
    }

    pub(super) fn vehicle(&self) -> u32 {
        self.vehicle
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_millis((self.moment >> (MARK_BITS + 1)).cast_signed())
    }

    pub(super) fn direction(&self) -> Direction {
        if self.moment >> MARK_BITS & 1 == 1 { Direction::Exit } else { Direction::Entry }
    }

    pub(super) fn id(&self) -> Uuid {
        Uuid::from_u128(self.id)
    }

    pub(super) fn key(&self) -> EventKey {
        EventKey { time: self.time(), direction: self.direction(), id: self.id() }
    }

    /// The state of the session that it speaks for, and the reason; `None` for a re-read.
    pub(super) fn outcome(&self) -> Option<(State, Option<Reason>)> {
        let mark = usize::try_from(self.moment & MARK_MASK).unwrap_or(0);
        mark.checked_sub(1).and_then(|place| OUTCOMES.get(place)).copied()
    }

    /// Whether it is the exit of a matched session, whose entry gives it.
    pub(super) fn is_matched_exit(&self) -> bool {
        self.direction() == Direction::Exit && self.outcome() == Some((State::Matched, None))
    }

    fn mark(&mut self, stay: &Stay) {
        let place = OUTCOMES.iter().position(|outcome| *outcome == (stay.state, stay.reason));
        let place = place.expect("settled sessions are in one of these states");
        self.moment = (self.moment & !MARK_MASK) | (place as u64 + 1);
    }

    fn order(&self) -> (u32, u64, u128) {
        (self.vehicle, self.moment, self.id)
    }
}

/// The events that were read, in any order and with repetitions.
#[derive(Debug, Default)]
pub(super) struct Events {
    vehicles: Vehicles,
    events: Vec<Event>,
}

/// The events, sorted by vehicle and key, each once and marked with what it is.
#[derive(Debug)]
pub(super) struct SettledEvents {
    pub(super) vehicles: Vehicles,
    pub(super) events: Vec<Event>,
    /// How many events were there more than once.
    pub(super) repeated: u64,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event").field("key", &self.key()).field("outcome", &self.outcome()).finish_non_exhaustive()
    }
}

impl Events {
    pub(super) fn push(&mut self, event: &GateEvent) -> Result<(), Error> {
        let vehicle = self.vehicles.number(&event.vehicle, event.key.time)?;
        self.events.push(Event::new(vehicle, &event.key));
        Ok(())
    }

    /// Decides which sessions the events are.
    pub(super) fn settle(self, rules: &Rules) -> SettledEvents {
        let Self { mut vehicles, mut events } = self;
        vehicles.forget_numbers();
        let read = events.len();
        events.sort_unstable_by_key(Event::order);
        events.dedup_by_key(|event| event.order());
        let repeated = (read - events.len()) as u64;
        mark_sessions(&mut events, &vehicles, rules);
        SettledEvents { vehicles, events, repeated }
    }
}

fn mark_sessions(events: &mut [Event], vehicles: &Vehicles, rules: &Rules) {
    let of_lots: Vec<(Limits, Timestamp)> =
        vehicles.lots().iter().map(|lot| (Limits::of(rules, &lot.id), lot.time)).collect();
    let mut timeline = Vec::new();
    for events in events.chunk_by_mut(|one, next| one.vehicle() == next.vehicle()) {
        let (lot, plate) = vehicles.name(events[0].vehicle());
        let is_unread = Plate::from_read(plate).is_ok_and(|plate| rules.is_unread(&plate));
        let (limits, lot_time) = of_lots[lot];
        timeline.clear();
        timeline.extend(events.iter().map(|event| TimelineEvent { key: event.key(), flags: Flags::default() }));
        for_each_settled_stay(&timeline, Settling { is_unread, limits, lot_time }, |stay| {
            for place in [stay.entry, stay.exit].into_iter().flatten() {
                events[place].mark(&stay);
            }
        });
    }
}
