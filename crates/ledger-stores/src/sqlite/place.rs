//! Notices that the ledger's files are no longer the ones this process opened.
//!
//! SQLite writes to its open files, wherever their names lead by now: after a restore, all that is saved would go into
//! a file that nobody can open again. So the device and inode behind each path are compared after each commit and
//! before anything is answered. A copy written over the file in place keeps the inode; it shows as a write to the file
//! that was no checkpoint of this process. Then what the file holds is compared, and nothing is answered until that is
//! settled: a checkpoint by another program is harmless, an older copy is not.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use self::watched::{Stamp, Watched, rename, unreadable, with_suffix};
use super::backlog::Backlog;
use super::schema::Held;
use super::{pairing, schema};
use crate::Error;

mod watched;

/// What is found in the file counts when nobody wrote the file for this long: a checkpoint by another program is a
/// mixture of old and new while it goes on.
const SETTLED: Duration = Duration::from_millis(300);

/// The files of an open ledger and of its journal, as this process opened them.
#[derive(Debug)]
pub(super) struct Place {
    ledger: Uuid,
    main: Watched,
    log: Watched,
    index: Watched,
    /// The journal, its write-ahead log and the index of that.
    journal: [Watched; 3],
    /// The main file as the last checkpoint left it. Locked while a checkpoint writes it.
    left: Mutex<Left>,
    is_copying: AtomicBool,
    replaced: OnceLock<Error>,
    is_overwritten: AtomicBool,
}

#[derive(Debug)]
struct Left {
    stamp: Stamp,
    /// What the main file holds without its log; `None` before the first checkpoint.
    held: Option<Held>,
    /// A checkpoint that failed, or that a reader kept from copying everything, leaves a mixture of old and new pages, which
    /// tells little until the next one succeeds.
    is_whole: bool,
    /// A write of another program that is not explained yet, and since when.
    suspected: Option<(Stamp, Instant)>,
}

impl Place {
    /// The place of the ledger at `path`, which the calling process has open with its log.
    pub(super) fn of(path: &Path, ledger: Uuid) -> Result<Self, Error> {
        // SQLite keeps the other two files beside the file that a symbolic link leads to.
        let real = path.canonicalize().map_err(|error| unreadable(path, &error))?;
        let beside = |file: &Path, suffix: &str| Watched::at(with_suffix(file, suffix));
        let of_journal = pairing::file(path);
        let journal = [Watched::at(of_journal.clone())?, beside(&of_journal, "-wal")?, beside(&of_journal, "-shm")?];
        let (main, log, index) = (Watched::at(path.to_owned())?, beside(&real, "-wal")?, beside(&real, "-shm")?);
        let held = schema::held(path);
        let (stamp, is_whole) = (Stamp::of(&main.look()?), held.is_ok());
        let left = Mutex::new(Left { stamp, held: held.unwrap_or(None), is_whole, suspected: None });
        let (is_copying, is_overwritten) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { ledger, main, log, index, journal, left, is_copying, replaced: OnceLock::new(), is_overwritten })
    }

    /// The path of the main file.
    pub(super) fn path(&self) -> &Path {
        &self.main.path
    }

    /// Checks that each path still leads to the opened file, and that no other program wrote the main file. After one
    /// failure every later check fails with the same error.
    ///
    /// # Errors
    /// [`Error::Replaced`] when they do not, [`Error::Unavailable`] when that can't be found out.
    pub(super) fn check(&self) -> Result<(), Error> {
        if let Some(error) = self.replaced.get() {
            return Err(error.clone());
        }
        for file in [&self.main, &self.log, &self.index].into_iter().chain(&self.journal) {
            self.latch(file.check())?;
        }
        self.latch(self.check_content())
    }

    /// Like [`check`](Self::check), and asks new connections which ledger they find, and whether the journal has what the
    /// backlog says that it has.
    pub(super) fn check_closely(&self, backlog: &Backlog) -> Result<(), Error> {
        self.check()?;
        let found = schema::ledger_of(&schema::open_reader(&self.main.path)?)?;
        if found != self.ledger {
            return self.latch(Err(self.another(&self.main.path, found)));
        }
        self.latch(self.check_journal(backlog))
    }

    fn check_journal(&self, backlog: &Backlog) -> Result<(), Error> {
        let file = &self.journal[0].path;
        // In this order: entries are added before they count as committed, and deleted only after a checkpoint.
        let committed = backlog.last_committed();
        let held = pairing::held(file);
        let checkpointed = backlog.checkpointed().max(backlog.begun_at());
        match held {
            Ok(Some(held)) if held.ledger != self.ledger => Err(self.another(file, held.ledger)),
            Ok(Some(held)) if held.has_all(checkpointed, committed) => Ok(()),
            Err(error @ Error::Unavailable(_)) => Err(error),
            Ok(_) | Err(_) => Err(damaged(file)),
        }
    }

    /// Runs a checkpoint, the only thing that writes the main file; not once another copy may stand in it, which the log
    /// would damage. `run` tells how many frames the log has and how many of them are in the file. Whether it succeeded.
    pub(super) fn checkpoint(&self, run: impl FnOnce() -> rusqlite::Result<(i32, i32)>) -> bool {
        let is_main = self.main.check().is_ok();
        if is_main && self.latch(self.check_content()).is_err() {
            return false;
        }
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_overwritten() {
            return false;
        }
        self.is_copying.store(true, Ordering::SeqCst);
        let result = run();
        self.is_copying.store(false, Ordering::SeqCst);
        if is_main && let Ok(file) = self.main.look() {
            let stamp = Stamp::of(&file);
            if result.as_ref().is_ok_and(|(frames, copied)| frames == copied) {
                // What is not this ledger is left to the next check, which sees another stamp.
                if let Ok(held) = self.judge(&left, stamp) {
                    *left = Left { stamp, held, is_whole: true, suspected: None };
                }
            } else {
                (left.stamp, left.is_whole) = (stamp, false);
            }
        }
        result.is_ok()
    }

    /// Whether another copy was written into the main file.
    pub(super) fn is_overwritten(&self) -> bool {
        self.is_overwritten.load(Ordering::SeqCst)
    }

    /// The sizes of the write-ahead logs of tables and journal.
    pub(super) fn log_bytes(&self) -> u64 {
        self.tables_log_bytes() + self.journal[1].look().map_or(0, |file| file.len())
    }

    /// The size of the write-ahead log of the tables.
    pub(super) fn tables_log_bytes(&self) -> u64 {
        self.log.look().map_or(0, |file| file.len())
    }

    /// Takes log and journal out of the way of a copy that was written into the main file: the next start would apply them
    /// to that copy. Nothing is deleted.
    fn set_aside(&self) {
        let [journal, of_journal, _] = &self.journal;
        let aside = with_suffix(&journal.path, &format!(".of-{}", self.ledger));
        rename(&self.log, &with_suffix(&self.log.path, &format!(".of-{}", self.ledger)));
        rename(of_journal, &with_suffix(&aside, "-wal"));
        rename(journal, &aside);
    }

    fn latch(&self, checked: Result<(), Error>) -> Result<(), Error> {
        match checked {
            Err(error @ Error::Replaced(_)) => Err(self.replaced.get_or_init(|| error).clone()),
            other => other,
        }
    }

    /// Compares what the main file holds, once somebody wrote it who is not this process.
    fn check_content(&self) -> Result<(), Error> {
        // Its end looks at what it left.
        if self.is_copying.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.main.look()?);
        if stamp == left.stamp {
            return Ok(());
        }
        match self.judge(&left, stamp) {
            Ok(held) => {
                let is_whole = left.is_whole;
                *left = Left { stamp, held, is_whole, suspected: None };
                Ok(())
            }
            Err(error) => match left.suspected {
                Some((before, since)) if before == stamp && since.elapsed() >= SETTLED => {
                    self.is_overwritten.store(true, Ordering::SeqCst);
                    // First: another check would find a file gone that is set aside here, and report that.
                    let replaced = self.latch(Err(error));
                    self.set_aside();
                    replaced
                }
                suspected => {
                    left.suspected =
                        suspected.filter(|(before, _)| *before == stamp).or_else(|| Some((stamp, Instant::now())));
                    let file = self.main.path.display();
                    Err(Error::Unavailable(format!("another program writes the ledger {file}; it is being looked at")))
                }
            },
        }
    }

    /// What the main file holds, unless that is another ledger or an older copy of this one.
    fn judge(&self, left: &Left, stamp: Stamp) -> Result<Option<Held>, Error> {
        match schema::held(&self.main.path) {
            Ok(Some(found)) if found.ledger != self.ledger => Err(self.another(&self.main.path, found.ledger)),
            _ if stamp.bytes < left.stamp.bytes => Err(self.older()),
            Err(Error::Corrupt(problem)) if problem.contains("not a database") => Err(self.older()),
            Ok(found) if left.is_whole => {
                let is_older = left.held.is_some_and(|before| found.is_none_or(|found| !found.has_all_of(before)));
                if is_older { Err(self.older()) } else { Ok(found) }
            }
            // A mixture can't be read, or tells a wrong number.
            Ok(_) | Err(_) => Ok(left.held),
        }
    }

    fn older(&self) -> Error {
        let file = self.main.path.display();
        Error::Replaced(format!(
            "an older copy was written over the ledger {file} while this process had it open: stop this service, restore the \
             copy once more, and start it again"
        ))
    }

    fn another(&self, file: &Path, found: Uuid) -> Error {
        let (file, expected) = (file.display(), self.ledger);
        Error::Replaced(format!(
            "{file} holds the ledger {found} now, and this process was started on the ledger {expected}: stop this \
             service, bring the old one back or restore the new one once more, and start it again"
        ))
    }
}

fn damaged(file: &Path) -> Error {
    let file = file.display();
    Error::Replaced(format!(
        "the journal {file} lacks commits of this process: an older copy was written over it, or it is damaged. What \
         was recorded is applied to the tables while this service stops; then start it again"
    ))
}
