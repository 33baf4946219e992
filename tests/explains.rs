//! `dwell explain` says on one screen why an event did or did not match, with an exit code for each outcome.

use std::process::{Command, Output};

use bus::Queue;
use parking::Rules;
use serde_json::Value;
use service_kit::ServiceContext;
use testbed::free_port;
use web_api::Authenticator;

use crate::support::pipeline::Pipeline;
use crate::support::{dwell_alone, first_session};

/// What fits on one screen.
const LINES_MAX: usize = 40;

fn explain(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.arg("explain").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_and_a_plate_are_explained_on_one_screen() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _dwell = dwell_alone(folder.path(), port);
    let api = format!("http://127.0.0.1:{port}");
    let first = async |states: &str| first_session(&format!("{api}/api/v1/sessions?state={states}&limit=1")).await;
    let (matched, held) = (first("matched").await, first("held_exit,unmatched_exit").await);

    for session in [&matched, &held] {
        let id = session["exit_event_id"].as_str().unwrap();
        let ran = explain(&[id, "--api", &api]);
        let screen = text(&ran.stdout);
        assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
        assert!(screen.starts_with("event    exit 20") && screen.contains(id), "{screen}");
        // The entry of a held exit may arrive before the exit is explained.
        let is_matched = screen.contains("\nsession  matched");
        assert!(is_matched || session != &matched, "{screen}");
        let words = if is_matched { "directly follows the entry of" } else { "matches it" };
        assert!(screen.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{screen}");
        assert!(screen.lines().count() <= LINES_MAX, "{screen}");
    }
    let plate = matched["vehicle_plate"].as_str().unwrap();
    let ran = explain(&[plate, "--lot", matched["lot_id"].as_str().unwrap(), "--api", &api, "--json", "--limit", "20"]);
    let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let mut explained = answer["explanations"].as_array().unwrap().iter();
    assert!(explained.any(|one| one["session_id"] == matched["session_id"]), "{answer:#}");

    let body = r#"{"vehicle_plate":"FIN123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-25T10:00:00Z"}"#;
    let saving = testbed::http().post(format!("{api}/save_summary")).header("content-type", "application/json");
    saving.body(body).send().await.unwrap().error_for_status().unwrap();
    let saved = explain(&["fin-123", "--api", &api]);
    assert_eq!(saved.status.code(), Some(0), "{}", text(&saved.stderr));
    assert!(text(&saved.stdout).contains("A client saved this stay as it is"), "{}", text(&saved.stdout));

    let unknown = explain(&["9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "--api", &api]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("no recorded event has the id 9b810e76"), "{}", text(&unknown.stderr));
    let stranger = explain(&["ZZZZ-0001-ZZ", "--api", &api]);
    assert_eq!(stranger.status.code(), Some(1));
    assert!(text(&stranger.stderr).contains("no session of this plate is known"), "{}", text(&stranger.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plate_that_is_nearly_the_same_is_shown() {
    let pipeline = Pipeline::new(Rules { hold_ms: 200, ..Rules::default() }).await;
    let entry = r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"0LD12E4","entry_date_time":"2024-09-24T09:00:00Z"}"#;
    let exit = r#"{"id":"ea90a8f0-d66b-429e-aa8a-c4ba05805975","vehicle_plate":"OLD1234","exit_date_time":"2024-09-24T10:00:00Z"}"#;
    pipeline.publish(Queue::Entry, [entry.as_bytes().to_vec()]).await;
    pipeline.publish(Queue::Exit, [exit.as_bytes().to_vec()]).await;
    pipeline.settle(pipeline.recorder()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let router = web_api::router(&pipeline.service, &Authenticator::local(), &ServiceContext::for_testing());
    tokio::spawn(axum::serve(listener, router).into_future());

    let ran = tokio::task::block_in_place(|| explain(&["OLD1234", "--api", &api]));

    let screen = text(&ran.stdout);
    let near = screen.split_once("\nnear ").unwrap_or_else(|| panic!("{screen}{}", text(&ran.stderr))).1;
    assert!(near.contains("  0LD12E4   ") && near.contains("  open 2024-09-24T09:00:00.000Z  session "), "{screen}");
}

#[test]
fn where_nobody_answers_and_what_is_no_event_have_exit_codes_of_their_own() {
    let nobody = explain(&["ABC123", "--api", &format!("http://127.0.0.1:{}", free_port())]);
    assert_eq!(nobody.status.code(), Some(69), "{}", text(&nobody.stderr));
    assert_eq!(explain(&["ABC123", "--api", "ftp://somewhere"]).status.code(), Some(78));
    assert_eq!(explain(&["-.-"]).status.code(), Some(2));
}
