//! `/internal/v1`: formats, sizes, the secret.

mod hostile;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use access::{Access, Tokens};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use futures::StreamExt as _;
use matching::{Applied, Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{Lots, Rules};
use recorder::{BrokerCounts, CorrelatorStatus, DependencyReport, LedgerInfo, QueueReport, wire};
use serde::Serialize;
use serde_json::{Value, json};
use service_kit::ServiceContext;
use sessions::Service;
use sessions::testing::{BrokenLedger, How, Vehicles, idle_correlator, minute, vehicle};
use uuid::Uuid;

use super::{Answer, Api, SECRET, request, send, with_secret};
use web_api::{Authenticator, INTERNAL_CALLS_MAX};

/// The deadline of a call, whatever the load of others.
const PROMPTLY: Duration = Duration::from_secs(1);

async fn call(api: &Api, path: &str, body: &impl Serialize) -> Answer {
    let headers = [("content-type", wire::MEDIA_TYPE)];
    send(&api.router, request(Method::POST, path, &headers, postcard::to_stdvec(body).unwrap())).await
}

fn decoded<T: serde::de::DeserializeOwned>(answer: &Answer) -> T {
    assert_eq!((answer.status, answer.header(axum::http::header::CONTENT_TYPE)), (200, wire::MEDIA_TYPE));
    postcard::from_bytes(&answer.body).unwrap()
}

#[tokio::test]
async fn a_correlator_gets_its_terms_loads_records_and_reports() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let unit = vehicles.exit("P3", "ABC123", minute(0));
    let load = vec![LoadRequest { vehicle: vehicle("P3", "ABC123"), reaching: None }];

    let terms: LedgerInfo = decoded(&api.get(wire::TERMS).await);
    let before: Vec<Snapshot> = decoded(&call(&api, wire::LOAD, &load).await);
    let outcomes: Vec<Outcome> = decoded(&call(&api, wire::RECORD, &vec![unit.clone()]).await);
    let after: Vec<Snapshot> = decoded(&call(&api, wire::LOAD, &load).await);
    api.fixture.clock.advance_millis(31_000);
    let idle = call(&api, wire::REPORT, &idle_correlator(7)).await;
    let due: Vec<Due> = decoded(&call(&api, wire::DUE, &10_u32).await);
    let redis = DependencyReport { name: "redis".to_owned(), is_optional: true, away: Some("refused".to_owned()) };
    let rabbitmq = DependencyReport { name: "rabbitmq".to_owned(), is_optional: false, away: None };
    let counts = |ready| Some(BrokerCounts { ready, consumers: 2 });
    let status = CorrelatorStatus {
        correlator: Uuid::from_u128(7),
        entry: QueueReport { broker: counts(1), own_consumers: 1, in_flight: 2, undecided: 2 },
        exit: QueueReport { broker: None, own_consumers: 1, in_flight: 1, undecided: 1 },
        dependencies: vec![redis, rabbitmq],
        ..CorrelatorStatus::default()
    };
    let reported = call(&api, wire::REPORT, &status).await;

    assert_eq!(terms.rules, sessions::testing::rules());
    assert_eq!(before, [Snapshot::default()]);
    assert_eq!(outcomes, [Outcome::Recorded(Applied { events: 1, matched: 0, unmatched: 0 })]);
    assert_eq!(after, [unit.next_snapshot()]);
    assert_eq!(
        due,
        [Due { vehicle: unit.vehicle.clone(), snapshot: unit.next_snapshot(), ended: vec![unit.events[0].key] }]
    );
    assert_eq!((idle.status, reported.status), (204, 204));
    let shown = api.value("/api/v1/status").await;
    let correlator = json!({
        "id": "00000000-0000-0000-0000-000000000007",
        "entry_ready": 1, "exit_ready": null, "in_flight": 3,
        "dependencies": [
            {"name": "redis", "up": false, "optional": true, "reason": "refused"},
            {"name": "rabbitmq", "up": true, "optional": false, "reason": null},
        ],
        "reported_at": "2024-09-24T09:00:31.000Z",
    });
    let waits_for = json!([
        "1 consumer of the entry queue that no reporting correlator has: a correlator that hangs or can't reach this summary \
         API, or another program",
        "the broker does not say how many messages and consumers the exit queue has",
    ]);
    assert_eq!((&shown["correlators"], &shown["settled"]), (&json!([correlator]), &json!(false)));
    assert_eq!(shown["waits_for"], waits_for);
}

#[tokio::test]
async fn with_a_token_every_call_needs_it() {
    let api = Api::with(&with_secret()).await;
    let bearer = format!("Bearer {SECRET}");
    for (method, path) in [
        (Method::GET, wire::TERMS),
        (Method::POST, wire::LOAD),
        (Method::POST, wire::RECORD),
        (Method::POST, wire::DUE),
        (Method::POST, wire::REPORT),
    ] {
        for authorization in ["", "Bearer 0123456789abcdeX", "Basic 0123456789abcdef"] {
            let headers = [("authorization", authorization), ("content-type", wire::MEDIA_TYPE)];
            let answer = send(&api.router, request(method.clone(), path, &headers, vec![0])).await;
            assert_eq!(answer.status, 401, "{path} {authorization}");
            assert!(answer.header(axum::http::header::WWW_AUTHENTICATE).starts_with("Bearer"));
            assert!(answer.text().contains("DWELL_INTERNAL_TOKEN") && !answer.text().contains(SECRET));
        }
    }
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(send(&api.router, request(Method::GET, wire::TERMS, &headers, "")).await.status, 200);
    assert_eq!(api.get("/api/v1/sessions").await.status, 200);
}

#[tokio::test]
async fn beyond_loopback_without_a_token_internal_calls_are_closed_and_public_ones_are_not() {
    let api = Api::with(&Authenticator::new(Access::Open, None, Tokens::default())).await;
    let closed = api.get(wire::TERMS).await;
    let problem: Value = closed.json();
    assert_eq!(closed.status, 403);
    assert!(problem["detail"].as_str().unwrap().contains("DWELL_INTERNAL_TOKEN"));
    assert_eq!(api.get("/api/v1/sessions").await.status, 200);
}

#[tokio::test]
async fn a_client_of_another_version_gets_the_supported_media_type() {
    let api = Api::new().await;
    let headers = [("content-type", "application/vnd.dwell.v1+postcard")];
    let answer = send(&api.router, request(Method::POST, wire::RECORD, &headers, vec![0])).await;
    assert_eq!(answer.status, 415);
    assert!(answer.text().contains(wire::MEDIA_TYPE) && answer.text().contains("v1"), "{}", answer.text());
}

#[tokio::test]
async fn bodies_that_are_too_large_cut_off_or_too_long_are_refused() {
    let api = Api::new().await;
    let unit: Vec<Unit> = vec![Vehicles::default().entry("P3", "ABC123", minute(0))];
    let whole = postcard::to_stdvec(&unit).unwrap();
    let headers = [("content-type", wire::MEDIA_TYPE)];
    let status =
        async |path: &str, body: Vec<u8>| send(&api.router, request(Method::POST, path, &headers, body)).await.status;

    for length in 0..whole.len() {
        assert_eq!(status(wire::RECORD, whole[..length].to_vec()).await, 400, "{length} bytes");
    }
    assert_eq!(status(wire::RECORD, [whole.as_slice(), b"x"].concat()).await, 400);
    assert_eq!(status(wire::DUE, vec![0; 2_000]).await, 413);
    assert_eq!(status(wire::RECORD, vec![0; wire::BODY_BYTES_MAX + 1]).await, 413);
    assert_eq!(api.value("/api/v1/sessions").await["sessions"], json!([]));
}

#[tokio::test]
async fn a_plate_that_is_not_normal_never_reaches_the_ledger() {
    let api = Api::new().await;
    let unit = Vehicles::default().entry("P3", "ABC123", minute(0));
    let bytes = postcard::to_stdvec(&vec![unit]).unwrap();
    let place = bytes.windows(6).position(|part| part == b"ABC123").unwrap();
    let mut wrong = bytes.clone();
    wrong[place..place + 6].copy_from_slice(b"abc-12");
    let headers = [("content-type", wire::MEDIA_TYPE)];

    let answer = send(&api.router, request(Method::POST, wire::RECORD, &headers, wrong)).await;

    assert_eq!(answer.status, 422);
    assert!(!answer.text().to_lowercase().contains("abc"), "{}", answer.text());
}

#[tokio::test]
async fn slow_bodies_take_no_permit_from_other_calls() {
    let api = Api::new().await;
    let headers = [("content-type", wire::MEDIA_TYPE)];
    let whole = postcard::to_stdvec(&vec![Vehicles::default().entry("P3", "SLOW1", minute(0))]).unwrap();
    let slow = (0..4 * INTERNAL_CALLS_MAX).map(|_| {
        let half = futures::stream::iter([Ok::<_, Infallible>(whole[..whole.len() / 2].to_vec())]);
        let half = Body::from_stream(half.chain(futures::stream::pending()));
        tokio::spawn(send_owned(api.router.clone(), request(Method::POST, wire::RECORD, &headers, half)))
    });
    let slow: Vec<_> = slow.collect();
    tokio::task::yield_now().await;

    let units = vec![Vehicles::default().entry("P3", "ABC123", minute(0))];
    let record = call(&api, wire::RECORD, &units);
    let answer = tokio::time::timeout(PROMPTLY, record).await.expect("another call is served at once");

    assert_eq!(answer.status, 200);
    assert!(slow.iter().all(|call| !call.is_finished()));
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn send_owned(router: Router, request: Request<Body>) -> Answer {
    send(&router, request).await
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_hung_ledger_never_ends_keeps_its_permit() {
    let context = ServiceContext::for_testing();
    let service = Service::new(Arc::new(BrokenLedger(How::Silent)), Rules::default(), Lots::default(), &context);
    let router = web_api::router(&service, &Authenticator::local(), &context);
    let headers = [("content-type", wire::MEDIA_TYPE)];
    let load = vec![LoadRequest { vehicle: vehicle("P3", "ABC123"), reaching: None }];
    let unit = Vehicles::default().entry("P3", "ABC123", minute(0));
    let calls = [
        (wire::LOAD, postcard::to_stdvec(&load).unwrap()),
        (wire::RECORD, postcard::to_stdvec(&vec![unit]).unwrap()),
        (wire::DUE, postcard::to_stdvec(&10_u32).unwrap()),
    ];
    let call = async |place: usize| {
        let (path, body) = calls[place % calls.len()].clone();
        send(&router, request(Method::POST, path, &headers, body)).await
    };

    let all: Vec<_> = (0..INTERNAL_CALLS_MAX).map(call).collect();
    let begun = futures::future::join_all(all).await;
    let next = call(1).await;

    assert!(begun.iter().all(|answer| answer.status == 503 && answer.text().contains("did not answer within 8 s")));
    assert_eq!(next.status, 503);
    assert!(next.text().contains("too many concurrent calls"), "{}", next.text());
}
