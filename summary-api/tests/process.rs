//! The summary API as a process: it starts, answers over a socket, reports errors of its environment, and stops.
#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::path::Path;
use std::time::Duration;

use matching::{Limits, RecordedEvent, Snapshot, Unit};
use parking::{Direction, EventKey, LotId, Plate, Rules, Timestamp, Vehicle};
use recorder::wire;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testbed::{Program, Signal, free_port, wait_until};
use uuid::Uuid;

#[path = "process/access.rs"]
mod access_required;
#[path = "process/databases.rs"]
mod databases;
#[path = "process/keeping.rs"]
mod keeping;
#[path = "process/refusing.rs"]
mod refusing;
#[path = "process/requests.rs"]
mod requests;
#[path = "process/rules.rs"]
mod rules;

const SUMMARY_API: &str = env!("CARGO_BIN_EXE_summary-api");
const DEADLINE: Duration = Duration::from_secs(20);
const FIN: &str =
    r#"{"vehicle_plate":"FIN123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-25T10:00:00Z"}"#;

struct Running {
    program: Program,
    url: String,
}

impl Running {
    fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let program = Program::new(SUMMARY_API)
            .env("DWELL_LISTEN", &address)
            .env("DWELL_DATA_DIR", folder)
            .envs(variables.iter().copied())
            .start()
            .unwrap();
        Self { program, url: format!("http://{address}") }
    }

    async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        testbed::get(format!("{}{path}", self.url)).await
    }

    async fn is_ready(&self) -> bool {
        self.get("/readyz").await.is_ok_and(|answer| answer.status().is_success())
    }

    async fn ready(self) -> Self {
        wait_until(DEADLINE, "the summary API is ready", async || self.is_ready().await).await;
        self
    }

    async fn save(&self) -> Value {
        let request = testbed::http().post(format!("{}/save_summary", self.url));
        let answer = request.header("content-type", "application/json").body(FIN).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    /// Records an entry, as a correlator does.
    async fn record(&self) {
        let vehicle = Vehicle { lot: LotId::default(), plate: Plate::from_read("ABC123").unwrap() };
        let time = Timestamp::from_millis(1_727_168_400_000);
        let key = EventKey { time, direction: Direction::Entry, id: Uuid::from_u128(1) };
        let limits = Limits::of(&Rules::default(), &vehicle.lot);
        let decision = Snapshot::default().step(&vehicle, limits, &[key], &[]).unwrap();
        let event = |(_, flags): &(usize, _)| RecordedEvent {
            key,
            plate_as_read: "ABC123".into(),
            gate: None,
            confidence: None,
            received_at: time,
            flags: *flags,
            receipt: None,
            supersedes: None,
        };
        let unit = Unit {
            events: decision.new_events.iter().map(event).collect(),
            base: Some(Snapshot::default().base),
            timeline: decision.timeline,
            flags: decision.flags,
            changes: decision.changes,
            first_matched: decision.first_matched,
            first_unmatched: decision.first_unmatched,
            vehicle,
        };
        let request = testbed::http().post(format!("{}{}", self.url, wire::RECORD));
        let body = postcard::to_stdvec(&vec![unit]).unwrap();
        let answer = request.header("content-type", wire::MEDIA_TYPE).body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    async fn sessions(&self) -> Value {
        self.get("/api/v1/sessions").await.unwrap().json().await.unwrap()
    }
}

async fn ended(mut program: Program) -> (Option<i32>, String) {
    let status = program.wait(DEADLINE).await.unwrap();
    (status.code(), program.output())
}

#[tokio::test]
async fn a_ready_process_answers() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(folder.path(), &[]);
        while !running.is_ready().await {
            tokio::task::yield_now().await;
        }
        assert_eq!(running.get("/api/v1/lots").await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_shutdown_ends_with_0_and_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), &[]).ready().await;
    running.save().await;
    running.program.wait_for_line("summary saved", DEADLINE).await.unwrap();

    running.program.signal(Signal::TERM).unwrap();
    let (code, output) = ended(running.program).await;

    assert_eq!(code, Some(0), "{output}");
    assert!(!output.contains("FIN123"), "a plate is in the log:\n{output}");
}

#[tokio::test]
async fn the_program_can_check_its_own_health() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    let address = running.url.trim_start_matches("http://").to_owned();
    let check =
        |address: String| Program::new(SUMMARY_API).arg("healthcheck").env("DWELL_LISTEN", address).start().unwrap();

    assert_eq!(ended(check(address.clone())).await.0, Some(0));
    drop(running);
    assert_eq!(ended(check(address)).await.0, Some(1));
}
