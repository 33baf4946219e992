//! Probes a database without changing it: whether it can be reached, has a ledger, and accepts writes.

use parking::{GivenRules, Timestamp};
use tls::Connector;

use super::failure::Failure;
use super::schema;
use super::store::Store;
use crate::{Error, Probe};

/// Probes once, without retries.
pub(crate) async fn probe(database_url: &str, connector: &Connector, given: &GivenRules) -> Result<Probe, Error> {
    look(&Store::new(database_url, connector)?, given).await.map_err(Failure::into_error)
}

async fn look(store: &Store, given: &GivenRules) -> Result<Probe, Failure> {
    let mut connection = store.connection().await?;
    let transaction = connection.build_transaction().read_only(true).start().await?;
    let asked = "
        SELECT current_setting('server_version'), (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
            pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'";
    let row = transaction.query_one(asked, &[]).await?;
    let (version, now_ms): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
    let is_read_only = row.try_get(2)?;
    let rules = schema::look(&transaction, given).await?;
    Ok(Probe { store: format!("PostgreSQL {version}"), now: Some(Timestamp::from_millis(now_ms)), is_read_only, rules })
}
