//! Lends connections to `PostgreSQL`, one for each attempt, and retries attempts.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, Runtime};
use tls::Connector;
use tokio::time::Instant;
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::failure::Failure;
use super::{schema, secured};
use crate::Error;

/// Limits the connections of the pool.
const CONNECTIONS_MAX: usize = 16;
/// Limits the time to connect, and the time a caller waits for a connection from the pool.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(5);
/// Limits the duration of one attempt, including the server's answers.
const ATTEMPT_DURATION_MAX: Duration = Duration::from_secs(35);
/// Limits the attempts before the call fails as unavailable.
const ATTEMPTS_MAX: u32 = 4;
/// Limits the time in which a new attempt may start, so that the caller learns of the failure.
const RETRY_WINDOW: Duration = Duration::from_secs(10);
/// The delay before the second attempt; it doubles with each attempt.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(20);

/// The options of each connection. Every query of this program is an index lookup, but a planner without statistics, as
/// in a new ledger, would prefer to scan and sort whole tables.
const CONNECTION_OPTIONS: &str = "\
    -c statement_timeout=30s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s -c enable_seqscan=off \
    -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";

/// The connection pool of a ledger.
#[derive(Clone)]
pub(super) struct Store {
    pool: Pool,
    /// The id of the ledger that every connection must lead to; empty until the ledger is opened.
    expected: Arc<OnceLock<Uuid>>,
    /// Counts the connections made so far.
    made: Arc<AtomicU64>,
}

impl Store {
    /// Creates a store for an address without connecting.
    pub(super) fn new(database_url: &str, connector: &Connector) -> Result<Self, Error> {
        let wrong = |problem: &dyn std::fmt::Display| {
            // The address itself contains a password.
            Error::Config(format!(
                "DWELL_DATABASE_URL can't be read ({problem}): use the form \
                 postgres://USER:PASSWORD@HOST:PORT/DATABASE, and for TLS with ?sslmode=verify-full behind it; an authority of \
                 its own is named in DWELL_CA_FILE"
            ))
        };
        let mut config: Config =
            secured::in_words_of_the_library(database_url).parse().map_err(|error| wrong(&error))?;
        let ours = format!("{CONNECTION_OPTIONS} -c dwell.schema_version={}", schema::known_version());
        let options = config.get_options().map_or_else(|| ours.clone(), |own| format!("{ours} {own}"));
        config.options(options).application_name("dwell");
        config
            .connect_timeout(CONNECTION_WAIT_MAX)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(ATTEMPT_DURATION_MAX);
        let manager = secured::manager(config, connector);
        let pool = Pool::builder(manager).max_size(CONNECTIONS_MAX).runtime(Runtime::Tokio1);
        let pool = pool
            .wait_timeout(Some(CONNECTION_WAIT_MAX))
            .create_timeout(Some(CONNECTION_WAIT_MAX))
            .recycle_timeout(Some(CONNECTION_WAIT_MAX));
        let pool = pool.build().map_err(|error| wrong(&error))?;
        Ok(Self { pool, expected: Arc::default(), made: Arc::default() })
    }

    /// From now on, every new connection must lead to this ledger.
    pub(super) fn expect(&self, ledger: Uuid) {
        self.expected.get_or_init(|| ledger);
    }

    /// Returns the generation of connections, which each new connection increments before it is lent. Read it after
    /// borrowing a connection and before using it: data of another generation may come from a server that is gone.
    pub(super) fn generation(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// Borrows a connection for one attempt. Fails if a new connection leads to another ledger than before.
    pub(super) async fn connection(&self) -> Result<Lent, Failure> {
        let lent = Lent { object: Some(self.pool.get().await?), ended_well: false };
        if Object::metrics(&lent).recycle_count == 0 {
            self.made.fetch_add(1, Ordering::SeqCst);
            self.check(&lent).await?;
        }
        Ok(lent)
    }

    async fn check(&self, connection: &Lent) -> Result<(), Failure> {
        let Some(expected) = self.expected.get() else { return Ok(()) };
        let found = match connection.query_opt("SELECT ledger_id FROM ledger", &[]).await {
            Ok(row) => row.map(|row| row.try_get::<_, Uuid>(0)).transpose()?,
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => None,
            Err(error) => return Err(error.into()),
        };
        match found {
            Some(found) if found == *expected => Ok(()),
            Some(found) => Err(Failure::Lasting(Error::Replaced(format!(
                "the database now holds the ledger {found}, but this process was started with the ledger {expected}: \
                restore the old one, or restart this process to continue with the new one"
            )))),
            // The operator may be about to restore a copy, and a new ledger would block the restore.
            None => Err(Failure::Passing(format!(
                "the database has lost the ledger {expected}: restore a copy, or restart this process to create a new \
                ledger"
            ))),
        }
    }
}

/// Retries while that may help. `attempt` must be idempotent.
pub(super) async fn attempt<T, F>(attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Failure>>,
{
    attempt_within(ATTEMPT_DURATION_MAX, attempt).await
}

/// Like [`attempt`], with a time limit for each attempt.
pub(super) async fn attempt_within<T, F>(limit: Duration, mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Failure>>,
{
    let begun = Instant::now();
    let (mut attempts, mut wait) = (1, FIRST_RETRY_DELAY);
    loop {
        let result = tokio::time::timeout(limit, attempt()).await;
        let failure = match result {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Passing(format!("PostgreSQL did not answer within {limit:?}")),
        };
        let is_over = attempts == ATTEMPTS_MAX || begun.elapsed() > RETRY_WINDOW;
        if is_over || matches!(failure, Failure::Lasting(_)) {
            return Err(failure.into_error());
        }
        tokio::time::sleep(wait).await;
        attempts += 1;
        wait *= 2;
    }
}

/// A borrowed connection. It is closed unless its attempt ended well, so that unread answers or an open transaction
/// can't affect the next user.
pub(super) struct Lent {
    object: Option<Object>,
    ended_well: bool,
}

impl Lent {
    pub(super) fn end_well(mut self) {
        self.ended_well = true;
    }
}

impl Deref for Lent {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.object.as_ref().expect("only drop takes the connection")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Object {
        self.object.as_mut().expect("only drop takes the connection")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(object) = self.object.take().filter(|_| !self.ended_well) {
            drop(Object::take(object));
        }
    }
}

impl std::fmt::Debug for Store {
    /// Omits the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("connections", &self.pool.status()).finish_non_exhaustive()
    }
}
