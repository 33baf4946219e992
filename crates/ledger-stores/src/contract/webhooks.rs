//! Webhooks are kept whole, and only the holder of a lease that knows the newest generation saves progress.

use std::sync::Arc;

use access::{Lots, SigningSecret};
use parking::{LotId, Timestamp};
use uuid::Uuid;

use super::player::NOW;
use super::{Store, contract};
use crate::{Ledger, Trouble, WaitingDelivery, Webhook, WebhookChange, WebhookProgress};

contract![
    webhooks_are_read_as_they_were_added_also_after_a_restart,
    a_webhook_is_paused_once_and_resumed_with_all_deliveries_due,
    a_rotated_secret_keeps_the_one_before_it_once,
    one_holder_has_the_lease_until_it_ends_or_is_released,
    a_lease_of_a_wrong_clock_does_not_count,
    only_the_holder_with_the_newest_generation_saves_progress,
    a_replay_drops_what_waits_behind_it_and_nothing_else,
    a_removed_webhook_leaves_no_delivery_to_a_later_one,
];

const HOLDERS: [Uuid; 2] = [Uuid::from_u128(71), Uuid::from_u128(72)];

fn webhook(number: u128) -> Webhook {
    Webhook {
        id: Uuid::from_u128(number),
        name: "Abrechnung Süd".to_owned(),
        url: "https://billing.example/hook?x=1".to_owned(),
        lots: Lots::only(["P3", "P4"].map(|lot| LotId::parse(lot).unwrap())),
        kinds: crate::WebhookKinds::parse("session.matched,session.voided").unwrap(),
        plates: number.is_multiple_of(2),
        secret: SigningSecret::new([7; SigningSecret::BYTES]),
        old_secret: None,
        created: NOW,
        paused: None,
        sequence: 5,
        generation: 0,
        failing: None,
        delivered: None,
        leased_until: Timestamp::from_millis(0),
        waiting: 0,
        oldest_waiting: None,
    }
}

fn waits(sequence: u64) -> WaitingDelivery {
    WaitingDelivery {
        sequence,
        session: Uuid::from_u128(sequence.into()),
        recorded_at: NOW.plus_millis(i64::try_from(sequence).unwrap()),
        attempts: 1,
        due: NOW.plus_millis(5_000),
    }
}

fn progress(sequence: u64, waiting: &[u64], done: &[u64]) -> WebhookProgress {
    WebhookProgress {
        id: Uuid::from_u128(1),
        holder: HOLDERS[0],
        generation: 0,
        sequence,
        failing: Some(Trouble { since: NOW, reason: "the receiver answered 500".to_owned() }),
        delivered: Some(NOW.plus_millis(7)),
        waiting: waiting.iter().map(|sequence| waits(*sequence)).collect(),
        done: done.to_vec(),
    }
}

async fn change(ledger: &Arc<dyn Ledger>, change: WebhookChange) -> bool {
    ledger.change_webhook(change).await.unwrap()
}

async fn save(ledger: &Arc<dyn Ledger>, progress: WebhookProgress) -> bool {
    change(ledger, WebhookChange::Progress(Box::new(progress))).await
}

async fn lease(ledger: &Arc<dyn Ledger>, holder: usize, now_ms: i64, until_ms: i64) -> bool {
    let (now, until) = (NOW.plus_millis(now_ms), NOW.plus_millis(until_ms));
    change(ledger, WebhookChange::Lease { id: Uuid::from_u128(1), holder: HOLDERS[holder], now, until }).await
}

/// A ledger with one webhook, which the first holder has leased.
async fn leased(store: &Store) -> Arc<dyn Ledger> {
    let ledger = store.open().await;
    assert!(change(&ledger, WebhookChange::Add(Box::new(webhook(1)))).await);
    assert!(lease(&ledger, 0, 0, 60_000).await);
    ledger
}

async fn only(ledger: &Arc<dyn Ledger>) -> Webhook {
    let [webhook] = ledger.webhooks().await.unwrap().try_into().unwrap();
    webhook
}

async fn waiting(ledger: &Arc<dyn Ledger>) -> Vec<u64> {
    let waiting = ledger.waiting_deliveries(Uuid::from_u128(1)).await.unwrap();
    waiting.iter().map(|delivery| delivery.sequence).collect()
}

async fn webhooks_are_read_as_they_were_added_also_after_a_restart(store: Store) {
    let ledger = store.open().await;
    assert_eq!(ledger.webhooks().await, Ok(Vec::new()));
    for number in [2, 1] {
        assert!(change(&ledger, WebhookChange::Add(Box::new(webhook(number)))).await);
    }
    assert!(!change(&ledger, WebhookChange::Add(Box::new(Webhook { sequence: 9, ..webhook(2) }))).await);

    assert_eq!(ledger.webhooks().await, Ok(vec![webhook(1), webhook(2)]));
    ledger.close().await;
    drop(ledger);
    assert_eq!(store.open().await.webhooks().await, Ok(vec![webhook(1), webhook(2)]));
}

async fn a_webhook_is_paused_once_and_resumed_with_all_deliveries_due(store: Store) {
    let ledger = leased(&store).await;
    assert!(save(&ledger, progress(8, &[6, 7], &[])).await);
    let pause = |reason: &str| WebhookChange::Pause {
        id: Uuid::from_u128(1),
        trouble: Trouble { since: NOW, reason: reason.to_owned() },
    };

    assert!(change(&ledger, pause("moved")).await);
    assert!(!change(&ledger, pause("moved again")).await);
    assert_eq!(only(&ledger).await.paused, Some(Trouble { since: NOW, reason: "moved".to_owned() }));

    assert!(change(&ledger, WebhookChange::Resume(Uuid::from_u128(1))).await);
    let resumed = only(&ledger).await;
    assert_eq!((resumed.paused, resumed.generation), (None, 1));
    let due = ledger.waiting_deliveries(Uuid::from_u128(1)).await.unwrap();
    assert!(due.iter().all(|delivery| delivery.due == Timestamp::from_millis(0)), "{due:?}");
    assert!(!change(&ledger, WebhookChange::Resume(Uuid::from_u128(9))).await);
}

async fn a_rotated_secret_keeps_the_one_before_it_once(store: Store) {
    let ledger = leased(&store).await;
    let (secret, old_until) = (SigningSecret::new([9; SigningSecret::BYTES]), NOW.plus_millis(86_400_000));
    let rotate = WebhookChange::Rotate { id: Uuid::from_u128(1), secret: secret.clone(), old_until };

    assert!(change(&ledger, rotate.clone()).await);
    assert!(!change(&ledger, rotate).await);

    let rotated = only(&ledger).await;
    assert_eq!((rotated.secret, rotated.old_secret), (secret, Some((webhook(1).secret, old_until))));
}

async fn one_holder_has_the_lease_until_it_ends_or_is_released(store: Store) {
    let ledger = leased(&store).await;
    assert!(!lease(&ledger, 1, 59_999, 119_999).await, "another holder has it");
    assert!(lease(&ledger, 0, 30_000, 90_000).await, "its holder extends it");
    assert!(lease(&ledger, 1, 90_000, 150_000).await, "it has ended");

    let release = |holder: usize| WebhookChange::Release { id: Uuid::from_u128(1), holder: HOLDERS[holder] };
    assert!(!change(&ledger, release(0)).await);
    assert!(change(&ledger, release(1)).await);
    assert!(lease(&ledger, 0, 90_001, 150_001).await, "it was released");
    assert_eq!(only(&ledger).await.leased_until, NOW.plus_millis(150_001));
}

async fn a_lease_of_a_wrong_clock_does_not_count(store: Store) {
    let ledger = leased(&store).await;
    assert!(lease(&ledger, 0, 900_000, 960_000).await, "its clock is a quarter of an hour fast");
    assert!(lease(&ledger, 1, 0, 60_000).await);
}

async fn only_the_holder_with_the_newest_generation_saves_progress(store: Store) {
    let ledger = leased(&store).await;

    assert!(save(&ledger, progress(8, &[6, 7], &[])).await);
    let saved = only(&ledger).await;
    let failing = progress(0, &[], &[]).failing;
    assert_eq!((saved.sequence, saved.waiting, saved.oldest_waiting), (8, 2, Some(NOW.plus_millis(6))));
    assert_eq!((saved.failing, saved.delivered), (failing, Some(NOW.plus_millis(7))));

    let again = WaitingDelivery { attempts: 2, due: NOW.plus_millis(60_000), ..waits(7) };
    assert!(save(&ledger, WebhookProgress { waiting: vec![again], failing: None, ..progress(9, &[], &[6]) }).await);
    assert_eq!(ledger.waiting_deliveries(Uuid::from_u128(1)).await, Ok(vec![again]));

    for stale in [
        WebhookProgress { holder: HOLDERS[1], ..progress(20, &[12], &[7]) },
        WebhookProgress { generation: 1, ..progress(20, &[12], &[7]) },
        WebhookProgress { id: Uuid::from_u128(9), ..progress(20, &[12], &[7]) },
    ] {
        assert!(!save(&ledger, stale).await);
    }
    let unchanged = only(&ledger).await;
    assert_eq!((unchanged.sequence, unchanged.failing, waiting(&ledger).await), (9, None, vec![7]));
}

async fn a_replay_drops_what_waits_behind_it_and_nothing_else(store: Store) {
    let ledger = leased(&store).await;
    assert!(save(&ledger, progress(20, &[6, 9, 15], &[])).await);

    assert!(change(&ledger, WebhookChange::Replay { id: Uuid::from_u128(1), after: 8 }).await);

    assert_eq!((only(&ledger).await.sequence, waiting(&ledger).await), (8, vec![6]));
    assert!(!save(&ledger, progress(21, &[], &[6])).await, "the holder does not know of the replay");
    assert!(save(&ledger, WebhookProgress { generation: 1, ..progress(21, &[], &[6]) }).await);
    assert!(!change(&ledger, WebhookChange::Replay { id: Uuid::from_u128(9), after: 8 }).await);
}

async fn a_removed_webhook_leaves_no_delivery_to_a_later_one(store: Store) {
    let ledger = leased(&store).await;
    assert!(save(&ledger, progress(8, &[6], &[])).await);

    assert!(change(&ledger, WebhookChange::Remove(Uuid::from_u128(1))).await);
    assert!(!change(&ledger, WebhookChange::Remove(Uuid::from_u128(1))).await);
    assert!(!save(&ledger, progress(9, &[], &[])).await);

    assert!(change(&ledger, WebhookChange::Add(Box::new(webhook(1)))).await);
    assert_eq!((only(&ledger).await, waiting(&ledger).await), (webhook(1), vec![]));
}
