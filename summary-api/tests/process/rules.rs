//! A ledger keeps the rules that it was created with, whatever the settings of the next start.

use super::*;

/// The rules that release 0.1 stored, with 10 s: no window of a lot, and no version of the normal form of plates.
const OLDER_RULES: &str = r#"{"re_read_window_ms":10000,"max_stay_ms":2592000000,"max_stay_of_lot_ms":{},"unread_plates":["NOPLATE","NULL","UNKNOWN"]}"#;

#[tokio::test]
async fn another_rule_on_a_ledger_with_events_ends_with_78_and_its_name() {
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

#[tokio::test]
async fn a_ledger_of_an_older_release_keeps_its_rules_without_settings() {
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
