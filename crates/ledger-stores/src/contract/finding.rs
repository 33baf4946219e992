//! Events are found by id and by vehicle, and the changes to a session are found in the list of all changes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::slice;

use matching::{RecordedEvent, unread_unit};
use parking::{Door, FormatName, GateEvent, Receipt, SessionId, State, Vehicle};
use uuid::Uuid;

use super::player::{NOW, Player, entry, exit, id_of, minute, vehicle};
use super::{Store, contract};
use crate::{ChangeRow, EVENTS_OF_ID_MAX, EventRow, Order, SessionFilter, Summary};

contract![
    an_event_is_found_whole_by_its_id,
    an_event_keeps_its_receipt_and_a_copy_of_it_changes_nothing,
    every_event_of_many_is_found_by_its_id_also_after_a_restart,
    a_reused_id_finds_the_first_events_that_have_it,
    what_is_decided_about_an_event_is_told_as_of_now,
    what_is_decided_about_an_event_is_told_also_while_more_is_recorded,
    the_events_of_a_vehicle_come_by_time_around_a_moment,
    an_event_of_an_unread_plate_is_found_by_its_id_alone,
    the_changes_of_each_session_are_found_in_the_list_of_all,
    the_changes_of_a_session_are_found_whatever_the_clock_did,
];

/// The row of an event that the player recorded at `NOW`.
fn row(event: &GateEvent, flags: matching::Flags) -> EventRow {
    EventRow {
        vehicle: event.vehicle.clone(),
        key: event.key,
        gate: event.gate.clone(),
        plate_as_read: event.plate_as_read.to_string(),
        confidence: event.confidence,
        received_at: event.key.time.plus_millis(500),
        recorded_at: NOW,
        flags,
        receipt: None,
        supersedes: None,
        superseded_by: None,
    }
}

async fn flags_of(player: &Player, event: &GateEvent) -> matching::Flags {
    let timeline = player.load(&event.vehicle, Some(event.key.time)).await.timeline;
    timeline.events()[timeline.position(&event.key).unwrap()].flags
}

async fn an_event_is_found_whole_by_its_id(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC-123");
    let mut bare = entry(&car, 0);
    (bare.gate, bare.confidence, bare.plate_as_read) = (None, None, "abc\u{0}-123 ä".into());
    let known = exit(&car, 5);

    player.sees(&[bare.clone(), known.clone()], NOW).await;

    for event in [&bare, &known] {
        let expected = row(event, flags_of(&player, event).await);
        assert_eq!(player.ledger.events_with_id(event.key.id).await, Ok(vec![expected]));
    }
    assert_eq!(player.ledger.events_with_id(Uuid::from_u128(1)).await, Ok(Vec::new()));
    assert_eq!(player.ledger.events_with_id(Uuid::nil()).await, Ok(Vec::new()));
}

async fn an_event_keeps_its_receipt_and_a_copy_of_it_changes_nothing(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC-123");
    let receipts = [
        None,
        Some(Receipt::default()),
        Some(Receipt::new(Door::Http, FormatName::parse("json").ok(), minute(1))),
        Some(Receipt::new(Door::Camera, FormatName::parse("dahua-itsapi").ok(), minute(-60 * 24 * 365))),
        Some(Receipt::new(Door::File, None, minute(90))),
    ];
    let events: Vec<GateEvent> = (0..5).map(|number| entry(&car, number * 10)).collect();
    for (event, receipt) in events.iter().zip(&receipts) {
        let snapshot = player.load(&car, None).await;
        let mut unit = player.decide_from(&car, &snapshot, slice::from_ref(event), &[]).unwrap();
        unit.events[0].receipt.clone_from(receipt);
        player.ledger.record(vec![unit], &player.rules, NOW).await.unwrap();
    }

    // The copy has another receipt.
    player.sees(&events, NOW.plus_millis(1_000)).await;

    let found = player.ledger.vehicle_events(&car, None, 100).await.unwrap();
    assert_eq!(found.into_iter().map(|row| row.receipt).collect::<Vec<_>>(), receipts);
    for (event, receipt) in events.iter().zip(receipts) {
        assert_eq!(player.ledger.events_with_id(event.key.id).await.unwrap()[0].receipt, receipt);
    }
}

async fn every_event_of_many_is_found_by_its_id_also_after_a_restart(store: Store) {
    let cars: Vec<Vehicle> = (0..7).map(|number| vehicle("P3", &format!("CAR{number}"))).collect();
    let mut seen: Vec<GateEvent> = Vec::new();
    // Batches that end before, at and after the end of a block.
    for (round, size) in [1_usize, 4, 5, 6, 13, 1, 20].into_iter().enumerate() {
        let player = Player::on(&store).await;
        let at_minute = i64::try_from(round).unwrap() * 100;
        let events: Vec<GateEvent> =
            (0..size).map(|number| entry(&cars[number % 7], at_minute + i64::try_from(number).unwrap())).collect();
        player.sees(&events, NOW).await;
        seen.extend(events);
        for event in &seen {
            let found = player.ledger.events_with_id(event.key.id).await.unwrap();
            assert_eq!(
                found.iter().map(|row| (&row.vehicle, row.key)).collect::<Vec<_>>(),
                [(&event.vehicle, event.key)]
            );
        }
    }
}

async fn a_reused_id_finds_the_first_events_that_have_it(store: Store) {
    let player = Player::on(&store).await;
    let mut expected = Vec::new();
    for number in 0..i64::try_from(EVENTS_OF_ID_MAX).unwrap() + 3 {
        let mut event = entry(&vehicle("P3", &format!("CAR{number}")), number);
        event.key.id = Uuid::from_u128(7);
        player.sees(&[event.clone(), exit(&vehicle("P3", "OTHER"), number)], NOW).await;
        expected.push((event.vehicle, event.key));
    }
    expected.truncate(EVENTS_OF_ID_MAX);

    let found = player.ledger.events_with_id(Uuid::from_u128(7)).await.unwrap();

    assert_eq!(found.into_iter().map(|row| (row.vehicle, row.key)).collect::<Vec<_>>(), expected);
}

async fn what_is_decided_about_an_event_is_told_as_of_now(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let mut events = vec![exit(&car, -5)];
    player.sees(&events, NOW).await;
    let ended = NOW.plus_millis(player.rules.hold_ms);
    for due in player.due(9, ended).await {
        player.ends(&due, ended).await;
    }
    // Enough events that the timeline is trimmed and their flags are in the rows.
    for stay in 0..30 {
        let more = [entry(&car, stay * 10), exit(&car, stay * 10 + 5)];
        player.sees(&more, NOW).await;
        events.extend(more);
    }

    let all = player.ledger.vehicle_events(&car, None, 1_000).await.unwrap();
    let whole = player.load(&car, Some(minute(-60))).await.timeline;

    assert_eq!(whole.complete_after(), None);
    let flags = |row: &EventRow| (row.key, row.flags);
    let expected: Vec<_> = whole.events().iter().map(|event| (event.key, event.flags)).collect();
    assert_eq!(all.iter().map(flags).collect::<Vec<_>>(), expected);
    for event in &events {
        let found = player.ledger.events_with_id(event.key.id).await.unwrap();
        assert!(expected.contains(&flags(&found[0])));
    }
}

async fn what_is_decided_about_an_event_is_told_also_while_more_is_recorded(store: Store) {
    let player = Player::on(&store).await;
    for number in 0..40 {
        let car = vehicle("P3", &format!("CAR{number}"));
        let early = exit(&car, -5);
        player.sees(slice::from_ref(&early), NOW).await;
        for due in player.due(9, NOW.plus_millis(player.rules.hold_ms)).await {
            player.ends(&due, NOW.plus_millis(player.rules.hold_ms)).await;
        }
        let decided = flags_of(&player, &early).await;
        // Enough events that the timeline is trimmed and the flags of the exit are in its row.
        let stays: Vec<GateEvent> =
            (0..30).flat_map(|stay| [entry(&car, stay * 10), exit(&car, stay * 10 + 5)]).collect();
        let is_recorded = Cell::new(false);

        let recording = async {
            player.sees(&stays, NOW).await;
            is_recorded.set(true);
        };
        let asking = async {
            while !is_recorded.get() {
                let found = player.ledger.events_with_id(early.key.id).await.unwrap();
                assert_eq!(found.iter().map(|row| row.flags).collect::<Vec<_>>(), [decided]);
            }
        };
        tokio::join!(recording, asking);
    }
}

async fn the_events_of_a_vehicle_come_by_time_around_a_moment(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let mut events: Vec<GateEvent> = (0..20).map(|number| entry(&car, number * 10)).collect();
    // The order of recording differs.
    events.reverse();
    for some in events.chunks(6) {
        player.sees(some, NOW).await;
    }
    let minutes = async |around: Option<i64>, limit| {
        let rows = player.ledger.vehicle_events(&car, around.map(minute), limit).await.unwrap();
        rows.iter().map(|row| row.key.time.millis_since(minute(0)) / 60_000).collect::<Vec<_>>()
    };

    assert_eq!(minutes(None, 3).await, [170, 180, 190]);
    assert_eq!(minutes(Some(100), 4).await, [90, 100, 110, 120]);
    assert_eq!(minutes(Some(-50), 3).await, [0, 10, 20]);
    assert_eq!(minutes(Some(500), 2).await, [180, 190]);
    assert_eq!(minutes(Some(0), 100).await.len(), 20);
    assert_eq!(minutes(None, 0).await, Vec::<i64>::new());
    assert_eq!(player.ledger.vehicle_events(&vehicle("P4", "ABC123"), None, 9).await, Ok(Vec::new()));
}

async fn an_event_of_an_unread_plate_is_found_by_its_id_alone(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "NOPLATE");
    let event = exit(&car, 5);
    let recorded = RecordedEvent::new(&event, event.key.time.plus_millis(500), matching::Flags::default());
    player.record_one(unread_unit(&car, vec![recorded]), NOW).await;

    let found = player.ledger.events_with_id(event.key.id).await;

    assert_eq!(found, Ok(vec![row(&event, matching::Flags::default())]));
    assert_eq!(player.ledger.vehicle_events(&car, None, 9).await, Ok(Vec::new()));
    let changes = player.ledger.changes_of(id_of(&event)).await.unwrap();
    assert_eq!(
        changes.iter().map(|change| (change.from, change.to)).collect::<Vec<_>>(),
        [(None, State::UnmatchedExit)]
    );
}

/// The changes to every session, each searched by itself, match the list of all changes.
async fn check_changes(player: &Player) {
    let mut listed: BTreeMap<SessionId, Vec<ChangeRow>> = BTreeMap::new();
    for change in player.ledger.changes(0, 100_000).await.unwrap() {
        listed.entry(change.session).or_default().push(change);
    }
    for (session, changes) in &listed {
        assert_eq!(player.ledger.changes_of(*session).await.as_ref(), Ok(changes));
    }
    let all = SessionFilter { states: State::ALL.to_vec(), ..SessionFilter::default() };
    assert_eq!(player.list(&all, 500, Order::OldestFirst).await.len(), listed.len());
}

async fn the_changes_of_each_session_are_found_in_the_list_of_all(store: Store) {
    let player = Player::on(&store).await;
    let cars: Vec<Vehicle> = (0..6).map(|number| vehicle("P3", &format!("CAR{number}"))).collect();
    let hour = |hours: i64| NOW.plus_millis(hours * 3_600_000);
    player.sees(&cars.iter().map(|car| exit(car, 30)).collect::<Vec<_>>(), hour(0)).await;
    for due in player.due(3, hour(1)).await {
        player.ends(&due, hour(1)).await;
    }
    for (number, car) in (2..).zip(&cars) {
        player.sees(&[entry(car, 0)], hour(number)).await;
        player.sees(&[exit(car, 15)], hour(number * 2)).await;
        player.sees(&[entry(car, 20)], hour(number * 3)).await;
        player.sees(&[entry(car, 100 + number)], hour(20)).await;
    }
    let summary = Summary { vehicle: cars[0].clone(), entry: minute(0), exit: minute(9) };
    player.ledger.save_summary(summary, hour(21)).await.unwrap();

    check_changes(&player).await;
    assert_eq!(player.ledger.changes_of(SessionId::from_uuid(Uuid::from_u128(1))).await, Ok(Vec::new()));
}

async fn the_changes_of_a_session_are_found_whatever_the_clock_did(store: Store) {
    let player = Player::on(&store).await;
    let clock = [0, 900, 300, 40_000, 39_000, 41_500, 70_000];
    for (number, millis) in (0..).zip(clock) {
        let cars = [vehicle("P3", "ABC123"), vehicle("P3", &format!("CAR{number}"))];
        player.sees(&[exit(&cars[0], 100 - number * 7), entry(&cars[1], number)], NOW.plus_millis(millis)).await;
        player.sees(&[entry(&cars[0], 98 - number * 7)], NOW.plus_millis(millis)).await;
    }

    check_changes(&player).await;
}
