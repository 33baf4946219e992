//! Makes a copy of a ledger in SQLite, and verifies it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use access::Principal;
use ledger_stores::backup;
use service_kit::ServiceContext;
use sessions::Verification;
use settings::{DATABASE_URL, Settings};
use summary_api::offline;
use tempfile::TempDir;

use crate::commands::verify;
use crate::terminal::progress::Progress;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The files can't be copied.
    #[error("the ledger can't be copied")]
    Copy(#[from] ledger::Error),
    /// The copy can't be opened.
    #[error("the copy can't be verified")]
    Open(#[from] offline::Error),
    /// The copy can't be verified.
    #[error("the copy can't be verified")]
    Verify(#[from] verify::Error),
    /// The copy has no ledger.
    #[error("the copy has no ledger")]
    Empty,
    /// The copy's journal can't be removed.
    #[error("the copy can't be finished")]
    Finish(#[source] std::io::Error),
}

/// The folder of a file.
pub(crate) fn parent(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Creates a temporary folder beside a file, so that what is made there can be renamed to it. Only this user can read
/// it.
pub(crate) fn folder_beside(file: &Path) -> std::io::Result<TempDir> {
    let private = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix(".dwell-backup-").permissions(private).tempdir_in(parent(file))
}

/// Copies the ledger in the file `from` to `to` as one file, and verifies the copy.
pub(crate) async fn make(
    from: &Path,
    to: &Path,
    settings: &Settings,
    context: &ServiceContext,
) -> Result<Verification, Error> {
    let progress = Progress::of_things("pages copied");
    let copied = progress.clone();
    backup::copy(from, to, move |so_far| copied.set(so_far.pages)).await?;
    progress.finish();
    let settings = settings.clone().with(&DATABASE_URL, &format!("sqlite:{}", to.display()));
    // Opening it applies its journal, and closing it leaves one file.
    let opened = offline::open(&settings, context).await?.ok_or(Error::Empty)?;
    let progress = Progress::of_things("vehicles verified");
    let found = verify::verify_parts(&opened.service.scoped(Principal::local()), &progress).await;
    opened.service.close().await;
    progress.finish();
    backup::remove_beside(to).map_err(Error::Finish)?;
    Ok(found?)
}
