//! If the ledger's files are deleted, moved or overwritten while it is open, it acknowledges nothing that would be
//! lost.

use std::path::PathBuf;

use super::*;

struct Opened {
    folder: tempfile::TempDir,
    path: PathBuf,
    ledger: SqliteLedger,
    /// A copy from when the ledger was closed, with one summary.
    older: PathBuf,
}

/// A ledger with one summary in its file, and another one in its log.
async fn opened() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/ledger.db");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    ledger.save_summary(numbered_summary(1), NOW).await.unwrap();
    ledger.close().await;
    let older = folder.path().join("older.db");
    std::fs::copy(&path, &older).unwrap();
    let ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    ledger.ping().await.unwrap();
    ledger.save_summary(numbered_summary(2), NOW).await.unwrap();
    Opened { folder, path, ledger, older }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Every call that writes, reads or checks reports that the ledger was replaced, and names the file.
async fn assert_replaced(ledger: &SqliteLedger, named: &str) {
    let saved = ledger.save_summary(numbered_summary(3), NOW).await.map(|_| ());
    let recorded = ledger.record(Vec::new(), &Rules::default(), NOW).await.map(|_| ());
    let read = ledger.lots().await.map(|_| ());
    for refused in [saved, recorded, read, ledger.ping().await] {
        assert!(matches!(&refused, Err(Error::Replaced(text)) if text.contains(named)), "{refused:?}");
    }
}

/// Nothing is acknowledged after another copy was written into the file, and soon every call reports it.
async fn assert_overwritten(ledger: &SqliteLedger, named: &str) {
    assert!(ledger.save_summary(numbered_summary(3), NOW).await.is_err());
    testbed::wait_until(std::time::Duration::from_secs(20), "the copy to be noticed", async || {
        matches!(ledger.ping().await, Err(Error::Replaced(_)))
    })
    .await;
    assert_replaced(ledger, named).await;
}

async fn summaries(path: &Path) -> Vec<i64> {
    let ledger = SqliteLedger::open(path, NOW).await.unwrap();
    let check = |number: i64| {
        let ledger = &ledger;
        async move { ledger.session(numbered_summary(number).id()).await.unwrap().map(|_| number) }
    };
    let found = futures::future::join_all((1..=9).map(check)).await.into_iter().flatten().collect();
    ledger.close().await;
    found
}

#[tokio::test]
async fn a_ledger_that_was_deleted_takes_nothing_more() {
    let Opened { folder: _folder, path, ledger, .. } = opened().await;
    std::fs::remove_file(&path).unwrap();
    assert_replaced(&ledger, "ledger.db is gone").await;
}

#[tokio::test]
async fn a_ledger_that_was_renamed_takes_nothing_more_and_is_whole_at_its_new_place() {
    let Opened { folder, path, ledger, .. } = opened().await;
    let moved = folder.path().join("moved.db");
    std::fs::rename(&path, &moved).unwrap();

    assert_replaced(&ledger, "ledger.db is gone").await;
    ledger.close().await;

    assert_eq!(summaries(&moved).await, [1, 2]);
}

#[tokio::test]
async fn a_ledger_whose_folder_was_renamed_takes_nothing_more() {
    let Opened { folder, path, ledger, .. } = opened().await;
    let moved = folder.path().join("moved");
    std::fs::rename(path.parent().unwrap(), &moved).unwrap();

    assert_replaced(&ledger, "ledger.db is gone").await;
    ledger.close().await;

    assert_eq!(summaries(&moved.join("ledger.db")).await, [1, 2]);
}

#[tokio::test]
async fn an_older_copy_that_was_moved_over_the_ledger_is_noticed_and_taken_up_with_the_journal() {
    let Opened { folder: _folder, path, ledger, older } = opened().await;
    std::fs::rename(&older, &path).unwrap();

    assert_replaced(&ledger, "is another file than the one this process opened").await;
    ledger.close().await;

    // The journal has all that this copy lacks.
    assert_eq!(summaries(&path).await, [1, 2]);
}

#[tokio::test]
async fn an_older_copy_that_was_written_over_the_ledger_is_noticed_and_left_as_it_is() {
    let Opened { folder: _folder, path, ledger, older } = opened().await;
    for number in 10..200 {
        ledger.save_summary(numbered_summary(number), NOW).await.unwrap();
    }
    empty_log(&ledger, &path).await;
    ledger.save_summary(numbered_summary(3), NOW).await.unwrap();

    std::fs::copy(&older, &path).unwrap();

    assert_overwritten(&ledger, "an older copy was written over the ledger").await;
    ledger.close().await;
    assert_eq!(summaries(&path).await, [1]);
}

#[tokio::test]
async fn another_ledger_that_was_written_over_this_one_is_noticed() {
    let Opened { folder, path, ledger, .. } = opened().await;
    let other = folder.path().join("other.db");
    let another = SqliteLedger::open(&other, NOW).await.unwrap();
    another.save_summary(numbered_summary(7), NOW).await.unwrap();
    another.close().await;

    std::fs::copy(&other, &path).unwrap();

    assert_overwritten(&ledger, &another.id().to_string()).await;
    ledger.close().await;
    assert_eq!(summaries(&path).await, [7]);
}

#[tokio::test]
async fn a_log_or_its_index_that_was_deleted_or_replaced_is_noticed_and_costs_nothing() {
    for suffix in ["-wal", "-shm", ".journal", ".journal-wal", ".journal-shm"] {
        for is_replaced in [false, true] {
            let Opened { folder: _folder, path, ledger, .. } = opened().await;
            std::fs::remove_file(beside(&path, suffix)).unwrap();
            if is_replaced {
                std::fs::write(beside(&path, suffix), "").unwrap();
            }
            assert_replaced(&ledger, &format!("ledger.db{suffix}")).await;
            ledger.close().await;
            assert_eq!(summaries(&path).await, [1, 2], "{suffix} replaced: {is_replaced}");
        }
    }
}

#[tokio::test]
async fn an_older_journal_that_was_written_over_this_one_is_noticed_and_costs_nothing() {
    let Opened { folder, path, ledger, .. } = opened().await;
    let older = folder.path().join("older.journal");
    let (journal, log) = (beside(&path, ".journal"), beside(&path, ".journal-wal"));
    let empty_its_log = || {
        let other = Connection::open(&journal).unwrap();
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        assert_eq!(log.metadata().unwrap().len(), 0);
    };
    empty_its_log();
    std::fs::copy(&journal, &older).unwrap();
    ledger.save_summary(numbered_summary(3), NOW).await.unwrap();
    empty_its_log();
    ledger.ping().await.unwrap();

    std::fs::copy(&older, &journal).unwrap();

    assert!(matches!(ledger.ping().await, Err(Error::Replaced(text)) if text.contains("lacks commits")));
    assert_replaced(&ledger, "lacks commits").await;
    ledger.close().await;
    assert_eq!(summaries(&path).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_copy_a_touch_and_a_checkpoint_by_another_program_are_no_replacement() {
    let Opened { folder, path, ledger, .. } = opened().await;
    std::fs::copy(&path, folder.path().join("copy.db")).unwrap();
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    ledger.ping().await.unwrap();
    ledger.save_summary(numbered_summary(3), NOW).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(other);

    ledger.ping().await.unwrap();
    ledger.save_summary(numbered_summary(4), NOW).await.unwrap();

    ledger.close().await;
    assert_eq!(summaries(&path).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_ledger_behind_a_symbolic_link_is_in_its_place_until_the_link_leads_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.db"), folder.path().join("ledger.db"));
    std::fs::write(&real, "").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let ledger = SqliteLedger::open(&link, NOW).await.unwrap();
    ledger.save_summary(numbered_summary(1), NOW).await.unwrap();
    ledger.ping().await.unwrap();

    std::fs::remove_file(&link).unwrap();
    std::fs::write(&link, "").unwrap();

    assert_replaced(&ledger, "is another file").await;
}
