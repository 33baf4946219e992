//! The rules of a ledger: free while it has no events, and kept from then on.

use parking::Rules;

use super::player::{NOW, Player, entry, vehicle};
use super::{Store, contract};
use crate::ledger::Error;

contract![
    a_ledger_without_events_takes_any_rules,
    a_ledger_that_has_events_keeps_the_rules_that_gave_their_sessions,
    a_lot_without_events_may_get_a_longest_stay_that_is_kept_once_it_has_some,
];

fn max_stay_of(lot: &str, max_stay_ms: i64) -> Rules {
    let lot = vehicle(lot, "ABC123").lot;
    Rules { max_stay_of_lot_ms: [(lot, max_stay_ms)].into(), ..Rules::default() }
}

async fn refusal(player: &Player, rules: &Rules) -> String {
    match player.ledger.agree_on(rules).await {
        Err(Error::Config(text)) => text,
        other => panic!("it was not refused: {other:?}"),
    }
}

async fn a_ledger_without_events_takes_any_rules(store: Store) {
    let player = Player::on(&store).await;
    for max_stay_ms in [3_600_000, 7_200_000, 3_600_000] {
        let rules = Rules { max_stay_ms, re_read_window_ms: 0, ..Rules::default() };
        assert_eq!(player.ledger.agree_on(&rules).await, Ok(()));
    }
}

async fn a_ledger_that_has_events_keeps_the_rules_that_gave_their_sessions(store: Store) {
    let player = Player::on(&store).await;
    player.ledger.agree_on(&player.rules).await.unwrap();
    player.sees(&[entry(&vehicle("P3", "ABC123"), 0)], NOW).await;
    drop(player);
    let player = Player::on(&store).await;

    let other_window = Rules { re_read_window_ms: 20_000, ..Rules::default() };
    let other_plates = Rules { unread_plates: [vehicle("P3", "NONE").plate].into(), ..Rules::default() };
    for (rules, told) in [
        (other_window, "DWELL_RE_READ_WINDOW was 10s and is now 20s"),
        (Rules { max_stay_ms: 86_400_000, ..Rules::default() }, "DWELL_MAX_STAY was 30d and is now 1d"),
        (max_stay_of("P3", 86_400_000), "max_stay of the lot P3 (DWELL_LOTS) was 30d and is now 1d"),
        (other_plates, "DWELL_UNREAD_PLATES was NOPLATE,NULL,UNKNOWN and is now NONE"),
    ] {
        let text = refusal(&player, &rules).await;
        assert!(text.contains(told) && text.contains("Set the old value again"), "{text}");
    }

    assert_eq!(player.ledger.agree_on(&Rules { hold_ms: 1, ..Rules::default() }).await, Ok(()));
}

async fn a_lot_without_events_may_get_a_longest_stay_that_is_kept_once_it_has_some(store: Store) {
    let mut player = Player::on(&store).await;
    player.ledger.agree_on(&player.rules).await.unwrap();
    player.sees(&[entry(&vehicle("P3", "ABC123"), 0)], NOW).await;
    player.rules = max_stay_of("P9", 3_600_000);

    player.ledger.agree_on(&player.rules).await.unwrap();
    player.sees(&[entry(&vehicle("P9", "ABC123"), 0)], NOW).await;

    assert!(refusal(&player, &Rules::default()).await.contains("of the lot P9 (DWELL_LOTS) was 1h and is now 30d"));
    assert_eq!(player.ledger.agree_on(&player.rules).await, Ok(()));
}
