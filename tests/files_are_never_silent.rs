//! `dwell replay` and `dwell publish` never end with exit code 0 and nothing read, and say what they passed over.

use std::fs;
use std::path::Path;
use std::process::Command;

const HEADER: &str = "id,vehicle_plate,entry_date_time,exit_date_time,lot_id,gate_id";
const ENTRY: &str = "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2,ABC-123,2024-09-24T09:00:00Z,,P3,";
const EXIT: &str = "ea90a8f0-d66b-429e-aa8a-c4ba05805975,ABC-123,,2024-09-24T10:47:12Z,P3,";

/// The exit codes of both commands and what they say, for a file with this content.
fn replayed_and_published(folder: &Path, content: &[u8]) -> [(Option<i32>, String); 2] {
    let (file, sessions) = (folder.join("events"), folder.join("sessions.csv"));
    fs::write(&file, content).unwrap();
    let (file, sessions) = (file.to_str().unwrap(), sessions.to_str().unwrap());
    [vec!["replay", file, "--sessions", sessions], vec!["publish", file]].map(|arguments| {
        let ran = Command::new(env!("CARGO_BIN_EXE_dwell"))
            .args(arguments)
            .env("DWELL_DATA_DIR", folder.join("data"))
            .output()
            .unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    })
}

#[test]
fn a_file_without_events_fails_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let utf_16: Vec<u8> = format!("\u{feff}{HEADER}\n{ENTRY}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let semicolons = format!("{HEADER}\n{ENTRY}\n").replace(',', ";");
    for (content, reason) in [
        (&b""[..], "events is empty"),
        (b"\n\r\n", "events has only blank lines"),
        (HEADER.as_bytes(), "events has a header and no record"),
        (&utf_16, "it is UTF-16; save it as UTF-8"),
        (semicolons.as_bytes(), "its columns are separated by semicolons"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", "events is empty"),
    ] {
        for (code, said) in replayed_and_published(folder.path(), content) {
            assert_eq!(code, Some(1), "{reason}: {said}");
            assert!(said.contains(reason), "{said}");
        }
    }
    assert!(!folder.path().join("sessions.csv").exists());
}

#[test]
fn what_is_passed_over_is_told_with_its_count() {
    let folder = tempfile::tempdir().unwrap();
    let content = format!("{HEADER}\r{ENTRY}gate 1\r{HEADER}\r{EXIT}gate 2\r");
    for (code, said) in replayed_and_published(folder.path(), content.as_bytes()) {
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("skipped 1 repeated CSV header; dropped gate_id of 2 events"), "{said}");
    }
    let sessions = fs::read_to_string(folder.path().join("sessions.csv")).unwrap();
    assert!(sessions.contains(",matched,"), "{sessions}");
}
