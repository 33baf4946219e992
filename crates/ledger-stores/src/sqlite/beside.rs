//! Changes to tables that bypass the journal: accounts and webhooks.
//!
//! Nothing else depends on these tables, so replaying their changes would gain nothing. A change is one synced
//! transaction on a connection of its own: it waits for a bulk of the applier, and commits don't wait for it.

use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Transaction, TransactionBehavior};

use super::place::Place;
use super::schema;
use crate::Error;

/// Runs `work` in one transaction on the ledger at this place, which this process has open. The transaction completes
/// even if the caller does not wait for it.
pub(super) async fn change<T: Send + 'static>(
    place: &Arc<Place>,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let place = Arc::clone(place);
    let changing = tokio::task::spawn_blocking(move || {
        place.check()?;
        let mut connection = schema::open_beside(place.path())?;
        // Checkpoints are the applier's.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        transaction.commit()?;
        place.check().map(|()| done)
    });
    changing.await.map_err(|error| Error::Unavailable(format!("changing it failed: {error}")))?
}
