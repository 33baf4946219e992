//! Late events revise sessions: sessions become void and valid again, and old events are found behind a trimmed
//! timeline.

use parking::{GateEvent, State, Vehicle};

use super::player::{NOW, Player, entry, exit, id_of, minute, vehicle};
use super::{Store, contract};
use crate::{LotRow, SessionFilter};

contract![
    a_void_session_says_what_has_its_event_and_may_stand_again,
    inside_counts_the_open_sessions_of_a_lot,
    the_time_of_a_lot_never_goes_back,
    an_event_older_than_the_timeline_is_decided_on_all_events,
    a_longer_timeline_compares_like_the_stored_one,
];

async fn a_void_session_says_what_has_its_event_and_may_stand_again(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let (entered, first_exit, second_exit) = (entry(&car, 0), exit(&car, 30), exit(&car, 60));
    let row = async |event: &GateEvent| player.ledger.session(id_of(event)).await.unwrap().unwrap();

    player.sees(std::slice::from_ref(&second_exit), NOW).await;
    let held = row(&second_exit).await;
    player.sees(std::slice::from_ref(&entered), NOW).await;
    let void = row(&second_exit).await;
    player.sees(std::slice::from_ref(&first_exit), NOW).await;
    let again = row(&second_exit).await;

    assert_eq!((held.session.state, held.superseded_by), (State::HeldExit, None));
    assert_eq!((void.session.state, void.superseded_by), (State::Void, Some(id_of(&entered))));
    assert_eq!(void.session.exit_event_id, Some(second_exit.key.id));
    assert_eq!(again, held);
    let standing = player.canonical(&[entered, first_exit, second_exit]);
    assert_eq!(player.sessions(SessionFilter::default()).await, standing);
}

async fn inside_counts_the_open_sessions_of_a_lot(store: Store) {
    let player = Player::on(&store).await;
    let cars: Vec<Vehicle> = (0..5).map(|number| vehicle("P3", &format!("CAR{number}"))).collect();
    let elsewhere = vehicle("A1", "CAR0");
    let entries: Vec<GateEvent> = cars.iter().map(|car| entry(car, 0)).collect();

    player.sees(&entries, NOW).await;
    player.sees(&[exit(&cars[0], 5), exit(&cars[1], 6), entry(&cars[2], 7), entry(&elsewhere, 8)], NOW).await;
    player.sees(&[exit(&cars[0], 4)], NOW).await;

    let lot = |lot: &str, inside, at| LotRow { id: vehicle(lot, "X").lot, inside, time: Some(minute(at)) };
    assert_eq!(player.ledger.lots().await, Ok(vec![lot("A1", 1, 8), lot("P3", 3, 7)]));
}

async fn the_time_of_a_lot_never_goes_back(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    player.sees(&[exit(&car, 100)], NOW).await;
    player.sees(&[entry(&car, 10)], NOW).await;

    let lot = LotRow { id: car.lot, inside: 0, time: Some(minute(100)) };
    assert_eq!(player.ledger.lots().await, Ok(vec![lot]));
}

/// A vehicle that returns so often that its timeline was trimmed many times and its sessions are listed.
async fn a_frequent_vehicle(player: &Player, car: &Vehicle) -> Vec<GateEvent> {
    let stays = 0..400;
    let events: Vec<GateEvent> = stays.flat_map(|stay| [entry(car, stay * 10), exit(car, stay * 10 + 5)]).collect();
    for some in events.chunks(40) {
        player.sees(some, NOW).await;
    }
    events
}

async fn an_event_older_than_the_timeline_is_decided_on_all_events(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    let mut events = a_frequent_vehicle(&player, &car).await;
    let of_plate = || SessionFilter { plate: Some(car.plate.clone()), ..SessionFilter::default() };
    assert!(player.load(&car, None).await.timeline.complete_after().is_some());

    for late in [entry(&car, 1203), exit(&car, 1207), exit(&car, -5), entry(&car, 2), exit(&car, 3999), entry(&car, 33)]
    {
        player.sees(std::slice::from_ref(&late), NOW).await;
        events.push(late);
        assert_eq!(player.sessions(of_plate()).await, player.canonical(&events));
    }

    player.sees(&events, NOW).await;
    assert_eq!(player.sessions(SessionFilter::default()).await, player.canonical(&events));
}

async fn a_longer_timeline_compares_like_the_stored_one(store: Store) {
    let player = Player::on(&store).await;
    let car = vehicle("P3", "ABC123");
    a_frequent_vehicle(&player, &car).await;
    let stored = player.load(&car, None).await;

    let longer = player.load(&car, Some(minute(1000))).await;

    assert_eq!(longer.base, stored.base);
    assert!(longer.timeline.reaches(minute(1000)));
    assert!(longer.timeline.complete_after().is_some(), "it reaches no further than it has to");
    assert!(longer.timeline.events().ends_with(stored.timeline.events()));
    assert_eq!(player.load(&car, Some(minute(3999))).await, stored);
}
