//! The ledger keeps what it wrote: it reports a full disk until there is room, and it moves the write-ahead logs back
//! into the files.

use std::sync::mpsc;
use std::time::Duration;

use super::*;

async fn open(folder: &tempfile::TempDir) -> (std::path::PathBuf, SqliteLedger) {
    let path = folder.path().join("ledger.db");
    let ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    (path, ledger)
}

fn log_length(path: &Path) -> u64 {
    std::fs::metadata(format!("{}-wal", path.display())).map_or(0, |file| file.len())
}

/// Leaves the ledger idle until its log is empty.
pub(super) async fn empty_log(ledger: &SqliteLedger, path: &Path) {
    testbed::wait_until(Duration::from_secs(20), "the log to be emptied", async || {
        ledger.ping().await.unwrap();
        log_length(path) == 0
    })
    .await;
}

/// The summaries in a copy of the main file alone, which needs no journal.
async fn in_a_copy(path: &Path) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    std::fs::copy(path, &copy).unwrap();
    Connection::open(&copy).unwrap().execute("UPDATE ledger SET needs_journal = 0", []).unwrap();
    let page = Page { limit: 1_000, after: None, order: Order::OldestFirst };
    SqliteLedger::open(&copy, NOW).await.unwrap().sessions(&SessionFilter::default(), page).await.unwrap().rows.len()
}

#[tokio::test]
async fn a_ledger_that_is_idle_empties_its_log_and_its_file_alone_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ledger) = open(&folder).await;
    for number in 0..20 {
        ledger.save_summary(numbered_summary(number), NOW).await.unwrap();
    }
    assert!(ledger.log_bytes() > log_length(&path), "the journal's log counts too");

    empty_log(&ledger, &path).await;

    assert_eq!(in_a_copy(&path).await, 20);
}

#[tokio::test]
async fn a_ledger_that_was_closed_is_its_file_alone_and_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ledger) = open(&folder).await;
    for number in 0..20 {
        ledger.save_summary(numbered_summary(number), NOW).await.unwrap();
    }
    ledger.lots().await.unwrap();

    ledger.close().await;

    assert_eq!(log_length(&path), 0);
    assert_eq!(in_a_copy(&path).await, 20);
    assert!(matches!(ledger.save_summary(numbered_summary(21), NOW).await, Err(Error::Unavailable(_))));
    assert!(matches!(ledger.lots().await, Err(Error::Unavailable(_))));
    assert!(SqliteLedger::open(&path, NOW).await.is_ok());
}

#[tokio::test]
async fn a_log_that_a_reader_had_pinned_is_cut_once_the_reader_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ledger) = open(&folder).await;
    ledger.save_summary(numbered_summary(0), NOW).await.unwrap();
    let pin = Connection::open(&path).unwrap();
    pin.execute_batch("BEGIN; SELECT count(*) FROM session").unwrap();
    for number in 1..50 {
        ledger.save_summary(numbered_summary(number), NOW).await.unwrap();
    }
    for _ in 0..3 {
        ledger.ping().await.unwrap();
    }
    assert!(log_length(&path) > 0);

    drop(pin);

    empty_log(&ledger, &path).await;
    assert_eq!(in_a_copy(&path).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_takes_too_long_is_ended_and_frees_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ledger) = open(&folder).await;
    ledger.save_summary(numbered_summary(0), NOW).await.unwrap();
    let (begun, begins) = mpsc::channel();
    let endless = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n, session";
    let readers = Arc::clone(&ledger.readers);
    let read = tokio::spawn(async move {
        let work = move |connection: &Connection| {
            begun.send(()).unwrap();
            Ok(connection.query_row(endless, [], |row| row.get::<_, i64>(0))?)
        };
        readers.read(work).await
    });
    tokio::task::spawn_blocking(move || begins.recv()).await.unwrap().unwrap();

    let ended = read.await.unwrap();

    assert!(matches!(&ended, Err(Error::Unavailable(text)) if text.contains("a read was aborted after")), "{ended:?}");
    empty_log(&ledger, &path).await;
}

/// Limits the size of the journal.
async fn limit_pages(ledger: &SqliteLedger, pages: Option<i64>) {
    ledger.writer.limit_pages(pages).await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_can_t_write_says_so_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ledger) = open(&folder).await;
    ledger.save_summary(numbered_summary(0), NOW).await.unwrap();
    assert_eq!(ledger.ping().await, Ok(()));

    limit_pages(&ledger, Some(1)).await;
    let mut refused = None;
    for number in 1..2_000 {
        if let Err(error) = ledger.save_summary(numbered_summary(number), NOW).await {
            refused = Some(error);
            break;
        }
    }

    assert!(matches!(&refused, Some(Error::Unavailable(text)) if text.contains("full")), "{refused:?}");
    for _ in 0..3 {
        assert!(matches!(ledger.ping().await, Err(Error::Unavailable(text)) if text.contains("full")));
    }
    assert!(ledger.lots().await.is_ok(), "what is there can be read");
    limit_pages(&ledger, None).await;
    assert_eq!(ledger.ping().await, Ok(()));
    ledger.save_summary(numbered_summary(5_000), NOW).await.unwrap();
}

#[tokio::test]
async fn an_attempt_to_write_leaves_nothing_that_a_start_could_trip_over() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ledger) = open(&folder).await;
    ledger.close().await;
    let connection = Connection::open(pairing::file(&path)).unwrap();
    connection.execute("INSERT INTO entry VALUES (-1, zeroblob(65536))", []).unwrap();
    drop(connection);

    let ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    ledger.save_summary(numbered_summary(0), NOW).await.unwrap();
}
