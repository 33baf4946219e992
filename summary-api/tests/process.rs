//! The summary API as a process: it starts, answers over a socket, says what is wrong with its surroundings, and stops.
#![expect(clippy::unwrap_used, reason = "what fails in a helper of a test fails the test")]

use std::path::Path;
use std::time::Duration;

use matching::{Limits, RecordedEvent, Snapshot, Unit};
use parking::{Direction, EventKey, LotId, Plate, Rules, Timestamp, Vehicle};
use recorder::wire;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testbed::{Postgres, Program, Signal, free_port, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

#[path = "process/keeping.rs"]
mod keeping;

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
        reqwest::get(format!("{}{path}", self.url)).await
    }

    async fn is_ready(&self) -> bool {
        self.get("/readyz").await.is_ok_and(|answer| answer.status().is_success())
    }

    async fn ready(self) -> Self {
        wait_until(DEADLINE, "the summary API is ready", async || self.is_ready().await).await;
        self
    }

    async fn save(&self) -> Value {
        let request = reqwest::Client::new().post(format!("{}/save_summary", self.url));
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
        let request = reqwest::Client::new().post(format!("{}{}", self.url, wire::RECORD));
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
async fn who_is_told_that_it_is_ready_is_answered() {
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
async fn what_was_answered_200_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Running::start(folder.path(), &[]).ready().await;
    let saved = first.save().await;
    first.program.kill().unwrap();

    let second = Running::start(folder.path(), &[]).ready().await;

    assert_eq!(second.sessions().await, json!({"sessions": [saved["session"]], "next_cursor": null}));
    assert_eq!(second.save().await, saved);
}

#[tokio::test]
async fn a_stop_ends_well_and_says_so() {
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
async fn a_client_that_sends_far_too_much_still_gets_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    for size in [100_000, 1_000_000, 7_000_000] {
        let request = reqwest::Client::new().post(format!("{}/save_summary", running.url));
        let answer = request.header("content-type", "application/json").body("x".repeat(size)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{size} bytes");
        assert!(answer.text().await.unwrap().contains("65536 bytes"));
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path(), &[]).ready().await;

    let (code, output) = ended(Running::start(folder.path(), &[]).program).await;

    assert_eq!(code, Some(69), "{output}");
    assert!(output.contains("in use by another process") && output.contains("DWELL_DATA_DIR"), "{output}");
    assert!(first.is_ready().await);
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_remedy() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Running::start(folder.path(), &[]).ready().await;
    let taken = first.url.trim_start_matches("http://");

    let (code, output) = ended(Running::start(other.path(), &[("DWELL_LISTEN", taken)]).program).await;

    assert_eq!(code, Some(69), "{output}");
    assert!(output.contains(taken) && output.contains("DWELL_LISTEN"), "{output}");
}

#[tokio::test]
async fn a_wrong_setting_ends_with_78_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("DWELL_HOLD", "soon"), ("DWELL_DATABASE_URL", "mysql://u:hidden@h/d"), ("DWELL_HOLDS", "1s")]
    {
        let (code, output) = ended(Running::start(folder.path(), &[(name, value)]).program).await;
        assert_eq!(code, Some(78), "{output}");
        assert!(output.contains(name) && !output.contains("hidden"), "{output}");
    }
}

#[tokio::test]
async fn a_sqlite_file_in_use_ends_with_69_and_one_in_no_folder_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let _first = Running::start(folder.path(), &[("DWELL_DATABASE_URL", &at("ledger.db"))]).ready().await;

    for (name, expected, told) in
        [("ledger.db", 69, "is in use by another summary API"), ("missing/ledger.db", 78, "needs a folder that exists")]
    {
        let (code, output) = ended(Running::start(folder.path(), &[("DWELL_DATABASE_URL", &at(name))]).program).await;
        assert_eq!(code, Some(expected), "{output}");
        assert!(output.contains(told) && output.contains("DWELL_DATABASE_URL"), "{output}");
        assert!(expected == 69 || !output.contains("unavailable"), "{output}");
    }
}

#[tokio::test]
async fn another_rule_on_a_ledger_that_has_events_ends_with_78_and_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Running::start(folder.path(), &[("DWELL_MAX_STAY", "7d")]).ready().await;
    first.record().await;
    first.program.kill().unwrap();

    let (code, output) = ended(Running::start(folder.path(), &[("DWELL_MAX_STAY", "36h")]).program).await;

    assert_eq!(code, Some(78), "{output}");
    assert!(output.contains("DWELL_MAX_STAY was 7d and is now 36h"), "{output}");
    let same = Running::start(folder.path(), &[("DWELL_MAX_STAY", "168h"), ("DWELL_HOLD", "1s")]).ready().await;
    drop(same);

    let not_set = Running::start(folder.path(), &[("DWELL_MAX_STAY", "")]).ready().await;
    let rules: Value = not_set.get("/api/v1/rules").await.unwrap().json().await.unwrap();
    assert_eq!(
        (&rules["max_stay"], &rules["re_read_window"], &rules["hold"]),
        (&json!("7d"), &json!("1m"), &json!("30s"))
    );
    let output = not_set.program.output();
    assert!(output.contains("the rules of the ledger: re_read_window=1m max_stay=7d hold=30s"), "{output}");
}

/// What the release of 0.1 with 10 s stored: no window of a lot, and no version of the normal form of plates.
const OLDER_RULES: &str = r#"{"re_read_window_ms":10000,"max_stay_ms":2592000000,"max_stay_of_lot_ms":{},"unread_plates":["NOPLATE","NULL","UNKNOWN"]}"#;

#[tokio::test]
async fn a_ledger_of_an_older_release_goes_on_with_its_rules_when_nothing_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path(), &[]).ready().await;
    first.record().await;
    first.program.signal(Signal::TERM).unwrap();
    ended(first.program).await;
    let ledger = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    ledger.execute("UPDATE ledger SET rules = ?1", [OLDER_RULES]).unwrap();
    drop(ledger);

    let second = Running::start(folder.path(), &[]).ready().await;

    let rules: Value = second.get("/api/v1/rules").await.unwrap().json().await.unwrap();
    let expected = json!({
        "re_read_window": "10s", "max_stay": "30d", "hold": "30s", "unread_plates": ["NOPLATE", "NULL", "UNKNOWN"],
        "plate_normal_form": 1, "lots": [],
    });
    assert_eq!(rules, expected);
    drop(second);
    let (code, output) = ended(Running::start(folder.path(), &[("DWELL_RE_READ_WINDOW", "60s")]).program).await;
    assert_eq!(code, Some(78), "{output}");
    assert!(output.contains("DWELL_RE_READ_WINDOW was 10s and is now 1m"), "{output}");
}

#[tokio::test]
async fn a_body_that_is_not_framed_well_is_malformed_and_not_slow() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    let address = running.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /save_summary HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\nnothing hexadecimal\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();

    let mut answer = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();

    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("/problems/malformed"), "{answer}");
}

#[tokio::test]
async fn beyond_loopback_without_a_token_it_warns_and_keeps_internal_calls_closed() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut running = Running::start(folder.path(), &[("DWELL_LISTEN", &format!("0.0.0.0:{port}"))]);
    running.url = format!("http://127.0.0.1:{port}");
    running.program.wait_for_line("DWELL_INTERNAL_TOKEN, the same", DEADLINE).await.unwrap();
    let running = running.ready().await;

    assert_eq!(running.get("/internal/v1/terms").await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(running.get("/api/v1/sessions").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_absent_database_is_waited_for_while_the_process_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://dwell:hidden@127.0.0.1:{}/dwell", free_port());
    let mut running = Running::start(folder.path(), &[("DWELL_DATABASE_URL", &url)]);
    running.program.wait_for_line("ledger is down", DEADLINE).await.unwrap();

    let ready = running.get("/readyz?verbose").await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().await.unwrap().contains("[-]ledger"));
    assert_eq!(running.get("/livez").await.unwrap().status(), StatusCode::OK);
    assert_eq!(running.get("/metrics").await.unwrap().status(), StatusCode::OK);
    let answer = running.get("/api/v1/sessions").await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");

    running.program.signal(Signal::TERM).unwrap();
    let (code, output) = ended(running.program).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(!output.contains("hidden"), "{output}");
}

/// Requests about the schema that are as expensive as the limits allow, and never the same one twice.
async fn ask_expensive_questions(url: String, client: usize) {
    let of_types = "__schema{types{name fields{name type{name ofType{name}} args{name type{name ofType{name}}}}}}";
    for number in 0.. {
        let body = json!({"query": format!("{{{}}} # {client} {number}", of_types.repeat(12))}).to_string();
        let request = reqwest::Client::new().post(format!("{url}/graphql")).header("content-type", "application/json");
        let Ok(answer) = request.body(body).send().await else { return };
        assert!([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status()), "{}", answer.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expensive_requests_keep_neither_health_nor_saving_nor_the_stop_from_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    let clients: Vec<_> =
        (0..100).map(|client| tokio::spawn(ask_expensive_questions(running.url.clone(), client))).collect();

    for _ in 0..20 {
        let live = tokio::time::timeout(Duration::from_secs(5), running.get("/livez")).await;
        assert_eq!(live.unwrap().unwrap().status(), StatusCode::OK);
        tokio::time::timeout(Duration::from_secs(5), running.save()).await.unwrap();
    }
    assert!(clients.iter().all(|client| !client.is_finished()), "a client was let down");
    running.program.signal(Signal::TERM).unwrap();
    let (code, output) = ended(running.program).await;

    assert_eq!(code, Some(0), "{output}");
    assert!(!output.contains("panicked"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_requests_that_would_take_all_memory_or_hours_leave_the_process_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    let nested = format!("{{sessions(states:{}{}){{__typename}}}}", "[".repeat(1_500), "]".repeat(1_500));
    let spread =
        |number: usize| format!("fragment f{number} on Query{{{}}}", format!("...f{} ", number + 1).repeat(30));
    let exploding = format!("{{...f0}} {} fragment f7 on Query{{__typename}}", (0..7).map(spread).collect::<String>());
    let ask = async |query: String| {
        let url = format!("{}/graphql", running.url);
        let mut address: url::Url = url.parse().unwrap();
        address.query_pairs_mut().append_pair("query", &query);
        let by_get = reqwest::get(address).await.unwrap().status();
        let request = reqwest::Client::new().post(&url).header("content-type", "application/json");
        let by_post = request.body(json!({"query": query}).to_string()).send().await.unwrap().status();
        assert_eq!([by_get, by_post], [StatusCode::OK; 2]);
    };

    let all = (0..20).map(|number| ask(if number % 2 == 0 { nested.clone() } else { exploding.clone() }));
    tokio::time::timeout(DEADLINE, futures::future::join_all(all)).await.unwrap();

    running.program.signal(Signal::TERM).unwrap();
    let (code, output) = ended(running.program).await;
    assert_eq!(code, Some(0), "{output}");
}

#[tokio::test]
async fn health_is_asked_by_the_program_itself() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]).ready().await;
    let address = running.url.trim_start_matches("http://").to_owned();
    let check =
        |address: String| Program::new(SUMMARY_API).arg("healthcheck").env("DWELL_LISTEN", address).start().unwrap();

    assert_eq!(ended(check(address.clone())).await.0, Some(0));
    drop(running);
    assert_eq!(ended(check(address)).await.0, Some(1));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_database_that_dies_and_comes_back_is_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.database().await.unwrap();
    let running = Running::start(folder.path(), &[("DWELL_DATABASE_URL", &url)]).ready().await;
    let saved = running.save().await;

    postgres.kill().unwrap();
    wait_until(DEADLINE, "the summary API is not ready", async || !running.is_ready().await).await;
    assert_eq!(running.get("/api/v1/sessions").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    postgres.restart().await.unwrap();
    let running = running.ready().await;

    assert_eq!(running.save().await, saved);
    assert_eq!(running.sessions().await, json!({"sessions": [saved["session"]], "next_cursor": null}));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn another_ledger_in_the_place_of_this_one_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start().await.unwrap();
    let url = postgres.database().await.unwrap();
    let running = Running::start(folder.path(), &[("DWELL_DATABASE_URL", &url)]).ready().await;

    postgres.query(&url, "UPDATE ledger SET ledger_id = gen_random_uuid()").await.unwrap();
    assert!(running.is_ready().await);
    postgres.kill().unwrap();
    postgres.restart().await.unwrap();
    let (code, output) = ended(running.program).await;

    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("start this process again to go on with the new one"), "{output}");
}
