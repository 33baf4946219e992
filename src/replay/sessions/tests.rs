//! The replay of small sets of events, against the definition as `matching` has it for one vehicle.

use std::collections::BTreeMap;
use std::convert::Infallible;

use matching::history::{lot_times, settled_sessions};
use parking::{EventKey, GateEvent, LotId, Plate, Rules, Session, Vehicle};
use proptest::prelude::*;
use uuid::Uuid;

use super::super::events::Events;
use super::*;

fn vehicle(number: u8) -> Vehicle {
    let plates = ["ABC123", "XYZ9", "NOPLATE"];
    let lot = LotId::parse(["P1", "P3"][usize::from(number / 3) % 2]).unwrap();
    Vehicle { lot, plate: Plate::from_read(plates[usize::from(number % 3)]).unwrap() }
}

fn event((number, seconds, is_exit, id): (u8, u32, bool, u8)) -> GateEvent {
    let direction = if is_exit { Direction::Exit } else { Direction::Entry };
    let time = Timestamp::from_millis(i64::from(seconds) * 1_000);
    let key = EventKey { time, direction, id: Uuid::from_u128(u128::from(id) + 1) };
    GateEvent { vehicle: vehicle(number), key, plate_as_read: "".into(), gate: None, confidence: None }
}

fn replayed(events: &[GateEvent], rules: &Rules, span_sessions: usize) -> Vec<Session> {
    let mut read = Events::default();
    for event in events {
        read.push(event).unwrap();
    }
    let settled = read.settle(rules);
    let mut sessions = Vec::new();
    let visited = settled.for_each_session_in_spans_of(span_sessions, |row| {
        sessions.push(Session {
            id: row.id,
            vehicle: Vehicle { lot: LotId::parse(row.lot).unwrap(), plate: Plate::from_read(row.plate).unwrap() },
            entry_event_id: row.entry_event_id,
            entry_time: row.entry_time,
            exit_event_id: row.exit_event_id,
            exit_time: row.exit_time,
            state: row.state,
            reason: row.reason,
        });
        Ok::<_, Infallible>(())
    });
    visited.unwrap();
    sessions
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
        events in prop::collection::vec((0_u8..6, 0_u32..100, any::<bool>(), 0_u8..4), 0..60),
        span_sessions in 1_usize..40,
    ) {
        let events: Vec<GateEvent> = events.into_iter().map(event).collect();
        prop_assert_eq!(replayed(&events, &short_stays(), span_sessions), defined(&events, &short_stays()));
    }

    #[test]
    fn every_event_is_accounted_for(
        events in prop::collection::vec((0_u8..6, 0_u32..100, any::<bool>(), 0_u8..4), 0..60),
    ) {
        let mut read = Events::default();
        for seed in &events {
            read.push(&event(*seed)).unwrap();
        }
        let settled = read.settle(&short_stays());
        let Tally { matched, open, unmatched_exits, re_entered, max_stay, unread, re_reads } = settled.tally();
        let in_sessions = 2 * matched + open + unmatched_exits + re_entered + max_stay + unread;
        prop_assert_eq!(in_sessions + re_reads + settled.repeated, events.len() as u64);
    }
}

#[test]
fn an_exit_at_the_instant_of_the_next_entry_stays_with_its_own_entry() {
    // In at 0, out and in again in one minute's read at 60, out at 90.
    let events = [(0, 0, false, 0), (0, 60, true, 1), (0, 60, false, 2), (0, 90, true, 3)].map(event);

    let sessions = replayed(&events, &Rules::default(), 10);

    let dwells: Vec<_> = sessions.iter().map(Session::dwell_ms).collect();
    assert_eq!(dwells, [Some(60_000), Some(30_000)]);
}
