//! The lock file beside a ledger's file. SQLite would allow two writers, but two summary APIs on one file are a
//! configuration error.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

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
    match lock.try_lock() {
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

/// Returns the path of the ledger's lock file.
pub(super) fn file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}
