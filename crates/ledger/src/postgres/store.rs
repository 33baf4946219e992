//! Connections to `PostgreSQL`, lent for one attempt each, and attempts repeated while that may help.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use uuid::Uuid;

use super::failure::Failure;
use super::schema;
use crate::Error;

/// As many connections at most.
const CONNECTIONS: usize = 16;
/// How long a connection may take to be made, and how long a caller waits for one that is lent.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest that one attempt may take, the server's answers included.
const ATTEMPT: Duration = Duration::from_secs(35);
/// How often work is begun before it is given back as unavailable.
const ATTEMPTS: u32 = 4;
/// What has failed for so long is not begun again: its caller should know.
const AGAIN_WITHIN: Duration = Duration::from_secs(10);
/// The wait before the second attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// What the server is told with each connection. Everything that this program asks is a lookup in an index: a planner
/// without statistics, as in a young ledger, would rather read and sort whole tables.
const OPTIONS: &str = "-c statement_timeout=30s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s \
    -c enable_seqscan=off -c enable_bitmapscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";

/// The way to the database.
#[derive(Clone)]
pub(super) struct Store {
    pool: Pool,
    /// The ledger that is expected behind every connection; none before it was opened.
    expected: Arc<OnceLock<Uuid>>,
    /// The connections that were made so far.
    made: Arc<AtomicU64>,
}

impl Store {
    /// The store at an address; nothing is connected yet.
    pub(super) fn new(database_url: &str) -> Result<Self, Error> {
        let wrong = |problem: &dyn std::fmt::Display| {
            // The address itself has a password in it.
            Error::Config(format!(
                "DWELL_DATABASE_URL can't be read ({problem}): it looks like \
                 postgres://USER:PASSWORD@HOST:PORT/DATABASE"
            ))
        };
        let mut config: Config = database_url.parse().map_err(|error| wrong(&error))?;
        let ours = format!("{OPTIONS} -c dwell.schema_version={}", schema::known_version());
        let options = config.get_options().map_or_else(|| ours.clone(), |own| format!("{ours} {own}"));
        config.options(options).application_name("dwell");
        config.connect_timeout(PATIENCE).keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(ATTEMPT);
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager).max_size(CONNECTIONS).runtime(Runtime::Tokio1);
        let pool = pool.wait_timeout(Some(PATIENCE)).create_timeout(Some(PATIENCE)).recycle_timeout(Some(PATIENCE));
        let pool = pool.build().map_err(|error| wrong(&error))?;
        Ok(Self { pool, expected: Arc::default(), made: Arc::default() })
    }

    /// From now on every new connection must lead to this ledger.
    pub(super) fn expect(&self, ledger: Uuid) {
        self.expected.get_or_init(|| ledger);
    }

    /// Which connections there are: a number that each new one raises before it is lent. Asked once a connection is
    /// lent and before it is used, it tells what that one says from what a server said that is gone.
    pub(super) fn generation(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// A connection for one attempt. Behind a new one there may be another ledger than before, which is an error.
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
                "the database holds the ledger {found} now, and this process was started on the ledger {expected}: \
                 bring the old one back, or start this process again to go on with the new one"
            )))),
            // Somebody may be about to bring a copy back, and a new ledger would be in the way of that.
            None => Err(Failure::Passing(format!(
                "the database has lost the ledger {expected}: bring a copy back, or start this process again to begin \
                 a new one"
            ))),
        }
    }
}

/// Makes attempts while that may help. What was attempted twice must come out the same.
pub(super) async fn attempt<T, F>(attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Failure>>,
{
    attempt_within(ATTEMPT, attempt).await
}

/// The same, with a limit of its own on each attempt.
pub(super) async fn attempt_within<T, F>(limit: Duration, mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Failure>>,
{
    let begun = Instant::now();
    let (mut attempts, mut wait) = (1, FIRST_WAIT);
    loop {
        let result = tokio::time::timeout(limit, attempt()).await;
        let failure = match result {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Passing(format!("PostgreSQL gave no answer in {limit:?}")),
        };
        let is_over = attempts == ATTEMPTS || begun.elapsed() > AGAIN_WITHIN;
        if is_over || matches!(failure, Failure::Lasting(_)) {
            return Err(failure.into_error());
        }
        tokio::time::sleep(wait).await;
        attempts += 1;
        wait *= 2;
    }
}

/// A connection in use. Unless its attempt ends well it is closed: what it still waits for, and whatever state it is
/// in, must not be the next one's business.
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
        self.object.as_ref().expect("it is taken only when this is dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Object {
        self.object.as_mut().expect("it is taken only when this is dropped")
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
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("connections", &self.pool.status()).finish_non_exhaustive()
    }
}
