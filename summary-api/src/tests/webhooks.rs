//! Managing webhooks over the API. Delivering is tested in the crate `webhooks`.

use access::{Access, Tokens};
use axum::http::Method;
use serde_json::{Value, json};
use web_api::Authenticator;

use super::{Answer, Api, request, send};

const PATH: &str = "/api/v1/webhooks";

impl Api {
    async fn webhooks(&self, method: Method, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        send(&self.router, request(method, path, &headers, body.to_string())).await
    }
}

fn billing() -> Value {
    json!({"name": "billing", "url": "https://billing.example/dwell", "kinds": ["session.voided", "session.matched"]})
}

fn with(member: &str, value: Value) -> Value {
    let mut body = billing();
    body[member] = value;
    body
}

#[tokio::test]
async fn a_webhook_is_listed_from_its_creation_until_it_is_removed_and_its_secret_is_shown_once() {
    let api = Api::new().await;
    let created = api.webhooks(Method::POST, PATH, None, &with("lots", json!(["P3"]))).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let created: Value = created.json();
    let (secret, id) = (created["secret"].as_str().unwrap(), created["webhook"]["id"].as_str().unwrap());
    assert!(secret.starts_with("whsec_"), "{secret}");

    let listed = api.get(PATH).await;
    let expected = json!({"webhooks": [{
        "id": id, "name": "billing", "url": "https://billing.example/dwell", "lots": ["P3"],
        "kinds": ["session.matched", "session.voided"], "plates": false,
        "created": api.fixture.service.now().to_string(), "state": "active", "trouble": null, "sequence": 0, "behind": 0,
        "waiting": 0, "oldest_waiting": null, "delivered": null, "old_secret_until": null,
    }]});
    assert_eq!(listed.json::<Value>(), expected);
    assert!(!listed.text().contains(secret));

    let one = |word: &str| format!("{PATH}/{id}/{word}");
    let rotated: Value = api.webhooks(Method::POST, &one("rotate"), None, &json!(null)).await.json();
    assert!(rotated["secret"] != created["secret"] && rotated["webhook"]["old_secret_until"].is_string(), "{rotated}");
    for (word, body) in [("pause", json!({"reason": "moves"})), ("pause", json!({})), ("replay", json!({"after": 0}))] {
        assert_eq!(api.webhooks(Method::POST, &one(word), None, &body).await.status, 204, "{word}");
    }
    let paused: Value = api.value(PATH).await;
    assert_eq!(
        (&paused["webhooks"][0]["state"], &paused["webhooks"][0]["trouble"]["reason"]),
        (&json!("paused"), &json!("moves"))
    );
    assert_eq!(api.webhooks(Method::POST, &one("resume"), None, &json!(null)).await.status, 204);
    assert_eq!(api.value(PATH).await["webhooks"][0]["state"], "active");

    for status in [204, 404] {
        assert_eq!(api.webhooks(Method::DELETE, &format!("{PATH}/{id}"), None, &json!(null)).await.status, status);
    }
    assert_eq!(api.value(PATH).await, json!({"webhooks": []}));
}

#[tokio::test]
async fn what_is_invalid_is_named() {
    let api = Api::new().await;
    for (body, pointer) in [
        (with("url", json!("http://billing.example/")), "/url"),
        (with("url", json!("https://10.0.0.1/")), "/url"),
        (with("url", json!("https://user:canary@billing.example/")), "/url"),
        (with("kinds", json!(["lot.overstay"])), "/kinds"),
        (with("lots", json!(["a b"])), "/lots"),
        (with("name", json!("")), ""),
        (with("kinds", json!([])), ""),
        (with("lots", json!([])), ""),
        (with("after", json!(1)), ""),
        (with("canary", json!(1)), ""),
    ] {
        let answer = api.webhooks(Method::POST, PATH, None, &body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        let is_named = answer.text().contains(&format!("\"pointer\":\"{pointer}\""));
        assert!((is_named || pointer.is_empty()) && !answer.text().contains("canary"), "{}", answer.text());
    }
    let unknown = format!("{PATH}/{}", uuid::Uuid::from_u128(9));
    for (method, path, body, status) in [
        (Method::DELETE, unknown.clone(), json!(null), 404),
        (Method::POST, format!("{unknown}/pause"), json!({}), 404),
        (Method::POST, format!("{unknown}/pause"), json!({"reason": "a\nb"}), 422),
        (Method::POST, format!("{unknown}/resume"), json!(null), 404),
        (Method::POST, format!("{unknown}/replay"), json!({"after": 0}), 404),
        (Method::POST, format!("{unknown}/replay"), json!({"after": 1}), 422),
        (Method::POST, format!("{unknown}/rotate"), json!(null), 404),
        (Method::POST, format!("{unknown}/test"), json!(null), 404),
        (Method::DELETE, format!("{PATH}/none"), json!(null), 422),
    ] {
        assert_eq!(api.webhooks(method, &path, None, &body).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn nobody_gives_a_receiver_what_they_can_not_read() {
    let api = Api::with(&Authenticator::new(Access::Local, None, Tokens::default())).await;
    let token = async |scopes: &[&str]| {
        let made = api.webhooks(Method::POST, "/api/v1/tokens", None, &json!({"name": "x", "scopes": scopes})).await;
        made.json::<Value>()["secret"].as_str().unwrap().to_owned()
    };
    for (scopes, plates, status) in [
        (&["admin"][..], false, 403),
        (&["admin", "read"], false, 201),
        (&["admin", "read"], true, 403),
        (&["admin", "read", "read_plate"], true, 201),
        (&["read", "read_plate"], false, 403),
    ] {
        let token = token(scopes).await;
        let answer = api.webhooks(Method::POST, PATH, Some(&token), &with("plates", json!(plates))).await;
        assert_eq!(answer.status, status, "{scopes:?}, plates {plates}: {}", answer.text());
    }
}

#[tokio::test]
async fn there_is_a_limit_of_webhooks() {
    let api = Api::new().await;
    for _ in 0..50 {
        assert_eq!(api.webhooks(Method::POST, PATH, None, &billing()).await.status, 201);
    }
    let refused = api.webhooks(Method::POST, PATH, None, &billing()).await;
    assert!(refused.status == 422 && refused.text().contains("there are 50 webhooks"), "{}", refused.text());
}

#[tokio::test]
async fn a_test_message_to_a_private_address_is_reported_and_not_sent() {
    let api = Api::new().await;
    let body = with("url", json!(format!("https://localhost:{}/", testbed::free_port())));
    let created: Value = api.webhooks(Method::POST, PATH, None, &body).await.json();
    let path = format!("{PATH}/{}/test", created["webhook"]["id"].as_str().unwrap());

    let tested: Value = api.webhooks(Method::POST, &path, None, &json!(null)).await.json();

    assert_eq!(tested["delivered"], false);
    let problem = tested["problem"].as_str().unwrap();
    assert!(problem.starts_with("the name of the receiver has no public address"), "{problem}");
}
