//! The contract of the ledger: the same claims on both adapters, driven by the real decisions of `matching`.
//!
//! Each claim is a function of a [`Store`]; [`contract`] makes tests of it for SQLite, whose tables follow its journal
//! in three ways, and one for PostgreSQL. The tests of what only one adapter promises are beside that adapter.

use std::sync::Arc;

use parking::Timestamp;

use super::sqlite::{Pace, SqliteLedger};
use super::{Ledger, open};

mod accounts;
mod auditing;
mod awaiting;
mod filtering;
mod finding;
mod following;
mod listing;
mod pinning;
pub(crate) mod player;
mod quarters;
mod random;
mod recording;
mod revising;
mod sharing;
mod summaries;
mod superseding;
mod webhooks;

/// The tables follow commit by commit.
const IN_BULKS_OF_1: Pace = Pace { most_events: 1, is_on_demand: false };
/// Some commits share a bulk.
const IN_BULKS_OF_5: Pace = Pace { most_events: 5, is_on_demand: false };
/// Nothing is in the tables before a read waits for it.
const ON_DEMAND: Pace = Pace { most_events: 65_536, is_on_demand: true };

/// An empty store of a test's own.
pub(crate) struct Store {
    url: String,
    /// Of SQLite: the file's folder, and how its tables follow its journal.
    of_sqlite: Option<(tempfile::TempDir, Pace)>,
}

impl Store {
    pub(super) fn sqlite(pace: Pace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
        Self { url, of_sqlite: Some((folder, pace)) }
    }

    pub(crate) async fn postgres() -> Self {
        let server = testbed::Postgres::shared().await.unwrap();
        Self { url: server.database().await.unwrap(), of_sqlite: None }
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
    pub(crate) async fn open(&self) -> Arc<dyn Ledger> {
        let now = Timestamp::from_millis(0);
        match &self.of_sqlite {
            Some((folder, pace)) => {
                let path = folder.path().join("ledger.db");
                Arc::new(SqliteLedger::open_with(&path, now, *pace).await.unwrap())
            }
            None => open(&self.url, &tls::Connector::default(), now).await.unwrap(),
        }
    }
}

/// Makes a test of each claim for each adapter.
macro_rules! contract {
    ($($claim:ident),+ $(,)?) => {
        mod on_sqlite_in_bulks_of_1 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $claim() {
                    super::$claim(crate::contract::Store::sqlite(crate::contract::IN_BULKS_OF_1)).await;
                }
            )+
        }

        mod on_sqlite_in_bulks_of_5 {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $claim() {
                    super::$claim(crate::contract::Store::sqlite(crate::contract::IN_BULKS_OF_5)).await;
                }
            )+
        }

        mod on_sqlite_on_demand {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $claim() {
                    super::$claim(crate::contract::Store::sqlite(crate::contract::ON_DEMAND)).await;
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
