//! What a receiver gets: everything, in order per session, signed.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use ledger_stores::testing::temporary;
use sessions::testing::{Vehicles, minute};

use super::receiver::{Receiver, accepted, refused};
use super::*;

/// Whether this attempt is one of the third that fail; of no message all attempts fail.
fn fails(id: &str, attempt: usize) -> bool {
    let hash = id.bytes().fold(attempt, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    hash.wrapping_mul(0x9E37_79B9).rotate_right(7) % 3 == 0 && attempt < 20
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_deliveries_arrive_in_order_per_session_though_a_third_of_the_attempts_fail() {
    const DELIVERIES: u64 = 10_000;
    let (ledger, _folder) = temporary().await;
    record(&ledger, vehicles("P3", 0, 2_500)).await;
    assert_eq!(ledger.last_change().await, Ok(DELIVERIES));
    let receiver =
        Receiver::answering(|message, attempt| if fails(&message.id(), attempt) { refused() } else { accepted() })
            .await;
    let site = Site::on(&ledger, quick());

    let webhook = site.webhook(&receiver).await;
    let done = site.until(&webhook, "all deliveries", |webhook| webhook.sequence == DELIVERIES && webhook.waiting == 0);
    let done = done.await;

    let messages = receiver.received();
    assert_in_order(&messages, 1..=DELIVERIES);
    let ids: BTreeSet<String> = messages.iter().map(Received::id).collect();
    assert_eq!((ids.len(), done.failing), (10_000, None));
    let failed = messages.iter().filter(|one| !one.is_accepted).count();
    assert!(failed > messages.len() / 4, "only {failed} of {} attempts failed", messages.len());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_restarts() {
    let (ledger, _folder) = temporary().await;
    record(&ledger, vehicles("P3", 0, 100)).await;
    let receiver =
        Receiver::answering(|message, attempt| if fails(&message.id(), attempt) { refused() } else { accepted() })
            .await;
    let mut site = Site::on(&ledger, quick());
    let webhook = site.webhook(&receiver).await;

    for part in 1..=3 {
        testbed::wait_until(PATIENCE, "some deliveries", async || receiver.accepted() >= part * 80).await;
        site.stop().await;
        site = Site::on(&ledger, quick());
    }
    site.until(&webhook, "all deliveries", |webhook| webhook.sequence == 400 && webhook.waiting == 0).await;

    assert_in_order(&receiver.received(), 1..=400);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_messages_fail_holds_up_no_other_one() {
    let (ledger, _folder) = temporary().await;
    let receiver = Receiver::answering(|message, _| {
        let is_poisoned = message.body["data"]["session"]["lot_id"] == "poisoned";
        if is_poisoned { StatusCode::BAD_REQUEST.into_response() } else { accepted() }
    })
    .await;
    record(&ledger, vehicles("poisoned", 0, 1)).await;
    let site = Site::on(&ledger, quick());
    let webhook = site.webhook(&receiver).await;
    // Long enough for the receiver to count as down.
    testbed::wait_until(PATIENCE, "many attempts", async || receiver.received().len() > 30).await;

    site.record(vehicles("P3", 0, 100)).await;
    testbed::wait_until(PATIENCE, "the other sessions", async || receiver.accepted() == 400).await;

    let standing = site.until(&webhook, "progress", |webhook| webhook.sequence == 404 && webhook.waiting == 4).await;
    assert_eq!(standing.failing.unwrap().reason, "the receiver answered 400 Bad Request");
    assert!(standing.oldest_waiting.is_some());
    let page = service_kit::metrics::render(&site.context.registry);
    assert!(page.contains("dwell_webhook_attempts_total{result=\"accepted\"} 400"), "{page}");

    receiver.answer(|_, _| accepted());
    site.until(&webhook, "the rest", |webhook| webhook.waiting == 0 && webhook.failing.is_none()).await;
    assert_in_order(&receiver.received(), 1..=404);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_the_change_of_the_api_and_a_plate_only_if_that_was_asked_for() {
    let (ledger, _folder) = temporary().await;
    let mut vehicles = Vehicles::default();
    let entry = vehicles.entry("P3", "ABC1234", minute(0));
    record(&ledger, [vec![entry]]).await;
    let (masked, whole) = (Receiver::accepting().await, Receiver::accepting().await);
    let site = Site::on(&ledger, quick());
    site.webhook(&masked).await;
    let with_plates = NewWebhook { plates: true, ..new_webhook(&whole) };
    site.local().create_webhook(with_plates).await.unwrap();

    for (receiver, plate) in [(&masked, "AB•••34"), (&whole, "ABC1234")] {
        testbed::wait_until(PATIENCE, "the message", async || receiver.accepted() == 1).await;
        let message = &receiver.received()[0];
        let data = &message.body["data"];
        assert_eq!(message.kind(), "session.opened");
        assert_eq!(data["session"]["vehicle_plate"], plate);
        assert_eq!(
            (&data["sequence"], &data["to_state"], &data["rule"]),
            (&1.into(), &"open".into(), &"entered".into())
        );
        assert_eq!((&data["from_state"], &message.body["timestamp"]), (&serde_json::Value::Null, &data["recorded_at"]));
        assert_eq!(message.header("content-type"), "application/json");
    }
    let text = String::from_utf8(masked.received()[0].raw.to_vec()).unwrap();
    assert!(!text.contains("ABC1234"), "{text}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_gets_only_its_kinds_and_lots() {
    let (ledger, _folder) = temporary().await;
    record(&ledger, vehicles("P3", 0, 1)).await;
    record(&ledger, vehicles("P4", 0, 1)).await;
    let receiver = Receiver::accepting().await;
    let site = Site::on(&ledger, quick());
    let new = NewWebhook {
        lots: Lots::parse("P4").unwrap(),
        kinds: [WebhookKind::Matched, WebhookKind::Revised].into_iter().collect(),
        ..new_webhook(&receiver)
    };

    let webhook = site.local().create_webhook(new).await.unwrap();
    site.until(&webhook, "all changes", |webhook| webhook.sequence == 8).await;
    testbed::wait_until(PATIENCE, "the messages", async || receiver.accepted() == 3).await;

    let mut messages: Vec<(u64, String)> =
        receiver.received().iter().map(|one| (one.sequence(), one.kind().to_owned())).collect();
    messages.sort_unstable();
    let kinds: Vec<&str> = messages.iter().map(|(_, kind)| kind.as_str()).collect();
    assert!(messages.iter().all(|(sequence, _)| *sequence > 4), "{messages:?}");
    assert!(kinds.contains(&"session.matched") && kinds.contains(&"session.revised"), "{messages:?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_gone_pauses_its_webhook_until_a_person_resumes_it() {
    let (ledger, _folder) = temporary().await;
    record(&ledger, vehicles("P3", 0, 1)).await;
    let receiver = Receiver::answering(|_, _| StatusCode::GONE.into_response()).await;
    let site = Site::on(&ledger, Pace { requests_max: 1, ..quick() });
    let webhook = site.webhook(&receiver).await;

    let paused = site.until(&webhook, "the pause", |webhook| webhook.paused.is_some() && webhook.waiting > 0).await;
    let reason = paused.paused.unwrap().reason;
    assert_eq!(reason, "the receiver answered 410 Gone: it asks for no further messages");
    let sent = receiver.received().len();

    receiver.answer(|_, _| accepted());
    site.record(vehicles("P3", 1, 1)).await;
    site.until(&webhook, "still paused", |webhook| webhook.paused.is_some()).await;
    assert_eq!(receiver.received().len(), sent, "a paused webhook sends nothing");
    assert!(site.local().resume_webhook(webhook.id).await.unwrap());
    site.until(&webhook, "the rest", |webhook| webhook.sequence == 8 && webhook.waiting == 0).await;
    assert_in_order(&receiver.received(), 1..=8);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_sends_everything_after_a_change_again_with_equal_ids() {
    let (ledger, _folder) = temporary().await;
    record(&ledger, vehicles("P3", 0, 10)).await;
    let receiver = Receiver::accepting().await;
    let site = Site::on(&ledger, quick());
    let webhook = site.webhook(&receiver).await;
    site.until(&webhook, "all deliveries", |webhook| webhook.sequence == 40 && webhook.waiting == 0).await;

    assert!(site.local().replay_webhook(webhook.id, 30).await.unwrap());
    testbed::wait_until(PATIENCE, "the replay", async || receiver.accepted() == 50).await;

    let messages = receiver.received();
    let (first, again) = messages.split_at(40);
    let ids = |some: &[Received]| some.iter().map(Received::id).collect::<BTreeSet<String>>();
    assert!(again.iter().all(|one| one.sequence() > 30));
    assert!(ids(again).is_subset(&ids(first)) && ids(again).len() == 10);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_gets_nothing_while_the_delay_lasts_that_it_asked_for() {
    let (ledger, _folder) = temporary().await;
    record(&ledger, vehicles("P3", 0, 1)).await;
    let receiver =
        Receiver::answering(|_, _| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response()).await;
    let site = Site::on(&ledger, Pace { requests_max: 1, ..quick() });
    let begun = tokio::time::Instant::now();

    site.webhook(&receiver).await;
    testbed::wait_until(PATIENCE, "three attempts", async || receiver.received().len() >= 3).await;

    assert!(begun.elapsed() >= Duration::from_secs(2), "three attempts took {:?}", begun.elapsed());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret_signs_beside_the_old_one_for_a_day() {
    let (ledger, _folder) = temporary().await;
    let receiver = Receiver::accepting().await;
    let site = Site::on(&ledger, quick());
    let webhook = site.webhook(&receiver).await;

    let rotated = site.local().rotate_webhook(webhook.id).await.unwrap().unwrap();
    let sender = Sender::new(PrivateAddresses::Allowed, &Connector::default());
    let now = site.service.now();
    sender.test(&rotated, PATIENCE, now).await.unwrap();
    sender.test(&rotated, PATIENCE, now.plus_millis(sessions::OLD_SECRET_LIFETIME_MS + 1)).await.unwrap();

    let [both, one] = receiver.received().try_into().unwrap();
    let signed = |message: &Received, webhook: &Webhook| {
        let seconds = message.header("webhook-timestamp").parse().unwrap();
        webhook.secret.sign(&message.id(), seconds, &message.raw)
    };
    assert_eq!(both.header("webhook-signature"), format!("{} {}", signed(&both, &rotated), signed(&both, &webhook)));
    assert_eq!(one.header("webhook-signature"), signed(&one, &rotated));
    assert_eq!((both.kind(), &both.body["data"]["webhook"]), ("webhook.test", &"test".into()));
    site.stop().await;
}

/// Verifies a message from standard input, written from the text of Standard Webhooks; also with their library where that
/// is installed.
const VERIFIER: &str = r#"
import base64, hashlib, hmac, json, sys
def verify(secret, body, headers):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.'.encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(expected, one) for one in headers["webhook-signature"].split(" ")):
        raise ValueError("no signature matches")
verifiers = [verify]
try:
    from standardwebhooks import Webhook
    verifiers.append(lambda secret, body, headers: Webhook(secret).verify(body, headers))
except ImportError:
    pass
message = json.load(sys.stdin)
body = message["body"].encode()
for verify in verifiers:
    verify(message["secret"], body, message["headers"])
    try:
        verify(message["secret"], body + b" ", message["headers"])
    except Exception:
        continue
    sys.exit("a changed body was accepted")
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python: ci/test"]
async fn a_message_is_genuine_for_a_verifier_in_python() {
    let (ledger, _folder) = temporary().await;
    record(&ledger, vehicles("P3", 0, 1)).await;
    let receiver = Receiver::accepting().await;
    let site = Site::on(&ledger, quick());
    let webhook = site.webhook(&receiver).await;
    let rotated = site.local().rotate_webhook(webhook.id).await.unwrap().unwrap();
    testbed::wait_until(PATIENCE, "the messages", async || receiver.accepted() == 4).await;
    let sender = Sender::new(PrivateAddresses::Allowed, &Connector::default());
    sender.test(&rotated, PATIENCE, site.service.now()).await.unwrap();

    // The last one is signed with both secrets.
    let message = receiver.received().pop().unwrap();
    for secret in [&webhook.secret, &rotated.secret] {
        let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: std::collections::BTreeMap<_, _> = headers.map(|name| (name, message.header(name))).into();
        let body = String::from_utf8(message.raw.to_vec()).unwrap();
        let input = serde_json::json!({"secret": secret.expose_text(), "body": body, "headers": headers}).to_string();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("message.json"), input).unwrap();
        let stdin = std::fs::File::open(folder.path().join("message.json")).unwrap();
        let verified = std::process::Command::new("python3").args(["-c", VERIFIER]).stdin(stdin).output().unwrap();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
    site.stop().await;
}
