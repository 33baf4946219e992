//! A ledger of an older version is upgraded in one transaction and counted again from its sessions.

use super::*;
use ledger::testing::{fill_some_hours, vehicle};

const ALWAYS: Range<i64> = 0..i64::MAX;
/// The index of the migration that created `lot_hour`, the last one of version 4.
const LOT_HOUR: usize = 3;

/// Turns the file into a ledger of schema version 4, as written by the release before quarter hours. Its hour has a
/// wrong count, so that a migration that only splits hours fails the test.
fn make_version_4(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("DROP TABLE lot_quarter; DROP TABLE connected_quarter").unwrap();
    connection.execute_batch(migrations::MIGRATIONS[LOT_HOUR]).unwrap();
    connection.execute("INSERT INTO lot_hour VALUES (1, 479768, 40, 0, 0, 0, 0, 0, 0, x'')", []).unwrap();
    let without_journal = "
        ALTER TABLE ledger DROP COLUMN applied_entry; ALTER TABLE ledger DROP COLUMN needs_journal;
        ALTER TABLE ledger DROP COLUMN alias_key; DROP TABLE token; DROP TABLE person; DROP TABLE login;
        ALTER TABLE event DROP COLUMN receipt; ALTER TABLE ledger DROP COLUMN has_superseding;
        DROP INDEX event_supersedes; ALTER TABLE event DROP COLUMN supersedes; DROP TABLE superseded_due;
        DROP TABLE webhook; DROP TABLE webhook_waiting;
        CREATE TABLE vehicle_log (number INTEGER PRIMARY KEY, heads BLOB NOT NULL) STRICT;
        UPDATE ledger SET schema_version = 4";
    connection.execute_batch(without_journal).unwrap();
}

/// The stays of 13 hours, and a saved summary, which does not count.
async fn fill(path: &Path) -> (LotId, Quarters) {
    let ledger = SqliteLedger::open(path, NOW).await.unwrap();
    ledger.pin_rules(&GivenRules::default()).await.unwrap();
    let lot = fill_some_hours(&ledger).await;
    let last = Vehicles::default().entry("P3", "LATE", minute(20 * 60));
    ledger.record(vec![last], &Rules::default(), NOW).await.unwrap();
    let summary = Summary { vehicle: vehicle("P3", "CAR1"), entry: minute(12 * 60), exit: minute(13 * 60) };
    ledger.save_summary(summary, NOW).await.unwrap();
    let quarters = ledger.quarters(&lot, ALWAYS).await.unwrap();
    ledger.close().await;
    (lot, quarters)
}

fn stored(path: &Path, query: &str) -> String {
    Connection::open(path).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_ledger_of_the_release_before_opens_with_its_rules_and_counts_quarter_hours_from_its_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (lot, before) = fill(&path).await;
    let rules = stored(&path, "SELECT rules FROM ledger");
    make_version_4(&path);

    let upgraded = SqliteLedger::open(&path, NOW).await.unwrap();

    assert_eq!(before.quarters.len(), 25);
    assert_eq!(upgraded.quarters(&lot, ALWAYS).await, Ok(before));
    assert_eq!(stored(&path, "SELECT rules FROM ledger"), rules);
    assert_eq!(stored(&path, "SELECT cast(schema_version AS TEXT) FROM ledger"), "11");
    assert_eq!(stored(&path, "SELECT cast(count(*) AS TEXT) FROM sqlite_schema WHERE name = 'lot_hour'"), "0");
}

#[tokio::test]
async fn a_ledger_of_the_schema_before_gets_a_key_of_aliases_and_its_journal_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (lot, before) = fill(&path).await;
    let older = "
        ALTER TABLE ledger DROP COLUMN alias_key; DROP TABLE token; DROP TABLE person; DROP TABLE login;
        ALTER TABLE event DROP COLUMN receipt; ALTER TABLE ledger DROP COLUMN has_superseding;
        DROP INDEX event_supersedes; ALTER TABLE event DROP COLUMN supersedes; DROP TABLE superseded_due;
        DROP TABLE webhook; DROP TABLE webhook_waiting;
        UPDATE ledger SET schema_version = 6";
    Connection::open(&path).unwrap().execute_batch(older).unwrap();
    assert!(schema::look_at_tables(&path).unwrap().is_some());

    let upgraded = SqliteLedger::open(&path, NOW).await.unwrap();

    assert_eq!(upgraded.quarters(&lot, ALWAYS).await, Ok(before));
    let key = upgraded.alias_key().expose();
    assert!(key.iter().any(|byte| *byte != key[0]));
}

/// An entry of the journal as an older release has written it: the members of its units and events in their order.
fn rewritten<E: serde::Serialize>(format: u8, updates: &[u8], event: fn(matching::RecordedEvent) -> E) -> Vec<u8> {
    type Work = (Vec<(Vec<Unit>, Timestamp)>, Vec<(Summary, Timestamp)>);
    let (records, summaries): Work = postcard::from_bytes(&updates[9..]).unwrap();
    let unit = |unit: Unit| {
        let events: Vec<_> = unit.events.into_iter().map(event).collect();
        let counts = (unit.first_matched, unit.first_unmatched);
        (unit.vehicle, unit.base, unit.timeline, events, unit.flags, unit.changes, counts)
    };
    let records: Vec<_> =
        records.into_iter().map(|(units, at)| (units.into_iter().map(unit).collect::<Vec<_>>(), at)).collect();
    let work = postcard::to_stdvec(&(records, summaries)).unwrap();
    [&[format][..], &xxhash_rust::xxh3::xxh3_64(&work).to_le_bytes(), &work].concat()
}

/// Of the release before receipts.
fn as_format_1(updates: &[u8]) -> Vec<u8> {
    rewritten(1, updates, |event| {
        (event.key, event.plate_as_read, event.gate, event.confidence, event.received_at, event.flags)
    })
}

/// Of the release before events that supersede others.
fn as_format_2(updates: &[u8]) -> Vec<u8> {
    rewritten(2, updates, |event| {
        let receipt = event.receipt;
        (event.key, event.plate_as_read, event.gate, event.confidence, event.received_at, event.flags, receipt)
    })
}

#[tokio::test]
async fn what_a_killed_program_of_the_schema_before_has_left_in_its_journal_is_taken_up() {
    left_by_a_killed_program(9, "", as_format_2).await;
    left_by_a_killed_program(8, "ALTER TABLE event DROP COLUMN receipt;", as_format_1).await;
}

/// What the journal has of a program with that schema version; `columns` removes what its tables lack besides.
async fn left_by_a_killed_program(version: i64, columns: &str, as_it_wrote: fn(&[u8]) -> Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = journaling::open_on_demand(&path).await;
    let mut vehicles = Vehicles::default();
    for unit in [vehicles.entry("P3", "CAR1", minute(0)), vehicles.exit("P3", "CAR1", minute(60))] {
        ledger.record(vec![unit], &Rules::default(), NOW).await.unwrap();
    }
    let (_folder, copy) = journaling::killed(&path, &journaling::ALL_FILES);
    let journal = Connection::open(pairing::file(&copy)).unwrap();
    let entries: Vec<(i64, Vec<u8>)> = {
        let mut select = journal.prepare("SELECT number, updates FROM entry WHERE length(updates) > 0").unwrap();
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(entries.len(), 2);
    for (number, updates) in entries {
        let older = as_it_wrote(&updates);
        journal.execute("UPDATE entry SET updates = ?2 WHERE number = ?1", params![number, older]).unwrap();
    }
    drop(journal);
    let older = format!(
        "{columns} ALTER TABLE ledger DROP COLUMN has_superseding;
        DROP INDEX event_supersedes; ALTER TABLE event DROP COLUMN supersedes; DROP TABLE superseded_due;
        DROP TABLE webhook; DROP TABLE webhook_waiting;
        UPDATE ledger SET schema_version = {version}"
    );
    Connection::open(&copy).unwrap().execute_batch(&older).unwrap();

    let upgraded = SqliteLedger::open(&copy, NOW).await.unwrap();

    let events = upgraded.vehicle_events(&vehicle("P3", "CAR1"), None, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| &event.receipt).collect::<Vec<_>>(), [&None, &None]);
    assert_eq!(ledger.vehicle_events(&vehicle("P3", "CAR1"), None, 10).await, Ok(events));
}

/// As an entry of `vehicle_log` has it: number, lot, version, digest, last event, the one before sessions were listed,
/// and the timeline.
type Logged = (i64, i64, u64, u64, Option<i64>, Option<i64>, Vec<u8>);

#[tokio::test]
async fn what_the_log_of_vehicles_is_ahead_of_their_rows_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    fill(&path).await;
    let connection = Connection::open(&path).unwrap();
    let row = "SELECT vehicle_no, lot_no, version, digest, last_event_no, listed_after_no, timeline FROM vehicle
        WHERE plate = 'CAR1'";
    let state: Logged = connection
        .query_row(row, [], |row| {
            let (version, digest): (i64, i64) = (row.get(2)?, row.get(3)?);
            let (version, digest) = (version.cast_unsigned(), digest.cast_unsigned());
            Ok((row.get(0)?, row.get(1)?, version, digest, row.get(4)?, row.get(5)?, row.get(6)?))
        })
        .unwrap();
    make_version_4(&path);
    let older = postcard::to_stdvec(&vec![(state.0, state.1, 1_u64, 1_u64, None::<i64>, None::<i64>, b"".to_vec())]);
    for entry in [older, postcard::to_stdvec(&vec![&state])] {
        connection.execute("INSERT INTO vehicle_log (heads) VALUES (?1)", params![entry.unwrap()]).unwrap();
    }
    let behind =
        "UPDATE vehicle SET version = 1, digest = 0, last_event_no = NULL, timeline = x'' WHERE plate = 'CAR1'";
    connection.execute(behind, []).unwrap();
    drop(connection);

    let upgraded = SqliteLedger::open(&path, NOW).await.unwrap();

    let request = LoadRequest { vehicle: vehicle("P3", "CAR1"), reaching: None };
    let loaded = upgraded.load(&[request], &Rules::default()).await.unwrap();
    assert_eq!((loaded[0].base.version, loaded[0].base.digest), (state.2, state.3));
    assert_eq!(loaded[0].timeline.digest(), state.3);
    assert!(upgraded.vehicle_events(&vehicle("P3", "CAR1"), None, 10).await.unwrap().len() > 1);
}

const LEDGER_TO_UPGRADE: &str = "TEST_LEDGER_TO_UPGRADE";

#[tokio::test]
async fn a_ledger_whose_upgrade_was_killed_opens_and_counts_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (lot, before) = fill(&path).await;
    make_version_4(&path);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::tests::upgrading::upgrades_until_it_is_killed", "--ignored", "--nocapture"])
        .env(LEDGER_TO_UPGRADE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("counted, not committed")));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(stored(&path, "SELECT cast(schema_version AS TEXT) FROM ledger"), "4");

    let upgraded = SqliteLedger::open(&path, NOW).await.unwrap();

    assert_eq!(upgraded.quarters(&lot, ALWAYS).await, Ok(before));
}

/// Does nothing unless the test above has started it.
#[test]
#[ignore = "the process that another test kills"]
fn upgrades_until_it_is_killed() {
    let Some(path) = std::env::var_os(LEDGER_TO_UPGRADE) else { return };
    let connection = Connection::open(path).unwrap();
    // The transaction spills pages to the log before it commits.
    connection.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    connection.execute_batch(migrations::MIGRATIONS[LOT_HOUR + 1]).unwrap();
    quarters::count_all(&connection).unwrap();
    connection.execute("UPDATE ledger SET schema_version = 5", []).unwrap();
    println!("counted, not committed");
    loop {
        std::thread::park();
    }
}
