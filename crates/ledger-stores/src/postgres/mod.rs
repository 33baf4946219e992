//! The ledger in `PostgreSQL`, which any number of summary APIs may share.
//!
//! `writer` are some tasks that gather all waiting requests into one transaction each; `find` looks up what such a
//! transaction needs, `apply` writes its rows, each kind with one statement for the whole plan, and `append` and `copy`
//! the new ones. `due` leases what has ended, `read`, `list`, `quarters`, `events` and `changes` answer questions,
//! `superseding` has the ids of superseded events, `accounts` has tokens and users, `webhooks` has webhooks, `store` lends
//! connections, `schema` has the tables, `upgrade` brings them to this
//! program's version, `probe` only looks, and `secured` is TLS.

use std::ops::Range;
use std::time::Duration;

use access::{AccountChange, Accounts};
use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{GivenRules, LotId, Rules, SessionId, Timestamp, Vehicle};
use tls::Connector;
use uuid::Uuid;

pub(crate) use self::probe::probe;
use self::store::{Store, attempt, attempt_within};
use self::writer::Writer;
use super::{
    AliasKey, Audited, ChangeRow, Connected, Error, EventRow, Ledger, LotRow, Page, Pending, QuarterPlace, Quarters,
    Recent, RecentOf, Recounted, Saved, SessionFilter, SessionList, SessionRow, Summary, SupersededId, WaitingDelivery,
    Webhook, WebhookChange, group,
};

mod accounts;
mod append;
mod apply;
mod audit;
mod changes;
mod copy;
mod due;
mod events;
mod failure;
mod find;
mod known;
mod list;
mod probe;
mod quarters;
mod read;
mod recount;
mod schema;
mod secured;
mod store;
mod superseding;
#[cfg(test)]
mod tests;
mod upgrade;
mod vehicles;
mod webhooks;
mod writer;

/// A ledger in a database on a server.
#[derive(Debug)]
pub struct PostgresLedger {
    id: Uuid,
    alias_key: AliasKey,
    store: Store,
    writer: Writer,
}

impl PostgresLedger {
    /// Opens the ledger in the database of `database_url`; creates it at `now` if the database is empty. `connector` is the TLS of
    /// an address that asks for it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the address or the privileges are wrong or the database does not contain a ledger that this
    /// program knows, [`Error::Unavailable`] if the server is down.
    pub async fn open(database_url: &str, connector: &Connector, now: Timestamp) -> Result<Self, Error> {
        let store = Store::new(database_url, connector)?;
        let (id, alias_key) = upgrade::prepare(&store, now).await?;
        store.expect(id);
        Ok(Self { id, alias_key, writer: Writer::start(&store), store })
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    fn id(&self) -> Uuid {
        self.id
    }

    fn alias_key(&self) -> &AliasKey {
        &self.alias_key
    }

    async fn pin_rules(&self, given: &GivenRules) -> Result<Rules, Error> {
        let agree = async || {
            let mut connection = self.store.connection().await?;
            let rules = schema::pin_rules(&mut connection, given).await?;
            connection.end_well();
            Ok(rules)
        };
        attempt(agree).await
    }

    async fn load(&self, requests: &[LoadRequest], rules: &Rules) -> Result<Vec<Snapshot>, Error> {
        attempt(|| read::load(&self.store, requests, rules)).await
    }

    async fn record(&self, units: Vec<Unit>, _rules: &Rules, now: Timestamp) -> Result<Vec<Outcome>, Error> {
        group::call(self.writer.requests(), (units, now), group::WriteRequest::Record).await
    }

    async fn due(&self, most: u32, rules: &Rules, now: Timestamp, lease_until: Timestamp) -> Result<Vec<Due>, Error> {
        let (store, rules) = (self.store.clone(), rules.clone());
        let call = due::Call { most, rules, now, lease_until };
        let leasing = tokio::spawn(async move { attempt(|| due::lease(&store, &call)).await });
        leasing.await.map_err(|error| Error::Unavailable(format!("leasing failed: {error}")))?
    }

    async fn superseded_due(&self, most: u32, now: Timestamp) -> Result<Vec<SupersededId>, Error> {
        attempt(|| superseding::due(&self.store, most, now)).await
    }

    async fn superseded_done(&self, looked: &[SupersededId], now: Timestamp) -> Result<(), Error> {
        attempt(|| superseding::done(&self.store, looked, now)).await
    }

    async fn pending(&self, rules: &Rules) -> Result<Pending, Error> {
        attempt(|| due::pending(&self.store, rules)).await
    }

    async fn save_summary(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error> {
        group::call(self.writer.requests(), (summary, now), group::WriteRequest::Save).await
    }

    async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<SessionList, Error> {
        attempt(|| list::sessions(&self.store, filter, &page)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error> {
        attempt(|| read::session(&self.store, id)).await
    }

    async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
        attempt(|| read::sessions(&self.store, ids)).await
    }

    async fn lots(&self) -> Result<Vec<LotRow>, Error> {
        attempt(|| read::lots(&self.store)).await
    }

    async fn quarters(&self, lot: &LotId, quarters: Range<i64>) -> Result<Quarters, Error> {
        attempt(|| quarters::of_lot(&self.store, lot, &quarters)).await
    }

    async fn note_connected(&self, quarter: i64) -> Result<(), Error> {
        attempt(|| quarters::note_connected(&self.store, quarter)).await
    }

    async fn connected(&self, quarters: Range<i64>) -> Result<Connected, Error> {
        attempt(|| quarters::connected(&self.store, &quarters)).await
    }

    async fn recent(&self, lots: &[RecentOf]) -> Result<Vec<Recent>, Error> {
        attempt(|| quarters::recent(&self.store, lots)).await
    }

    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        attempt(|| changes::after(&self.store, after, limit)).await
    }

    async fn events_with_id(&self, id: Uuid) -> Result<Vec<EventRow>, Error> {
        attempt(|| events::with_id(&self.store, id)).await
    }

    async fn vehicle_events(
        &self,
        vehicle: &Vehicle,
        around: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<EventRow>, Error> {
        attempt(|| events::of_vehicle(&self.store, vehicle, around, limit)).await
    }

    async fn changes_between(
        &self,
        session: SessionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<ChangeRow>, Error> {
        attempt(|| changes::between(&self.store, session, from, to)).await
    }

    async fn last_change(&self) -> Result<u64, Error> {
        attempt(|| async {
            let client = self.store.connection().await?;
            let newest = changes::last_change(&*client).await?;
            client.end_well();
            Ok(newest)
        })
        .await
    }

    async fn audit(&self, rules: &Rules, from: i64) -> Result<Audited, Error> {
        attempt_within(Duration::MAX, || audit::audit(&self.store, rules, from)).await
    }

    async fn recount(&self, from: QuarterPlace) -> Result<Recounted, Error> {
        attempt_within(Duration::MAX, || recount::recount(&self.store, from)).await
    }

    async fn accounts(&self) -> Result<Accounts, Error> {
        attempt(|| accounts::read(&self.store)).await
    }

    async fn change_accounts(&self, change: AccountChange) -> Result<bool, Error> {
        let store = self.store.clone();
        let changing = tokio::spawn(async move { attempt(|| accounts::change(&store, &change)).await });
        changing.await.map_err(|error| Error::Unavailable(format!("changing its accounts failed: {error}")))?
    }

    async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        attempt(|| webhooks::read(&self.store)).await
    }

    async fn waiting_deliveries(&self, webhook: Uuid) -> Result<Vec<WaitingDelivery>, Error> {
        attempt(|| webhooks::waiting(&self.store, webhook)).await
    }

    async fn change_webhook(&self, change: WebhookChange) -> Result<bool, Error> {
        let store = self.store.clone();
        let changing = tokio::spawn(async move { attempt(|| webhooks::change(&store, &change)).await });
        changing.await.map_err(|error| Error::Unavailable(format!("changing a webhook failed: {error}")))?
    }

    async fn ping(&self) -> Result<(), Error> {
        if self.writer.requests().is_closed() {
            return Err(group::ended());
        }
        let connection = self.store.connection().await.map_err(failure::Failure::into_error)?;
        let answer = connection.simple_query("").await;
        answer.map_err(|error| failure::Failure::from(error).into_error())?;
        connection.end_well();
        self.writer.look(&self.store).await.map_err(failure::Failure::into_error)
    }
}
