//! A pool of read-only connections. Each is lent to one reader at a time and used outside of the async threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::place::Place;
use super::schema;
use crate::Error;

/// Limits the concurrent reads.
const CONCURRENT_READS_MAX: usize = 4;
/// Limits the time a read waits for a connection.
const READ_WAIT_MAX: Duration = Duration::from_secs(10);
/// Limits the duration of a read. An open read keeps the write-ahead log from restarting at its beginning, so the log
/// would grow.
const READ_DURATION_MAX: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// A read checks its deadline after this many steps of SQLite's virtual machine, which take about a millisecond.
const STEPS_PER_DEADLINE_CHECK: i32 = 50_000;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    place: Arc<Place>,
    idle: Mutex<Vec<Connection>>,
    turns: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf, place: Arc<Place>) -> Self {
        Self {
            path,
            place,
            idle: Mutex::new(Vec::with_capacity(CONCURRENT_READS_MAX)),
            turns: Semaphore::new(CONCURRENT_READS_MAX),
        }
    }

    /// Runs `work` on a connection, with one snapshot for all its reads.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.read_within(READ_DURATION_MAX, work).await
    }

    /// Runs `work` on a connection for at most `longest`, with one snapshot for all its reads.
    pub(super) async fn read_within<T: Send + 'static>(
        self: &Arc<Self>,
        longest: Duration,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = Arc::clone(self);
        // Spawned, so that a read keeps its permit until it ends, even if the caller is cancelled.
        let done = tokio::spawn(async move {
            let turn = tokio::time::timeout(READ_WAIT_MAX, readers.turns.acquire()).await;
            let turn = turn.map_err(|_| {
                Error::Unavailable(format!(
                    "all {CONCURRENT_READS_MAX} reader connections were busy for {READ_WAIT_MAX:?}"
                ))
            })?;
            let _turn = turn.map_err(|_| Error::Unavailable("this process has closed the ledger".into()))?;
            let lender = Arc::clone(&readers);
            let read = tokio::task::spawn_blocking(move || lender.lend(longest, work));
            read.await.map_err(|error| Error::Unavailable(format!("a read failed: {error}")))?
        });
        done.await.map_err(|error| Error::Unavailable(format!("a read failed: {error}")))?
    }

    /// Waits a limited time for running reads, and closes all connections.
    pub(super) async fn close(&self) {
        let all = self.turns.acquire_many(u32::try_from(CONCURRENT_READS_MAX).unwrap_or(u32::MAX));
        let turns = tokio::time::timeout(READ_DURATION_MAX, all).await;
        self.turns.close();
        drop(turns);
        self.idle().clear();
    }

    fn lend<T>(&self, longest: Duration, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.place.check()?;
        let idle = self.idle().pop();
        let mut connection = idle.map_or_else(|| schema::open_reader(&self.path), Ok)?;
        let begun = Instant::now();
        connection.progress_handler(STEPS_PER_DEADLINE_CHECK, Some(move || begun.elapsed() > longest))?;
        let moment = connection.transaction()?;
        let result = work(&moment);
        moment.finish()?;
        if !self.turns.is_closed() {
            self.idle().push(connection);
        }
        match result {
            Err(Error::Unavailable(reason)) if begun.elapsed() > longest => Err(Error::Unavailable(format!(
                "a read was aborted after {longest:?}, because the write-ahead log grows during a read ({reason})"
            ))),
            result => result,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
