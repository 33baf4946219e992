//! The replay of small sets of events, against the definition as `matching` has it for one vehicle.

use std::collections::BTreeMap;

use matching::history::{lot_times, settled_sessions};
use parking::{EventKey, GateEvent, LotId, Plate, Rules, Session, Vehicle};
use proptest::prelude::*;
use uuid::Uuid;

use super::super::events::{Intake, PARTITIONS, Survey};
use super::super::interner::VehicleInterner;
use super::super::settling::{Decider, Spans, Tally, Terms};
use super::super::spill_store::{Partitions, SpillStore};
use super::*;

fn vehicle(number: u8) -> Vehicle {
    let plates = ["ABC123", "XYZ9", "NOPLATE", "京A12345", "ABCDEF123456"];
    let lot = LotId::parse(["P1", "P3"][usize::from(number / 5) % 2]).unwrap();
    Vehicle { lot, plate: Plate::from_read(plates[usize::from(number % 5)]).unwrap() }
}

fn event((number, seconds, is_exit, id): (u8, u32, bool, u8)) -> GateEvent {
    let direction = if is_exit { Direction::Exit } else { Direction::Entry };
    let time = Timestamp::from_millis(i64::from(seconds) * 1_000);
    let key = EventKey { time, direction, id: Uuid::from_u128(u128::from(id) + 1) };
    GateEvent { vehicle: vehicle(number), key, plate_as_read: "".into(), gate: None, confidence: None }
}

fn replayed(events: &[GateEvent], rules: &Rules, span_count: u64) -> (Vec<Session>, Tally) {
    let store = SpillStore::new(&std::env::temp_dir(), usize::MAX);
    let (names, mut survey) = (VehicleInterner::default(), Survey::default());
    let partitions = Partitions::new(&store, PARTITIONS);
    let mut intakes = [Intake::new(&names, &partitions), Intake::new(&names, &partitions)];
    for (index, event) in events.iter().enumerate() {
        let Vehicle { lot, plate } = &event.vehicle;
        intakes[index % 2].take(lot.as_str().as_bytes(), plate.as_str().as_bytes(), &event.key).unwrap();
    }
    for intake in intakes {
        intake.finish(&mut survey);
    }
    let names = names.finish();
    let mut times: Vec<Timestamp> = events.iter().map(|event| event.key.time).collect();
    let spans = Spans::with_count(span_count, &mut times);
    let terms = Terms::new(rules, &names, &survey, &spans);
    let by_time = Partitions::new(&store, spans.count());
    let mut decider = Decider::new(&terms, &by_time);
    (0..PARTITIONS).for_each(|partition| decider.settle(&partitions, partition).unwrap());
    let tally = decider.finish();
    let (mut sessions, mut records) = (Vec::new(), Vec::new());
    for span in 0..by_time.len() {
        by_time.take(span, &mut records).unwrap();
        Order::default().for_each(&records, &names, |row| sessions.push(session_of(row)));
    }
    (sessions, tally)
}

fn session_of(row: &Row<'_>) -> Session {
    Session {
        id: row.id,
        vehicle: Vehicle { lot: LotId::parse(row.lot).unwrap(), plate: Plate::from_read(row.plate).unwrap() },
        entry_event_id: row.entry_event_id,
        entry_time: row.entry_time,
        exit_event_id: row.exit_event_id,
        exit_time: row.exit_time,
        state: row.state,
        reason: row.reason,
    }
}

fn defined(events: &[GateEvent], rules: &Rules) -> Vec<Session> {
    let times = lot_times(events.iter().map(|event| (&event.vehicle.lot, event.key.time)));
    let mut of_vehicles: BTreeMap<Vehicle, Vec<EventKey>> = BTreeMap::new();
    for event in events {
        of_vehicles.entry(event.vehicle.clone()).or_default().push(event.key);
    }
    let mut sessions: Vec<Session> = of_vehicles
        .iter_mut()
        .flat_map(|(vehicle, keys)| settled_sessions(vehicle, keys, rules, times[&vehicle.lot]))
        .collect();
    sessions.sort_unstable_by_key(|session| session.id);
    sessions
}

fn short_stays() -> Rules {
    Rules { max_stay_ms: 60_000, ..Rules::default() }
}

proptest! {
    #[test]
    fn any_events_in_any_order_give_their_canonical_sessions_in_order(
        events in prop::collection::vec((0_u8..10, 0_u32..100, any::<bool>(), 0_u8..4), 0..80),
        span_count in 1_u64..40,
    ) {
        let events: Vec<GateEvent> = events.into_iter().map(event).collect();
        let (sessions, tally) = replayed(&events, &short_stays(), span_count);
        prop_assert_eq!(sessions, defined(&events, &short_stays()));
        // Every event is accounted for.
        prop_assert_eq!(tally.events(), events.len() as u64);
    }
}

#[test]
fn an_exit_at_the_instant_of_the_next_entry_stays_with_its_own_entry() {
    // In at 0, out and in again in one minute's read at 60, out at 90.
    let events = [(0, 0, false, 0), (0, 60, true, 1), (0, 60, false, 2), (0, 90, true, 3)].map(event);

    let (sessions, _) = replayed(&events, &Rules::default(), 10);

    let dwells: Vec<_> = sessions.iter().map(Session::dwell_ms).collect();
    assert_eq!(dwells, [Some(60_000), Some(30_000)]);
}
