//! Reads and replaces a tokens file. A lock on its folder keeps two commands from undoing each other's change.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use event_files::atomic_file::AtomicFile;

use super::Error;

/// What a missing file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// A new file is created.
    Begin,
    /// It is an error.
    Refuse,
}

/// The text of the file.
pub(super) fn read(path: &str) -> Result<String, Error> {
    settings::read_file(path.as_ref()).map_err(|problem| Error::File { file: path.to_owned(), problem })
}

/// Replaces the file by what `change` makes of its text. A reader sees the file before or after the change, never a
/// part.
pub(super) fn change(
    path: &str,
    absent: Absent,
    change: impl FnOnce(&str) -> Result<String, Error>,
) -> Result<(), Error> {
    let unusable = |error: io::Error| Error::File { file: path.to_owned(), problem: error.to_string() };
    // The lock is on the folder, because the file itself is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| Path::new(path).to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let lock = File::open(folder).map_err(unusable)?;
    lock.lock().map_err(unusable)?;
    let text = if absent == Absent::Begin && !target.exists() { String::new() } else { read(path)? };
    let changed = change(&text)?;
    let mut file = AtomicFile::create(&target)?;
    file.write(changed.as_bytes())?;
    Ok(file.finish()?)
}
