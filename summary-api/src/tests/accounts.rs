//! Managing tokens and users over the API.

use access::{Access, Tokens};
use axum::http::Method;
use serde_json::{Value, json};
use web_api::Authenticator;

use super::{Answer, Api, request, send};

const JSON: (&str, &str) = ("content-type", "application/json");

impl Api {
    async fn manage(&self, method: Method, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![JSON];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        send(&self.router, request(method, path, &headers, body.to_string())).await
    }

    /// Makes a token; returns its text and its id.
    async fn made(&self, by: Option<&str>, body: &Value) -> (String, String) {
        let answer = self.manage(Method::POST, "/api/v1/tokens", by, body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let created: Value = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&created["secret"]), text(&created["token"]["id"]))
    }
}

#[tokio::test]
async fn a_token_holds_from_its_creation_until_it_is_revoked_and_is_shown_once() {
    let api = Api::new().await;
    let (secret, id) = api.made(None, &json!({"name": "page", "scopes": ["read", "read_plate"], "lots": ["P3"]})).await;
    let lots = async || api.manage(Method::GET, "/api/v1/lots", Some(&secret), &json!(null)).await.status;
    assert_eq!(lots().await, 200);

    let listed = api.get("/api/v1/tokens").await;
    let expected = json!({"tokens": [{
        "id": id, "name": "page", "scopes": ["read", "read_plate"], "lots": ["P3"], "gates": ["*"],
        "created": api.fixture.service.now().to_string(), "expires": null, "revoked": null,
    }]});
    assert_eq!(listed.json::<Value>(), expected);
    assert!(!listed.text().contains(&secret));

    for _ in 0..2 {
        assert_eq!(api.manage(Method::DELETE, &format!("/api/v1/tokens/{id}"), None, &json!(null)).await.status, 204);
    }
    assert_eq!(lots().await, 401);
    let revoked: Value = api.value("/api/v1/tokens").await;
    assert_eq!(revoked["tokens"][0]["revoked"], api.fixture.service.now().to_string());
    assert_eq!(api.manage(Method::DELETE, "/api/v1/tokens/k3v9x2ma", None, &json!(null)).await.status, 404);
}

#[tokio::test]
async fn nobody_gives_rights_that_they_lack_to_a_token_a_user_or_through_a_password() {
    let api = Api::with(&Authenticator::new(Access::Local, None, Tokens::default())).await;
    let (admin, _) = api.made(None, &json!({"name": "admin", "scopes": ["admin", "read"]})).await;
    let user = |name: &str, scopes: &[&str]| json!({"name": name, "password": "four words in a row", "scopes": scopes});
    let users = "/api/v1/users";
    assert_eq!(api.manage(Method::POST, users, None, &user("maria", &["read", "read_plate"])).await.status, 204);
    assert_eq!(api.manage(Method::POST, users, Some(&admin), &user("mario", &["read"])).await.status, 204);

    let beyond = json!({"name": "x", "scopes": ["read", "read_plate"]});
    let password = json!({"password": "another four words"});
    for (method, path, body, status) in [
        (Method::POST, "/api/v1/tokens", &beyond, 403),
        (Method::POST, users, &user("zoe", &["read", "read_plate"]), 403),
        (Method::PUT, "/api/v1/users/maria/password", &password, 403),
        (Method::PUT, "/api/v1/users/mario/password", &password, 204),
        (Method::PUT, "/api/v1/users/nobody/password", &password, 404),
        (Method::DELETE, "/api/v1/users/maria", &json!(null), 204),
        (Method::DELETE, "/api/v1/users/maria", &json!(null), 404),
    ] {
        let answer = api.manage(method.clone(), path, Some(&admin), body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    let left: Value = api.value(users).await;
    let left: Vec<&str> = left["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert_eq!(left, ["mario"]);
}

#[tokio::test]
async fn what_is_invalid_is_named_and_a_password_is_never_repeated() {
    let api = Api::new().await;
    let user = |member: &str, value: Value| {
        let mut body = json!({"name": "maria", "password": "four words in a row", "scopes": ["read"]});
        body[member] = value;
        body
    };
    for (path, body, status, pointer) in [
        ("/api/v1/users", user("password", json!("canary")), 422, "/password"),
        ("/api/v1/users", user("name", json!("a b")), 422, "/name"),
        ("/api/v1/users", user("scopes", json!(["write"])), 422, "/scopes"),
        ("/api/v1/users", user("lots", json!(["a b"])), 422, "/lots"),
        ("/api/v1/users", user("password", json!({"canary": 1})), 422, ""),
        ("/api/v1/users", user("canary", json!(1)), 422, ""),
        ("/api/v1/tokens", json!({"name": "", "scopes": ["read"]}), 422, ""),
        ("/api/v1/tokens", json!({"name": "x", "scopes": ["read"], "expires": "2020-01-01T00:00:00Z"}), 422, ""),
    ] {
        let answer = api.manage(Method::POST, path, None, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(
            answer.text().contains(&format!("\"pointer\":\"{pointer}\"")) || pointer.is_empty(),
            "{}",
            answer.text()
        );
        assert!(!answer.text().contains("canary"), "{}", answer.text());
    }
    let taken = user("name", json!("maria"));
    assert_eq!(api.manage(Method::POST, "/api/v1/users", None, &taken).await.status, 204);
    assert_eq!(api.manage(Method::POST, "/api/v1/users", None, &taken).await.status, 422);
}
