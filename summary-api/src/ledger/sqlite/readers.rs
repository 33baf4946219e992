//! Read-only connections, lent to one reader each and used off the async threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema;
use crate::ledger::Error;

/// As many reads run at once.
const READERS: usize = 4;
/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::with_capacity(READERS)), turns: Semaphore::new(READERS) }
    }

    /// Runs `work` on a connection; all that it reads is of one moment.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = Arc::clone(self);
        // A read whose caller has gone away ends before the next one takes its turn.
        let done = tokio::spawn(async move {
            let turn = tokio::time::timeout(PATIENCE, readers.turns.acquire()).await;
            let Ok(Ok(_turn)) = turn else {
                return Err(Error::Unavailable(format!("{READERS} reads are running, and none ended in {PATIENCE:?}")));
            };
            let lender = Arc::clone(&readers);
            let read = tokio::task::spawn_blocking(move || lender.lend(work));
            read.await.map_err(|error| Error::Unavailable(format!("a read failed: {error}")))?
        });
        done.await.map_err(|error| Error::Unavailable(format!("a read failed: {error}")))?
    }

    fn lend<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = idle.map_or_else(|| schema::open_reader(&self.path), Ok)?;
        let moment = connection.transaction()?;
        let result = work(&moment);
        moment.finish()?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }
}
