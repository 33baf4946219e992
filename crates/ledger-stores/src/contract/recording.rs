//! Units are recorded atomically, and only if the vehicle has not changed since the decision.

use matching::{Applied, ExpectedVersion, Outcome, Rule, Snapshot, unread_unit};
use matching::{Flags, RecordedEvent};
use parking::{Direction, GateId, SessionId, Source, State};

use super::player::{NOW, Player, entry, exit, id_of, minute, vehicle};
use super::{Store, contract};
use crate::{ChangeRow, Error, LotRow, SessionFilter, SessionRow};

contract![
    what_is_recorded_is_read_back_whole,
    an_unknown_vehicle_is_at_version_zero,
    a_lost_comparison_returns_the_newer_snapshot_and_changes_nothing,
    recording_again_after_a_lost_reply_is_lost_with_all_events_in_it,
    units_of_one_vehicle_are_compared_one_after_the_other,
    a_call_with_a_unit_that_makes_no_sense_changes_nothing,
    an_event_of_an_unread_plate_is_recorded_once,
    a_restart_keeps_all,
    every_vehicle_stands_where_it_stood_after_each_restart,
];

async fn what_is_recorded_is_read_back_whole(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC-123");
    let (entered, exited) = (entry(&car, 0), exit(&car, 90));
    let first = player.decide(&car, Snapshot::default(), std::slice::from_ref(&entered)).await;
    let second = player.decide(&car, first.next_snapshot(), std::slice::from_ref(&exited)).await;

    let outcomes = [player.record_one(first, NOW).await, player.record_one(second.clone(), NOW.plus_millis(7)).await];

    let applied = |matched| Outcome::Recorded(Applied { events: 1, matched, unmatched: 0 });
    assert_eq!(outcomes, [applied(0), applied(1)]);
    let row = SessionRow {
        session: player.canonical(&[entered.clone(), exited]).remove(0),
        source: Source::Events,
        entry_gate: GateId::parse("P3-entry").ok(),
        exit_gate: GateId::parse("P3-exit").ok(),
        superseded_by: None,
        recorded_at: NOW,
        updated_at: NOW.plus_millis(7),
    };
    assert_eq!(player.ledger.session(id_of(&entered)).await, Ok(Some(row.clone())));
    assert_eq!(player.list(&SessionFilter::default(), 10, crate::Order::OldestFirst).await, [row]);
    assert_eq!(player.load(&car, None).await, second.next_snapshot());
    let lot = LotRow { id: car.lot, inside: 0, time: Some(minute(90)) };
    assert_eq!(player.ledger.lots().await, Ok(vec![lot]));
    let change = |sequence, from, to, rule, after_millis| ChangeRow {
        sequence,
        session: id_of(&entered),
        vehicle_version: sequence,
        from,
        to,
        rule: Some(rule),
        recorded_at: NOW.plus_millis(after_millis),
    };
    let changes = vec![
        change(1, None, State::Open, Rule::Entered, 0),
        change(2, Some(State::Open), State::Matched, Rule::Matched, 7),
    ];
    assert_eq!(player.ledger.changes(0, 10).await, Ok(changes.clone()));
    assert_eq!(player.ledger.changes(0, 1).await.as_deref(), Ok(&changes[..1]));
    assert_eq!(player.ledger.changes(1, 10).await.as_deref(), Ok(&changes[1..]));
}

async fn an_unknown_vehicle_is_at_version_zero(store: Store) {
    let player = Player::on(&store).await;
    let (known, unknown) = (vehicle("P3", "KNOWN1"), vehicle("P3", "UNKNOWN1"));
    player.sees(&[entry(&known, 0)], NOW).await;

    assert_eq!(player.load(&unknown, None).await, Snapshot::default());
    assert_eq!(player.load(&unknown, Some(minute(0))).await, Snapshot::default());
    assert_eq!(player.load(&vehicle("P4", "KNOWN1"), None).await, Snapshot::default());
    assert_eq!(player.load(&known, None).await.base.version, 1);
}

async fn a_lost_comparison_returns_the_newer_snapshot_and_changes_nothing(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let stale = player.load(&car, None).await;
    player.sees(&[entry(&car, 0)], NOW).await;
    let before = Everything::of(&player, &car).await;
    let unit = player.decide(&car, stale, &[exit(&car, 5)]).await;
    let mut of_other_content = unit.clone();
    of_other_content.base = Some(ExpectedVersion { digest: 1, ..before.snapshot.base });

    assert_eq!(player.record_one(unit, NOW).await, Outcome::Lost(before.snapshot.clone()));
    assert_eq!(player.record_one(of_other_content, NOW).await, Outcome::Lost(before.snapshot.clone()));

    assert_eq!(Everything::of(&player, &car).await, before);
}

async fn recording_again_after_a_lost_reply_is_lost_with_all_events_in_it(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let unit = player.decide(&car, Snapshot::default(), &[entry(&car, 0), exit(&car, 5)]).await;
    player.record_one(unit.clone(), NOW).await;
    let before = Everything::of(&player, &car).await;

    let again = player.record_one(unit.clone(), NOW).await;

    assert_eq!(again, Outcome::Lost(unit.next_snapshot()));
    let Outcome::Lost(snapshot) = again else { unreachable!("it was lost") };
    assert!(player.decide(&car, snapshot, &[entry(&car, 0), exit(&car, 5)]).await.events.is_empty());
    assert_eq!(Everything::of(&player, &car).await, before);
}

async fn units_of_one_vehicle_are_compared_one_after_the_other(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let first = player.decide(&car, Snapshot::default(), &[entry(&car, 0)]).await;
    let same_base = player.decide(&car, Snapshot::default(), &[entry(&car, 1)]).await;
    let second = player.decide(&car, first.next_snapshot(), &[exit(&car, 2)]).await;

    let units = vec![first.clone(), same_base, second];
    let outcomes = player.ledger.record(units, &player.rules, NOW).await.unwrap();

    let applied = |matched| Outcome::Recorded(Applied { events: 1, matched, unmatched: 0 });
    assert_eq!(outcomes, [applied(0), Outcome::Lost(first.next_snapshot()), applied(1)]);
    let events = [entry(&car, 0), exit(&car, 2)];
    assert_eq!(player.sessions(SessionFilter::default()).await, player.canonical(&events));
}

async fn a_call_with_a_unit_that_makes_no_sense_changes_nothing(store: Store) {
    let player = Player::on(&store).await;
    let (good, bad) = (vehicle("P3", "GOOD1"), vehicle("P3", "BAD1"));
    let sound = player.decide(&good, Snapshot::default(), &[entry(&good, 0)]).await;
    let mut senseless = player.decide(&bad, Snapshot::default(), &[entry(&bad, 0)]).await;
    senseless.events.clear();

    let together = player.ledger.record(vec![sound.clone(), senseless.clone()], &player.rules, NOW).await;
    assert!(matches!(together, Err(Error::Corrupt(_))), "{together:?}");
    assert_eq!(player.load(&good, None).await, Snapshot::default());

    let (alone, other) = tokio::join!(
        player.ledger.record(vec![senseless], &player.rules, NOW),
        player.ledger.record(vec![sound], &player.rules, NOW),
    );
    assert!(matches!(alone, Err(Error::Corrupt(_))), "{alone:?}");
    assert_eq!(other, Ok(vec![Outcome::Recorded(Applied { events: 1, matched: 0, unmatched: 0 })]));
    assert_eq!(player.sessions(SessionFilter::default()).await, player.canonical(&[entry(&good, 0)]));
    assert_eq!(player.ledger.changes(0, 10).await.unwrap().len(), 1);
}

async fn an_event_of_an_unread_plate_is_recorded_once(store: Store) {
    let player = Player::on(&store).await;
    let unread = vehicle("P3", "--");
    let unit = |events: &[parking::GateEvent]| {
        let record = |event: &parking::GateEvent| RecordedEvent::new(event, event.key.time, Flags::default());
        unread_unit(&unread, events.iter().map(record).collect())
    };
    let (entered, exited, later) = (entry(&unread, 0), exit(&unread, 5), exit(&unread, 6));

    let first = player.record_one(unit(&[entered.clone(), exited.clone()]), NOW).await;
    let second = player.record_one(unit(&[exited, later.clone(), later]), NOW).await;
    let third = player.record_one(unit(std::slice::from_ref(&entered)), NOW).await;

    let applied = |events, unmatched| Outcome::Recorded(Applied { events, matched: 0, unmatched });
    assert_eq!([first, second, third], [applied(2, 1), applied(1, 1), applied(0, 0)]);
    let states: Vec<State> =
        player.sessions(SessionFilter::default()).await.iter().map(|session| session.state).collect();
    assert_eq!(states, [State::UnmatchedEntry, State::UnmatchedExit, State::UnmatchedExit]);
    let of_plate = SessionFilter { plate: Some(unread.plate.clone()), ..SessionFilter::default() };
    assert_eq!(player.sessions(of_plate).await.len(), 3);
    assert_eq!(
        player.load(&unread, None).await,
        Snapshot { base: ExpectedVersion { version: 3, digest: 0 }, ..Snapshot::default() }
    );
    let lot = LotRow { id: unread.lot.clone(), inside: 0, time: Some(minute(6)) };
    assert_eq!(player.ledger.lots().await, Ok(vec![lot]));
    let numbers: Vec<u64> = player.ledger.changes(0, 10).await.unwrap().iter().map(|change| change.sequence).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let row = player.ledger.session(SessionId::of_event(&unread, &entered.key)).await.unwrap().unwrap();
    assert_eq!((row.session.entry_event_id, row.entry_gate), (Some(entered.key.id), entered.gate));
    assert_eq!(entered.key.direction, Direction::Entry);
}

async fn a_restart_keeps_all(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    player.sees(&[entry(&car, 0), exit(&car, 5), entry(&car, 9)], NOW).await;
    let (id, before) = (player.ledger.id(), Everything::of(&player, &car).await);
    drop(player);

    let player = Player::on(&store).await;

    assert_eq!((player.ledger.id(), Everything::of(&player, &car).await), (id, before));
    player.sees(&[exit(&car, 20)], NOW).await;
    let events = [entry(&car, 0), exit(&car, 5), entry(&car, 9), exit(&car, 20)];
    assert_eq!(player.sessions(SessionFilter::default()).await, player.canonical(&events));
}

/// Everything that a ledger has about a vehicle and its lot.
#[derive(Debug, PartialEq)]
struct Everything {
    snapshot: Snapshot,
    lots: Vec<LotRow>,
    rows: Vec<SessionRow>,
    changes: Vec<ChangeRow>,
}

impl Everything {
    async fn of(player: &Player, vehicle: &parking::Vehicle) -> Self {
        let all = SessionFilter { states: State::ALL.to_vec(), ..SessionFilter::default() };
        Self {
            snapshot: player.load(vehicle, None).await,
            lots: player.ledger.lots().await.unwrap(),
            rows: player.list(&all, 100, crate::Order::OldestFirst).await,
            changes: player.ledger.changes(0, 1000).await.unwrap(),
        }
    }
}

/// Vehicles that return often, in no order: at a restart, some are ahead of their rows and some are not.
async fn every_vehicle_stands_where_it_stood_after_each_restart(store: Store) {
    let cars: Vec<_> = (0..17).map(|number| vehicle("P3", &format!("CAR{number}"))).collect();
    for round in 0..6 {
        let player = Player::on(&store).await;
        for step in 0..5_i64 {
            let at_minute = round * 100 + step * 10;
            let chosen =
                cars.iter().enumerate().filter(|(number, _)| (number * 7 + usize::try_from(step).unwrap()) % 3 != 0);
            let events: Vec<_> = chosen
                .map(|(_, car)| if step % 2 == 0 { entry(car, at_minute) } else { exit(car, at_minute) })
                .collect();
            player.sees(&events, NOW).await;
        }
        let mut before = Vec::new();
        for car in &cars {
            let of_car = SessionFilter { plate: Some(car.plate.clone()), ..SessionFilter::default() };
            before.push((player.load(car, None).await, player.sessions(of_car).await));
        }

        drop(player);

        let player = Player::on(&store).await;
        for (car, (snapshot, sessions)) in cars.iter().zip(before) {
            let of_car = SessionFilter { plate: Some(car.plate.clone()), ..SessionFilter::default() };
            assert_eq!((player.load(car, None).await, player.sessions(of_car).await), (snapshot, sessions));
        }
    }
}
