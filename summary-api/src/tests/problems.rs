//! Every error is a problem, including those of the framework.

use std::sync::Arc;

use axum::http::{HeaderName, Method, header};
use parking::{Lots, Rules};
use serde_json::Value;
use service_kit::ServiceContext;
use sessions::Service;
use sessions::testing::{BrokenLedger, How};

use super::{Answer, Api, request, send};
use web_api::Authenticator;

/// Method, path, headers and body of a request, and the status of the response.
type Case<'a> = (Method, &'a str, &'a [(&'a str, &'a str)], &'a str, u16);

fn is_problem(answer: &Answer, what: &str) {
    let problem: Value = answer.json();
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json", "{what}");
    assert_eq!(problem["status"].as_u64(), Some(u64::from(answer.status)), "{what}: {problem}");
    for member in ["type", "title", "detail"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{what}: {problem}");
    }
}

#[tokio::test]
async fn every_bad_request_is_answered_with_a_problem() {
    let api = Api::new().await;
    let json = [("content-type", "application/json")];
    let postcard = [("content-type", recorder::wire::MEDIA_TYPE)];
    let none: [(&str, &str); 0] = [];
    let cases: [Case<'_>; 23] = [
        (Method::GET, "/nowhere?x=1", &none, "", 404),
        (Method::GET, "/api/v1", &none, "", 404),
        (Method::GET, "/internal/v1/nothing", &none, "", 404),
        (Method::GET, "/save_summary", &none, "", 405),
        (Method::DELETE, "/api/v1/sessions", &none, "", 405),
        (Method::POST, "/api/v1/lots", &json, "{}", 405),
        (Method::POST, "/metrics", &none, "", 405),
        (Method::PUT, "/openapi.json", &none, "", 405),
        (Method::POST, "/save_summary", &json, "", 400),
        (Method::POST, "/save_summary", &json, "{\"vehicle_plate\": \"\\ud800\"}", 422),
        (Method::POST, "/save_summary", &json, "[1,2]", 422),
        (Method::POST, "/save_summary", &none, "{}", 415),
        (Method::GET, "/api/v1/sessions?nothing=1", &none, "", 400),
        (Method::GET, "/api/v1/sessions?limit=many", &none, "", 422),
        (Method::GET, "/api/v1/sessions?cursor=%ff%fe", &none, "", 422),
        (Method::GET, "/api/v1/sessions/1", &none, "", 422),
        (Method::GET, "/api/v1/sessions/%ff", &none, "", 400),
        (Method::GET, "/api/v1/sessions/9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", &none, "", 404),
        (Method::GET, "/api/v1/lots?limit=0", &none, "", 422),
        (Method::GET, "/api/v1/status?verbose", &none, "", 400),
        (Method::GET, "/problems/none", &none, "", 404),
        (Method::POST, "/internal/v1/load", &json, "[]", 415),
        (Method::POST, "/internal/v1/record", &postcard, "nonsense", 400),
    ];
    for (method, path, headers, body, status) in cases {
        let what = format!("{method} {path} {body}");
        let answer = send(&api.router, request(method, path, headers, body.to_owned())).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        is_problem(&answer, &what);
    }
}

#[tokio::test]
async fn an_unsupported_method_gets_the_supported_ones() {
    let api = Api::new().await;
    let answer = send(&api.router, request(Method::DELETE, "/api/v1/sessions", &[], "")).await;
    assert_eq!((answer.status, answer.header(header::ALLOW)), (405, "GET,HEAD"));
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_its_meaning() {
    let api = Api::new().await;
    let problem: Value = api.get("/api/v1/sessions?limit=0").await.json();
    assert_eq!(problem["type"], "/problems/invalid-content");
    assert_eq!(problem["errors"][0]["parameter"], "limit");
    let meaning = api.get("/problems/invalid-content").await;
    assert_eq!((meaning.status, meaning.text().contains("errors")), (200, true));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_ledger_is_a_problem_without_its_error_text() {
    for (how, status) in [(How::Down, 503), (How::Silent, 503), (How::Corrupt, 500), (How::Panics, 500)] {
        let context = ServiceContext::for_testing();
        let service = Service::new(Arc::new(BrokenLedger(how)), Rules::default(), Lots::default(), &context);
        let router = web_api::router(&service, &Authenticator::local(), &context);
        for path in ["/api/v1/sessions", "/api/v1/lots", "/api/v1/status"] {
            let answer = send(&router, request(Method::GET, path, &[], "")).await;
            let what = format!("{how:?} {path}");
            assert_eq!(answer.status, status, "{what}");
            is_problem(&answer, &what);
            assert!(!answer.text().contains("10.1.2.3") && !answer.text().contains("SELECT"), "{what}");
            assert_eq!(answer.header(header::RETRY_AFTER), if status == 503 { "1" } else { "" }, "{what}");
        }
    }
}

#[tokio::test]
async fn answers_are_kept_out_of_caches_and_never_guessed_at() {
    let api = Api::new().await;
    for path in ["/api/v1/sessions/x", "/openapi.json", "/nowhere", "/metrics", "/readyz"] {
        let answer = api.get(path).await;
        let headers: [HeaderName; 2] = [header::CACHE_CONTROL, header::X_CONTENT_TYPE_OPTIONS];
        assert_eq!(headers.map(|name| answer.header(name).to_owned()), ["no-store", "nosniff"], "{path}");
    }
}

#[tokio::test]
async fn readiness_keeps_its_own_text() {
    let api = Api::new().await;
    let ledger = api.fixture.context.health.dependency("ledger");
    ledger.down("away");
    let away = api.get("/readyz?verbose").await;
    ledger.up();
    let back = api.get("/readyz").await;
    assert_eq!((away.status, away.text().as_str()), (503, "[-]ledger away\nnot ready\n"));
    assert_eq!((back.status, back.text().as_str()), (200, "ok\n"));
}
