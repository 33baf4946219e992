//! Exports from a real summary API in the same process.

use std::sync::Arc;

use parking::{ManualClock, SystemClock};
use settings::Listen;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const SETTLED_STATUS: &str = r#"{"now": "2024-09-24T09:00:00.000Z", "settled": true,
    "pending": {"held_exits": 0, "overdue_stays": 0}, "correlators": [], "waits_for": []}"#;
const BUSY_STATUS: &str = r#"{"now": "2024-09-24T09:00:00.000Z", "settled": false,
    "pending": {"held_exits": 7, "overdue_stays": 0}, "correlators": [], "waits_for": []}"#;
const NO_SESSIONS: &str = r#"{"sessions": [], "next_cursor": null}"#;
const MASKED: &str = r#"{"sessions": [{"session_id": "01922381-3500-8abc-8def-0123456789ab", "lot_id": "P3",
    "vehicle_plate": "AB•••12", "entry_event_id": null, "entry_date_time": "2024-09-24T09:00:00.000Z", "exit_event_id": null,
    "exit_date_time": "2024-09-24T09:01:00.000Z", "dwell_seconds": 60, "state": "matched", "reason": null, "source": "summary",
    "entry_gate_id": null, "exit_gate_id": null, "superseded_by": null, "recorded_at": "2024-09-24T09:00:00.000Z",
    "updated_at": "2024-09-24T09:00:00.000Z"}], "next_cursor": null}"#;
const AWAY: &str = r#"{"detail": "the ledger is down"}"#;

/// A summary API that gives these answers one after the other, the last one for ever; an empty one breaks the
/// connection.
async fn scripted(answers: &'static [(u16, &'static str)]) -> String {
    let listener = service_kit::http::bind(&Listen::loopback(0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for (status, body) in answers.iter().chain(std::iter::repeat(answers.last().unwrap())) {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            if !body.is_empty() {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                socket.write_all((head + body).as_bytes()).await.unwrap();
            }
        }
    });
    address
}

/// A summary API on a fresh ledger; its address.
async fn start(context: &ServiceContext, folder: &std::path::Path) -> String {
    let settings = Settings::from_variables([("DWELL_DATA_DIR", folder.to_str().unwrap())]).unwrap();
    let config = summary_api::Config::read(&settings).unwrap();
    let listener = service_kit::http::bind(&Listen::loopback(0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    summary_api::start(&config, listener, summary_api::FurtherRoutes::default(), context).await.unwrap().unwrap();
    address
}

async fn save(address: &str, minute: u32) {
    let body = format!(
        r#"{{"vehicle_plate":"fin-{minute}","entry_date_time":"2024-09-24T09:{minute:02}:00Z","exit_date_time":"2024-09-25T10:00:00.5Z"}}"#
    );
    let request = testbed::http().post(format!("{address}/save_summary"));
    let saved = request.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(saved.status(), 200);
}

async fn exported(context: &ServiceContext, arguments: &[&str]) -> anyhow::Result<()> {
    let matches = command().try_get_matches_from([&["export"], arguments].concat())?;
    run(&matches, &Settings::from_variables([])?, context).await
}

#[tokio::test]
async fn the_file_has_the_sessions_of_the_ledger_in_the_order_of_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::new(Arc::new(SystemClock));
    let address = start(&context, folder.path()).await;
    for minute in [7, 3, 5] {
        save(&address, minute).await;
    }
    let out = folder.path().join("out.csv");

    exported(&context, &["--api", &address, "--sessions", out.to_str().unwrap()]).await.unwrap();

    let file = std::fs::read_to_string(&out).unwrap();
    let without_ids: Vec<&str> = file.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    assert_eq!(
        without_ids,
        [
            "main,FIN3,,2024-09-24T09:03:00.000Z,,2024-09-25T10:00:00.500Z,89820.5,matched,",
            "main,FIN5,,2024-09-24T09:05:00.000Z,,2024-09-25T10:00:00.500Z,89700.5,matched,",
            "main,FIN7,,2024-09-24T09:07:00.000Z,,2024-09-25T10:00:00.500Z,89580.5,matched,",
        ]
    );
}

#[tokio::test]
async fn without_a_correlator_it_is_never_settled_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::new(Arc::new(ManualClock::at(Timestamp::from_millis(0))));
    let address = start(&context, folder.path()).await;
    let out = folder.path().join("out.csv");

    let arguments = ["--api", &address, "--sessions", out.to_str().unwrap(), "--settled", "--timeout", "500ms"];
    let error = exported(&context, &arguments).await.unwrap_err();

    let said = error.to_string();
    assert!(said.starts_with("not settled within 500ms: no correlator reports"), "{said}");
    assert!(!out.exists());
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.csv");
    let address = format!("http://127.0.0.1:{}", testbed::free_port());

    let error = exported(&ServiceContext::for_testing(), &["--api", &address, "--sessions", out.to_str().unwrap()])
        .await
        .unwrap_err();

    let said = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    assert!(said.contains(&format!("{address}/ does not answer (")), "{said}");
    assert!(said.contains("start dwell or the summary API, or name its address with --api"), "{said}");
    assert!(
        error
            .downcast_ref::<Error>()
            .is_some_and(|error| matches!(error, Error::Api(api_client::Error::Unavailable(_))))
    );
}

#[tokio::test]
async fn export_settled_retries_during_an_outage_of_the_summary_api() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.csv");
    let (busy, settled, away, broken) = ((200, BUSY_STATUS), (200, SETTLED_STATUS), (503, AWAY), (200, ""));
    let answers = vec![away, busy, broken, settled, away, settled, settled, away, broken, (200, NO_SESSIONS)];
    let address = scripted(answers.leak()).await;

    let arguments = ["--api", &address, "--sessions", out.to_str().unwrap(), "--settled", "--timeout", "1m"];
    exported(&ServiceContext::for_testing(), &arguments).await.unwrap();

    assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn the_timeout_of_an_outage_names_its_error_and_what_was_known_before() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.csv");
    let address = scripted(&[(200, BUSY_STATUS), (503, AWAY)]).await;

    let arguments = ["--api", &address, "--sessions", out.to_str().unwrap(), "--settled", "--timeout", "1s"];
    let error = exported(&ServiceContext::for_testing(), &arguments).await.unwrap_err();

    let said = error.to_string();
    assert!(said.starts_with("not settled within 1s: the summary API at http://127.0.0.1:"), "{said}");
    assert!(
        said.contains(" answered 503 Service Unavailable: the ledger is down (known before: 7 exits held)"),
        "{said}"
    );
    assert!(!out.exists());
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[tokio::test]
async fn masked_plates_are_exported_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::new(Arc::new(SystemClock));
    let address = scripted(&[(200, MASKED)]).await;
    let out = folder.path().join("out.csv");

    exported(&context, &["--api", &address, "--sessions", out.to_str().unwrap()]).await.unwrap();

    assert!(std::fs::read_to_string(&out).unwrap().contains(",P3,AB•••12,"));
}
