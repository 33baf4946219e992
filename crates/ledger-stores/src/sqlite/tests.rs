//! Claims that only the ledger in a file makes; the others are in the contract.

use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use parking::{LotId, Plate, State, Vehicle};
use rusqlite::{Connection, StatementStatus, params};

mod journaling;
mod keeping;
mod mismatched;
mod replacing;

use keeping::empty_log;

use super::list::{listed_rows, rows_of, scan_sql};
use super::*;
use crate::list::Scan;
use crate::{Order, encoding};
use ledger::testing::{Vehicles, minute};

mod upgrading;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

async fn refusal(path: &Path) -> String {
    match SqliteLedger::open(path, NOW).await {
        Err(Error::Config(text)) => text,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_ledger_of_a_newer_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let id = SqliteLedger::open(&path, NOW).await.unwrap().id();
    let newer = Connection::open(&path).unwrap();
    newer.execute("UPDATE ledger SET schema_version = 12", []).unwrap();

    let text = refusal(&path).await;

    let file = path.display();
    assert_eq!(
        text,
        format!(
            "{file} has the schema version 12 of a newer program, and this one knows up to 11: start the newer program, \
             or name another file in DWELL_DATABASE_URL"
        )
    );
    newer.execute("UPDATE ledger SET schema_version = 11", []).unwrap();
    assert_eq!(SqliteLedger::open(&path, NOW).await.unwrap().id(), id);
}

#[tokio::test]
async fn a_file_that_is_no_ledger_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (text_file, foreign) = (folder.path().join("notes.txt"), folder.path().join("foreign.db"));
    std::fs::write(&text_file, "not a database, but a text that is longer than nothing").unwrap();
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE sheep (name TEXT)").unwrap();

    for path in [&text_file, &foreign] {
        let before = std::fs::read(path).unwrap();
        assert!(refusal(path).await.contains("is not a ledger of this program"));
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
}

#[tokio::test]
async fn a_ledger_in_use_is_refused_until_the_other_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let first = SqliteLedger::open(&path, NOW).await.unwrap();
    let refused = SqliteLedger::open(&path, NOW).await.unwrap_err();
    assert!(matches!(&refused, Error::InUse(text) if text.contains("is in use by another summary API")), "{refused}");

    drop(first);

    SqliteLedger::open(&path, NOW).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = refusal(&folder.path().join("missing/ledger.db")).await;
    assert!(text.contains("missing/ledger.db.lock") && text.contains("needs an existing, writable folder"), "{text}");
}

#[tokio::test]
async fn plates_can_be_read_by_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let _ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", file.path().display());
    }
}

#[tokio::test]
async fn every_list_walks_an_index_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let _ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    let connection = Connection::open(&path).unwrap();
    let plan = |rows: &str| {
        let sql = format!("EXPLAIN QUERY PLAN {}", scan_sql("session_id", rows, Order::NewestFirst));
        let mut statement = connection.prepare(&sql).unwrap();
        let steps = statement.query_map(params![[0_u8; 16], [255_u8; 16], 1], |row| row.get(3)).unwrap();
        steps.collect::<Result<Vec<String>, _>>().unwrap().join("; ").replace("COVERING ", "")
    };
    let of_key = "SEARCH session USING PRIMARY KEY (session_id>? AND session_id<?)";
    let of_lot = "SEARCH session USING INDEX session_lot (lot_no=? AND session_id>? AND session_id<?)";
    let exceptional = "SEARCH session USING INDEX session_exceptional (session_id>? AND session_id<?)";
    assert_eq!(plan(&rows_of(Scan::Standing, None)), of_key);
    assert_eq!(plan(&rows_of(Scan::Matched, None)), of_key);
    assert_eq!(plan(&rows_of(Scan::Standing, Some(7))), of_lot);
    assert_eq!(plan(&rows_of(Scan::Matched, Some(7))), of_lot);
    assert_eq!(plan(&rows_of(Scan::Open, Some(7))), of_lot.replace("session_lot", "session_open"));
    assert_eq!(plan(&rows_of(Scan::Exceptional(State::Void), Some(7))), exceptional);
    assert_eq!(
        plan(&listed_rows(7, "0, 1")),
        "SEARCH session USING INDEX session_listed (vehicle_no=? AND session_id>? AND session_id<?)"
    );
    // There are never many held exits, so sorting them is cheap.
    assert_eq!(plan(&rows_of(Scan::Held, None)), "SCAN session USING INDEX session_held; USE TEMP B-TREE FOR ORDER BY");
}

#[tokio::test]
async fn no_statement_is_prepared_again_for_another_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let _ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    let connection = Connection::open(&path).unwrap();
    let of_vehicles = [vehicles::FIND, vehicles::BY_NUMBER, vehicles::BY_PLATE, vehicles::LOT, vehicles::EVENT];
    let of_sessions = [read::SESSION, read::PLATE, read::END, events::WHOLE, find::ENDS, superseding::IS_NAMED];
    for sql in of_vehicles.into_iter().chain(of_sessions) {
        let mut statement = connection.prepare(sql).unwrap();
        for value in 0..5 {
            for parameter in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(parameter, value).unwrap();
            }
            assert!(statement.raw_query().next().unwrap().is_none());
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
}

#[tokio::test]
async fn a_ledger_of_an_older_program_gets_its_index_of_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(SqliteLedger::open(&path, NOW).await.unwrap());
    let older = Connection::open(&path).unwrap();
    let of_version_2 = "
        DROP TABLE event_index; DROP TABLE lot_quarter; DROP TABLE connected_quarter;
        ALTER TABLE ledger DROP COLUMN applied_entry; ALTER TABLE ledger DROP COLUMN needs_journal;
        ALTER TABLE ledger DROP COLUMN alias_key; DROP TABLE token; DROP TABLE person; DROP TABLE login;
        ALTER TABLE event DROP COLUMN receipt; ALTER TABLE ledger DROP COLUMN has_superseding;
        DROP INDEX event_supersedes; ALTER TABLE event DROP COLUMN supersedes; DROP TABLE superseded_due;
        DROP TABLE webhook; DROP TABLE webhook_waiting;
        CREATE TABLE vehicle_log (number INTEGER PRIMARY KEY, heads BLOB NOT NULL) STRICT;
        UPDATE ledger SET schema_version = 2";
    older.execute_batch(of_version_2).unwrap();
    older.execute_batch("INSERT INTO lot (lot_id) VALUES ('P3')").unwrap();
    let timeline = encoding::write_timeline(&matching::Timeline::default(), &[]);
    older.execute("INSERT INTO vehicle VALUES (1, 1, 'ABC123', 0, 0, NULL, NULL, ?1)", params![timeline]).unwrap();
    let ids: Vec<Uuid> = (1..=23).map(|number| Uuid::from_u128(number << 64)).collect();
    for (number, id) in (1_i64..).zip(&ids) {
        let event = "INSERT INTO event VALUES (?1, NULL, 1, 0, 0, ?2, NULL, 'ABC123', NULL, 0, 0, 0)";
        older.execute(event, params![number, id.as_bytes()]).unwrap();
    }
    drop(older);

    let ledger = SqliteLedger::open(&path, NOW).await.unwrap();

    for id in ids {
        assert_eq!(ledger.events_with_id(id).await.unwrap().len(), 1);
    }
    let rows: i64 =
        Connection::open(&path).unwrap().query_row("SELECT count(*) FROM event_index", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 4 * 256, "of 23 events in blocks of five, three are in none yet");
}

#[tokio::test]
async fn a_look_up_by_an_id_that_many_events_have_reads_no_more_than_it_is_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    // Of 33 events in blocks of five, three are in no block yet. Each is the first event of a correlator, so all have
    // the same id.
    for number in 0..33 {
        let unit = Vehicles::default().entry("P3", &format!("CAR{number}"), minute(0));
        ledger.record(vec![unit], &Rules::default(), NOW).await.unwrap();
    }
    ledger.backlog.catch_up(Freshness::Latest).await.unwrap();
    let connection = schema::open_reader(&path).unwrap();
    let taken = |most: usize| {
        let mut numbers = Vec::new();
        let take = |number| {
            numbers.push(number);
            Ok(if numbers.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        };
        event_index::look_up(&connection, Uuid::from_u128(1), take).unwrap();
        numbers
    };

    for most in [1, 5, 16, 31, 33, 99] {
        assert_eq!(taken(most), (1..=33).take(most).collect::<Vec<i64>>());
    }
}

const LEDGER_TO_FILL: &str = "TEST_LEDGER_TO_FILL";

fn numbered_summary(number: i64) -> Summary {
    let vehicle = Vehicle { lot: LotId::default(), plate: Plate::from_read(&format!("CAR{}", number % 100)).unwrap() };
    Summary { vehicle, entry: NOW.plus_millis(-number), exit: NOW }
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut saved = 0;
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::tests::saves_until_it_is_killed", "--ignored", "--nocapture"])
            .env(LEDGER_TO_FILL, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let answered = lines.filter_map(|line| line.unwrap().split_once("saved ")?.1.parse::<i64>().ok());
        let answered: Vec<i64> = answered.take(40).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(answered.len(), 40);

        let check: String =
            Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let ledger = SqliteLedger::open(&path, NOW).await.unwrap();
        for number in answered {
            let id = numbered_summary(number).id();
            assert!(ledger.session(id).await.unwrap().is_some(), "summary {number} is lost");
        }
        let changes = ledger.changes(0, 1_000_000).await.unwrap();
        assert!(changes.len() >= saved + 40);
        assert!(changes.iter().map(|change| change.sequence).eq(1..=u64::try_from(changes.len()).unwrap()));
        saved = changes.len();
    }
}

/// Does nothing unless the test above has started it.
#[tokio::test]
#[ignore = "the process that another test kills"]
async fn saves_until_it_is_killed() {
    let Some(path) = std::env::var_os(LEDGER_TO_FILL) else { return };
    let ledger = SqliteLedger::open(Path::new(&path), NOW).await.unwrap();
    // Far from the numbers of the previous process.
    let start = 1_000 * i64::try_from(ledger.changes(0, u32::MAX).await.unwrap().len()).unwrap();
    let save = async |first: i64| {
        for number in (first..).step_by(4) {
            ledger.save_summary(numbered_summary(number), NOW).await.unwrap();
            println!("saved {number}");
        }
    };
    tokio::join!(save(start), save(start + 1), save(start + 2), save(start + 3));
}
