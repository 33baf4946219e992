//! The ledger in a SQLite file and its journal: two writing threads, some readers, one process.
//!
//! `writer` hands requests to its thread (`committing`), which takes all that wait as one group: `find` looks up what
//! has to be known, the plan is made, and what it accepts is appended to the `journal` and synced before it is
//! answered. What the journal has and the tables lack is in memory (`overlay`). The thread of `applier` applies it to
//! the tables in bulk (`apply`) and gives out leases (`due`); `backlog` has the waiting of both threads and of readers.
//! `readers` lends read-only connections to `read`, `list`, `quarters`, `events` and `changes`, which see the tables.
//! `event_index` finds events by id. `superseding` has the ids of superseded events, `accounts` tokens and users, `webhooks`
//! webhooks; `beside` changes these two. `place` notices replaced files, `pairing` tables
//! and a journal that don't belong together. `schema` opens files, `migrations` has their tables, `lock` keeps other
//! processes away, `probe` only looks, `backup` copies.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use access::{AccountChange, Accounts};
use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{GivenRules, LotId, Rules, SessionId, Timestamp, Vehicle};
use rusqlite::Connection;
use tokio::sync::oneshot;
use uuid::Uuid;

pub(crate) use self::backlog::Pace;
use self::backlog::{Backlog, Errand, Freshness};
use self::committing::Committing;
use self::journal::Journal;
use self::place::Place;
pub(crate) use self::probe::probe;
use self::readers::Readers;
use self::writer::Writer;
use super::{
    AliasKey, Audited, ChangeRow, Connected, Error, EventRow, Ledger, LotRow, Page, Pending, QuarterPlace, Quarters,
    Recent, RecentOf, Recounted, Saved, SessionFilter, SessionList, SessionRow, Summary, SupersededId, WaitingDelivery,
    Webhook, WebhookChange,
};
use crate::group::{self, Request};

mod accounts;
mod applier;
mod apply;
mod audit;
mod backlog;
pub(crate) mod backup;
mod beside;
mod changes;
mod committing;
mod due;
mod event_index;
mod events;
mod find;
mod journal;
mod list;
mod lock;
mod migrations;
mod overlay;
mod pairing;
mod place;
mod probe;
mod quarters;
mod read;
mod readers;
mod recount;
mod schema;
mod superseding;
#[cfg(test)]
mod tests;
mod vehicle_log;
mod vehicles;
mod webhooks;
mod writer;

/// A ledger in a file.
#[derive(Debug)]
pub struct SqliteLedger {
    id: Uuid,
    alias_key: AliasKey,
    place: Arc<Place>,
    writer: Writer,
    readers: Arc<Readers>,
    backlog: Arc<Backlog>,
}

impl SqliteLedger {
    /// Opens the ledger in the file at `path`; creates it at `now` if the file does not exist. Its folder must exist.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the file can't be created or does not contain a ledger that this program knows,
    /// [`Error::InUse`] if another process has opened it.
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self, Error> {
        Self::open_with(path, now, Pace::default()).await
    }

    /// Like [`open`](Self::open), with another pace of bulks.
    pub(crate) async fn open_with(path: &Path, now: Timestamp, bulks: Pace) -> Result<Self, Error> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let lock = lock::take(&path)?;
            pairing::check_tables_exist(&path)?;
            schema::make_private(&path)?;
            let (mut connection, id) = schema::open_writer(&path, now)?;
            let unindexed = event_index::catch_up(&mut connection)?;
            let tables = schema::journal_tables(&connection)?;
            let alias_key = schema::alias_key_of(&connection)?;
            let journal = Journal::open(&path, tables)?;
            schema::rely_on_journal(&connection)?;
            let backlog = Arc::new(Backlog::new(bulks, tables.applied_entry));
            let beside = schema::open_beside(&path)?;
            let place = Arc::new(Place::of(&path, id)?);
            let committing =
                Committing::new(beside, journal, Arc::clone(&place), Arc::clone(&backlog), tables.applied_entry)?;
            let applier = applier::start(connection, Arc::clone(&place), Arc::clone(&backlog), unindexed)?;
            let writer = Writer::start(committing, applier, lock)?;
            let readers = Arc::new(Readers::new(path, Arc::clone(&place)));
            Ok(Self { id, alias_key, place, writer, readers, backlog })
        });
        opened.await.map_err(|error| Error::Unavailable(format!("opening it failed: {error}")))?
    }

    /// Reads the tables once they are as fresh as asked.
    async fn read<T: Send + 'static>(
        &self,
        freshness: Freshness,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if let Err(error) = self.backlog.catch_up(freshness).await {
            // Files that were replaced explain it better.
            self.place.check()?;
            return Err(error);
        }
        self.readers.read(work).await
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    fn id(&self) -> Uuid {
        self.id
    }

    fn alias_key(&self) -> &AliasKey {
        &self.alias_key
    }

    async fn pin_rules(&self, given: &GivenRules) -> Result<Rules, Error> {
        self.writer.pin_rules(given.clone()).await
    }

    async fn load(&self, requests: &[LoadRequest], rules: &Rules) -> Result<Vec<Snapshot>, Error> {
        let (requests, rules, backlog) = (requests.to_vec(), rules.clone(), Arc::clone(&self.backlog));
        self.readers.read(move |connection| read::load(connection, &backlog.overlay, &requests, &rules)).await
    }

    async fn record(&self, units: Vec<Unit>, _rules: &Rules, now: Timestamp) -> Result<Vec<Outcome>, Error> {
        self.writer.record(units, now).await
    }

    async fn due(&self, most: u32, rules: &Rules, now: Timestamp, lease_until: Timestamp) -> Result<Vec<Due>, Error> {
        self.backlog.catch_up(Freshness::Recent).await?;
        let (reply, answer) = oneshot::channel();
        let work = due::Call { most, rules: rules.clone(), now, lease_until };
        self.backlog.hand_over(Errand::Lease(Request { work, reply }));
        answer.await.map_err(|_| group::ended())?
    }

    async fn superseded_due(&self, most: u32, _now: Timestamp) -> Result<Vec<SupersededId>, Error> {
        self.read(Freshness::Latest, move |connection| superseding::due(connection, most)).await
    }

    async fn superseded_done(&self, looked: &[SupersededId], _now: Timestamp) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.backlog.hand_over(Errand::Looked(Request { work: looked.to_vec(), reply }));
        answer.await.map_err(|_| group::ended())?
    }

    async fn pending(&self, rules: &Rules) -> Result<Pending, Error> {
        let rules = rules.clone();
        // Whether all is settled depends on it.
        self.read(Freshness::Latest, move |connection| due::pending(connection, &rules)).await
    }

    async fn save_summary(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error> {
        self.writer.save(summary, now).await
    }

    async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<SessionList, Error> {
        let filter = filter.clone();
        self.read(Freshness::Recent, move |connection| list::sessions(connection, &filter, &page)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error> {
        self.read(Freshness::Latest, move |connection| read::session(connection, id)).await
    }

    async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
        let ids = ids.to_vec();
        self.read(Freshness::Latest, move |connection| read::sessions(connection, &ids)).await
    }

    async fn lots(&self) -> Result<Vec<LotRow>, Error> {
        self.read(Freshness::Recent, read::lots).await
    }

    async fn quarters(&self, lot: &LotId, quarters: Range<i64>) -> Result<Quarters, Error> {
        let lot = lot.clone();
        self.read(Freshness::Recent, move |connection| quarters::of_lot(connection, &lot, &quarters)).await
    }

    async fn note_connected(&self, quarter: i64) -> Result<(), Error> {
        self.writer.note_connected(quarter).await
    }

    async fn connected(&self, quarters: Range<i64>) -> Result<Connected, Error> {
        self.read(Freshness::Recent, move |connection| quarters::connected(connection, &quarters)).await
    }

    async fn recent(&self, lots: &[RecentOf]) -> Result<Vec<Recent>, Error> {
        let lots = lots.to_vec();
        self.read(Freshness::Recent, move |connection| {
            lots.iter().map(|lot| quarters::recent(connection, lot)).collect()
        })
        .await
    }

    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        self.read(Freshness::Latest, move |connection| changes::after(connection, after, limit)).await
    }

    async fn events_with_id(&self, id: Uuid) -> Result<Vec<EventRow>, Error> {
        self.read(Freshness::Latest, move |connection| events::with_id(connection, id)).await
    }

    async fn vehicle_events(
        &self,
        vehicle: &Vehicle,
        around: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<EventRow>, Error> {
        let vehicle = vehicle.clone();
        self.read(Freshness::Latest, move |connection| events::of_vehicle(connection, &vehicle, around, limit)).await
    }

    async fn changes_between(
        &self,
        session: SessionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<ChangeRow>, Error> {
        self.read(Freshness::Latest, move |connection| changes::between(connection, session, from, to)).await
    }

    async fn last_change(&self) -> Result<u64, Error> {
        self.read(Freshness::Latest, changes::last_change).await
    }

    async fn audit(&self, rules: &Rules, from: i64) -> Result<Audited, Error> {
        let rules = rules.clone();
        self.backlog.catch_up_within(Freshness::Latest, audit::CATCH_UP_MAX).await?;
        let read = move |connection: &_| audit::audit(connection, &rules, from);
        self.readers.read_within(audit::PART_DURATION_MAX, read).await
    }

    async fn recount(&self, from: QuarterPlace) -> Result<Recounted, Error> {
        self.backlog.catch_up_within(Freshness::Latest, audit::CATCH_UP_MAX).await?;
        self.readers.read_within(audit::PART_DURATION_MAX, move |connection| recount::recount(connection, from)).await
    }

    async fn accounts(&self) -> Result<Accounts, Error> {
        self.readers.read(accounts::read).await
    }

    async fn change_accounts(&self, change: AccountChange) -> Result<bool, Error> {
        beside::change(&self.place, move |transaction| accounts::apply(transaction, &change)).await
    }

    async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        self.readers.read(webhooks::read).await
    }

    async fn waiting_deliveries(&self, webhook: Uuid) -> Result<Vec<WaitingDelivery>, Error> {
        self.readers.read(move |connection| webhooks::waiting(connection, webhook)).await
    }

    async fn change_webhook(&self, change: WebhookChange) -> Result<bool, Error> {
        beside::change(&self.place, move |transaction| webhooks::apply(transaction, &change)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        let (place, backlog) = (Arc::clone(&self.place), Arc::clone(&self.backlog));
        let checked = tokio::task::spawn_blocking(move || place.check_closely(&backlog));
        checked.await.map_err(|error| Error::Unavailable(format!("looking at its files failed: {error}")))??;
        self.writer.look().await?;
        self.readers.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)).await
    }

    fn check_place(&self) -> Result<(), Error> {
        self.place.check()
    }

    fn waiting(&self) -> u64 {
        self.backlog.waiting()
    }

    fn log_bytes(&self) -> u64 {
        self.place.log_bytes()
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
