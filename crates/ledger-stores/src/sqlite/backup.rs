//! Copies the files of a ledger as of one moment, also while a summary API writes them, and puts a copy in the place of
//! a ledger that no process uses.
//!
//! A copy is a main file and the journal beside it. Opening it as a ledger applies the journal, and closing it leaves
//! one file. Both are left to the caller.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, params};

use super::{lock, pairing, schema};
use crate::Error;

/// Pages copied between two reports.
const STEP_PAGES: i32 = 4_096;
/// The wait for a lock that another program holds on a file.
const BUSY_INTERVAL: Duration = Duration::from_millis(10);
/// What SQLite puts behind the name of a file.
const LOG: &str = "-wal";
const LOG_INDEX: &str = "-shm";

/// How far a copy has come. Each of its two files begins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Pages that are copied.
    pub pages: u64,
    /// Pages of the file.
    pub of: u64,
}

/// Copies the ledger at `from` to the new file `to`, and its journal beside that.
pub(crate) fn copy(from: &Path, to: &Path, report: &mut dyn FnMut(Copied)) -> Result<(), Error> {
    if !from.exists() {
        return Err(Error::Config(format!("there is no ledger {}", from.display())));
    }
    // A free lock is held for the copy, so that no process begins to write meanwhile.
    let lock = match lock::take_if_any(from) {
        Err(Error::InUse(_)) => None,
        taken => Some(taken?),
    };
    let is_closed = lock.is_some() && !with_ending(from, LOG).exists();
    let source = if is_closed { schema::open_immutable(from)? } else { schema::open_reader(from)? };
    schema::check_version(&source, from)?;
    let journal = pairing::file(from);
    let has_journal = journal.exists();
    if has_journal {
        let is_closed = is_closed && !with_ending(&journal, LOG).exists();
        let name = if is_closed { schema::immutable_url(&journal)? } else { journal.display().to_string() };
        source.execute("ATTACH ?1 AS journal", params![name])?;
    }
    source.execute_batch("BEGIN")?;
    // The tables are read first, so the journal of the copy has every entry that its tables lack.
    let needs_journal: bool = source.query_row("SELECT needs_journal FROM ledger", [], |row| row.get(0))?;
    if needs_journal && !has_journal {
        return Err(pairing::missing(from, &journal));
    }
    if has_journal {
        source.query_row("SELECT count(*) FROM journal.sqlite_schema", [], |_| Ok(()))?;
    }
    copy_database(&source, "main", to, report)?;
    if has_journal {
        copy_database(&source, "journal", &pairing::file(to), report)?;
    }
    source.execute_batch("COMMIT")?;
    Ok(())
}

fn copy_database(source: &Connection, name: &str, to: &Path, report: &mut dyn FnMut(Copied)) -> Result<(), Error> {
    schema::make_private(to)?;
    let mut copy = Connection::open(to)?;
    {
        let backup = Backup::new_with_names(source, name, &mut copy, "main")?;
        loop {
            let step = backup.step(STEP_PAGES)?;
            let progress = backup.progress();
            report(Copied { pages: pages(progress.pagecount - progress.remaining), of: pages(progress.pagecount) });
            if step == StepResult::Done {
                break;
            }
            if step != StepResult::More {
                std::thread::sleep(BUSY_INTERVAL);
            }
        }
    }
    copy.close().map_err(|(_, error)| error.into())
}

fn pages(count: i32) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// Removes what an opened and closed copy has beside its main file.
pub(crate) fn remove_beside(path: &Path) -> std::io::Result<()> {
    for beside in [pairing::file(path), lock::file(path)] {
        match fs::remove_file(beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Puts the file `copy` in the place of the ledger at `path`, and moves all files of that one into the new folder
/// `old`. `copy`, `old` and `path` have to be on one file system.
pub(crate) fn replace(path: &Path, copy: &Path, old: &Path) -> Result<(), Error> {
    let _lock = lock::take(path)?;
    let failed = |what: &Path, error: &std::io::Error| {
        Error::Config(format!(
            "{} can't be moved ({error}). What was moved before is in {}; correct the reason and restore again",
            what.display(),
            old.display()
        ))
    };
    fs::DirBuilder::new().mode(0o700).create(old).map_err(|error| failed(old, &error))?;
    let journal = pairing::file(path);
    // The main file is never missing, because a start would create an empty one. Without its journal, which goes first,
    // a start refuses what was not closed.
    let beside = [journal.clone(), with_ending(&journal, LOG), with_ending(&journal, LOG_INDEX)];
    let beside = beside.into_iter().chain([with_ending(path, LOG), with_ending(path, LOG_INDEX)]);
    for file in beside.filter(|file| file.exists()) {
        let name = file.file_name().unwrap_or_default();
        fs::rename(&file, old.join(name)).map_err(|error| failed(&file, &error))?;
    }
    if path.exists() {
        let name = path.file_name().unwrap_or_default();
        fs::hard_link(path, old.join(name)).map_err(|error| failed(path, &error))?;
    }
    fs::rename(copy, path).map_err(|error| failed(copy, &error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    for folder in [folder, old] {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, &error))?;
    }
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
