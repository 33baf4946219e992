//! No set of events, in whatever order, makes the ledger refuse an update that the matching decides on.

use matching::{Limits, RecordedEvent, TooOld};
use parking::{Direction, EventKey};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const WINDOW_MS: i64 = 10_000;

/// Events that follow each other in one manner, and how long after the block before.
#[derive(Debug, Clone)]
struct Block {
    manner: Manner,
    count: i64,
    gap_ms: i64,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    /// One vehicle before a camera.
    ReReads(Direction),
    /// All at one instant.
    AtOnce(Direction),
    /// An exit and an entry at each instant.
    Turns,
    /// Entries and exits in turn.
    Visits,
    /// Passages of which nothing is known but one end.
    Missed(Direction),
}

fn block() -> impl Strategy<Value = Block> {
    let direction = || prop_oneof![Just(Direction::Entry), Just(Direction::Exit)];
    let manner = prop_oneof![
        direction().prop_map(Manner::ReReads),
        direction().prop_map(Manner::AtOnce),
        Just(Manner::Turns),
        Just(Manner::Visits),
        direction().prop_map(Manner::Missed),
    ];
    let gap = prop_oneof![Just(0), Just(WINDOW_MS / 2), Just(WINDOW_MS * 2)];
    (manner, 1..6_000_i64, gap).prop_map(|(manner, count, gap_ms)| Block { manner, count, gap_ms })
}

fn events_of(blocks: &[Block]) -> Vec<EventKey> {
    let (mut events, mut time) = (Vec::new(), minute(0));
    let mut add = |direction, time| {
        let id = Uuid::from_u128(events.len() as u128 + 1);
        events.push(EventKey { time, direction, id });
    };
    for Block { manner, count, gap_ms } in blocks {
        time = time.plus_millis(*gap_ms);
        for place in 0..*count {
            let is_even = place % 2 == 0;
            let (direction, step_ms) = match manner {
                Manner::ReReads(direction) => (*direction, 1_000),
                Manner::AtOnce(direction) => (*direction, 0),
                Manner::Turns => {
                    (if is_even { Direction::Exit } else { Direction::Entry }, if is_even { 0 } else { 2 * WINDOW_MS })
                }
                Manner::Visits => (if is_even { Direction::Entry } else { Direction::Exit }, 2 * WINDOW_MS),
                Manner::Missed(direction) => (*direction, 2 * WINDOW_MS),
            };
            add(direction, time);
            time = time.plus_millis(step_ms);
        }
    }
    events
}

#[derive(Debug, Clone, Copy)]
enum Order {
    OfTime,
    Reversed,
    EntriesFirst,
    ExitsFirst,
}

fn sort(events: &mut [EventKey], order: Order) {
    match order {
        Order::OfTime => {}
        Order::Reversed => events.reverse(),
        Order::EntriesFirst => events.sort_by_key(|event| event.direction == Direction::Exit),
        Order::ExitsFirst => events.sort_by_key(|event| event.direction == Direction::Entry),
    }
}

/// Decides and records as a correlator does; returns how many events had no room.
async fn record_all(service: &Service, events: &[EventKey], batch: usize) -> usize {
    let mut refused = 0;
    for part in events.chunks(batch) {
        let (mut arrivals, mut reaching) = (part.to_vec(), None);
        loop {
            let request = LoadRequest { vehicle: vehicle("P3", "ABC123"), reaching };
            let snapshot = service.load(vec![request.clone()], CallOptions::default()).await.unwrap().remove(0);
            let limits = Limits::of(&service.info().rules, &request.vehicle.lot);
            let decision = match snapshot.step(&request.vehicle, limits, &arrivals, &[]) {
                Err(TooOld(time)) => {
                    reaching = Some(time);
                    continue;
                }
                Ok(decision) => decision,
            };
            if !decision.no_room.is_empty() {
                refused += decision.no_room.len();
                for place in decision.no_room.iter().rev() {
                    arrivals.remove(*place);
                }
                continue;
            }
            if !decision.is_empty() {
                let unit = unit(&request.vehicle, &snapshot, &arrivals, decision);
                let outcomes =
                    service.record(vec![unit], CallOptions::default()).await.expect("the ledger takes every decision");
                assert!(matches!(outcomes[..], [Outcome::Recorded(_)]), "{outcomes:?}");
            }
            break;
        }
    }
    refused
}

fn unit(vehicle: &parking::Vehicle, snapshot: &Snapshot, arrivals: &[EventKey], decision: matching::Decision) -> Unit {
    let event = |(place, flags): &(usize, matching::Flags)| RecordedEvent {
        key: arrivals[*place],
        plate_as_read: vehicle.plate.as_str().into(),
        gate: None,
        confidence: None,
        received_at: arrivals[*place].time,
        flags: *flags,
        receipt: None,
        supersedes: None,
    };
    Unit {
        vehicle: vehicle.clone(),
        base: Some(snapshot.base),
        events: decision.new_events.iter().map(event).collect(),
        timeline: decision.timeline,
        flags: decision.flags,
        changes: decision.changes,
        first_matched: decision.first_matched,
        first_unmatched: decision.first_unmatched,
    }
}

fn refused_of(mut events: Vec<EventKey>, order: Order, batch: usize) -> usize {
    sort(&mut events, order);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let rules = Rules { re_read_window_ms: WINDOW_MS, ..Rules::default() };
        let fixture = Fixture::with_rules(temporary().await, rules);
        let refused = record_all(&fixture.service, &events, batch).await;
        let recorded = usize::try_from(fixture.metric("dwell_recorded_events_total").unwrap()).unwrap();
        assert_eq!(recorded + refused, events.len(), "each event is recorded or refused");
        refused
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_set_of_events_makes_record_refuse(
        blocks in prop::collection::vec(block(), 1..5),
        order in prop_oneof![
            Just(Order::OfTime), Just(Order::Reversed), Just(Order::EntriesFirst), Just(Order::ExitsFirst)
        ],
        batch in 500..6_000_usize,
    ) {
        refused_of(events_of(&blocks), order, batch);
    }
}

#[test]
fn five_thousand_instants_with_an_exit_and_an_entry_each_have_room_in_any_order() {
    let turns = events_of(&[Block { manner: Manner::Turns, count: 10_400, gap_ms: 0 }]);
    let orders = [Order::OfTime, Order::Reversed, Order::EntriesFirst, Order::ExitsFirst];
    assert_eq!(orders.map(|order| refused_of(turns.clone(), order, 700)), [0; 4]);
}

#[test]
fn of_a_vehicle_parked_before_a_camera_only_what_is_too_much_is_refused_in_any_order() {
    let parked = Block { manner: Manner::ReReads(Direction::Entry), count: 10_001, gap_ms: 0 };
    let left = Block { manner: Manner::ReReads(Direction::Exit), count: 1, gap_ms: 2 * WINDOW_MS };
    let events = events_of(&[parked, left]);
    assert_eq!([Order::OfTime, Order::Reversed].map(|order| refused_of(events.clone(), order, 1_000)), [1, 2]);
}
