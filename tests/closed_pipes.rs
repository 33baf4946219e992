//! A command whose standard output nobody reads on (`| head`) ends quietly: exit code 0, and no error.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use testbed::free_port;

use crate::support::{ready, summary_api};

/// Runs `dwell` with a standard output that nobody reads; its exit code and standard error.
fn unread(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.args(arguments).envs(environment.iter().copied()).stdout(writer).stderr(Stdio::piped());
    let ran = command.output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
}

/// More events than a pipe or a buffer holds.
fn events(folder: &Path) -> String {
    let line = |number: u32| {
        format!(
            "{{\"id\":\"9b810e76-6ec9-4286-a3ca-{number:012x}\",\"vehicle_plate\":\"AB{number}\",\
             \"entry_date_time\":\"2024-09-24T09:00:00Z\"}}\n"
        )
    };
    let file = folder.join("events.ndjson");
    fs::write(&file, (0..20_000).map(line).collect::<String>() + "not an event\n").unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_writes_to_standard_output_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let (events, port) = (events(folder.path()), free_port());
    let database = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
    let _api = summary_api(&database, port, folder.path());
    ready(port).await;
    let api = format!("http://127.0.0.1:{port}");
    let body = r#"{"vehicle_plate":"FIN123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-24T10:00:00Z"}"#;
    let saving = testbed::http().post(format!("{api}/save_summary")).header("content-type", "application/json");
    assert_eq!(saving.body(body).send().await.unwrap().status(), 200);
    let data = folder.path().join("data");
    let own = [("DWELL_DATA_DIR", data.to_str().unwrap())];
    let published = unread(&["publish", &events, "--refused", "/dev/null"], &own);
    assert_eq!(published.0, Some(0), "{}", published.1);

    for arguments in [
        ["replay", &events, "--sessions", "-"].as_slice(),
        &["replay", &events, "--sessions", "/dev/stdout"],
        &["export", "--sessions", "-", "--api", &api],
        &["export", "--sessions", "/dev/stdout", "--api", &api],
        &["explain", "FIN123", "--api", &api],
        &["explain", "FIN123", "--json", "--api", &api],
        &["tail", "--after", "0", "--api", &api],
        &["dlq", "list"],
        &["completions", "bash"],
        &["doctor", "--help"],
    ] {
        let (code, said) = unread(arguments, &own);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        assert!(
            !said.contains("pipe") && !said.contains("because") && !said.contains("ERROR"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_full_disk_is_still_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let events = events(folder.path());
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    let ran = command.args(["replay", &events, "--sessions", "-"]).stdout(full).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
}
