//! The ledger in a SQLite file: one writer, some readers, one process.
//!
//! `writer` is a thread that merges all waiting requests into one transaction, so that one write to disk carries many
//! of them; `write` and `due` say what such a transaction does. `readers` lends read-only connections to
//! `read`, which never wait for the writer. `heads` has what is newer than the rows of vehicles. `schema` has the tables.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{Rules, SessionId, Timestamp};
use rusqlite::ErrorCode;
use uuid::Uuid;

use self::heads::Heads;
use self::readers::Readers;
use self::writer::Writer;
use super::{ChangeRow, Error, Ledger, LotRow, Page, Pending, Saved, SessionFilter, SessionRow, Summary};

mod due;
mod heads;
mod list;
mod read;
mod readers;
mod schema;
#[cfg(test)]
mod tests;
mod vehicles;
mod write;
mod writer;

/// A ledger in a file.
#[derive(Debug)]
pub struct SqliteLedger {
    id: Uuid,
    writer: Writer,
    readers: Arc<Readers>,
    heads: Arc<Heads>,
}

impl SqliteLedger {
    /// Opens the ledger in the file at `path`, which is made at `now` when it does not exist. Its folder must exist.
    ///
    /// # Errors
    /// [`Error::Config`] when the file can't be made or is not a ledger that this program knows, [`Error::InUse`] when
    /// another process has it.
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self, Error> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let lock = lock(&path)?;
            make_private(&path)?;
            let (connection, id) = schema::open_writer(&path, now)?;
            let readers = Arc::new(Readers::new(path));
            let heads = Arc::new(Heads::default());
            Ok(Self { id, writer: Writer::start(connection, Arc::clone(&heads), lock)?, readers, heads })
        });
        opened.await.map_err(|error| Error::Unavailable(format!("opening it failed: {error}")))?
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    fn id(&self) -> Uuid {
        self.id
    }

    async fn agree_on(&self, rules: &Rules) -> Result<(), Error> {
        self.writer.agree_on(rules.clone()).await
    }

    async fn load(&self, requests: &[LoadRequest], rules: &Rules) -> Result<Vec<Snapshot>, Error> {
        let (requests, rules, heads) = (requests.to_vec(), rules.clone(), Arc::clone(&self.heads));
        self.readers.read(move |connection| read::load(connection, &heads, &requests, &rules)).await
    }

    async fn record(&self, units: Vec<Unit>, _rules: &Rules, now: Timestamp) -> Result<Vec<Outcome>, Error> {
        self.writer.record(units, now).await
    }

    async fn due(&self, most: u32, rules: &Rules, now: Timestamp, lease_until: Timestamp) -> Result<Vec<Due>, Error> {
        self.writer.due(due::Call { most, rules: rules.clone(), now, lease_until }).await
    }

    async fn pending(&self, rules: &Rules) -> Result<Pending, Error> {
        let rules = rules.clone();
        self.readers.read(move |connection| due::pending(connection, &rules)).await
    }

    async fn save_summary(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error> {
        self.writer.save(summary, now).await
    }

    async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<Vec<SessionRow>, Error> {
        let (filter, heads) = (filter.clone(), Arc::clone(&self.heads));
        self.readers.read(move |connection| list::sessions(connection, &heads, &filter, &page)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error> {
        self.readers.read(move |connection| read::session(connection, id)).await
    }

    async fn lots(&self) -> Result<Vec<LotRow>, Error> {
        self.readers.read(read::lots).await
    }

    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        self.readers.read(move |connection| read::changes(connection, after, limit)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.writer.ping()?;
        self.readers.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)).await
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Unavailable(error.to_string()),
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

/// Two writers would be safe in SQLite, but two summary APIs on one file are a mistake.
fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let beside = PathBuf::from(name);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let file = opened.map_err(|error| {
        let beside = beside.display();
        Error::Config(format!(
            "can't make {beside} ({error}): the ledger needs a folder that exists and can be written; make it, or name \
             a file in another one in DWELL_DATABASE_URL"
        ))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let ledger = path.display();
            Err(Error::InUse(format!(
                "{ledger} is in use by another summary API: stop that one, or name another file in DWELL_DATABASE_URL"
            )))
        }
        Err(TryLockError::Error(error)) => {
            let beside = beside.display();
            Err(Error::Config(format!("can't lock {beside} ({error}): keep the ledger on a local disk")))
        }
    }
}

/// Plates are personal data: a new file is readable by its owner alone. SQLite gives its other files the same rights.
fn make_private(path: &Path) -> Result<(), Error> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|error| {
        let file = path.display();
        Error::Config(format!(
            "can't open the ledger {file} ({error}): name a file that this user may write in DWELL_DATABASE_URL"
        ))
    })
}
