//! Copies of a ledger in SQLite: made while a summary API uses it, and put in the place of a ledger that no process
//! uses.
//!
//! PostgreSQL has tools of its own for that, so there is nothing here for it. Whether a copy is sound is left to the
//! caller, who can open it like any ledger.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::sqlite::backup;
pub use crate::sqlite::backup::Copied;

/// The file of a ledger in SQLite; `None` for PostgreSQL.
#[must_use]
pub fn file_of(database_url: &str) -> Option<PathBuf> {
    let path = database_url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Copies the ledger in the file `from` to the new file `to` and its journal beside that, as of one moment. Everything
/// that was acknowledged before is in the copy. A summary API may use the ledger meanwhile.
///
/// # Errors
/// [`Error::Config`] if `from` is no ledger of this program's version, or `to` can't be written; else the failure of a
/// file.
pub async fn copy(from: &Path, to: &Path, mut report: impl FnMut(Copied) + Send + 'static) -> Result<(), Error> {
    let (from, to) = (from.to_owned(), to.to_owned());
    blocking("copying it", move || backup::copy(&from, &to, &mut report)).await
}

/// Removes the empty journal and the lock that an opened and closed copy has beside its file.
///
/// # Errors
/// The error of the file system.
pub fn remove_beside(copy: &Path) -> std::io::Result<()> {
    backup::remove_beside(copy)
}

/// Puts the file `copy` in the place of the ledger at `path`, which may be missing. Moves the files of that ledger into
/// the new folder `old`. All three have to be on one file system.
///
/// # Errors
/// [`Error::InUse`] while another process uses the ledger, [`Error::Config`] if a file can't be moved.
pub async fn replace(path: &Path, copy: &Path, old: &Path) -> Result<(), Error> {
    let (path, copy, old) = (path.to_owned(), copy.to_owned(), old.to_owned());
    blocking("replacing it", move || backup::replace(&path, &copy, &old)).await
}

async fn blocking(what: &str, work: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Unavailable(format!("{what} failed: {error}")))?
}
