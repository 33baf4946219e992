//! A gateway that refuses, is down for a while, or takes everything.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use super::*;

const EVENT: &str =
    r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"A1","entry_date_time":"2024-09-24T09:00:00Z"}"#;

/// Answers the requests with these, and then with the last of them. Keeps the bodies that it answered with 202.
#[derive(Debug, Default)]
struct Stub {
    answers: Vec<(u16, &'static str)>,
    next: AtomicUsize,
    taken: Mutex<Vec<String>>,
}

async fn answer(State(stub): State<Arc<Stub>>, headers: header::HeaderMap, body: String) -> (StatusCode, &'static str) {
    let number = stub.next.fetch_add(1, Ordering::SeqCst).min(stub.answers.len() - 1);
    let (status, answer) = stub.answers[number];
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != "Bearer a-token-of-the-tests") {
        return (StatusCode::UNAUTHORIZED, "");
    }
    if status < 300 {
        stub.taken.lock().unwrap().push(body);
    }
    (StatusCode::from_u16(status).unwrap(), answer)
}

async fn published(file: &str, answers: &[(u16, &'static str)]) -> (Result<Verdict, super::super::Error>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.json");
    std::fs::write(&path, file).unwrap();
    let stub = Arc::new(Stub { answers: answers.to_vec(), ..Stub::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/api/v1/events", post(answer)).with_state(Arc::clone(&stub));
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    let context = ServiceContext::for_testing();
    let secret = Some(Redacted::secret("a-token-of-the-tests"));
    let done = publish(&address, vec![path], None, secret, &Progress::hidden(), &context).await;
    serving.abort();
    let taken = std::mem::take(&mut *stub.taken.lock().unwrap());
    (done, taken)
}

const TAKEN: (u16, &str) = (202, r#"{"accepted": 2, "filtered": 0, "refused": 0, "refusals": []}"#);

#[tokio::test]
async fn events_of_a_pretty_array_are_sent_one_a_line() {
    let pretty = format!("[\n  {},\n  {EVENT}\n]\n", EVENT.replace(',', ",\n    "));
    let (done, taken) = published(&pretty, &[TAKEN]).await;
    assert!(done.unwrap().check().is_ok());
    let lines: Vec<&str> = taken[0].lines().collect();
    assert_eq!((taken.len(), lines.len(), lines[1]), (1, 2, EVENT));
    assert_eq!(serde_json::from_str::<serde_json::Value>(lines[0]).unwrap()["vehicle_plate"], "A1");
}

#[tokio::test]
async fn a_part_is_sent_again_until_the_gateway_has_confirmed_it() {
    let (done, taken) = published(&format!("{EVENT}\n{EVENT}\n"), &[(503, "{}"), (503, "gone"), TAKEN]).await;
    assert!(done.unwrap().check().is_ok());
    assert_eq!(taken, [format!("{EVENT}\n{EVENT}\n")]);
}

#[tokio::test]
async fn refusals_of_the_gateway_count_like_those_of_the_file() {
    let mixed = r#"{"accepted": 1, "filtered": 0, "refused": 1, "refusals": [{"line": 2, "member": "body", "detail": "too long"}]}"#;
    let (done, _) = published(&format!("{EVENT}\n{EVENT}\n"), &[(207, mixed)]).await;
    assert!(done.unwrap().check().is_err());
}

#[tokio::test]
async fn events_that_the_token_may_not_report_count_as_refused() {
    let none = r#"{"accepted": 0, "filtered": 0, "refused": 1, "refusals": [{"line": 1, "member": "lot_id", "detail": "not its lot"}]}"#;
    let (done, _) = published(EVENT, &[(403, none)]).await;
    assert!(done.unwrap().check().is_err());
    let (done, _) = published(EVENT, &[(403, r#"{"detail": "this needs a token with the scope ingest"}"#)]).await;
    assert!(matches!(done, Err(super::super::Error::Http(Error::Status { .. }))), "{done:?}");
}

#[tokio::test]
async fn a_redirect_is_reported_with_the_host_of_its_target_and_not_followed() {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", other.local_addr().unwrap());
    let to = format!("{target}/secret?plate=A1");
    let redirecting = Router::new().fallback(move || async move { axum::response::Redirect::permanent(&to) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, redirecting).await });
    let (folder, context) = (tempfile::tempdir().unwrap(), ServiceContext::for_testing());
    let progress = Progress::hidden();
    let path = folder.path().join("events.json");
    std::fs::write(&path, EVENT).unwrap();

    let done = tokio::select! {
        done = publish(&address, vec![path], None, None, &progress, &context) => done,
        _ = other.accept() => panic!("the redirect was followed"),
    };
    serving.abort();

    let Err(super::super::Error::Http(refused)) = done else { panic!("{done:?}") };
    let said = refused.to_string();
    assert!(said.contains(&format!("308 Permanent Redirect: a redirect to {target}, which is not followed")), "{said}");
    assert!(!said.contains("plate"), "{said}");
}

#[tokio::test]
async fn what_is_no_gateway_ends_it_at_once() {
    let (done, _) = published(EVENT, &[(404, "no such route")]).await;
    assert!(
        matches!(done, Err(super::super::Error::Http(Error::Status { status: StatusCode::NOT_FOUND, .. }))),
        "{done:?}"
    );
    for wrong in ["gateway:8080", "ftp://gateway", "nothing"] {
        assert!(matches!(Gateway::new(wrong, None, &Connector::default()), Err(Error::Address { .. })), "{wrong}");
    }
}
