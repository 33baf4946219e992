//! Events and messages of cameras on `dwell`'s own address: what it accepted survives a kill, its other routes stay as
//! they are, and it needs a token where the summary API does.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use testbed::{Program, free_port};

use crate::support::{first_session, metric, ready};

const GATES: &str = "[[lot]]\nid = \"P3\"\nkind = \"mall\"\n\n\
    [[gates]]\nid = \"in-1\"\nlot = \"P3\"\ndirection = \"entry\"\nformat = \"mapping\"\n\
    mapping = { plate = \"/plate\", time = \"/time\", id = \"/ref\" }\n\n\
    [[gates]]\nid = \"out-1\"\nlot = \"P3\"\ndirection = \"exit\"\nformat = \"dahua-itsapi\"\ncamera = \"DEVICE1\"\n";

fn dwell(folder: &Path, port: u16) -> Program {
    let lots = folder.join("lots.toml");
    std::fs::write(&lots, GATES).unwrap();
    let program = Program::new(testbed::binary("dwell").unwrap())
        .env("DWELL_LOTS", lots)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder);
    program.start().unwrap()
}

/// The status of an answer, its type, and its body.
async fn post(url: String, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
    let mut request = testbed::http().post(url).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let content_type = answer.headers().get("content-type").map(|it| it.to_str().unwrap().to_owned());
    (answer.status().as_u16(), content_type.unwrap_or_default(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_events_are_matched_although_dwell_is_killed_at_once() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let api = format!("http://127.0.0.1:{port}");
    let mut killed = dwell(folder.path(), port);
    ready(port).await;
    let events = json!([
        {"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "vehicle_plate": "ABC-123", "entry_date_time": "2024-09-24T09:00:00Z"},
        {"id": "ea90a8f0-d66b-429e-aa8a-c4ba05805975", "vehicle_plate": "ABC-123", "exit_date_time": "2024-09-24T10:47:12Z"},
        {"id": "ea90a8f0-d66b-429e-aa8a-c4ba05805976", "vehicle_plate": "ABC-123"},
    ]);

    let (status, _, body) = post(format!("{api}/api/v1/events"), &[], &events.to_string()).await;
    killed.kill().unwrap();

    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["accepted"], &answer["refused"]), (207, &json!(2), &json!(1)), "{body}");
    let _again = dwell(folder.path(), port);
    let session = first_session(&format!("{api}/api/v1/sessions?lot_id=main&state=matched")).await;
    assert_eq!(session["dwell_seconds"], json!(6432), "{session}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_get_the_answers_that_they_wait_for_and_their_reads_are_matched() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let api = format!("http://127.0.0.1:{port}");
    let _dwell = dwell(folder.path(), port);
    ready(port).await;
    let entry = r#"{"plate":"CAM 42","time":"2024-09-24T09:00:00Z","ref":1}"#;
    let exit = r#"{"Picture":{"Plate":{"IsExist":true,"PlateNumber":"CAM42","Confidence":97},
        "SnapInfo":{"DeviceID":"DEVICE1","AccurateTime":"2024-09-24 09:30:00.000","Direction":"Obverse"}}}"#;

    let (entered, _, _) = post(format!("{api}/cameras/mapping/in-1"), &[], entry).await;
    let (left, _, answer) = post(format!("{api}/NotificationInfo/TollgateInfo"), &[], exit).await;

    assert_eq!((entered / 100, left), (2, 200));
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["result"], json!("true"), "{answer}");
    let session = first_session(&format!("{api}/api/v1/sessions?vehicle_plate=CAM42&state=matched")).await;
    assert_eq!((&session["dwell_seconds"], &session["lot_id"]), (&json!(1800), &json!("P3")), "{session}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routes_of_the_summary_api_are_as_they_were() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let api = format!("http://127.0.0.1:{port}");
    let _dwell = dwell(folder.path(), port);
    ready(port).await;

    let (unknown, content_type, detail) = post(format!("{api}/api/v1/nothing"), &[], "{}").await;
    assert_eq!((unknown, content_type.as_str()), (404, "application/problem+json"), "{detail}");
    assert!(!detail.contains("cameras"), "{detail}");
    let read = testbed::get(format!("{api}/api/v1/events")).await.unwrap();
    assert_eq!((read.status().as_u16(), read.headers()["allow"].to_str().unwrap()), (405, "POST"));
    let foreign = [("origin", "http://elsewhere.example"), ("sec-fetch-site", "cross-site")];
    let (refused, _, answer) = post(format!("{api}/api/v1/events"), &foreign, "{}").await;
    assert_eq!(refused, 403, "{answer}");
    // A stream of lines may take longer than any other body.
    let limit = metric(&format!("{api}/metrics"), "dwell_limit{limit=\"http_body_seconds\"}").await;
    assert_eq!(limit, Some(86_400.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_access_is_required_events_need_a_token_of_their_lot_and_gate() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let tokens = folder.path().join("tokens.toml");
    let made = |words: &[&str]| {
        let mut create = Command::new(testbed::binary("dwell").unwrap());
        create.args(["token", "create", "x", "--tokens-file"]).arg(&tokens).args(words);
        String::from_utf8(create.output().unwrap().stdout).unwrap().trim_end().to_owned()
    };
    let reader = made(&["--scopes", "read,read_plate"]);
    let of_other_lot = made(&["--scopes", "ingest", "--of-lots", "P4"]);
    let of_gate = made(&["--scopes", "ingest", "--of-lots", "P3", "--of-gates", "in-1"]);
    let sender = made(&["--scopes", "ingest"]);
    let _dwell = Program::new(testbed::binary("dwell").unwrap())
        .env("DWELL_ACCESS", "required")
        .env("DWELL_TOKENS_FILE", &tokens)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder.path())
        .start()
        .unwrap();
    ready(port).await;
    let event = r#"{"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "vehicle_plate": "ABC-123", "lot_id": "P3", "gate_id": "in-1", "entry_date_time": "2024-09-24T09:00:00Z"}"#;

    for (token, expected) in
        [(None, 401), (Some(&reader), 403), (Some(&of_other_lot), 403), (Some(&of_gate), 202), (Some(&sender), 202)]
    {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let (status, _, body) = post(format!("http://127.0.0.1:{port}/api/v1/events"), &headers, event).await;
        assert_eq!(status, expected, "{body}");
    }
    let (status, ..) = post(format!("http://127.0.0.1:{port}/cameras/axis/in-1"), &[], "{}").await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_has_the_routes_that_take_events_too() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut dwell = dwell(folder.path(), port);
    ready(port).await;
    let url = format!("http://127.0.0.1:{port}/openapi.json");
    let description: Value = testbed::http().get(url).send().await.unwrap().json().await.unwrap();
    dwell.kill().unwrap();

    for (path, method) in
        [("/api/v1/events", "post"), ("/cameras/{format}/{gate_id}", "post"), ("/api/v1/sessions", "get")]
    {
        let operation = &description["paths"][path][method];
        assert_eq!(operation["security"], json!([{"token": []}, {}]), "{path}");
        assert!(operation["summary"].is_string(), "{path}");
    }
    let schemas = description["components"]["schemas"].as_object().unwrap();
    assert!(["GateEvent", "GatewayProblem", "Problem", "Session"].iter().all(|name| schemas.contains_key(*name)));
    let tags: Vec<&str> =
        description["tags"].as_array().unwrap().iter().filter_map(|tag| tag["name"].as_str()).collect();
    assert!(tags.contains(&"events") && tags.contains(&"sessions"), "{tags:?}");
}
