//! Tables and a journal that don't belong together, or are damaged, are refused.

use std::path::PathBuf;
use std::time::Duration;

use super::journaling::{ALL_FILES, count, entries, killed, open_on_demand};
use super::*;

/// A ledger that was killed with something in its journal.
async fn unclosed(folder: &Path) -> PathBuf {
    let path = folder.join("ledger.db");
    let ledger = open_on_demand(&path).await;
    ledger.save_summary(numbered_summary(1), NOW).await.unwrap();
    let (killed, copy) = killed(&path, &ALL_FILES);
    ledger.close().await;
    for file in std::fs::read_dir(folder).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    for file in std::fs::read_dir(killed.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    drop(copy);
    path
}

#[tokio::test]
async fn a_journal_that_is_missing_is_refused_unless_the_ledger_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = unclosed(folder.path()).await;
    std::fs::remove_file(pairing::file(&path)).unwrap();
    std::fs::remove_file(format!("{}.journal-wal", path.display())).unwrap();

    let text = refusal(&path).await;
    assert!(
        text.contains("its journal") && text.contains("is missing") && text.contains("needs_journal = 0"),
        "{text}"
    );
    let looked = probe(&path, &GivenRules::default()).await;
    assert!(matches!(&looked, Err(Error::Config(text)) if text.contains("is missing")), "{looked:?}");
}

/// Copies one of the files by itself, as `VACUUM INTO` and `.backup` do.
fn copy_alone(from: &Path, to: &Path) {
    Connection::open(from).unwrap().execute("VACUUM INTO ?1", params![to.to_str().unwrap()]).unwrap();
}

#[tokio::test]
async fn a_copy_of_the_tables_of_an_open_ledger_is_refused_without_its_journal_and_whole_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("ledger.db"), folder.path().join("copy.db"));
    let ledger = open_on_demand(&path).await;
    ledger.save_summary(numbered_summary(1), NOW).await.unwrap();
    assert_eq!(count(&ledger).await, 1);
    ledger.save_summary(numbered_summary(2), NOW).await.unwrap();
    copy_alone(&path, &copy);
    assert!(refusal(&copy).await.contains("is missing"));

    copy_alone(&pairing::file(&path), &folder.path().join("copy.db.journal"));
    probe(&copy, &GivenRules::default()).await.unwrap();
    let copied = SqliteLedger::open(&copy, NOW).await.unwrap();

    assert_eq!(count(&copied).await, 2);
    copied.close().await;
    std::fs::remove_file(pairing::file(&copy)).unwrap();
    assert_eq!(count(&SqliteLedger::open(&copy, NOW).await.unwrap()).await, 2, "once closed, the file stands alone");
}

#[tokio::test]
async fn a_flipped_bit_in_the_journal_is_refused_and_names_the_entry() {
    let folder = tempfile::tempdir().unwrap();
    let path = unclosed(folder.path()).await;
    let journal = Connection::open(pairing::file(&path)).unwrap();
    let (number, mut bytes): (i64, Vec<u8>) = journal
        .query_row("SELECT number, updates FROM entry WHERE length(updates) > 0", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let whole = bytes.clone();
    let write = |bytes: &[u8]| {
        journal.execute("UPDATE entry SET updates = ?2 WHERE number = ?1", params![number, bytes]).map(drop).unwrap();
    };
    for bit in [8, 80, whole.len() * 8 - 1] {
        bytes[bit / 8] ^= 1 << (bit % 8);
        write(&bytes);
        let opened = SqliteLedger::open(&path, NOW).await;
        assert!(matches!(&opened, Err(Error::Corrupt(text)) if text.contains("checksum")), "{bit}: {opened:?}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    write(&whole[..5]);
    let opened = SqliteLedger::open(&path, NOW).await;
    assert!(matches!(&opened, Err(Error::Corrupt(text)) if text.contains("it is cut off")), "{opened:?}");

    write(&whole);
    assert_eq!(count(&SqliteLedger::open(&path, NOW).await.unwrap()).await, 1);
}

#[tokio::test]
async fn a_torn_end_of_the_journal_s_log_loses_nothing_that_was_acknowledged_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open_on_demand(&path).await;
    ledger.save_summary(numbered_summary(1), NOW).await.unwrap();
    let log = |path: &Path| PathBuf::from(format!("{}.journal-wal", path.display()));
    let acknowledged = log(&path).metadata().unwrap().len();
    ledger.save_summary(numbered_summary(2), NOW).await.unwrap();
    let written = log(&path).metadata().unwrap().len();
    assert!(written > acknowledged);
    for length in [acknowledged + 1, acknowledged + 30, written - 1] {
        let (_folder, torn) = killed(&path, &ALL_FILES);
        std::fs::File::options().write(true).open(log(&torn)).unwrap().set_len(length).unwrap();
        assert_eq!(count(&SqliteLedger::open(&torn, NOW).await.unwrap()).await, 1, "cut at {length}");
    }
}

#[tokio::test]
async fn tables_that_are_missing_are_refused_and_none_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = unclosed(folder.path()).await;
    std::fs::remove_file(&path).unwrap();
    drop(std::fs::remove_file(format!("{}-wal", path.display())));

    assert!(refusal(&path).await.contains("ledger.db is missing, and its journal"));
    assert!(!path.exists());
}

#[tokio::test]
async fn the_journal_of_another_ledger_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (unclosed(one.path()).await, unclosed(other.path()).await);
    for suffix in [".journal", ".journal-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        if Path::new(&name(&other)).exists() {
            std::fs::copy(name(&other), name(&one)).unwrap();
        }
    }
    assert!(refusal(&one).await.contains("is the journal of the ledger"));
}

#[tokio::test]
async fn tables_and_a_journal_of_different_moments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = SqliteLedger::open(&path, NOW).await.unwrap();
    let summary = async |number| ledger.save_summary(numbered_summary(number), NOW).await.map(drop).unwrap();
    summary(1).await;
    empty_log(&ledger, &path).await;
    let (early_folder, early) = killed(&path, &ALL_FILES);
    for number in 2..9 {
        summary(number).await;
    }
    // Trimmed with the next commit.
    empty_log(&ledger, &path).await;
    testbed::wait_until(Duration::from_secs(20), "the journal to be trimmed", async || {
        ledger.ping().await.unwrap();
        entries(&path) == 1
    })
    .await;
    summary(9).await;
    assert_eq!(count(&ledger).await, 9);
    let (_late_folder, late) = killed(&path, &ALL_FILES);
    ledger.close().await;
    let mix = |tables: &Path, journal: &Path| {
        let folder = tempfile::tempdir().unwrap();
        let mixed = folder.path().join("ledger.db");
        for (from, suffixes) in [(tables, ["", "-wal"]), (journal, [".journal", ".journal-wal"])] {
            for suffix in suffixes {
                let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
                if name(from).exists() {
                    std::fs::copy(name(from), name(&mixed)).unwrap();
                }
            }
        }
        (folder, mixed)
    };

    let (_folder, older_journal) = mix(&late, &early);
    assert!(refusal(&older_journal).await.contains("is older than"));
    let (_folder, older_tables) = mix(&early, &late);
    assert!(refusal(&older_tables).await.contains("is older than its journal"));
    assert_eq!(count(&SqliteLedger::open(&early, NOW).await.unwrap()).await, 1);
    drop(early_folder);
}
