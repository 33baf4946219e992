//! Searches with plates, which belong into a body.

use access::{Access, Gates, Grant, Lots, Scopes, Token, TokenRecord, Tokens};
use api::{ExplanationsView, SessionPage};
use axum::http::{Method, header};
use ledger_stores::testing::temporary;
use serde_json::{Value, json};
use sessions::testing::{Fixture, Vehicles, minute};
use web_api::Authenticator;

use super::{Answer, Api, request, send};

async fn parked(authenticator: &Authenticator) -> Api {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    for (number, plate) in (0..).zip(["ABC1", "ABC2", "ABD3", "XYZ4"]) {
        fixture.record(vec![vehicles.entry("P3", plate, minute(number))]).await;
        fixture.record(vec![vehicles.exit("P3", plate, minute(number + 30))]).await;
        fixture.record(vec![vehicles.entry("P3", plate, minute(number + 60))]).await;
    }
    Api::on(fixture, authenticator)
}

async fn search(api: &Api, body: Value) -> Answer {
    api.post_json("/api/v1/sessions/search", body.to_string()).await
}

fn plates(answer: &Answer) -> Vec<String> {
    let page: SessionPage = answer.json();
    page.sessions.into_iter().map(|session| session.vehicle_plate).collect()
}

#[tokio::test]
async fn a_search_finds_whole_plates_and_beginnings() {
    let api = parked(&Authenticator::local()).await;
    let found = async |body: Value| plates(&search(&api, body).await);

    assert_eq!(found(json!({"vehicle_plate": "abc-1"})).await, ["ABC1", "ABC1"]);
    assert_eq!(found(json!({"plate_prefix": "ab c", "state": ["open"]})).await, ["ABC2", "ABC1"]);
    assert_eq!(
        found(json!({"plate_prefix": "AB", "state": "matched", "order": "oldest"})).await,
        ["ABC1", "ABC2", "ABD3"]
    );
    assert_eq!(found(json!({"plate_prefix": "NO"})).await, [""; 0]);
    assert_eq!(found(json!({"plate_contains": "bc", "state": "open"})).await, ["ABC2", "ABC1"]);
    assert_eq!(found(json!({"plate_contains": "D3"})).await, ["ABD3", "ABD3"]);
    assert_eq!(found(json!({})).await.len(), 8, "without members it is the whole list");
    let rows = search(&api, json!({"plate_prefix": "ABC", "format": "csv"})).await;
    assert_eq!(rows.text().lines().count(), 5);
    assert_eq!(rows.headers.get("deprecation"), None);
    for (body, status, part) in [
        (json!({"plate_prefix": "A"}), 422, "plate_prefix has fewer than two letters and digits"),
        (json!({"plate_prefix": "AB", "vehicle_plate": "ABC1"}), 422, "not possible together"),
        (json!({"plate_contains": "A"}), 422, "plate_contains has fewer than two letters and digits"),
        (json!({"plate": "AB"}), 422, "unknown member \"plate\""),
        (json!({"limit": 1001}), 422, "from 1 to 1000"),
        (json!([]), 400, "not a JSON object"),
    ] {
        let refused = search(&api, body.clone()).await;
        assert_eq!(refused.status, status, "{body}");
        assert!(refused.text().contains(&part.replace('"', "\\\"")), "{body}: {}", refused.text());
    }
    let wrong = search(&api, json!({"limit": 1001})).await.json::<Value>();
    assert_eq!(wrong["errors"][0]["pointer"], "/limit");
    let text = request(Method::POST, "/api/v1/sessions/search", &[("content-type", "text/plain")], "{}");
    assert_eq!(send(&api.router, text).await.status, 415);
}

#[tokio::test]
async fn the_pages_of_a_search_have_each_session_once_and_their_cursors_hold_no_plate() {
    let api = parked(&Authenticator::local()).await;
    let whole = plates(&search(&api, json!({"plate_prefix": "AB"})).await);
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let answer = search(&api, json!({"plate_prefix": "AB", "limit": 2, "cursor": cursor})).await;
        found.extend(plates(&answer));
        let page: SessionPage = answer.json();
        cursor = page.next_cursor;
        match &cursor {
            Some(cursor) => assert!(!cursor.contains("AB")),
            None => break,
        }
    }
    assert_eq!(found, whole);
    let first = async |plate: &str| {
        let page: SessionPage = search(&api, json!({"vehicle_plate": plate, "limit": 1})).await.json();
        page.next_cursor.unwrap()
    };
    // What identifies the list is equal for all plates: version and hash, then the id.
    assert_eq!(first("ABC1").await[..12], first("XYZ4").await[..12]);
}

#[tokio::test]
async fn a_plate_in_an_address_is_deprecated_on_loopback_and_refused_with_tokens() {
    let api = parked(&Authenticator::local()).await;
    for path in [
        "/api/v1/sessions?vehicle_plate=ABC1",
        "/api/v1/sessions?vehicle_plate=ABC1&format=csv",
        "/api/v1/explanations?vehicle_plate=ABC1",
        "/graphql?query=%7Bstatus%7Bsettled%7D%7D",
    ] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.headers["deprecation"].to_str().unwrap()), (200, "@1795996800"), "{path}");
    }
    assert_eq!(api.get("/api/v1/sessions").await.headers.get("deprecation"), None);
    for part in ["plate_prefix=AB", "plate_contains=AB"] {
        let refused = api.get(&format!("/api/v1/sessions?{part}")).await;
        assert!(refused.status == 400 && refused.text().contains("POST /api/v1/sessions/search"), "{}", refused.text());
    }

    let token = Token::from_random(&[7; Token::RANDOM_BYTES]);
    let grant = Grant::new(Scopes::parse("read,read_plate").unwrap(), Lots::All, Gates::All).unwrap();
    let tokens =
        || Tokens::new([TokenRecord::new(&token, "reader".to_owned(), grant.clone(), minute(0), None)]).unwrap();
    for access in [Access::Local, Access::Required, Access::Open] {
        let api = parked(&Authenticator::new(access, None, tokens())).await;
        let bearer = format!("Bearer {}", token.expose());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        for (path, instead, body) in [
            ("/api/v1/sessions?vehicle_plate=ABC1", "/api/v1/sessions/search", json!({"vehicle_plate": "ABC1"})),
            (
                "/api/v1/explanations?vehicle_plate=ABC1",
                "/api/v1/explanations/search",
                json!({"vehicle_plate": "ABC1"}),
            ),
            ("/graphql?query=%7Bstatus%7Bsettled%7D%7D", "/graphql", json!({"query": "{ status { settled } }"})),
        ] {
            let refused = send(&api.router, request(Method::GET, path, &headers, "")).await;
            assert_eq!(refused.status, 400, "{path}");
            assert!(refused.text().contains(&format!("POST {instead}")), "{path}: {}", refused.text());
            assert!(!refused.text().contains("ABC1"), "{path}");
            let asked = send(&api.router, request(Method::POST, instead, &headers, body.to_string())).await;
            assert_eq!(asked.status, 200, "{instead}");
        }
    }
}

#[tokio::test]
async fn explanations_of_a_plate_in_a_body_are_those_of_an_address() {
    let api = parked(&Authenticator::local()).await;
    let posted = api.post_json("/api/v1/explanations/search", r#"{"vehicle_plate": "abc 1", "limit": 2}"#).await;
    let got = api.get("/api/v1/explanations?vehicle_plate=ABC1&limit=2").await;
    assert_eq!(posted.json::<ExplanationsView>(), got.json::<ExplanationsView>());
    assert_eq!(posted.header(header::CONTENT_TYPE), "application/json");
    let missing = api.post_json("/api/v1/explanations/search", "{}").await;
    assert!(missing.status == 422 && missing.text().contains("vehicle_plate is missing"), "{}", missing.text());
}
