//! What a ledger keeps: the key of its aliases, and its rules, which are free to change while it has no events and
//! pinned from then on.

use parking::{GivenRules, Rules};

use super::player::{NOW, Player, entry, vehicle};
use super::{Store, contract};
use crate::Error;

contract![
    a_ledger_keeps_the_key_of_its_aliases,
    a_ledger_without_events_takes_any_rules,
    a_ledger_that_has_events_keeps_the_rules_that_gave_their_sessions,
    a_rule_that_is_not_given_is_that_of_the_ledger,
    a_lot_without_events_may_get_rules_that_are_kept_once_it_has_some,
];

fn of_lot(lot: &str, millis: i64) -> GivenRules {
    let own = [(vehicle(lot, "ABC123").lot, millis)];
    GivenRules { re_read_window_of_lot_ms: own.clone().into(), max_stay_of_lot_ms: own.into(), ..GivenRules::default() }
}

async fn refusal(player: &Player, given: &GivenRules) -> String {
    match player.ledger.pin_rules(given).await {
        Err(Error::Config(text)) => text,
        other => panic!("it was not refused: {other:?}"),
    }
}

async fn a_ledger_keeps_the_key_of_its_aliases(store: Store) {
    let ledger = store.open().await;
    let made = ledger.alias_key().clone();
    ledger.close().await;
    drop(ledger);

    assert_eq!(*store.open().await.alias_key(), made);
    assert!(made.expose().iter().any(|byte| *byte != made.expose()[0]), "a key is random");
    assert_eq!(format!("{made:?}"), "AliasKey(***)");
}

async fn a_ledger_without_events_takes_any_rules(store: Store) {
    let player = Player::on(&store).await;
    for max_stay_ms in [3_600_000, 7_200_000, 3_600_000] {
        let rules = Rules { max_stay_ms, re_read_window_ms: 0, ..Rules::default() };
        assert_eq!(player.ledger.pin_rules(&GivenRules::from(&rules)).await, Ok(rules));
    }
}

async fn a_ledger_that_has_events_keeps_the_rules_that_gave_their_sessions(store: Store) {
    let player = Player::on(&store).await;
    let unread_plates = ["NOPLATE", "NULL"].map(|plate| vehicle("P3", plate).plate);
    let rules = Rules { unread_plates: unread_plates.into(), ..Rules::default() };
    player.ledger.pin_rules(&GivenRules::from(&rules)).await.unwrap();
    player.sees(&[entry(&vehicle("P3", "ABC123"), 0)], NOW).await;
    drop(player);
    let player = Player::on(&store).await;

    let none = GivenRules::default();
    for (given, told) in [
        (GivenRules { re_read_window_ms: Some(20_000), ..none.clone() }, "DWELL_RE_READ_WINDOW was 1m and is now 20s"),
        (GivenRules { max_stay_ms: Some(86_400_000), ..none.clone() }, "DWELL_MAX_STAY was 30d and is now 1d"),
        (of_lot("P3", 86_400_000), "re_read_window of the lot P3 (DWELL_LOTS) was 1m and is now 1d"),
        (of_lot("P3", 86_400_000), "max_stay of the lot P3 (DWELL_LOTS) was 30d and is now 1d"),
        (
            GivenRules { unread_plates: Some([vehicle("P3", "NONE").plate].into()), ..none.clone() },
            "DWELL_UNREAD_PLATES was NOPLATE,NULL and is now NONE",
        ),
    ] {
        let text = refusal(&player, &given).await;
        assert!(text.contains(told) && text.contains("Set the old value again"), "{text}");
    }

    let held = player.ledger.pin_rules(&GivenRules { hold_ms: Some(1), ..none }).await;
    assert_eq!(held, Ok(Rules { hold_ms: 1, ..rules }));
}

async fn a_rule_that_is_not_given_is_that_of_the_ledger(store: Store) {
    let player = Player::on(&store).await;
    let rules = Rules {
        re_read_window_ms: 10_000,
        max_stay_ms: 86_400_000,
        unread_plates: [vehicle("P3", "NONE").plate].into(),
        ..of_lot("P3", 5_000).over(Rules::default())
    };
    player.ledger.pin_rules(&GivenRules::from(&rules)).await.unwrap();
    player.sees(&[entry(&vehicle("P3", "ABC123"), 0)], NOW).await;
    drop(player);
    let player = Player::on(&store).await;

    assert_eq!(player.ledger.pin_rules(&GivenRules::default()).await, Ok(rules.clone()));
    let same = GivenRules { re_read_window_ms: Some(10_000), ..of_lot("P3", 5_000) };
    assert_eq!(player.ledger.pin_rules(&same).await, Ok(rules));
}

async fn a_lot_without_events_may_get_rules_that_are_kept_once_it_has_some(store: Store) {
    let mut player = Player::on(&store).await;
    player.ledger.pin_rules(&GivenRules::from(&player.rules)).await.unwrap();
    player.sees(&[entry(&vehicle("P3", "ABC123"), 0)], NOW).await;

    player.rules = player.ledger.pin_rules(&of_lot("P9", 3_600_000)).await.unwrap();
    assert_eq!(player.rules.max_stay_of(&vehicle("P9", "ABC123").lot), 3_600_000);
    player.sees(&[entry(&vehicle("P9", "ABC123"), 0)], NOW).await;

    let other = refusal(&player, &of_lot("P9", 7_200_000)).await;
    assert!(other.contains("max_stay of the lot P9 (DWELL_LOTS) was 1h and is now 2h"), "{other}");
    assert_eq!(player.ledger.pin_rules(&GivenRules::default()).await, Ok(player.rules.clone()));
}
