//! Notices that the ledger's files are no longer the ones this process opened.
//!
//! SQLite writes to its open files, wherever their names lead by now: after a restore, all that is saved would go into a
//! file that nobody can open again. So the device and inode behind each path are compared after each commit and before
//! anything is answered. A copy written over the file in place keeps the inode; it shows as a write to the file that was
//! no checkpoint of this process. Then what the file holds is compared, and nothing is answered until that is settled: a
//! checkpoint by another program is harmless, an older copy is not.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::schema::{self, Held};
use crate::Error;

/// What is found in the file counts when nobody wrote the file for this long: a checkpoint by another program is a mixture
/// of old and new while it goes on.
const SETTLED: Duration = Duration::from_millis(300);

/// The three files of an open ledger, as this process opened them.
#[derive(Debug)]
pub(super) struct Place {
    ledger: Uuid,
    main: Watched,
    log: Watched,
    index: Watched,
    /// The main file as the last checkpoint left it. Locked while a checkpoint writes it.
    left: Mutex<Left>,
    is_copying: AtomicBool,
    replaced: OnceLock<Error>,
    is_overwritten: AtomicBool,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    device: u64,
    inode: u64,
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

/// The size of a file and the moment of the last write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: (i64, i64),
}

impl Place {
    /// The place of the ledger at `path`, which the calling process has open with its log.
    pub(super) fn of(path: &Path, ledger: Uuid) -> Result<Self, Error> {
        // SQLite keeps the other two files beside the file that a symbolic link leads to.
        let real = path.canonicalize().map_err(|error| unreadable(path, &error))?;
        let beside = |suffix: &str| {
            let mut name = real.as_os_str().to_owned();
            name.push(suffix);
            Watched::at(PathBuf::from(name))
        };
        let (main, log, index) = (Watched::at(path.to_owned())?, beside("-wal")?, beside("-shm")?);
        let held = schema::held(path);
        let (stamp, is_whole) = (Stamp::of(&main.look()?), held.is_ok());
        let left = Mutex::new(Left { stamp, held: held.unwrap_or(None), is_whole, suspected: None });
        let (is_copying, is_overwritten) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { ledger, main, log, index, left, is_copying, replaced: OnceLock::new(), is_overwritten })
    }

    /// Whether all three files still stand at their paths and nobody else wrote the main one. Once they did not, the
    /// answer stays the same.
    ///
    /// # Errors
    /// [`Error::Replaced`] when they do not, [`Error::Unavailable`] when that can't be found out.
    pub(super) fn check(&self) -> Result<(), Error> {
        if let Some(error) = self.replaced.get() {
            return Err(error.clone());
        }
        for file in [&self.main, &self.log, &self.index] {
            self.latch(file.check())?;
        }
        self.latch(self.check_content())
    }

    /// Like [`check`](Self::check), and asks a new connection which ledger it finds.
    pub(super) fn check_closely(&self) -> Result<(), Error> {
        self.check()?;
        let found = schema::ledger_of(&schema::open_reader(&self.main.path)?)?;
        if found == self.ledger { Ok(()) } else { self.latch(Err(self.another(found))) }
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

    /// The size of the log's file.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log.look().map_or(0, |file| file.len())
    }

    /// Takes the log out of the way of a copy that was written into the main file: the next start would apply it to that
    /// copy. Nothing is deleted.
    fn set_log_aside(&self) {
        if self.log.check().is_err() {
            return;
        }
        let mut aside = self.log.path.as_os_str().to_owned();
        aside.push(format!(".of-{}", self.ledger));
        let aside = PathBuf::from(aside);
        match std::fs::rename(&self.log.path, &aside) {
            Ok(()) => tracing::warn!(
                log = %aside.display(),
                "the write-ahead log of the overwritten ledger was set aside, so that it does not damage the new one"
            ),
            Err(error) => tracing::error!(
                %error,
                log = %self.log.path.display(),
                "the write-ahead log of the overwritten ledger can't be set aside: move it away before the next start"
            ),
        }
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
                    self.set_log_aside();
                    Err(error)
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
            Ok(Some(found)) if found.ledger != self.ledger => Err(self.another(found.ledger)),
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

    fn another(&self, found: Uuid) -> Error {
        let (file, expected) = (self.main.path.display(), self.ledger);
        Error::Replaced(format!(
            "{file} holds the ledger {found} now, and this process was started on the ledger {expected}: stop this \
             service, bring the old one back or restore the new one once more, and start it again"
        ))
    }
}

impl Watched {
    fn at(path: PathBuf) -> Result<Self, Error> {
        let file = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        Ok(Self { path, device: file.dev(), inode: file.ino() })
    }

    fn look(&self) -> Result<Metadata, Error> {
        std::fs::metadata(&self.path).map_err(|error| {
            let file = self.path.display();
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
                Error::Replaced(format!(
                    "{file} is gone: it was deleted or moved, or its folder was, while this process had it open. What is \
                     saved now would be lost; bring the ledger back with the files beside it, then start this process again"
                ))
            } else {
                unreadable(&self.path, &error)
            }
        })
    }

    fn check(&self) -> Result<(), Error> {
        let file = self.look()?;
        if (file.dev(), file.ino()) == (self.device, self.inode) {
            return Ok(());
        }
        Err(Error::Replaced(format!(
            "{} is another file than the one this process opened: bring the old one back, or start this process again to \
             go on with the new one",
            self.path.display()
        )))
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self { bytes: file.len(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("can't look at {}: {error}", path.display()))
}
