//! Ended holds and overdue stays are found and leased, and found again if their end is not recorded.

use matching::{Due, Outcome};
use parking::{GateEvent, State, Vehicle};

use super::player::{NOW, Player, entry, exit, minute, vehicle};
use super::{Store, contract};
use crate::{Pending, SessionFilter};

contract![
    a_hold_ends_a_while_after_its_exit_was_recorded,
    an_exit_that_found_its_entry_is_not_due,
    an_exit_that_loses_its_entry_is_held_from_when_it_was_recorded,
    what_is_leased_is_not_given_out_until_the_lease_has_passed,
    no_more_vehicles_are_leased_than_asked_for,
    a_stay_is_too_long_on_the_time_of_its_lot,
    what_is_due_comes_with_a_timeline_that_has_it,
    two_that_ask_at_once_get_different_vehicles,
    a_hold_that_began_in_the_future_has_ended,
    a_lease_further_ahead_than_its_length_is_none,
    clocks_that_differ_a_little_end_no_hold_early,
];

fn keys(due: &[Due]) -> Vec<(&Vehicle, Vec<i64>)> {
    let minutes = |due: &Due| due.ended.iter().map(|key| key.time.millis_since(minute(0)) / 60_000).collect();
    due.iter().map(|due| (&due.vehicle, minutes(due))).collect()
}

async fn a_hold_ends_a_while_after_its_exit_was_recorded(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    player.sees(&[exit(&car, 0), exit(&car, 20)], NOW).await;
    player.sees(&[exit(&car, 10)], NOW.plus_millis(10_000)).await;
    let hold = player.rules.hold_ms;

    assert_eq!(player.due(9, NOW.plus_millis(hold - 1)).await, []);
    let due = player.due(9, NOW.plus_millis(hold)).await;
    assert_eq!(keys(&due), [(&car, vec![0, 20])]);
    assert_eq!(due[0].snapshot, player.load(&car, None).await);
    assert_eq!(player.ledger.pending(&player.rules).await, Ok(Pending { held_exits: 3, overdue_stays: 0 }));

    assert!(matches!(player.ends(&due[0], NOW.plus_millis(hold)).await, Outcome::Recorded(_)));

    assert_eq!(player.state(&exit(&car, 0)).await, Some(State::UnmatchedExit));
    assert_eq!(player.state(&exit(&car, 10)).await, Some(State::HeldExit));
    assert_eq!(keys(&player.due(9, NOW.plus_millis(hold + 10_000)).await), [(&car, vec![10])]);
    assert_eq!(player.ledger.pending(&player.rules).await, Ok(Pending { held_exits: 1, overdue_stays: 0 }));
}

async fn an_exit_that_found_its_entry_is_not_due(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    player.sees(&[exit(&car, 30)], NOW).await;
    player.sees(&[entry(&car, 0)], NOW.plus_millis(5)).await;
    let later = NOW.plus_millis(player.rules.hold_ms);
    assert_eq!(player.due(9, later).await, []);

    // An earlier exit takes the entry. The other exit is held again, and its hold counts from its first recording.
    player.sees(&[exit(&car, 15)], later).await;

    assert_eq!(keys(&player.due(9, later).await), [(&car, vec![30])]);
}

async fn an_exit_that_loses_its_entry_is_held_from_when_it_was_recorded(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    player.sees(&[entry(&car, 0), exit(&car, 30)], NOW).await;
    let hold = player.rules.hold_ms;

    // The exit gets a session of its own only now.
    player.sees(&[exit(&car, 15)], NOW.plus_millis(hold - 1)).await;

    assert_eq!(player.due(9, NOW.plus_millis(hold - 1)).await, []);
    assert_eq!(keys(&player.due(9, NOW.plus_millis(hold)).await), [(&car, vec![30])]);
}

async fn what_is_leased_is_not_given_out_until_the_lease_has_passed(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    player.sees(&[exit(&car, 0)], NOW).await;
    let ended = NOW.plus_millis(player.rules.hold_ms);

    let due = player.due(9, ended).await;

    assert_eq!(keys(&due), [(&car, vec![0])]);
    assert_eq!(player.due(9, ended.plus_millis(59_999)).await, []);
    assert_eq!(player.due(9, ended.plus_millis(60_000)).await, due);
}

async fn no_more_vehicles_are_leased_than_asked_for(store: Store) {
    let mut player = Player::on(&store).await;
    player.rules.max_stay_ms = 60_000;
    let exits: Vec<GateEvent> = (0..5).map(|number| exit(&vehicle("P3", &format!("OUT{number}")), number)).collect();
    let entries: Vec<GateEvent> = (0..5).map(|number| entry(&vehicle("P3", &format!("IN{number}")), number)).collect();
    player.sees(&exits, NOW).await;
    player.sees(&entries, NOW).await;
    player.sees(&[exit(&vehicle("P3", "LAST"), 60)], NOW).await;
    let ended = NOW.plus_millis(player.rules.hold_ms);

    let mut leased = Vec::new();
    for expected in [4, 4, 3, 0] {
        let due = player.due(4, ended).await;
        assert_eq!(due.len(), expected);
        leased.extend(due.into_iter().map(|due| due.vehicle));
    }

    leased.sort();
    leased.dedup();
    assert_eq!(leased.len(), 11);
}

async fn a_stay_is_too_long_on_the_time_of_its_lot(store: Store) {
    let mut player = Player::on(&store).await;
    let (long, short, exact) = (vehicle("LONG", "A1"), vehicle("SHORT", "A1"), vehicle("SHORT", "A2"));
    player.rules.max_stay_ms = 60 * 60_000;
    player.rules.max_stay_of_lot_ms.insert(short.lot.clone(), 30 * 60_000);
    player.sees(&[entry(&long, 0), entry(&short, 0), entry(&exact, 10)], NOW).await;

    player.sees(&[entry(&vehicle("LONG", "B1"), 40), entry(&vehicle("SHORT", "B1"), 40)], NOW).await;

    assert_eq!(player.ledger.pending(&player.rules).await, Ok(Pending { held_exits: 0, overdue_stays: 1 }));
    let due = player.due(9, NOW).await;
    assert_eq!(keys(&due), [(&short, vec![0])]);
    player.ends(&due[0], NOW).await;
    assert_eq!(player.state(&entry(&short, 0)).await, Some(State::UnmatchedEntry));
    assert_eq!(player.due(9, NOW).await, []);
    let inside: Vec<u64> = player.ledger.lots().await.unwrap().iter().map(|lot| lot.inside).collect();
    assert_eq!(inside, [2, 2]);
}

async fn what_is_due_comes_with_a_timeline_that_has_it(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let mut events = vec![exit(&car, -10)];
    events.extend((0..60).flat_map(|stay| [entry(&car, stay * 10), exit(&car, stay * 10 + 5)]));
    for some in events.chunks(10) {
        player.sees(some, NOW).await;
    }
    let stored = player.load(&car, None).await;
    assert!(stored.timeline.position(&events[0].key).is_none());

    let ended = NOW.plus_millis(player.rules.hold_ms);
    let due = player.due(9, ended).await;

    assert_eq!(keys(&due), [(&car, vec![-10])]);
    assert_eq!(due[0].snapshot.base, stored.base);
    player.ends(&due[0], ended).await;
    let mut expected = player.canonical(&events);
    expected[0].state = State::UnmatchedExit;
    assert_eq!(player.sessions(SessionFilter::default()).await, expected);
    assert_eq!(player.due(9, ended.plus_millis(3_600_000)).await, []);
    // What has ended stays ended when the timeline is rebuilt from the events.
    player.sees(&[entry(&car, -30), exit(&car, -20)], ended).await;
    assert_eq!(player.state(&events[0]).await, Some(State::UnmatchedExit));
}

async fn two_that_ask_at_once_get_different_vehicles(store: Store) {
    let player = Player::on(&store).await;
    let exits: Vec<GateEvent> = (0..40).map(|number| exit(&vehicle("P3", &format!("OUT{number}")), number)).collect();
    player.sees(&exits, NOW).await;
    let ended = NOW.plus_millis(player.rules.hold_ms);

    let (one, other) = tokio::join!(player.due(20, ended), player.due(20, ended));

    // A row that is being leased may be skipped, so both together may return less than all, but never one twice.
    let mut leased: Vec<&Vehicle> = one.iter().chain(&other).map(|due| &due.vehicle).collect();
    let given = leased.len();
    leased.sort();
    leased.dedup();
    assert_eq!(leased.len(), given);
    let rest = player.due(40, ended).await;
    assert_eq!(given + rest.len(), 40);
}

const DAYS_400: i64 = 400 * 86_400_000;

async fn a_hold_that_began_in_the_future_has_ended(store: Store) {
    let player = Player::on(&store).await;
    let (before, wrong) = (vehicle("P3", "BEFORE"), vehicle("P3", "WRONG"));
    player.sees(&[exit(&before, 0)], NOW).await;
    player.sees(&[exit(&wrong, 1)], NOW.plus_millis(DAYS_400)).await;

    let due = player.due(9, NOW).await;
    assert_eq!(keys(&due), [(&wrong, vec![1])]);
    assert!(matches!(player.ends(&due[0], NOW).await, Outcome::Recorded(_)));

    assert_eq!(player.state(&exit(&wrong, 1)).await, Some(State::UnmatchedExit));
    assert_eq!(player.state(&exit(&before, 0)).await, Some(State::HeldExit));
    assert_eq!(keys(&player.due(9, NOW.plus_millis(player.rules.hold_ms)).await), [(&before, vec![0])]);
}

async fn a_lease_further_ahead_than_its_length_is_none(store: Store) {
    let mut player = Player::on(&store).await;
    player.rules.max_stay_ms = 60_000;
    let (held, inside) = (vehicle("P3", "HELD"), vehicle("P3", "INSIDE"));
    player.sees(&[exit(&held, 60), entry(&inside, 0)], NOW).await;
    assert_eq!(player.due(9, NOW.plus_millis(DAYS_400)).await.len(), 2);

    let ended = NOW.plus_millis(player.rules.hold_ms);
    assert_eq!(keys(&player.due(9, ended).await), [(&held, vec![60]), (&inside, vec![0])]);
    assert_eq!(player.due(9, ended).await, []);
}

async fn clocks_that_differ_a_little_end_no_hold_early(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    player.sees(&[exit(&car, 0)], NOW.plus_millis(2_000)).await;

    assert_eq!(player.due(9, NOW).await, []);

    let ended = NOW.plus_millis(player.rules.hold_ms);
    assert_eq!(player.due(9, ended.plus_millis(2_000)).await.len(), 1);
    assert_eq!(player.due(9, ended).await, [], "another machine has leased it, whose clock is two seconds ahead");
}
