//! The lock on a ledger's file: a file beside it. Two writers would be safe in SQLite, but two summary APIs on one file are
//! a mistake.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

/// The lock of the ledger at `path`, for as long as it is kept.
pub(super) fn take(path: &Path) -> Result<File, Error> {
    let beside = file(path);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let lock = opened.map_err(|error| {
        let beside = beside.display();
        Error::Config(format!(
            "can't make {beside} ({error}): the ledger needs a folder that exists and can be written; make it, or name \
             a file in another one in DWELL_DATABASE_URL"
        ))
    })?;
    locked(lock, path)
}

/// The same, if there is a lock already; none is made.
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

/// The file whose lock it is.
pub(super) fn file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}
