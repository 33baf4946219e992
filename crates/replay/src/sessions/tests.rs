//! The replay of small sets of events, against the definition as `matching` has it for one vehicle.

use std::collections::BTreeMap;

use matching::history::{lot_times, settled_sessions};
use parking::{EventKey, GateEvent, GateId, LotId, Plate, Rules, Session, Vehicle};
use proptest::prelude::*;
use uuid::Uuid;

use event_files::Seen;

use super::super::events::{Intake, PARTITIONS, Survey};
use super::super::gates::GateInterner;
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

/// A gate event, and the id of the one that it supersedes.
type Revising = (GateEvent, Option<Uuid>);

/// Few gates, so that an event that is named is often of the same one.
fn revising((event_of, gate, named): ((u8, u32, bool, u8), u8, Option<u8>)) -> Revising {
    let gates = [None, Some("in-1"), Some("a-gate-with-a-long-name")];
    let gate = gates[usize::from(gate)].map(|name| GateId::parse(name).unwrap());
    let event = GateEvent { gate, ..event(event_of) };
    let named = named.map(|id| Uuid::from_u128(u128::from(id) + 1)).filter(|id| *id != event.key.id);
    (event, named)
}

fn replayed(events: &[GateEvent], rules: &Rules, span_count: u64) -> (Vec<Session>, Tally) {
    let events: Vec<Revising> = events.iter().map(|event| (event.clone(), None)).collect();
    replayed_with(&events, rules, span_count)
}

fn replayed_with(events: &[Revising], rules: &Rules, span_count: u64) -> (Vec<Session>, Tally) {
    let store = SpillStore::new(&std::env::temp_dir(), usize::MAX);
    let (names, gates, mut survey) = (VehicleInterner::default(), GateInterner::default(), Survey::default());
    let partitions = Partitions::new(&store, PARTITIONS);
    let mut intakes = [(); 2].map(|()| Intake::new(&names, &gates, &partitions));
    for (index, (event, supersedes)) in events.iter().enumerate() {
        let Vehicle { lot, plate } = &event.vehicle;
        let (lot, plate) = (lot.as_str().as_bytes(), plate.as_str().as_bytes());
        let gate = event.gate.as_ref().map_or("", GateId::as_str).as_bytes();
        intakes[index % 2].take(Seen { lot, plate, key: &event.key, gate, supersedes: *supersedes }).unwrap();
    }
    for intake in intakes {
        intake.finish(&mut survey);
    }
    let names = names.finish();
    let mut times: Vec<Timestamp> = events.iter().map(|(event, _)| event.key.time).collect();
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

/// The definition, for events of which some supersede others: each pair is compared, in a loop.
fn defined_with(events: &[Revising], rules: &Rules) -> Vec<Session> {
    let is_named_by = |event: &GateEvent, (other, named): &Revising| {
        *named == Some(event.key.id) && other.vehicle.lot == event.vehicle.lot && other.gate == event.gate
    };
    let is_superseded = |event: &GateEvent| events.iter().any(|other| is_named_by(event, other));
    let equal = |one: &GateEvent, other: &GateEvent| (&one.vehicle, one.key) == (&other.vehicle, other.key);
    let counts = |event: &GateEvent| !events.iter().any(|(copy, _)| equal(copy, event) && is_superseded(copy));
    let all: Vec<GateEvent> = events.iter().map(|(event, _)| event.clone()).collect();
    let counting: Vec<GateEvent> = all.iter().filter(|event| counts(event)).cloned().collect();
    defined_at(&all, &counting, rules)
}

fn defined(events: &[GateEvent], rules: &Rules) -> Vec<Session> {
    defined_at(events, events, rules)
}

/// The sessions of the events that count; the lots' times are those of all events.
fn defined_at(all: &[GateEvent], counting: &[GateEvent], rules: &Rules) -> Vec<Session> {
    let times = lot_times(all.iter().map(|event| (&event.vehicle.lot, event.key.time)));
    let mut of_vehicles: BTreeMap<Vehicle, Vec<EventKey>> = BTreeMap::new();
    for event in counting {
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

proptest! {
    #[test]
    fn events_that_others_supersede_are_left_out_in_any_order(
        events in prop::collection::vec(
            ((0_u8..10, 0_u32..100, any::<bool>(), 0_u8..12), 0_u8..3, prop::option::weighted(0.4, 0_u8..12)),
            0..60,
        ),
        repeats in 0_usize..10,
    ) {
        let mut events: Vec<Revising> = events.into_iter().map(revising).collect();
        events.extend_from_within(..repeats.min(events.len()));
        let (sessions, tally) = replayed_with(&events, &short_stays(), 3);
        prop_assert_eq!(&sessions, &defined_with(&events, &short_stays()));
        prop_assert_eq!(tally.events(), events.len() as u64);
        events.reverse();
        prop_assert_eq!(replayed_with(&events, &short_stays(), 3), (sessions, tally));
    }
}

#[test]
fn a_read_is_superseded_by_another_plate_of_its_gate_and_lot_alone() {
    // The second of each pair names the first: at its gate, at another gate, in another lot, and a chain of three.
    let read = |vehicle, second, gate, id, named| revising(((vehicle, second, false, id), gate, named));
    let events = [
        read(0, 0, 1, 1, None),
        read(1, 1, 1, 2, Some(1)),
        read(0, 10, 1, 3, None),
        read(1, 11, 2, 4, Some(3)),
        read(5, 20, 1, 5, None),
        read(1, 90, 1, 6, Some(5)),
        read(3, 30, 0, 7, None),
        read(3, 31, 0, 8, Some(7)),
        read(4, 32, 0, 9, Some(8)),
    ];

    let (sessions, tally) = replayed_with(&events, &Rules::default(), 1);

    let entries: Vec<_> = sessions.iter().map(|session| session.entry_event_id.unwrap().as_u128() - 1).collect();
    assert_eq!(entries, [2, 3, 5, 9, 6]);
    assert_eq!((tally.superseded, tally.re_reads, tally.vehicles), (3, 1, 4));
}

#[test]
fn an_exit_at_the_instant_of_the_next_entry_stays_with_its_own_entry() {
    // In at 0, out and in again in one minute's read at 60, out at 90.
    let events = [(0, 0, false, 0), (0, 60, true, 1), (0, 60, false, 2), (0, 90, true, 3)].map(event);

    let (sessions, _) = replayed(&events, &Rules::default(), 10);

    let dwells: Vec<_> = sessions.iter().map(Session::dwell_ms).collect();
    assert_eq!(dwells, [Some(60_000), Some(30_000)]);
}
