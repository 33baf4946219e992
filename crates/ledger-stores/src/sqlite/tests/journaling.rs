//! Journal and tables: an answered write is in every later read, a bulk that fails changes nothing, and a kill between
//! any two steps loses nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use ledger::testing::fill_some_hours;

const ON_DEMAND: Pace = Pace { most_events: 1_000, is_on_demand: true };

pub(super) async fn open_on_demand(path: &Path) -> SqliteLedger {
    SqliteLedger::open_with(path, NOW, ON_DEMAND).await.unwrap()
}

fn in_tables(path: &Path) -> i64 {
    schema::open_reader(path).unwrap().query_row("SELECT count(*) FROM session", [], |row| row.get(0)).unwrap()
}

pub(super) fn entries(path: &Path) -> i64 {
    let journal = Connection::open(pairing::file(path)).unwrap();
    journal.query_row("SELECT count(*) FROM entry WHERE length(updates) > 0", [], |row| row.get(0)).unwrap()
}

/// What a kill would leave of a ledger at this moment: a copy of these of its files.
pub(super) fn killed(path: &Path, suffixes: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("ledger.db");
    for suffix in suffixes {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if name(path).exists() {
            std::fs::copy(name(path), name(&copy)).unwrap();
        }
    }
    (folder, copy)
}

pub(super) const ALL_FILES: [&str; 4] = ["", "-wal", ".journal", ".journal-wal"];

pub(super) async fn count(ledger: &SqliteLedger) -> usize {
    let page = Page { limit: 1_000, after: None, order: Order::OldestFirst };
    ledger.sessions(&SessionFilter::default(), page).await.unwrap().rows.len()
}

async fn count_after_kill(path: &Path, suffixes: &[&str]) -> usize {
    let (_folder, copy) = killed(path, suffixes);
    let ledger = SqliteLedger::open(&copy, NOW).await.unwrap();
    let changes = ledger.changes(0, 1_000).await.unwrap();
    assert!(changes.iter().map(|change| change.sequence).eq(1..=u64::try_from(changes.len()).unwrap()));
    let sessions = count(&ledger).await;
    ledger.close().await;
    assert_eq!(entries(&copy), 0, "a clean stop leaves an empty journal");
    sessions
}

#[tokio::test]
async fn a_commit_stands_in_the_journal_and_a_read_brings_it_into_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open_on_demand(&path).await;
    ledger.save_summary(numbered_summary(1), NOW).await.unwrap();
    assert_eq!((entries(&path), in_tables(&path), ledger.waiting()), (1, 0, 1));

    assert!(ledger.session(numbered_summary(1).id()).await.unwrap().is_some());

    assert_eq!((in_tables(&path), ledger.waiting()), (1, 0));
}

#[tokio::test]
async fn a_kill_between_any_two_steps_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open_on_demand(&path).await;
    empty_log(&ledger, &path).await;
    // Whether the tables' own log survives depends on what was synced: the journal has what they lose.
    let without_log = ["", ".journal", ".journal-wal"];
    let mut saved = 0;
    let save = async |saved: &mut usize| {
        for _ in 0..3 {
            *saved += 1;
            let number = i64::try_from(*saved).unwrap();
            ledger.save_summary(numbered_summary(number), NOW).await.unwrap();
        }
    };
    for _ in 0..3 {
        save(&mut saved).await;
        assert_eq!(count_after_kill(&path, &ALL_FILES).await, saved, "appended");
        assert_eq!(count(&ledger).await, saved);
        assert_eq!(count_after_kill(&path, &ALL_FILES).await, saved, "applied");
        assert_eq!(count_after_kill(&path, &without_log).await, saved, "applied, and not synced");
        save(&mut saved).await;
        assert_eq!(count_after_kill(&path, &ALL_FILES).await, saved, "appended after what is applied");
        assert_eq!(count_after_kill(&path, &without_log).await, saved, "the same without what was not synced");
        assert_eq!(count(&ledger).await, saved);
        empty_log(&ledger, &path).await;
        assert_eq!(count_after_kill(&path, &without_log).await, saved, "synced");
        ledger.ping().await.unwrap();
        save(&mut saved).await;
        assert_eq!(count_after_kill(&path, &without_log).await, saved, "synced, trimmed and appended");
    }
    ledger.close().await;
    assert_eq!(count_after_kill(&path, &[""]).await, saved, "closed: the file alone is the ledger");
}

#[tokio::test]
async fn what_the_tables_lack_is_decided_on_after_a_start_as_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open_on_demand(&path).await;
    let lot = fill_some_hours(&ledger).await;
    let (_folder, copy) = killed(&path, &ALL_FILES);
    let (_folder, taken_up) = killed(&path, &ALL_FILES);
    let again = open_on_demand(&copy).await;

    let mut both = Vec::new();
    for ledger in [&ledger, &again] {
        let mut vehicles = Vehicles::default();
        let refused =
            ledger.record(vec![vehicles.entry("P3", "CAR1", minute(0))], &Rules::default(), NOW).await.unwrap();
        assert!(matches!(refused[..], [Outcome::Lost(_)]));
        both.push((refused, ledger.quarters(&lot, 0..i64::MAX).await.unwrap(), ledger.changes(0, 100).await.unwrap()));
    }

    assert_eq!(both[0], both[1]);
    let taken_up = SqliteLedger::open(&taken_up, NOW).await.unwrap();
    let (mut from, mut vehicles) = (Some(0), Vec::new());
    while let Some(number) = from {
        let part = taken_up.audit(&ledger::testing::rules(), number).await.unwrap();
        vehicles.extend(part.vehicles);
        from = part.next;
    }
    assert_eq!(vehicles.len(), 4);
    assert!(vehicles.iter().all(|vehicle| vehicle.unchained.is_empty()));
}

#[tokio::test]
async fn a_bulk_that_fails_in_the_middle_changes_nothing_and_is_applied_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    ledger.save_summary(numbered_summary(0), NOW).await.unwrap();
    assert_eq!(count(&ledger).await, 1);
    let breaker = Connection::open(&path).unwrap();
    breaker.busy_timeout(Duration::from_secs(5)).unwrap();
    breaker
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON change WHEN NEW.sequence = 3 BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();

    for number in 1..4 {
        ledger.save_summary(numbered_summary(number), NOW).await.unwrap();
    }

    let read = ledger.session(numbered_summary(3).id()).await;
    assert!(matches!(&read, Err(error) if error.to_string().contains("broken")), "{read:?}");
    assert!(matches!(ledger.ping().await, Err(error) if error.to_string().contains("broken")));
    assert!(in_tables(&path) < 4);
    breaker.execute_batch("DROP TRIGGER broken").unwrap();
    testbed::wait_until(Duration::from_secs(20), "the bulk to be applied", async || ledger.ping().await.is_ok()).await;
    assert_eq!(count(&ledger).await, 4);
    assert_eq!(ledger.last_change().await, Ok(4));
}
