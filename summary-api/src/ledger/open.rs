//! Opens the ledger that an address names. The only place that chooses an adapter.

use std::path::Path;
use std::sync::Arc;

use parking::Timestamp;

use super::postgres::PostgresLedger;
use super::sqlite::SqliteLedger;
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
        _ => Err(Error::Config(
            "the address of the ledger is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/DATABASE: set \
             DWELL_DATABASE_URL to one of them, for instance sqlite:dwell-data/ledger.db"
                .into(),
        )),
    }
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
