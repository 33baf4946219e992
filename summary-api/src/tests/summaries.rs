//! `POST /save_summary`.

use axum::http::HeaderName;
use serde_json::{Value, json};

use super::Api;

const FIN: &str =
    r#"{"vehicle_plate":"FIN123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-25T10:00:00Z"}"#;

#[tokio::test]
async fn a_byte_order_mark_before_a_summary_is_ignored() {
    let api = Api::two_days_later().await;

    let marked = api.post_json("/save_summary", format!("\u{feff}{FIN}")).await;
    let plain = api.post_json("/save_summary", FIN).await;

    assert_eq!((marked.status, plain.status), (200, 200));
    assert_eq!(marked.json::<Value>(), plain.json::<Value>());
}

#[tokio::test]
async fn the_same_summary_twice_is_one_session_of_25_hours() {
    let api = Api::two_days_later().await;

    let first = api.post_json("/save_summary", FIN).await;
    let second = api.post_json("/save_summary", FIN).await;

    let saved: Value = first.json();
    let expected = json!({
        "message": "Summary saved successfully",
        "session": {
            "session_id": saved["session"]["session_id"],
            "lot_id": "main",
            "vehicle_plate": "FIN123",
            "entry_event_id": null,
            "entry_date_time": "2024-09-24T09:00:00.000Z",
            "exit_event_id": null,
            "exit_date_time": "2024-09-25T10:00:00.000Z",
            "dwell_seconds": 90_000,
            "state": "matched",
            "reason": null,
            "source": "summary",
            "entry_gate_id": null,
            "exit_gate_id": null,
            "superseded_by": null,
            "recorded_at": "2024-09-26T09:00:00.000Z",
            "updated_at": "2024-09-26T09:00:00.000Z",
        },
        "sequence": 1,
    });
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(saved, expected);
    assert_eq!(second.json::<Value>(), expected);
    let listed = api.value("/api/v1/sessions?vehicle_plate=fin-123").await;
    assert_eq!(listed, json!({"sessions": [expected["session"]], "next_cursor": null}));
    assert!(api.get("/metrics").await.text().contains("\nmatched_events 1\n"));
}

#[tokio::test]
async fn a_list_that_asks_for_the_sequence_of_a_summary_includes_it() {
    let api = Api::two_days_later().await;
    let saved: Value = api.post_json("/save_summary", FIN).await.json();

    for format in ["json", "csv", "ndjson"] {
        let answer = api.get(&format!("/api/v1/sessions?format={format}&min_sequence={}", saved["sequence"])).await;
        assert_eq!((answer.status, answer.text().contains("FIN123")), (200, true), "{format}");
    }
    let list = api.get("/api/v1/sessions?min_sequence=1").await;
    assert_eq!(list.header(HeaderName::from_static("dwell-sequence")), "1");
    for (asked, part) in [
        ("2", "min_sequence 2 is greater than the number of the newest change, 1"),
        ("0", "\"0\" is not a whole number from 1"),
        ("one", "\"one\" is not a whole number from 1"),
    ] {
        let refused = api.get(&format!("/api/v1/sessions?min_sequence={asked}")).await;
        assert_eq!(refused.status, 422, "{asked}");
        assert!(refused.text().contains(&part.replace('"', "\\\"")), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_summary_of_another_lot_or_time_is_another_session() {
    let api = Api::two_days_later().await;
    for body in [
        FIN.to_owned(),
        FIN.replace('{', "{\"lot_id\":\"P3\","),
        FIN.replace("10:00:00Z", "10:00:00.001Z"),
        FIN.replace("FIN123", "FIN124"),
        FIN.replace("FIN123", "fin 123").replace("09:00:00Z", "11:00:00+02:00"),
    ] {
        assert_eq!(api.post_json("/save_summary", body).await.status, 200);
    }
    let listed = api.value("/api/v1/sessions").await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_summary_stays_out_of_occupancy_and_dwell_statistics() {
    let api = Api::two_days_later().await;
    api.post_json("/save_summary", FIN).await;
    api.fixture.service.refresh().await.unwrap();

    let inside: u64 = api.value("/api/v1/lots").await["lots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lot| lot["inside"].as_u64().unwrap())
        .sum();
    let page = api.get("/metrics").await.text();

    assert_eq!(inside, 0);
    let counts: Vec<_> = page.lines().filter(|line| line.starts_with("dwell_stay_duration_seconds_count")).collect();
    assert!(counts.iter().all(|line| line.ends_with(" 0")), "{counts:?}");
}

#[tokio::test]
async fn each_wrong_summary_gets_its_own_4xx_and_is_not_saved() {
    let api = Api::two_days_later().await;
    let large = FIN.replace("FIN123", &"x".repeat(1_000_000));
    for (body, status, pointer) in [
        (FIN.replace("2024-09-25", "2024-09-23"), 422, Some("/exit_date_time")),
        (FIN.replace("2024-09-25", "9999-12-31"), 422, Some("/exit_date_time")),
        (FIN.replace("2024-09-24T09:00:00Z", "24.09.2024 09:00"), 422, Some("/entry_date_time")),
        (FIN.replace("2024-09-24T09:00:00Z", "2024-09-24T09:00:00"), 422, Some("/entry_date_time")),
        (FIN.replace("FIN123", ""), 422, Some("/vehicle_plate")),
        (FIN.replace("\"FIN123\"", "7"), 422, Some("/vehicle_plate")),
        (FIN.replace("vehicle_plate", "plate"), 422, Some("/vehicle_plate")),
        (FIN.replace('{', "{\"lot_id\":\"a/b\","), 422, Some("/lot_id")),
        (large, 413, None),
        (FIN.replace('}', ""), 400, None),
    ] {
        let answer = api.post_json("/save_summary", body.clone()).await;
        let problem: Value = answer.json();
        let start = &body[..body.len().min(200)];
        assert_eq!(answer.status, status, "{start}");
        assert_eq!(problem["errors"][0]["pointer"].as_str(), pointer, "{start}: {problem}");
    }
    assert_eq!(api.value("/api/v1/sessions").await["sessions"], json!([]));
}

#[tokio::test]
async fn a_body_without_the_content_type_json_is_refused_with_the_header_to_send() {
    let api = Api::two_days_later().await;
    for media_type in ["application/x-www-form-urlencoded", "text/plain", ""] {
        let headers = [("content-type", media_type)];
        let request = super::request(axum::http::Method::POST, "/save_summary", &headers, FIN);
        let answer = super::send(&api.router, request).await;
        let problem: Value = answer.json();
        assert_eq!(answer.status, 415, "{media_type}");
        assert!(problem["detail"].as_str().unwrap().contains("Content-Type: application/json"), "{problem}");
    }
}

#[tokio::test]
async fn the_lot_of_a_summary_is_listed_with_no_vehicle_inside_and_no_time() {
    let api = Api::two_days_later().await;
    api.post_json("/save_summary", FIN).await;

    let lots = api.value("/api/v1/lots").await;
    let main = lots["lots"].as_array().unwrap().iter().find(|lot| lot["id"] == "main").unwrap();
    assert_eq!((&main["inside"], &main["time"]), (&json!(0), &Value::Null));
    for path in
        ["/api/v1/statistics?lot_id=main", "/timeline?lot_id=main", "/stays?lot_id=main", "/unmatched?lot_id=main"]
    {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
}
