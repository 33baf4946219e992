//! A ledger that remembers the calls it receives and passes them on.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use access::{AccountChange, Accounts};
use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{GivenRules, LotId, Rules, SessionId, Timestamp, Vehicle};
use uuid::Uuid;

use crate::{
    AliasKey, Audited, ChangeRow, Connected, Error, EventRow, Ledger, LotRow, Page, Pending, QuarterPlace, Quarters,
    Recent, RecentOf, Recounted, Saved, SessionFilter, SessionList, SessionRow, Summary, SupersededId, WaitingDelivery,
    Webhook, WebhookChange,
};

/// A ledger that remembers its calls.
#[derive(Debug)]
pub struct CountingLedger {
    inner: Arc<dyn Ledger>,
    calls: Mutex<Vec<&'static str>>,
}

impl CountingLedger {
    /// Counts the calls of another ledger.
    pub fn of(inner: Arc<dyn Ledger>) -> Self {
        Self { inner, calls: Mutex::default() }
    }

    /// The names of all calls, in their order.
    pub fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    fn called(&self, name: &'static str) -> &dyn Ledger {
        self.calls.lock().unwrap().push(name);
        &*self.inner
    }
}

#[async_trait]
impl Ledger for CountingLedger {
    fn id(&self) -> Uuid {
        self.inner.id()
    }
    fn alias_key(&self) -> &AliasKey {
        self.inner.alias_key()
    }
    async fn pin_rules(&self, given: &GivenRules) -> Result<Rules, Error> {
        self.called("pin_rules").pin_rules(given).await
    }
    async fn load(&self, requests: &[LoadRequest], rules: &Rules) -> Result<Vec<Snapshot>, Error> {
        self.called("load").load(requests, rules).await
    }
    async fn record(&self, units: Vec<Unit>, rules: &Rules, now: Timestamp) -> Result<Vec<Outcome>, Error> {
        self.called("record").record(units, rules, now).await
    }
    async fn due(&self, most: u32, rules: &Rules, now: Timestamp, lease_until: Timestamp) -> Result<Vec<Due>, Error> {
        self.called("due").due(most, rules, now, lease_until).await
    }
    async fn superseded_due(&self, most: u32, now: Timestamp) -> Result<Vec<SupersededId>, Error> {
        self.called("superseded_due").superseded_due(most, now).await
    }
    async fn superseded_done(&self, looked: &[SupersededId], now: Timestamp) -> Result<(), Error> {
        self.called("superseded_done").superseded_done(looked, now).await
    }
    async fn pending(&self, rules: &Rules) -> Result<Pending, Error> {
        self.called("pending").pending(rules).await
    }
    async fn save_summary(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error> {
        self.called("save_summary").save_summary(summary, now).await
    }
    async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<SessionList, Error> {
        self.called("sessions").sessions(filter, page).await
    }
    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error> {
        self.called("session").session(id).await
    }
    async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
        self.called("sessions_by_id").sessions_by_id(ids).await
    }
    async fn lots(&self) -> Result<Vec<LotRow>, Error> {
        self.called("lots").lots().await
    }
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
        self.called("changes").changes(after, limit).await
    }
    async fn last_change(&self) -> Result<u64, Error> {
        self.called("last_change").last_change().await
    }
    async fn quarters(&self, lot: &LotId, quarters: Range<i64>) -> Result<Quarters, Error> {
        self.called("quarters").quarters(lot, quarters).await
    }
    async fn note_connected(&self, quarter: i64) -> Result<(), Error> {
        self.called("note_connected").note_connected(quarter).await
    }
    async fn connected(&self, quarters: Range<i64>) -> Result<Connected, Error> {
        self.called("connected").connected(quarters).await
    }
    async fn recent(&self, lots: &[RecentOf]) -> Result<Vec<Recent>, Error> {
        self.called("recent").recent(lots).await
    }
    async fn events_with_id(&self, id: Uuid) -> Result<Vec<EventRow>, Error> {
        self.called("events_with_id").events_with_id(id).await
    }
    async fn vehicle_events(
        &self,
        vehicle: &Vehicle,
        around: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<EventRow>, Error> {
        self.called("vehicle_events").vehicle_events(vehicle, around, limit).await
    }
    async fn changes_between(
        &self,
        session: SessionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<ChangeRow>, Error> {
        self.called("changes_between").changes_between(session, from, to).await
    }
    async fn audit(&self, rules: &Rules, from: i64) -> Result<Audited, Error> {
        self.called("audit").audit(rules, from).await
    }
    async fn recount(&self, from: QuarterPlace) -> Result<Recounted, Error> {
        self.called("recount").recount(from).await
    }
    async fn accounts(&self) -> Result<Accounts, Error> {
        self.called("accounts").accounts().await
    }
    async fn change_accounts(&self, change: AccountChange) -> Result<bool, Error> {
        self.called("change_accounts").change_accounts(change).await
    }
    async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        self.called("webhooks").webhooks().await
    }
    async fn waiting_deliveries(&self, webhook: Uuid) -> Result<Vec<WaitingDelivery>, Error> {
        self.called("waiting_deliveries").waiting_deliveries(webhook).await
    }
    async fn change_webhook(&self, change: WebhookChange) -> Result<bool, Error> {
        self.called("change_webhook").change_webhook(change).await
    }
    async fn ping(&self) -> Result<(), Error> {
        self.called("ping").ping().await
    }
}
