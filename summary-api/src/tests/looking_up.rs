//! Look-ups at the exit, over HTTP and on the page.

use access::{Access, Gates, Grant, Lots, Scopes, Token, TokenRecord, Tokens};
use axum::http::{Method, header};
use ledger_stores::testing::temporary;
use serde_json::{Value, json};
use sessions::testing::{Fixture, Vehicles, minute};
use web_api::Authenticator;

use super::{Answer, Api, request, send};

const PATH: &str = "/api/v1/lookup";

/// Two vehicles inside P3, and one inside P4, an hour and a half after the first entry.
async fn parked(authenticator: &Authenticator) -> Api {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    for unit in [
        vehicles.entry("P3", "AB12CDE", minute(0)),
        vehicles.entry("P3", "XK77TTT", minute(10)),
        vehicles.entry("P4", "GH55MNO", minute(20)),
    ] {
        fixture.record(vec![unit]).await;
    }
    fixture.clock.advance_millis(90 * 60_000);
    Api::on(fixture, authenticator)
}

async fn asked(api: &Api, body: &Value) -> Answer {
    api.post_json(PATH, body.to_string()).await
}

#[tokio::test]
async fn an_answer_has_the_open_session_of_the_plate() {
    let api = parked(&Authenticator::local()).await;
    let answer =
        asked(&api, &json!({"lot_id": "P3", "vehicle_plate": "ab-12 cde", "time": minute(90).to_string()})).await;
    let session = api.value("/api/v1/sessions?order=oldest").await["sessions"][0].clone();

    let expected = json!({
        "lot_id": "P3", "vehicle_plate": "AB12CDE", "time": minute(90).to_string(), "sequence": 3, "outcome": "exact",
        "open_session": {
            "session_id": session["session_id"], "vehicle_plate": "AB12CDE", "entry_event_id": session["entry_event_id"],
            "entry_date_time": minute(0).to_string(), "entry_gate_id": null, "dwell_seconds": 5400,
        },
        "entries": [], "further_entries": 0, "none_probability": null, "usual_stay": null, "model": "start",
    });
    assert_eq!((answer.status, answer.json::<Value>()), (200, expected));
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn an_answer_has_the_likely_entries_of_a_misread_plate_in_words_and_records_nothing() {
    let api = parked(&Authenticator::local()).await;
    let body = json!({
        "lot_id": "P3", "vehicle_plate": "A812CDE", "time": minute(90).to_string(), "confidence": 0.8,
        "character_confidences": [0.99, 0.4, 0.99, 0.99, 0.99, 0.99, 0.99],
        "candidates": [{"plate": "AB12CDE", "confidence": 0.7}],
    });
    let answer: Value = asked(&api, &body).await.json();

    assert_eq!((&answer["outcome"], &answer["open_session"]), (&json!("similar"), &Value::Null));
    let entry = &answer["entries"][0];
    assert_eq!(entry["session"]["vehicle_plate"], "AB12CDE");
    assert_eq!((&entry["likely_plate"], &entry["misread_at_entry"]), (&json!("AB12CDE"), &json!([])));
    assert_eq!(entry["misread_at_exit"], json!(["8 read for B at place 2"]));
    assert_eq!((&entry["differing_at_entry"], &entry["differing_at_exit"]), (&json!([2]), &json!([2])));
    let [found, none] = [&entry["probability"], &answer["none_probability"]].map(|share| share.as_f64().unwrap());
    assert!(found > 0.95 && (found + none - 1.0).abs() < 0.001, "{answer}");
    assert_eq!(api.fixture.local().last_change().await.unwrap(), 3);
}

#[tokio::test]
async fn without_a_similar_plate_or_any_plate_at_all_there_is_no_entry() {
    let api = parked(&Authenticator::local()).await;
    let outcome = async |plate: &str| {
        let body = json!({"lot_id": "P3", "vehicle_plate": plate, "time": minute(90).to_string()});
        let answer: Value = asked(&api, &body).await.json();
        (answer["outcome"].clone(), answer["entries"].clone(), answer["none_probability"].clone())
    };
    assert_eq!(outcome("GH55MNO").await, (json!("none"), json!([]), json!(1.0)), "that one is inside P4");
    assert_eq!(outcome("NOPLATE").await, (json!("unread"), json!([]), Value::Null));
}

#[tokio::test]
async fn an_answer_waits_for_what_was_written_before_and_never_for_what_was_not() {
    let api = parked(&Authenticator::local()).await;
    let body = |sequence: u64| json!({"lot_id": "P3", "vehicle_plate": "AB12CDE", "min_sequence": sequence});
    assert_eq!(asked(&api, &body(3)).await.status, 200);
    let ahead = asked(&api, &body(4)).await;
    let problem: Value = ahead.json();
    assert_eq!((ahead.status, &problem["errors"][0]["pointer"]), (422, &json!("/min_sequence")));
    assert_eq!(problem["detail"], "min_sequence 4 is greater than the number of the newest change, 3");
}

#[tokio::test]
async fn a_wrong_question_is_refused_with_the_member_and_without_the_plate() {
    let api = parked(&Authenticator::local()).await;
    for (body, status, pointer, part) in [
        (json!({}), 422, "/vehicle_plate", "is missing"),
        (json!({"vehicle_plate": "SECRET-PLATE-THAT-IS-TOO-LONG"}), 422, "/vehicle_plate", "more than 16"),
        (json!({"vehicle_plate": "SECRET1", "lot_id": "a b"}), 422, "/lot_id", "is not 1 to 64"),
        (json!({"vehicle_plate": "SECRET1", "candidates": [{"plate": 5}]}), 422, "/candidates/0/plate", "not a string"),
        (json!({"vehicle_plate": "SECRET1", "time": "2099-01-01T00:00:00Z"}), 422, "/time", "ahead of"),
    ] {
        let refused = asked(&api, &body).await;
        let problem: Value = refused.json();
        assert_eq!((refused.status, &problem["errors"][0]["pointer"]), (status, &json!(pointer)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part) && !refused.text().contains("SECRET"), "{problem}");
    }
    assert_eq!(api.post_json(PATH, "[]").await.status, 400);
    assert_eq!(api.post_json(PATH, "x".repeat(20_000)).await.status, 413);
    let unknown = asked(&api, &json!({"vehicle_plate": "SECRET1", "lot_id": "P9"})).await;
    assert_eq!((unknown.status, unknown.text().contains("there is no lot P9")), (422, true));
}

fn token(number: u8, scopes: &str, lots: Lots) -> (Token, TokenRecord) {
    let token = Token::from_random(&[number; Token::RANDOM_BYTES]);
    let grant = Grant::new(Scopes::parse(scopes).unwrap(), lots, Gates::All).unwrap();
    let record = TokenRecord::new(&token, scopes.to_owned(), grant, minute(0), None);
    (token, record)
}

#[tokio::test]
async fn a_lot_that_a_token_may_not_see_is_like_one_that_is_not_there() {
    let (own, record) = token(1, "read,read_plate", Lots::only([parking::LotId::parse("P3").unwrap()]));
    let (masked, other) = token(2, "read", Lots::All);
    let tokens = Tokens::new([record, other]).unwrap();
    let api = parked(&Authenticator::new(Access::Required, None, tokens)).await;
    let ask = async |lot: &str, token: &Token| {
        let bearer = format!("Bearer {}", token.expose());
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let body = json!({"lot_id": lot, "vehicle_plate": "GH55MN0"}).to_string();
        let answer = send(&api.router, request(Method::POST, PATH, &headers, body)).await;
        (answer.status, answer.text().replace(lot, "LOT"))
    };
    assert_eq!(ask("P4", &own).await, ask("P9", &own).await);
    assert_eq!([ask("P3", &own).await.0, ask("P4", &own).await.0], [200, 422]);
    let (status, text) = ask("P4", &masked).await;
    assert!(status == 403 && text.contains("read_plate"), "{text}");
}

#[tokio::test]
async fn no_plate_of_a_look_up_is_in_the_metrics() {
    let api = parked(&Authenticator::local()).await;
    asked(&api, &json!({"lot_id": "P3", "vehicle_plate": "A812CDE", "time": minute(90).to_string()})).await;
    asked(&api, &json!({"lot_id": "P3", "vehicle_plate": "A812CDE", "time": minute(90).to_string()})).await;
    let page = api.get("/metrics").await.text();
    for line in [
        "dwell_lookup_lots 1",
        "dwell_lookup_entries 2",
        "dwell_lookup_build_duration_seconds_count 1",
        "dwell_lookup_duration_seconds_count 1",
        "dwell_limit{limit=\"lookup_lots\"} 64",
        "dwell_limit{limit=\"lookup_entries\"} 200000",
    ] {
        assert!(page.lines().any(|have| have == line), "{line} is not on the page:\n{page}");
    }
    assert!(!page.contains("12CDE"));
}

async fn page(api: &Api, method: Method, form: &str) -> Answer {
    let headers = [
        ("accept", "text/html"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "http://localhost"),
    ];
    send(&api.router, request(method, "/lookup", &headers, form.to_owned())).await
}

#[tokio::test]
async fn the_page_shows_both_reads_with_the_characters_that_differ() {
    let api = parked(&Authenticator::local()).await;
    let empty = page(&api, Method::GET, "").await;
    assert!(empty.status == 200 && empty.text().contains("method=\"post\" action=\"/lookup\""), "{}", empty.text());

    let found = page(&api, Method::POST, "lot_id=P3&plate=a8-12cde").await;
    assert_eq!(found.status, 200);
    for part in [
        "A<mark>B</mark>12CDE",
        "A<mark>8</mark>12CDE",
        "at the exit 8 read for B at place 2",
        "1 h 30 min",
        "data-refresh=\"never\"",
        "That the vehicle has no session is unlikely",
    ] {
        assert!(found.text().contains(part), "{part} is not in {}", found.text());
    }
    let exact = page(&api, Method::POST, "lot_id=P3&plate=AB12CDE").await.text();
    assert!(exact.contains("is inside") && exact.contains("inside for 1 h 30 min"), "{exact}");
    let none = page(&api, Method::POST, "lot_id=P3&plate=GH55MNO").await.text();
    assert!(none.contains("No session found"), "{none}");
    let hostile = page(&api, Method::POST, "lot_id=P3&plate=%3Cscript%3Ex").await.text();
    assert!(!hostile.contains("<script>x"), "{hostile}");
    assert_eq!(page(&api, Method::POST, "lot_id=P9&plate=AB12CDE").await.status, 422);
    assert_eq!(page(&api, Method::POST, &"x".repeat(5_000)).await.status, 413);
}

#[tokio::test]
async fn the_page_has_no_form_where_plates_are_masked() {
    let (masked, record) = token(2, "read", Lots::All);
    let api = parked(&Authenticator::new(Access::Required, None, Tokens::new([record]).unwrap())).await;
    let bearer = format!("Bearer {}", masked.expose());
    let headers = [("accept", "text/html"), ("authorization", bearer.as_str())];
    let shown = send(&api.router, request(Method::GET, "/lookup", &headers, "")).await;
    assert!(shown.status == 200 && shown.text().contains("lacks the scope read_plate"), "{}", shown.text());
    let refused = send(&api.router, request(Method::POST, "/lookup", &headers, "lot_id=P3&plate=AB12CDE")).await;
    assert_eq!((refused.status, refused.text().contains("read_plate")), (403, true));
}
