//! The lock file beside a ledger's file. SQLite would allow two writers, but two summary APIs on one file are a
//! configuration error.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Error;

/// How long a taken lock is tried again: a process that this one starts holds a copy of the lock until it runs its own
/// program.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Takes the lock of the ledger at `path` until the returned file is dropped.
pub(super) fn take(path: &Path) -> Result<File, Error> {
    let beside = file(path);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let lock = opened.map_err(|error| {
        let beside = beside.display();
        Error::Config(format!(
            "can't create {beside} ({error}): the ledger needs an existing, writable folder; create it, or name a file \
             in another folder in DWELL_DATABASE_URL"
        ))
    })?;
    locked(lock, path)
}

/// Like [`take`], but only if the lock file exists; creates none.
pub(super) fn take_if_any(path: &Path) -> Result<Option<File>, Error> {
    File::open(file(path)).ok().map(|lock| locked(lock, path)).transpose()
}

fn locked(lock: File, path: &Path) -> Result<File, Error> {
    match try_patiently(&lock) {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let ledger = path.display();
            Err(Error::InUse(format!(
                "{ledger} is in use by another summary API: stop that one, or name another file in DWELL_DATABASE_URL"
            )))
        }
        Err(TryLockError::Error(error)) => {
            let beside = file(path);
            let beside = beside.display();
            Err(Error::Config(format!("can't lock {beside} ({error}): keep the ledger on a local disk")))
        }
    }
}

fn try_patiently(lock: &File) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_RETRY_INTERVAL),
            tried => return tried,
        }
    }
}

/// Returns the path of the ledger's lock file.
pub(super) fn file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_lock_of_which_a_starting_process_holds_a_copy_is_taken_once_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let lock = take(&path).unwrap();
        let copy = lock.try_clone().unwrap();
        drop(lock);
        let (starts, started) = mpsc::channel();

        let second = std::thread::spawn(move || {
            starts.send(()).unwrap();
            take(&path)
        });
        started.recv().unwrap();
        std::thread::yield_now();
        drop(copy);

        assert!(second.join().unwrap().is_ok());
    }
}
