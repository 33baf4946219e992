//! Fixtures for tests that need a ledger on a disk.
//!
//! Compiled only with the feature `testing`, for tests of the crates above.

#![expect(clippy::unwrap_used, reason = "a fixture that can't be made ends its test")]

use std::sync::Arc;

use ledger::Ledger;
use ledger::testing::minute;
use tempfile::TempDir;

/// A ledger on SQLite, and the folder that it is in: dropping the folder removes it.
pub async fn temporary() -> (Arc<dyn Ledger>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
    (crate::open(&url, &tls::Connector::default(), minute(0)).await.unwrap(), folder)
}
