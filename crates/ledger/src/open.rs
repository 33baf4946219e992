//! Opens the ledger that an address names, or only looks at it. The only place that chooses an adapter.

use std::path::Path;
use std::sync::Arc;

use parking::{GivenRules, Rules, Timestamp};

use super::postgres::{self, PostgresLedger};
use super::sqlite::{self, SqliteLedger};
use super::{Error, Ledger};

/// Opens the ledger at `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; an empty one is made at `now`.
///
/// # Errors
/// [`Error::Config`] when a person must act (the address is wrong, the store is another program's or a newer one's),
/// [`Error::InUse`] when another process has it, [`Error::Unavailable`] when the store is away and the same call may
/// succeed later.
pub async fn open(database_url: &str, now: Timestamp) -> Result<Arc<dyn Ledger>, Error> {
    match database_url.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            // `sqlite:///var/lib/dwell/ledger.db` is how other programs write an absolute path.
            let path = path.strip_prefix("//").unwrap_or(path);
            Ok(Arc::new(SqliteLedger::open(Path::new(path), now).await?))
        }
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(PostgresLedger::open(database_url, now).await?)),
        _ => Err(neither()),
    }
}

/// What a look at a store says, which changes nothing there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What it is, for instance `PostgreSQL 15.8`.
    pub store: String,
    /// Its own clock, when it has one.
    pub now: Option<Timestamp>,
    /// Nothing can be recorded there: it is a standby, or set so.
    pub is_read_only: bool,
    /// The rules of its ledger with the given ones, or why those are refused; `None` when there is no ledger, and one is
    /// made when a summary API starts.
    pub rules: Option<Result<Rules, Error>>,
}

/// Looks at the store that an address names, once, and makes nothing there. Would its ledger take the given rules?
///
/// # Errors
/// The same as [`open`]'s.
pub async fn probe(database_url: &str, given: &GivenRules) -> Result<Probe, Error> {
    match database_url.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            sqlite::probe(Path::new(path.strip_prefix("//").unwrap_or(path)), given).await
        }
        Some(("postgres" | "postgresql", _)) => postgres::probe(database_url, given).await,
        _ => Err(neither()),
    }
}

fn neither() -> Error {
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
            let refusal = open(address, Timestamp::default()).await.unwrap_err();
            assert!(matches!(&refusal, Error::Config(text) if !text.contains("secret")), "{address}: {refusal}");
        }
    }
}
