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

#[tokio::test]
async fn a_gateway_gets_the_tokens_of_the_lots_and_gates_that_its_own_is_for() {
    let file = "[[token]]\nid = \"k3v9x2ma\"\nname = \"of the file\"\nscopes = [\"ingest\"]\nlots = [\"P3\"]\n";
    let file = format!("{file}hash = \"{}\"\n", access::TokenHash::of("dwell_").to_text());
    let authenticator = Authenticator::new(Access::Local, None, Tokens::parse_file(&file).unwrap());
    let api = Api::with(&authenticator).await;
    let ingest =
        |lots: &[&str], gates: &[&str]| json!({"name": "x", "scopes": ["ingest"], "lots": lots, "gates": gates});
    let (all, all_id) = api.made(None, &ingest(&["*"], &["*"])).await;
    let (of_lot, of_lot_id) = api.made(None, &ingest(&["P3"], &["*"])).await;
    let (of_gate, of_gate_id) = api.made(None, &ingest(&["P3"], &["in-1"])).await;
    let (reader, reader_id) = api.made(None, &json!({"name": "x", "scopes": ["read"], "lots": ["P9"]})).await;
    api.manage(Method::DELETE, &format!("/api/v1/tokens/{of_gate_id}"), None, &json!(null)).await;
    let (_, other_gate_id) = api.made(None, &ingest(&["P3"], &["in-2"])).await;
    let listed = async |token: &str, known: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("if-none-match", known)];
        send(&api.router, request(Method::GET, "/internal/v1/tokens", &headers, "")).await
    };
    let ids = |answer: &Answer| {
        let tokens = Tokens::parse_file(&answer.text()).unwrap();
        assert!(tokens.records().all(|record| record.name == record.id.to_string()));
        tokens.records().map(|record| record.id.to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();

    let whole = listed(&all, "").await;
    assert_eq!(ids(&whole), set(&[&all_id, &of_lot_id, &of_gate_id, &reader_id, &other_gate_id, "k3v9x2ma"]));
    assert_eq!(ids(&listed(&of_lot, "").await), set(&[&of_lot_id, &of_gate_id, &other_gate_id, "k3v9x2ma"]));
    assert_eq!([listed(&of_gate, "").await.status, listed(&reader, "").await.status], [401, 403]);
    // What is listed is enough to know each token, with the reason why it is refused.
    let known = Tokens::parse_file(&whole.text()).unwrap();
    let now = api.fixture.service.now();
    assert!(known.authenticate(&of_lot, now).is_ok());
    assert_eq!(known.authenticate(&of_gate, now), Err(access::Refused::Revoked));
    assert!(![&all, &of_lot, &of_gate, &reader].iter().any(|token| whole.text().contains(token.as_str())));

    let tag = whole.header(axum::http::header::ETAG).to_owned();
    let unchanged = listed(&all, &tag).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    api.made(None, &ingest(&["P3"], &["in-3"])).await;
    assert_eq!(listed(&all, &tag).await.status, 200);
}
