//! Creates the tables of a ledger, migrates older ones to this program's version, and counts quarter hours that are
//! missing.
//!
//! Both take time proportional to the ledger. All migrations share one transaction without a statement timeout. Quarter
//! hours are counted in batches; each transaction stores its progress, so that after a crash the next process continues
//! from there. No process records in between: the schema version blocks older programs, and this one opens the ledger
//! only after everything is counted.

use std::time::Duration;

use parking::Timestamp;
use uuid::Uuid;

use super::failure::Failure;
use super::quarters;
use super::schema::{MIGRATIONS, STARTUP_LOCK_KEY, known_version, newer, stored_version};
use super::store::{Store, attempt, attempt_within};
use crate::progress::Progress;
use crate::{AliasKey, Error};

/// Migrates the tables to this program's version and returns the ledger's id and the key of its aliases. A current
/// ledger is only read, so a role without the right to create tables is sufficient.
pub(super) async fn prepare(store: &Store, now: Timestamp) -> Result<(Uuid, AliasKey), Error> {
    if attempt(|| version(store)).await? != Some(known_version()) {
        attempt_within(Duration::MAX, || upgrade(store, now)).await?;
    }
    count_quarters(store).await?;
    attempt(|| identity(store)).await
}

async fn version(store: &Store) -> Result<Option<i32>, Failure> {
    let mut connection = store.connection().await?;
    let transaction = connection.build_transaction().read_only(true).start().await?;
    let version = stored_version(&transaction).await?;
    transaction.commit().await?;
    connection.end_well();
    Ok(version)
}

/// Runs before the migrations. A recording transaction writes vehicles before events and sessions: the lock waits for
/// running ones to end and blocks new ones, which then fail because the schema version has changed.
const LOCK_TABLES: &str = "
    LOCK TABLE vehicle IN EXCLUSIVE MODE;
    LOCK TABLE event, session IN ACCESS EXCLUSIVE MODE;
";

async fn upgrade(store: &Store, now: Timestamp) -> Result<(), Failure> {
    let mut connection = store.connection().await?;
    let transaction = connection.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&STARTUP_LOCK_KEY]).await?;
    let known = known_version();
    let version = match stored_version(&transaction).await? {
        Some(version) if version > known => return Err(newer(version).into()),
        Some(version) if version < known => {
            tracing::info!(from = version, to = known, "upgrading the tables of a ledger of an older version");
            transaction.batch_execute("SET LOCAL statement_timeout = 0").await?;
            transaction.batch_execute(LOCK_TABLES).await?;
            version
        }
        Some(version) => version,
        None => {
            let made = "
                CREATE TABLE ledger (
                    schema_version int NOT NULL, ledger_id uuid NOT NULL, created_ms bigint NOT NULL, rules text
                )";
            transaction.batch_execute(made).await?;
            let first = "INSERT INTO ledger VALUES (0, gen_random_uuid(), $1)";
            transaction.execute(first, &[&now.as_millis()]).await?;
            0
        }
    };
    // First, because the migrations that change events or sessions must pass the check of the schema version.
    transaction.execute("UPDATE ledger SET schema_version = $1", &[&known]).await?;
    for step in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        transaction.batch_execute(step).await?;
    }
    transaction.commit().await?;
    connection.end_well();
    Ok(())
}

async fn count_quarters(store: &Store) -> Result<(), Error> {
    let mut progress = Progress::default();
    loop {
        let sessions = attempt(|| quarters::count_some(store)).await?;
        if sessions == 0 {
            progress.finish();
            return Ok(());
        }
        progress.add(sessions);
    }
}

async fn identity(store: &Store) -> Result<(Uuid, AliasKey), Failure> {
    let connection = store.connection().await?;
    let row = connection.query_one("SELECT ledger_id, alias_key FROM ledger", &[]).await?;
    let key: &[u8] = row.try_get(1)?;
    let key = key.try_into().map_err(|_| Error::Corrupt("the key of its aliases is not 32 bytes".to_owned()))?;
    let identity = (row.try_get(0)?, AliasKey::new(key));
    connection.end_well();
    Ok(identity)
}
