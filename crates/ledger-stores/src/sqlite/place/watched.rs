//! A file that is open: whether its path still leads to it, and when it was last written.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

/// A file that this process has open: its path, and which file stood there.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) path: PathBuf,
    device: u64,
    inode: u64,
}

/// The size of a file and the moment of the last write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    modified: (i64, i64),
}

impl Watched {
    pub(super) fn at(path: PathBuf) -> Result<Self, Error> {
        let file = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        Ok(Self { path, device: file.dev(), inode: file.ino() })
    }

    pub(super) fn look(&self) -> Result<Metadata, Error> {
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

    pub(super) fn check(&self) -> Result<(), Error> {
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
    pub(super) fn of(file: &Metadata) -> Self {
        Self { bytes: file.len(), modified: (file.mtime(), file.mtime_nsec()) }
    }
}

pub(super) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames one of the files of an overwritten ledger, if it is still the one that was opened.
pub(super) fn rename(file: &Watched, aside: &Path) {
    if file.check().is_err() {
        return;
    }
    let (name, aside_name) = (file.path.display(), aside.display());
    match std::fs::rename(&file.path, aside) {
        Ok(()) => tracing::warn!(
            file = %name,
            aside = %aside_name,
            "a file of the overwritten ledger was set aside, so that it does not damage the new one"
        ),
        Err(error) => tracing::error!(
            %error,
            file = %name,
            "a file of the overwritten ledger can't be set aside: move it away before the next start"
        ),
    }
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("can't look at {}: {error}", path.display()))
}
