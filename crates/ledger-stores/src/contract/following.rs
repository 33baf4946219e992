//! A client that follows the changes finds the sessions that changed.

use parking::SessionId;

use super::player::{NOW, Player, entry, exit, minute, vehicle};
use super::{Store, contract};
use crate::{Order, Page, SessionFilter, Summary};

contract![
    sessions_are_found_by_their_ids_in_the_order_asked_for,
    the_number_of_the_newest_change_is_known,
    a_list_includes_every_change_up_to_its_sequence,
];

async fn sessions_are_found_by_their_ids_in_the_order_asked_for(store: Store) {
    let player = Player::on(&store).await;
    let cars = ["ONE", "TWO", "THREE"].map(|plate| vehicle("P3", plate));
    for car in &cars {
        // The exit comes first, so its own session becomes void.
        player.sees(&[exit(car, 60)], NOW).await;
        player.sees(&[entry(car, 0)], NOW).await;
    }
    let mut ids: Vec<SessionId> = Vec::new();
    for change in player.ledger.changes(0, 100).await.unwrap() {
        ids.push(change.session);
    }
    let unknown = SessionId::of_event(&cars[0], &exit(&cars[0], 99).key);
    let asked: Vec<SessionId> = ids.iter().rev().copied().chain([unknown, ids[0]]).collect();

    let found = player.ledger.sessions_by_id(&asked).await.unwrap();

    let mut expected = Vec::new();
    for id in asked {
        expected.extend(player.ledger.session(id).await.unwrap());
    }
    assert_eq!(found, expected);
    assert_eq!(player.ledger.sessions_by_id(&[]).await, Ok(Vec::new()));
}

async fn the_number_of_the_newest_change_is_known(store: Store) {
    let player = Player::on(&store).await;
    assert_eq!(player.ledger.last_change().await, Ok(0));
    let car = vehicle("P3", "ABC123");
    for minute in 0..3 {
        player.sees(&[entry(&car, minute * 60), exit(&car, minute * 60 + 30)], NOW).await;
        let changes = player.ledger.changes(0, 100).await.unwrap();
        assert_eq!(player.ledger.last_change().await, Ok(changes.last().unwrap().sequence));
    }
}

async fn a_list_includes_every_change_up_to_its_sequence(store: Store) {
    let player = Player::on(&store).await;
    let page = Page { limit: 100, after: None, order: Order::OldestFirst };
    let car = vehicle("P3", "ABC123");
    let mut expected = Vec::new();
    for number in 0..3 {
        player.sees(&[entry(&car, number * 60), exit(&car, number * 60 + 30)], NOW).await;
        let summary = Summary { vehicle: car.clone(), entry: minute(number * 60 + 40), exit: minute(number * 60 + 50) };
        let saved = player.ledger.save_summary(summary, NOW).await.unwrap();
        expected.push(saved.row);

        let newest = player.ledger.last_change().await.unwrap();
        let list = player.ledger.sessions(&SessionFilter::default(), page).await.unwrap();

        assert_eq!((saved.sequence, list.sequence), (newest, newest));
        let changed = player.ledger.changes(0, 100).await.unwrap().len();
        assert_eq!(u64::try_from(changed), Ok(newest));
        assert_eq!(list.rows.len(), expected.len() * 2);
        assert!(expected.iter().all(|row| list.rows.contains(row)));
    }
    let none = SessionFilter { from: Some(minute(60)), to: Some(minute(0)), ..SessionFilter::default() };
    let empty = player.ledger.sessions(&none, page).await.unwrap();
    assert_eq!((empty.rows.len(), Ok(empty.sequence)), (0, player.ledger.last_change().await));
}
