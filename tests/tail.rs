//! `dwell tail` follows a summary API over its restarts, and ends as a command in a pipe should.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use testbed::{Program, Signal, free_port, wait_for, wait_until};

use crate::support::{PATIENCE, ready, summary_api};

fn database(folder: &tempfile::TempDir) -> String {
    format!("sqlite:{}", folder.path().join("ledger.sqlite").display())
}

/// Saves the stay of a plate.
async fn save(port: u16, plate: &str) {
    let body = serde_json::json!({
        "vehicle_plate": plate,
        "entry_date_time": "2024-09-24T09:00:00Z",
        "exit_date_time": "2024-09-24T10:47:00Z",
    });
    let request = testbed::http().post(format!("http://127.0.0.1:{port}/save_summary"));
    let saved = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    assert_eq!(saved.status(), 200);
}

/// Follows from the first change on, one JSON object a line.
fn tail(port: u16) -> Program {
    let api = format!("http://127.0.0.1:{port}");
    let arguments = ["tail", "--api", &api, "--after", "0", "--json"];
    Program::new(testbed::binary("dwell").unwrap()).args(arguments).start().unwrap()
}

/// The plates of all changes that were shown, in their order.
fn plates(tail: &Program) -> Vec<String> {
    let output = tail.output();
    let changes = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    changes.filter_map(|change| change["session"]["vehicle_plate"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_api_loses_no_change_and_repeats_none() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut expected = Vec::new();
    let mut api = summary_api(&database(&folder), port, folder.path());
    ready(port).await;
    let mut tail = tail(port);
    // A tail that finds nobody at its start ends, so it has to have begun before the first restart.
    save(port, "FIRST").await;
    expected.push("FIRST".to_owned());
    wait_until(PATIENCE, "the first change", async || !plates(&tail).is_empty()).await;
    for round in 0..3 {
        for number in 0..5 {
            let plate = format!("CAR{round}{number}");
            save(port, &plate).await;
            expected.push(plate);
        }
        if round == 1 {
            // What was told is shown, so that the rest has to come after the restart.
            wait_until(PATIENCE, "the changes so far", async || plates(&tail).len() > 6).await;
        }
        api.kill().unwrap();
        api = summary_api(&database(&folder), port, folder.path());
        ready(port).await;
    }
    wait_until(PATIENCE, "all changes", async || plates(&tail).len() >= expected.len()).await;

    tail.signal(Signal::INT).unwrap();
    let status = tail.wait(PATIENCE).await.unwrap();

    assert_eq!(plates(&tail), expected);
    assert_eq!(status.code(), Some(0), "{}", tail.output());
    assert!(!tail.output().contains("finishing work in flight"), "{}", tail.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lot_that_nobody_knows_is_said_once_and_shown_when_it_comes() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _api = summary_api(&database(&folder), port, folder.path());
    ready(port).await;
    let api = format!("http://127.0.0.1:{port}");
    let arguments = ["tail", "--api", &api, "--after", "0", "--json", "--lot", "main"];
    let mut tail = Program::new(testbed::binary("dwell").unwrap()).args(arguments).start().unwrap();

    let warning = tail.wait_for_line("lot main has no session yet", PATIENCE).await.unwrap();
    save(port, "FIRST").await;
    wait_until(PATIENCE, "the first change", async || !plates(&tail).is_empty()).await;

    assert!(warning.contains("known are: central-mall, grand-hotel, old-market"), "{warning}");
    assert_eq!(tail.output().matches("has no session yet").count(), 1, "{}", tail.output());
}

#[test]
fn that_nobody_answers_is_said_once() {
    let api = format!("http://127.0.0.1:{}", free_port());
    for arguments in [&["tail"][..], &["export", "--sessions", "-"]] {
        let ran =
            Command::new(testbed::binary("dwell").unwrap()).args(arguments).args(["--api", &api]).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(69), "{said}");
        assert_eq!(said.matches("the summary API is unavailable").count(), 1, "{said}");
        assert!(!said.contains("no summary API"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_it_well() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let _api = summary_api(&database(&folder), port, folder.path());
    ready(port).await;
    save(port, "FIRST").await;
    let mut tail = Command::new(testbed::binary("dwell").unwrap())
        .args(["tail", "--after", "0", "--api", &format!("http://127.0.0.1:{port}")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(tail.stdout.take().unwrap());
    tokio::task::block_in_place(|| out.read_line(&mut first)).unwrap();
    drop(out);

    let mut saved = 0;
    let status = wait_for(PATIENCE, "the end of tail", async || {
        saved += 1;
        save(port, &format!("MORE{saved}")).await;
        tail.try_wait().unwrap()
    })
    .await;

    assert!(first.contains("  main          FIRST       matched          1h47m  entry "), "{first}");
    assert_eq!(status.code(), Some(0));
}
