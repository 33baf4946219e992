//! The ledger in a SQLite file: one writer, some readers, one process.
//!
//! `writer` is a thread that merges all waiting requests into one transaction, so that one write to disk carries many
//! of them; `write` and `due` say what such a transaction does. `readers` lends read-only connections to
//! `read`, `list`, `quarters`, `events` and `changes`, which never wait for the writer. `heads` has what is newer than the
//! rows of vehicles, `event_index` finds events by their id. `log` takes the write-ahead log back into the file. `place`
//! notices that the files were replaced. `schema` has the tables, `lock` keeps other processes away, `probe` only looks.

use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{GivenRules, LotId, Rules, SessionId, Timestamp, Vehicle};
use rusqlite::ErrorCode;
use uuid::Uuid;

use self::heads::Heads;
use self::log::Log;
use self::place::Place;
pub(crate) use self::probe::probe;
use self::readers::Readers;
use self::writer::Writer;
use super::{
    Audited, ChangeRow, Connected, Error, EventRow, Ledger, LotRow, Page, Pending, QuarterPlace, Quarters, Recent,
    RecentOf, Recounted, Saved, SessionFilter, SessionRow, Summary,
};

mod audit;
mod changes;
mod due;
mod event_index;
mod events;
mod heads;
mod list;
mod lock;
mod log;
mod place;
mod probe;
mod quarters;
mod read;
mod readers;
mod recount;
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
    place: Arc<Place>,
    writer: Writer,
    readers: Arc<Readers>,
    heads: Arc<Heads>,
}

impl SqliteLedger {
    /// Opens the ledger in the file at `path`; creates it at `now` if the file does not exist. Its folder must exist.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the file can't be created or does not contain a ledger that this program knows,
    /// [`Error::InUse`] if another process has opened it.
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self, Error> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let lock = lock::take(&path)?;
            make_private(&path)?;
            let (mut connection, id) = schema::open_writer(&path, now)?;
            let unindexed = event_index::catch_up(&mut connection)?;
            let place = Arc::new(Place::of(&path, id)?);
            let log = Log::of(&mut connection, &path, &place, log::MOST_PAGES)?;
            let heads = Arc::new(Heads::default());
            let writer = Writer::start(connection, log, Arc::clone(&place), Arc::clone(&heads), unindexed, lock)?;
            Ok(Self { id, writer, readers: Arc::new(Readers::new(path, Arc::clone(&place))), place, heads })
        });
        opened.await.map_err(|error| Error::Unavailable(format!("opening it failed: {error}")))?
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    fn id(&self) -> Uuid {
        self.id
    }

    async fn pin_rules(&self, given: &GivenRules) -> Result<Rules, Error> {
        self.writer.pin_rules(given.clone()).await
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

    async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
        let ids = ids.to_vec();
        self.readers.read(move |connection| read::sessions(connection, &ids)).await
    }

    async fn lots(&self) -> Result<Vec<LotRow>, Error> {
        self.readers.read(read::lots).await
    }

    async fn quarters(&self, lot: &LotId, quarters: Range<i64>) -> Result<Quarters, Error> {
        let lot = lot.clone();
        self.readers.read(move |connection| quarters::of_lot(connection, &lot, &quarters)).await
    }

    async fn note_connected(&self, quarter: i64) -> Result<(), Error> {
        self.writer.note_connected(quarter).await
    }

    async fn connected(&self, quarters: Range<i64>) -> Result<Connected, Error> {
        self.readers.read(move |connection| quarters::connected(connection, &quarters)).await
    }

    async fn recent(&self, lots: &[RecentOf]) -> Result<Vec<Recent>, Error> {
        let lots = lots.to_vec();
        self.readers.read(move |connection| lots.iter().map(|lot| quarters::recent(connection, lot)).collect()).await
    }

    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        self.readers.read(move |connection| changes::after(connection, after, limit)).await
    }

    async fn events_with_id(&self, id: Uuid) -> Result<Vec<EventRow>, Error> {
        let found = self.readers.read(move |connection| events::with_id(connection, id)).await?;
        let heads = Arc::clone(&self.heads);
        // In a moment of its own: how far vehicles are ahead of their rows is asked before it begins.
        self.readers.read(move |connection| events::as_of_now(connection, &heads, found)).await
    }

    async fn vehicle_events(
        &self,
        vehicle: &Vehicle,
        around: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<EventRow>, Error> {
        let (vehicle, heads) = (vehicle.clone(), Arc::clone(&self.heads));
        self.readers.read(move |connection| events::of_vehicle(connection, &heads, &vehicle, around, limit)).await
    }

    async fn changes_between(
        &self,
        session: SessionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<ChangeRow>, Error> {
        self.readers.read(move |connection| changes::between(connection, session, from, to)).await
    }

    async fn last_change(&self) -> Result<u64, Error> {
        self.readers.read(changes::last_change).await
    }

    async fn audit(&self, rules: &Rules, from: i64) -> Result<Audited, Error> {
        let rules = rules.clone();
        let read = move |connection: &_| audit::audit(connection, &rules, from);
        self.readers.read_within(audit::PART_DURATION_MAX, read).await
    }

    async fn recount(&self, from: QuarterPlace) -> Result<Recounted, Error> {
        self.readers.read_within(audit::PART_DURATION_MAX, move |connection| recount::recount(connection, from)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        let place = Arc::clone(&self.place);
        let checked = tokio::task::spawn_blocking(move || place.check_closely());
        checked.await.map_err(|error| Error::Unavailable(format!("looking at its files failed: {error}")))??;
        self.writer.look().await?;
        self.readers.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)).await
    }

    fn check_place(&self) -> Result<(), Error> {
        self.place.check()
    }

    fn log_bytes(&self) -> u64 {
        self.place.log_bytes()
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
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

/// Creates the file readable only by its owner, because plates are personal data. SQLite gives its other files the same
/// permissions.
fn make_private(path: &Path) -> Result<(), Error> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|error| {
        let file = path.display();
        Error::Config(format!(
            "can't open the ledger {file} ({error}): name a file in DWELL_DATABASE_URL that this user may write"
        ))
    })
}
