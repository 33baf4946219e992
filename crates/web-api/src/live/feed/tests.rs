//! Claims about the feed over a real ledger, without a network.

use std::time::Duration;

use access::{Gates, Grant, Scopes, Who};
use ledger_stores::testing::temporary;
use matching::Unit;
use parking::{Lots, Rules};
use sessions::CallOptions;
use sessions::testing::{BrokenLedger, Fixture, How, Vehicles, minute};

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

/// Entries of `count` vehicles of one lot.
fn entries(vehicles: &mut Vehicles, lot: &str, count: usize) -> Vec<Unit> {
    (0..count).map(|number| vehicles.entry(lot, &format!("{lot}CAR{number}"), minute(0))).collect()
}

/// A client that sees everything.
fn viewer(live: &Live) -> ScopedService {
    live.service.scoped(Principal::local())
}

async fn numbers(subscription: &mut Subscription, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let next = tokio::time::timeout(DEADLINE, subscription.next()).await.expect("a change comes in time");
        numbers.push(next.unwrap().sequence);
    }
    numbers
}

#[tokio::test]
async fn a_client_that_resumes_at_a_number_misses_nothing_however_old_it_is() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let mut vehicles = Vehicles::default();
    fixture.record(entries(&mut vehicles, "P3", 1_200)).await;

    let mut from_the_beginning = live.join(Some(0), None, &viewer(&live)).await.unwrap();
    let mut from_the_middle = live.join(Some(700), None, &viewer(&live)).await.unwrap();
    let mut from_now = live.join(None, None, &viewer(&live)).await.unwrap();
    fixture.record(entries(&mut vehicles, "P4", 3)).await;

    let expected: Vec<u64> = (1..=1_203).collect();
    assert_eq!(numbers(&mut from_the_beginning, 1_203).await, expected);
    assert_eq!(numbers(&mut from_the_middle, 503).await, expected[700..]);
    assert_eq!(numbers(&mut from_now, 3).await, expected[1_200..]);
    assert_eq!(fixture.metric("dwell_live_sent_total"), Some(1_203 + 503 + 3));
}

#[tokio::test]
async fn a_feed_of_one_lot_has_only_its_changes_and_advances_its_position() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let mut vehicles = Vehicles::default();
    let lot = LotId::parse("P4").unwrap();
    let mut feed = live.join(None, Some(&lot), &viewer(&live)).await.unwrap();
    for (name, plate) in [("P3", "CAR1"), ("P4", "CAR2"), ("P3", "CAR3"), ("P4", "CAR4")] {
        fixture.record(vec![vehicles.entry(name, plate, minute(0))]).await;
    }

    assert_eq!(numbers(&mut feed, 2).await, [2, 4]);
    assert_eq!(feed.position(), 4);
    assert_eq!(fixture.local().last_change().await, Ok(4));
}

#[tokio::test]
async fn commits_of_another_process_are_sent_too() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let (rules, lots) = (sessions::testing::rules(), Lots::default());
    let other = Service::new(Arc::clone(&fixture.ledger), rules, lots, &ServiceContext::for_testing());
    let mut feed = live.join(None, None, &viewer(&live)).await.unwrap();

    other
        .scoped(Principal::local())
        .record(entries(&mut Vehicles::default(), "P3", 2), CallOptions::default())
        .await
        .unwrap();

    assert_eq!(numbers(&mut feed, 2).await, [1, 2]);
}

#[tokio::test]
async fn a_client_that_lags_is_disconnected_and_may_resume_at_its_number() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let mut vehicles = Vehicles::default();
    let (mut slow, mut quick) =
        (live.join(None, None, &viewer(&live)).await.unwrap(), live.join(None, None, &viewer(&live)).await.unwrap());
    fixture.record(entries(&mut vehicles, "P3", 1)).await;
    assert_eq!((numbers(&mut slow, 1).await, numbers(&mut quick, 1).await), (vec![1], vec![1]));

    fixture.record(entries(&mut vehicles, "P4", QUEUE_MESSAGES_MAX + 1)).await;
    let all: Vec<u64> = (2..).take(QUEUE_MESSAGES_MAX + 1).collect();
    assert_eq!(numbers(&mut quick, QUEUE_MESSAGES_MAX + 1).await, all);

    assert_eq!(slow.next().await.unwrap_err(), Ended::Lagged);
    assert_eq!(fixture.metric("dwell_live_dropped_total"), Some(1));
    let mut again = live.join(Some(slow.position()), None, &viewer(&live)).await.unwrap();
    assert_eq!(numbers(&mut again, QUEUE_MESSAGES_MAX + 1).await, all);
}

#[tokio::test]
async fn a_client_that_waits_for_a_permit_to_catch_up_does_not_lag() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let mut vehicles = Vehicles::default();
    let (mut quick, mut waits) =
        (live.join(None, None, &viewer(&live)).await.unwrap(), live.join(None, None, &viewer(&live)).await.unwrap());
    fixture.record(entries(&mut vehicles, "P3", 1)).await;
    assert_eq!(numbers(&mut quick, 1).await, [1]);

    let turn = live.inner.catching_up.acquire().await.unwrap();
    let mut first = Box::pin(waits.next());
    assert!(futures::poll!(&mut first).is_pending());
    fixture.record(entries(&mut vehicles, "P4", QUEUE_MESSAGES_MAX + 1)).await;
    assert_eq!(numbers(&mut quick, QUEUE_MESSAGES_MAX + 1).await.len(), QUEUE_MESSAGES_MAX + 1);
    drop(turn);

    assert_eq!(first.await.unwrap().sequence, 1);
    let all: Vec<u64> = (2..).take(QUEUE_MESSAGES_MAX + 2).collect();
    assert_eq!(numbers(&mut waits, QUEUE_MESSAGES_MAX + 1).await, all[..=QUEUE_MESSAGES_MAX]);
    fixture.record(entries(&mut vehicles, "P5", 1)).await;
    assert_eq!(numbers(&mut waits, 1).await, all[QUEUE_MESSAGES_MAX + 1..]);
}

#[tokio::test]
async fn each_client_sees_the_plates_that_it_may_see() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let reads = Grant::new(Scopes::parse("read").unwrap(), access::Lots::All, Gates::All).unwrap();
    let masked = live.service.scoped(Principal::new(Who::System("test"), reads));
    let (mut whole, mut masked) =
        (live.join(None, None, &viewer(&live)).await.unwrap(), live.join(Some(0), None, &masked).await.unwrap());

    fixture.record(vec![Vehicles::default().entry("P4", "ABC1234", minute(0))]).await;

    for (feed, plate) in [(&mut whole, "\"ABC1234\""), (&mut masked, "\"AB•••34\"")] {
        let text = tokio::time::timeout(DEADLINE, feed.next()).await.expect("a change comes in time").unwrap().text;
        assert!(text.contains(plate) && (plate.contains("ABC") || !text.contains("ABC")), "{text}");
    }
}

#[tokio::test]
async fn a_feed_that_is_too_far_behind_skips_to_the_newest_change_and_disconnects_clients() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let mut vehicles = Vehicles::default();
    let mut feed = live.join(None, None, &viewer(&live)).await.unwrap();
    fixture.record(entries(&mut vehicles, "P4", 1)).await;
    let mut last = numbers(&mut feed, 1).await[0];
    let most = usize::try_from(follow::BEHIND_CHANGES_MAX).unwrap();
    fixture.record(entries(&mut vehicles, "P3", most + 200)).await;

    let ended = loop {
        match tokio::time::timeout(DEADLINE, feed.next()).await.expect("the message arrives in time") {
            Ok(message) => {
                assert_eq!(message.sequence, last + 1);
                last = message.sequence;
            }
            Err(ended) => break ended,
        }
    };

    assert_eq!(ended, Ended::Lagged);
    assert!(last < follow::BEHIND_CHANGES_MAX, "{last}");
}

#[tokio::test]
async fn clients_beyond_the_limit_are_refused() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS_MAX {
        clients.push(live.join(None, None, &viewer(&live)).await.unwrap());
    }
    assert_eq!(fixture.metric("dwell_live_clients"), Some(256));
    assert!(matches!(live.join(None, None, &viewer(&live)).await, Err(Refused::Full)));

    clients.pop();

    assert!(live.join(None, None, &viewer(&live)).await.is_ok());
    clients.clear();
    assert_eq!(fixture.metric("dwell_live_clients"), Some(0));
}

#[tokio::test]
async fn a_feed_without_clients_starts_again_with_the_next_client() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let mut vehicles = Vehicles::default();
    for round in 0..20 {
        let mut feed = live.join(None, None, &viewer(&live)).await.unwrap();
        fixture.record(entries(&mut vehicles, &format!("P{round}"), 1)).await;
        assert_eq!(numbers(&mut feed, 1).await, [2 * round + 1]);
        drop(feed);
        fixture.record(entries(&mut vehicles, &format!("Q{round}"), 1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_clients_the_ledger_is_not_read() {
    let context = ServiceContext::for_testing();
    let ledger = Arc::new(BrokenLedger(How::Panics));
    let service = Service::new(ledger, Rules::default(), Lots::default(), &context);
    let _live = Live::start(&service, &context);

    tokio::time::sleep(Duration::from_hours(1)).await;

    assert!(!context.lifecycle.is_stopping(), "the task has asked, and failed");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_joins_while_the_ledger_is_down_gets_an_error() {
    let context = ServiceContext::for_testing();
    let ledger = Arc::new(BrokenLedger(How::Down));
    let service = Service::new(ledger, Rules::default(), Lots::default(), &context);
    let live = Live::start(&service, &context);

    assert!(matches!(live.join(None, None, &viewer(&live)).await, Err(Refused::Service(sessions::Error::TooSlow))));
}

#[tokio::test]
async fn a_shutdown_informs_all_clients_and_waits_for_them() {
    let fixture = Fixture::new(temporary().await);
    let live = Live::start(&fixture.service, &fixture.context);
    let mut feed = live.join(None, None, &viewer(&live)).await.unwrap();
    let lifecycle = fixture.context.lifecycle.clone();

    lifecycle.stop();

    assert_eq!(feed.next().await.unwrap_err(), Ended::Stopping);
    assert!(matches!(live.join(None, None, &viewer(&live)).await, Err(Refused::Stopping)));
    assert_eq!(lifecycle.running(), ["live feed"]);
    drop(feed);
    assert!(lifecycle.finished(DEADLINE).await.is_ok());
}
