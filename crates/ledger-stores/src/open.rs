//! Opens or probes the ledger that an address names. This is the only place that chooses an adapter.

use std::path::Path;
use std::sync::Arc;

use parking::{GivenRules, Rules, Timestamp};
use tls::Connector;

use super::postgres::{self, PostgresLedger};
use super::sqlite::{self, SqliteLedger};
use super::{Error, Ledger};

/// Opens the ledger at `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; creates it at `now` if the store
/// is empty. `connector` is the TLS of an address with `sslmode=verify-full`.
///
/// # Errors
///
/// [`Error::Config`] if the operator must act (the address is wrong, the store belongs to another program or to a newer
/// version), [`Error::InUse`] if another process has opened the store, [`Error::Unavailable`] if the store is down and
/// the same call may succeed later.
pub async fn open(database_url: &str, connector: &Connector, now: Timestamp) -> Result<Arc<dyn Ledger>, Error> {
    match database_url.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            // Other programs write an absolute path as `sqlite:///var/lib/dwell/ledger.db`.
            let path = path.strip_prefix("//").unwrap_or(path);
            Ok(Arc::new(SqliteLedger::open(Path::new(path), now).await?))
        }
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(PostgresLedger::open(database_url, connector, now).await?)),
        _ => Err(unknown_address()),
    }
}

/// The result of probing a store, which changes nothing in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The product and its version, for instance `PostgreSQL 15.8`.
    pub store: String,
    /// The store's clock, if it has one.
    pub now: Option<Timestamp>,
    /// Whether the store accepts no writes, because it is a standby or is configured so.
    pub is_read_only: bool,
    /// The rules of its ledger combined with the given ones, or the reason why the given rules are refused. `None` if
    /// the store has no ledger yet; a summary API creates it when it starts.
    pub rules: Option<Result<Rules, Error>>,
}

/// Reads the store at an address once, creates nothing, and checks whether its ledger accepts the given rules.
///
/// # Errors
///
/// Fails like [`open`].
pub async fn probe(database_url: &str, connector: &Connector, given: &GivenRules) -> Result<Probe, Error> {
    match database_url.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            sqlite::probe(Path::new(path.strip_prefix("//").unwrap_or(path)), given).await
        }
        Some(("postgres" | "postgresql", _)) => postgres::probe(database_url, connector, given).await,
        _ => Err(unknown_address()),
    }
}

fn unknown_address() -> Error {
    Error::Config(
        "the address of the ledger is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/DATABASE: set \
         DWELL_DATABASE_URL to one of them, for instance sqlite:dwell-data/ledger.db"
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_of_no_known_kind_is_refused_without_showing_its_password() {
        for address in ["", "sqlite:", "mysql://root:secret@db/ledger", "/var/lib/ledger.db"] {
            let refusal = open(address, &Connector::default(), Timestamp::default()).await.unwrap_err();
            assert!(matches!(&refusal, Error::Config(text) if !text.contains("secret")), "{address}: {refusal}");
        }
    }
}
