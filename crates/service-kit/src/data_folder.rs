//! The data folder, and the lock that reserves it for one process.
//!
//! The embedded parts define its content.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::Unavailable;

/// The lock file.
const LOCK: &str = "lock";

/// An exclusive lock on a data folder. Dropping it, or the end of the process, releases it.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Why the data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process uses it.
    #[error("can't lock {}", .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// What to do.
        source: Unavailable,
    },
    /// It can't be created or written.
    #[error("can't use {}", .path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// The system's error, and what to do.
        source: settings::Error,
    },
}

impl DataFolder {
    /// Creates the folder if necessary, and locks it.
    ///
    /// # Errors
    /// It is in use, or can't be written; the text says what to do.
    pub fn lock(path: &Path) -> Result<Self, Error> {
        let unusable = |error| Error::Unusable {
            path: path.to_owned(),
            source: settings::Error::Refused(format!(
                "the data folder can't be written ({error}): make it writable, or choose another one with \
                 DWELL_DATA_DIR (--data-dir)"
            )),
        };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned(), source: in_use() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn in_use() -> Unavailable {
    let reason = "it is in use by another process: stop that one, or choose another folder with DWELL_DATA_DIR \
                  (--data-dir)";
    Unavailable { name: "the data folder", reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_holder_s_until_it_is_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");

        let first = DataFolder::lock(&path).unwrap();
        let second = DataFolder::lock(&path).unwrap_err();
        drop(first);

        let told = matches!(&second, Error::InUse { path: folder, source }
            if *folder == path && source.reason.contains("DWELL_DATA_DIR"));
        assert!(told, "{second:?}");
        assert_eq!(DataFolder::lock(&path).unwrap().path(), path);
    }

    #[test]
    fn a_folder_that_can_t_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();

        let error = DataFolder::lock(&file.join("data")).unwrap_err();

        assert!(error.to_string().contains("file/data"), "{error}");
        let told = matches!(&error, Error::Unusable { source: settings::Error::Refused(text), .. }
            if text.contains("DWELL_DATA_DIR"));
        assert!(told, "{error:?}");
    }
}
