//! A client that follows the changes finds the sessions that changed.

use parking::SessionId;

use super::player::{NOW, Player, entry, exit, vehicle};
use super::{Store, contract};

contract![sessions_are_found_by_their_ids_in_the_order_asked_for, the_number_of_the_newest_change_is_known];

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
