//! Acknowledged data is durable: when the ledger's files are replaced, when its disk is full, and after a shutdown.

use std::process::Command;

use super::*;

const ROOM: &str =
    r#"{"vehicle_plate":"ROOM1","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-25T10:00:00Z"}"#;

type Replace = fn(&Path);

impl Running {
    /// The status of the response to a summary; `None` without a response.
    async fn try_to_save(&self, summary: &str) -> Option<StatusCode> {
        let request = testbed::http().post(format!("{}/save_summary", self.url));
        let request = request.header("content-type", "application/json").body(summary.to_owned());
        request.send().await.ok().map(|answer| answer.status())
    }

    async fn not_ready(&self) -> String {
        wait_until(DEADLINE, "the summary API is not ready", async || !self.is_ready().await).await;
        self.get("/readyz?verbose").await.unwrap().text().await.unwrap()
    }
}

/// Leaves the service idle until the file alone is the whole ledger.
async fn idle(running: &Running, ledger: &Path) {
    // A list waits until the tables have what was saved; before that the log is empty too.
    running.sessions().await;
    let log = ledger.with_extension("sqlite-wal");
    wait_until(DEADLINE, "the log to be emptied", async || std::fs::metadata(&log).is_ok_and(|log| log.len() == 0))
        .await;
}

#[tokio::test]
async fn acknowledged_summaries_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Running::start(folder.path(), &[]).ready().await;
    let saved = first.save().await;
    first.program.kill().unwrap();

    let second = Running::start(folder.path(), &[]).ready().await;

    assert_eq!(second.sessions().await, json!({"sessions": [saved["session"]], "next_cursor": null}));
    assert_eq!(second.save().await, saved);
}

#[tokio::test]
async fn a_ledger_that_is_replaced_ends_the_process_and_nothing_more_is_acknowledged() {
    let moves: [(&str, Replace); 4] = [
        ("is another file", |ledger| std::fs::rename(ledger.with_extension("older"), ledger).unwrap()),
        ("an older copy was written", |ledger| {
            std::fs::copy(ledger.with_extension("older"), ledger).map(drop).unwrap();
        }),
        ("ledger.sqlite is gone", |ledger| std::fs::remove_file(ledger).unwrap()),
        ("ledger.sqlite-wal is gone", |ledger| std::fs::remove_file(ledger.with_extension("sqlite-wal")).unwrap()),
    ];
    for (told, replace) in moves {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.sqlite");
        let running = Running::start(folder.path(), &[]).ready().await;
        idle(&running, &ledger).await;
        std::fs::copy(&ledger, ledger.with_extension("older")).unwrap();
        running.save().await;
        idle(&running, &ledger).await;

        replace(&ledger);
        let saved = running.try_to_save(ROOM).await;
        let (code, output) = ended(running.program).await;

        assert_ne!(saved, Some(StatusCode::OK), "{told}");
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains("ledger is down") && output.contains(told), "{told}: {output}");
    }
}

#[tokio::test]
async fn after_a_stop_the_file_of_the_ledger_is_the_whole_ledger() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = Running::start(folder.path(), &[]).ready().await;
    let saved = running.save().await;
    running.sessions().await;
    running.program.signal(Signal::TERM).unwrap();
    let (code, output) = ended(running.program).await;
    assert_eq!(code, Some(0), "{output}");

    std::fs::copy(folder.path().join("ledger.sqlite"), copies.path().join("ledger.sqlite")).unwrap();

    assert!(!folder.path().join("ledger.sqlite-wal").exists());
    let copy = Running::start(copies.path(), &[]).ready().await;
    assert_eq!(copy.sessions().await, json!({"sessions": [saved["session"]], "next_cursor": null}));
}

/// Converts a ledger to that of an earlier release, which had no journal and counted hours instead of quarter hours.
const HOURS_OF_BEFORE: &str = "
    DROP TABLE lot_quarter;
    DROP TABLE connected_quarter;
    CREATE TABLE lot_hour (
        lot_no INTEGER NOT NULL, hour_no INTEGER NOT NULL, entries INTEGER NOT NULL, exits INTEGER NOT NULL,
        matched INTEGER NOT NULL, unmatched_exits INTEGER NOT NULL, unmatched_entries INTEGER NOT NULL,
        inside_ms INTEGER NOT NULL, dwell_ms INTEGER NOT NULL, dwells BLOB NOT NULL, PRIMARY KEY (lot_no, hour_no)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE ledger DROP COLUMN applied_entry;
    ALTER TABLE ledger DROP COLUMN needs_journal;
    ALTER TABLE ledger DROP COLUMN alias_key;
    DROP TABLE token; DROP TABLE person; DROP TABLE login;
    ALTER TABLE event DROP COLUMN receipt; ALTER TABLE ledger DROP COLUMN has_superseding;
    DROP INDEX event_supersedes; ALTER TABLE event DROP COLUMN supersedes; DROP TABLE superseded_due;
    DROP TABLE webhook; DROP TABLE webhook_waiting;
    CREATE TABLE vehicle_log (number INTEGER PRIMARY KEY, heads BLOB NOT NULL) STRICT;
    UPDATE ledger SET schema_version = 4;";

#[tokio::test]
async fn a_ledger_of_the_release_before_is_upgraded_with_progress_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path(), &[]).ready().await;
    first.record().await;
    first.program.signal(Signal::TERM).unwrap();
    ended(first.program).await;
    let ledger = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    ledger.execute_batch(HOURS_OF_BEFORE).unwrap();
    drop(ledger);

    let mut second = Running::start(folder.path(), &[]);
    for line in ["upgrading the tables", "counting its sessions by quarter hour", "counted the sessions"] {
        second.program.wait_for_line(line, DEADLINE).await.unwrap();
    }
    let second = second.ready().await;

    let lots: Value = second.get("/api/v1/lots").await.unwrap().json().await.unwrap();
    let main = lots["lots"].as_array().unwrap().iter().find(|lot| lot["id"] == "main").unwrap();
    assert_eq!((&main["inside"], &main["entries_this_hour"]), (&json!(1), &json!(1)), "{lots}");
}

#[tokio::test]
async fn a_full_disk_makes_the_service_unready_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    // A limit on the size of files simulates a full disk. The signal is ignored, so that exceeding it is an error.
    let limited = "trap '' 25; ulimit -S -f 1000; exec \"$0\"";
    let program = Program::new("/bin/sh")
        .args(["-c", limited, SUMMARY_API])
        .env("DWELL_LISTEN", &address)
        .env("DWELL_DATA_DIR", folder.path())
        .start()
        .unwrap();
    let running = Running { program, url: format!("http://{address}") }.ready().await;
    let mut status = StatusCode::OK;
    for hour in 0..2_000 {
        let summary = ROOM.replace("ROOM1", &format!("ROOM{hour}"));
        status = running.try_to_save(&summary).await.unwrap();
        if status != StatusCode::OK {
            break;
        }
    }
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);

    let report = running.not_ready().await;
    assert!(report.contains("[-]ledger the ledger is unavailable: "), "{report}");
    assert_eq!(running.get("/api/v1/lots").await.unwrap().status(), StatusCode::OK, "what is there is still answered");
    let pid = running.program.pid().to_string();
    let freed = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(freed.success());

    let running = running.ready().await;
    assert_eq!(running.try_to_save(ROOM).await, Some(StatusCode::OK));
}
