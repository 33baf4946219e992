//! Plays the correlator: loads, decides and records, and computes the expected sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use matching::{
    Due, Flags, Limits, LoadRequest, Outcome, RecordedEvent, Snapshot, Timeline, TimelineEvent, TooOld, Unit,
    for_each_stay,
};
use parking::{
    Direction, EventKey, GateEvent, GateId, LotId, Plate, Rules, Session, SessionId, State, Timestamp, Vehicle,
};
use uuid::Uuid;

use super::Store;
use crate::{Ledger, Order, Page, SessionFilter, SessionRow};

/// The time of recording, unless a test sets another one.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Minute zero of all tests.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn minute(minute: i64) -> Timestamp {
    START.plus_millis(minute * 60_000)
}

pub(crate) fn vehicle(lot: &str, plate: &str) -> Vehicle {
    Vehicle { lot: LotId::parse(lot).unwrap(), plate: Plate::from_read(plate).unwrap() }
}

/// An event whose id follows from its other members, so that a test can name an event again.
pub(crate) fn event(vehicle: &Vehicle, direction: Direction, at_minute: i64) -> GateEvent {
    let time = minute(at_minute);
    let given = SessionId::of_event(vehicle, &EventKey { time, direction, id: Uuid::nil() });
    GateEvent {
        vehicle: vehicle.clone(),
        key: EventKey { time, direction, id: given.as_uuid() },
        plate_as_read: vehicle.plate.as_str().into(),
        gate: Some(GateId::parse(&format!("{}-{}", vehicle.lot, direction.as_str())).unwrap()),
        confidence: Some(0.75),
    }
}

pub(crate) fn entry(vehicle: &Vehicle, at_minute: i64) -> GateEvent {
    event(vehicle, Direction::Entry, at_minute)
}

pub(crate) fn exit(vehicle: &Vehicle, at_minute: i64) -> GateEvent {
    event(vehicle, Direction::Exit, at_minute)
}

pub(crate) fn id_of(event: &GateEvent) -> SessionId {
    SessionId::of_event(&event.vehicle, &event.key)
}

/// A correlator that has a ledger to itself, or shares it with others.
#[derive(Clone)]
pub(crate) struct Player {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) rules: Rules,
}

impl Player {
    pub(crate) async fn on(store: &Store) -> Self {
        Self { ledger: store.open().await, rules: ledger::testing::rules() }
    }

    pub(crate) async fn load(&self, vehicle: &Vehicle, reaching: Option<Timestamp>) -> Snapshot {
        let request = LoadRequest { vehicle: vehicle.clone(), reaching };
        let mut loaded = self.ledger.load(&[request], &self.rules).await.unwrap();
        assert_eq!(loaded.len(), 1);
        loaded.remove(0)
    }

    /// Records events of any vehicles at `now` in one call, and retries those that conflicted.
    pub(crate) async fn sees(&self, events: &[GateEvent], now: Timestamp) {
        let mut vehicles: BTreeMap<&Vehicle, Vec<GateEvent>> = BTreeMap::new();
        for event in events {
            vehicles.entry(&event.vehicle).or_default().push(event.clone());
        }
        while !vehicles.is_empty() {
            let mut units = Vec::new();
            for (vehicle, events) in &vehicles {
                units.push(self.decide(vehicle, self.load(vehicle, None).await, events).await);
            }
            let outcomes = self.ledger.record(units, &self.rules, now).await.unwrap();
            let mut outcomes = outcomes.into_iter();
            vehicles.retain(|_, _| matches!(outcomes.next().unwrap(), Outcome::Lost(_)));
        }
    }

    /// Decides a unit from some events of one vehicle, based on `snapshot`, or on a longer one if needed.
    pub(crate) async fn decide(&self, vehicle: &Vehicle, snapshot: Snapshot, events: &[GateEvent]) -> Unit {
        match self.decide_from(vehicle, &snapshot, events, &[]) {
            Ok(unit) => unit,
            Err(TooOld(time)) => {
                let longer = self.load(vehicle, Some(time)).await;
                self.decide_from(vehicle, &longer, events, &[]).unwrap()
            }
        }
    }

    pub(crate) fn decide_from(
        &self,
        vehicle: &Vehicle,
        snapshot: &Snapshot,
        events: &[GateEvent],
        ended: &[EventKey],
    ) -> Result<Unit, TooOld> {
        let limits = Limits::of(&self.rules, &vehicle.lot);
        let arrivals: Vec<EventKey> = events.iter().map(|event| event.key).collect();
        let decision = snapshot.step(vehicle, limits, &arrivals, ended)?;
        let recorded = |(place, flags): (usize, Flags)| {
            RecordedEvent::new(&events[place], events[place].key.time.plus_millis(500), flags)
        };
        Ok(Unit {
            vehicle: vehicle.clone(),
            base: Some(snapshot.base),
            timeline: decision.timeline,
            events: decision.new_events.into_iter().map(recorded).collect(),
            flags: decision.flags,
            changes: decision.changes,
            first_matched: decision.first_matched,
            first_unmatched: decision.first_unmatched,
        })
    }

    /// Records the end of a hold or a stay.
    pub(crate) async fn ends(&self, due: &Due, now: Timestamp) -> Outcome {
        let unit = self.decide_from(&due.vehicle, &due.snapshot, &[], &due.ended).unwrap();
        self.record_one(unit, now).await
    }

    pub(crate) async fn record_one(&self, unit: Unit, now: Timestamp) -> Outcome {
        let mut outcomes = self.ledger.record(vec![unit], &self.rules, now).await.unwrap();
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }

    /// Leases for a minute the vehicles of which a hold or a stay has ended at `now`.
    pub(crate) async fn due(&self, most: u32, now: Timestamp) -> Vec<Due> {
        self.ledger.due(most, &self.rules, now, now.plus_millis(60_000)).await.unwrap()
    }

    /// Returns all sessions of a filter, page by page, in order.
    pub(crate) async fn list(&self, filter: &SessionFilter, limit: u32, order: Order) -> Vec<SessionRow> {
        let (mut rows, mut after): (Vec<SessionRow>, _) = (Vec::new(), None);
        loop {
            let page = self.ledger.sessions(filter, Page { limit, after, order }).await.unwrap();
            let goes_on = page.resume_after.or_else(|| page.rows.last().map(|row| row.session.id));
            assert!(goes_on.is_none() || goes_on != after, "the list does not go on: {filter:?}");
            after = goes_on;
            if after.is_none() {
                return rows;
            }
            assert!(page.rows.len() <= usize::try_from(limit).unwrap());
            rows.extend(page.rows);
        }
    }

    /// Returns the sessions that are not void, oldest first.
    pub(crate) async fn sessions(&self, filter: SessionFilter) -> Vec<Session> {
        let rows = self.list(&filter, 100, Order::OldestFirst).await;
        rows.into_iter().map(|row| row.session).collect()
    }

    pub(crate) async fn state(&self, event: &GateEvent) -> Option<State> {
        self.ledger.session(id_of(event)).await.unwrap().map(|row| row.session.state)
    }

    /// Returns the expected sessions of these events, by id, as long as no hold or stay has ended.
    pub(crate) fn canonical(&self, events: &[GateEvent]) -> Vec<Session> {
        let mut vehicles: BTreeMap<&Vehicle, Vec<EventKey>> = BTreeMap::new();
        for event in events {
            vehicles.entry(&event.vehicle).or_default().push(event.key);
        }
        let mut sessions = Vec::new();
        for (vehicle, mut keys) in vehicles {
            keys.sort_unstable();
            keys.dedup();
            let events = keys.iter().map(|key| TimelineEvent { key: *key, flags: Flags::default() }).collect();
            let timeline = Timeline::new(None, events);
            for_each_stay(
                timeline.events(),
                Limits::of(&self.rules, &vehicle.lot),
                |_| false,
                |stay| {
                    let (entry, exit) = (stay.entry.map(|place| keys[place]), stay.exit.map(|place| keys[place]));
                    sessions.push(Session {
                        id: SessionId::of_event(vehicle, &keys[stay.anchor()]),
                        vehicle: vehicle.clone(),
                        entry_event_id: entry.map(|key| key.id),
                        entry_time: entry.map(|key| key.time),
                        exit_event_id: exit.map(|key| key.id),
                        exit_time: exit.map(|key| key.time),
                        state: stay.state,
                        reason: stay.reason,
                    });
                },
            );
        }
        sessions.sort_unstable_by_key(|session| session.id);
        sessions
    }
}
