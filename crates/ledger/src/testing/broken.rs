//! A ledger on which every call fails.

use std::ops::Range;

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

/// How a [`BrokenLedger`] is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The store is down.
    Down,
    /// The store contains data that can't be read.
    Corrupt,
    /// The ledger never answers.
    Silent,
    /// Each call panics.
    Panics,
}

/// A ledger on which every call fails, for failures that no real one shows on demand.
#[derive(Debug)]
pub struct BrokenLedger(pub How);

impl BrokenLedger {
    /// An internal message of a store, which no client may see.
    pub const INNER: &str = "connection to 10.1.2.3 as user dwell refused: SELECT plate";

    async fn fail<T>(&self) -> Result<T, Error> {
        match self.0 {
            How::Down => Err(Error::Unavailable(Self::INNER.to_owned())),
            How::Corrupt => Err(Error::Corrupt(Self::INNER.to_owned())),
            How::Silent => std::future::pending().await,
            How::Panics => panic!("{}", Self::INNER),
        }
    }
}

#[async_trait]
impl Ledger for BrokenLedger {
    fn id(&self) -> Uuid {
        Uuid::from_u128(1)
    }
    fn alias_key(&self) -> &AliasKey {
        const KEY: AliasKey = AliasKey::new([1; AliasKey::BYTES]);
        &KEY
    }
    async fn pin_rules(&self, _: &GivenRules) -> Result<Rules, Error> {
        self.fail().await
    }
    async fn load(&self, _: &[LoadRequest], _: &Rules) -> Result<Vec<Snapshot>, Error> {
        self.fail().await
    }
    async fn record(&self, _: Vec<Unit>, _: &Rules, _: Timestamp) -> Result<Vec<Outcome>, Error> {
        self.fail().await
    }
    async fn due(&self, _: u32, _: &Rules, _: Timestamp, _: Timestamp) -> Result<Vec<Due>, Error> {
        self.fail().await
    }
    async fn superseded_due(&self, _: u32, _: Timestamp) -> Result<Vec<SupersededId>, Error> {
        self.fail().await
    }
    async fn superseded_done(&self, _: &[SupersededId], _: Timestamp) -> Result<(), Error> {
        self.fail().await
    }
    async fn pending(&self, _: &Rules) -> Result<Pending, Error> {
        self.fail().await
    }
    async fn save_summary(&self, _: Summary, _: Timestamp) -> Result<Saved, Error> {
        self.fail().await
    }
    async fn sessions(&self, _: &SessionFilter, _: Page) -> Result<SessionList, Error> {
        self.fail().await
    }
    async fn session(&self, _: SessionId) -> Result<Option<SessionRow>, Error> {
        self.fail().await
    }
    async fn sessions_by_id(&self, _: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
        self.fail().await
    }
    async fn lots(&self) -> Result<Vec<LotRow>, Error> {
        self.fail().await
    }
    async fn quarters(&self, _: &LotId, _: Range<i64>) -> Result<Quarters, Error> {
        self.fail().await
    }
    async fn note_connected(&self, _: i64) -> Result<(), Error> {
        self.fail().await
    }
    async fn connected(&self, _: Range<i64>) -> Result<Connected, Error> {
        self.fail().await
    }
    async fn recent(&self, _: &[RecentOf]) -> Result<Vec<Recent>, Error> {
        self.fail().await
    }
    async fn changes(&self, _: u64, _: u32) -> Result<Vec<ChangeRow>, Error> {
        self.fail().await
    }
    async fn last_change(&self) -> Result<u64, Error> {
        self.fail().await
    }
    async fn events_with_id(&self, _: Uuid) -> Result<Vec<EventRow>, Error> {
        self.fail().await
    }
    async fn vehicle_events(&self, _: &Vehicle, _: Option<Timestamp>, _: u32) -> Result<Vec<EventRow>, Error> {
        self.fail().await
    }
    async fn changes_between(&self, _: SessionId, _: Timestamp, _: Timestamp) -> Result<Vec<ChangeRow>, Error> {
        self.fail().await
    }
    async fn audit(&self, _: &Rules, _: i64) -> Result<Audited, Error> {
        self.fail().await
    }
    async fn recount(&self, _: QuarterPlace) -> Result<Recounted, Error> {
        self.fail().await
    }
    async fn accounts(&self) -> Result<Accounts, Error> {
        self.fail().await
    }
    async fn change_accounts(&self, _: AccountChange) -> Result<bool, Error> {
        self.fail().await
    }
    async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        self.fail().await
    }
    async fn waiting_deliveries(&self, _: Uuid) -> Result<Vec<WaitingDelivery>, Error> {
        self.fail().await
    }
    async fn change_webhook(&self, _: WebhookChange) -> Result<bool, Error> {
        self.fail().await
    }
    async fn ping(&self) -> Result<(), Error> {
        self.fail().await
    }
}
