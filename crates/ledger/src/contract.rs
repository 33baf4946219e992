//! The contract of the ledger: the same claims on both adapters, driven by the real decisions of `matching`.
//!
//! Each claim is a function of a [`Store`]; [`contract`] makes a test of it for SQLite and one for PostgreSQL. What only
//! one adapter promises stands beside that adapter.

use std::sync::Arc;

use parking::Timestamp;

use super::{Ledger, open};

mod auditing;
mod awaiting;
mod finding;
mod following;
mod listing;
mod pinning;
mod player;
mod quarters;
mod random;
mod recording;
mod revising;
mod sharing;
mod summaries;

/// An empty store of a test's own.
pub(super) struct Store {
    url: String,
    /// Keeps the file of SQLite.
    _folder: Option<tempfile::TempDir>,
}

impl Store {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite:{}", folder.path().join("ledger.db").display()), _folder: Some(folder) }
    }

    pub(super) async fn postgres() -> Self {
        let server = testbed::Postgres::shared().await.unwrap();
        Self { url: server.database().await.unwrap(), _folder: None }
    }

    /// Writes past the ledger, like an operator with the database's own tools.
    pub(super) async fn tamper(&self, sql: &str) {
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
        } else {
            let as_dwell = "SELECT set_config('dwell.schema_version', schema_version::text, false) FROM ledger";
            let server = testbed::Postgres::shared().await.unwrap();
            server.query(&self.url, &format!("{as_dwell}; {sql}")).await.unwrap();
        }
    }

    /// Opens the ledger; with SQLite it must not be open.
    pub(super) async fn open(&self) -> Arc<dyn Ledger> {
        open(&self.url, Timestamp::from_millis(0)).await.unwrap()
    }
}

/// Makes a test of each claim for each adapter.
macro_rules! contract {
    ($($claim:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $claim() {
                    super::$claim(crate::contract::Store::sqlite()).await;
                }
            )+
        }

        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs PostgreSQL: ci/test"]
                async fn $claim() {
                    super::$claim(crate::contract::Store::postgres().await).await;
                }
            )+
        }
    };
}
use contract;
