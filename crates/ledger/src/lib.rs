//! The port of the ledger: the durable record of sessions and of every change to them.
//!
//! Recording a unit uses optimistic concurrency: one transaction compares the vehicle's version and digest with those
//! the unit was decided from, writes the new ones, and appends the changes, numbered in order of commit. The databases
//! are left to `ledger-stores`, whose adapters pass one contract suite; HTTP, metrics and configuration to other
//! crates.

use std::fmt;
use std::ops::Range;

use access::{AccountChange, Accounts};
use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use parking::{GivenRules, LotId, Rules, SessionId, Timestamp, Vehicle};
use uuid::Uuid;

mod alias_key;
mod audited;
mod changes_of;
mod counts;
mod dwells;
mod questions;
mod recounted;
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod webhooks;

pub use alias_key::AliasKey;
pub use audited::{Audited, AuditedVehicle};
pub use counts::{Counts, QUARTER_MS, Tally, quarter_of, start_of};
pub use dwells::Dwells;
pub use questions::{LotWindow, Order, Page, RecentOf, SessionFilter};
pub use recounted::{QuarterDifference, QuarterPlace, Recounted};
pub use rows::{
    ChangeRow, Connected, EventRow, LotRow, Pending, Quarters, Recent, Saved, SessionList, SessionRow, Summary,
    SupersededId,
};
pub use webhooks::{Trouble, WaitingDelivery, Webhook, WebhookChange, WebhookKind, WebhookKinds, WebhookProgress};

/// Limits the events returned for one id. A reused id with different content is a different event.
pub const EVENTS_OF_ID_MAX: usize = 16;
/// Limits the events of a vehicle that one call reads in full.
pub const EVENTS_OF_VEHICLE_MAX: u32 = 1_000;
/// Limits the changes to a session that are read from one part of the list.
pub const CHANGES_OF_SESSION_MAX: u32 = 1_000;
/// Limits the sessions that one page of a list looks at, when it has conditions that no index has: about 5 ms of a
/// database that has its pages in memory.
pub const SESSIONS_LOOKED_AT_MAX: u32 = 1_000;
/// Limits the recorded events that lists and statistics do not show yet. At the limit, recording waits.
pub const BACKLOG_EVENTS_MAX: usize = 131_072;

/// The reason why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store is down, busy or full. The same call may succeed later, and may have succeeded already.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// A setting does not fit: the address is wrong, a newer program wrote the store, or other rules decided its
    /// events. The operator must act.
    #[error("{0}")]
    Config(String),
    /// Another process has opened the store, which allows one process at a time. The operator must act.
    #[error("{0}")]
    InUse(String),
    /// The store was replaced by another one, so this process's cached state is wrong.
    #[error("{0}")]
    Replaced(String),
    /// The store contains data that can't be read, because of a defect in the store or in this program.
    #[error("the ledger contains invalid data: {0}")]
    Corrupt(String),
}

/// The durable record. Every call may be repeated.
///
/// # Contract
///
/// Dropping a call's future does not cancel the call. Calls may overlap, from any number of tasks and, on PostgreSQL,
/// from several processes; all of them write and lock vehicles in the same order.
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// The ledger's id, created together with the ledger.
    fn id(&self) -> Uuid;

    /// The key of the aliases that principals see who may not read plates, created together with the ledger.
    fn alias_key(&self) -> &AliasKey;

    /// Pins the rules of the ledger: the given ones, and the ledger's own where none is given. All other calls need the
    /// returned rules.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the ledger has events that were decided by rules other than the given ones, or if a newer
    /// program stored rules that this program does not know.
    async fn pin_rules(&self, given: &GivenRules) -> Result<Rules, Error>;

    /// Loads the snapshots of many vehicles, in the order of the requests. An unknown vehicle is at version 0.
    ///
    /// A request that reaches further back than the stored timeline is answered from the event rows.
    async fn load(&self, requests: &[LoadRequest], rules: &Rules) -> Result<Vec<Snapshot>, Error>;

    /// Records units at `now`, each of them atomically; returns the outcomes in the order of the units.
    async fn record(&self, units: Vec<Unit>, rules: &Rules, now: Timestamp) -> Result<Vec<Outcome>, Error>;

    /// Leases up to `most` vehicles that have a hold or a stay that ended at `now`; no other call returns them until
    /// `lease_until`. `ended` lists only what has ended, and the snapshots reach back to it. A wrong clock does not
    /// block a vehicle: holds that began in the future have ended, and leases that end later than any current lease
    /// don't count.
    async fn due(&self, most: u32, rules: &Rules, now: Timestamp, lease_until: Timestamp) -> Result<Vec<Due>, Error>;

    /// Returns up to `most` ids of events to look at, because another event supersedes them: since the last look, one of
    /// the two was recorded. An id stays until [`superseded_done`](Self::superseded_done), so that a crash in between
    /// costs another look.
    async fn superseded_due(&self, most: u32, now: Timestamp) -> Result<Vec<SupersededId>, Error>;

    /// Notes that these ids were looked at. One that is due again by now stays so.
    async fn superseded_done(&self, looked: &[SupersededId], now: Timestamp) -> Result<(), Error>;

    /// Counts the holds and stays that have not ended yet.
    async fn pending(&self, rules: &Rules) -> Result<Pending, Error>;

    /// Saves a summary at `now`. Saving an identical summary again changes nothing.
    async fn save_summary(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error>;

    /// Returns one page of sessions, read in one snapshot.
    ///
    /// No index has the reason, the gate and the exit of a session. With such a condition a page looks at a limited number
    /// of sessions: it may have fewer of them than its limit, even none, and go on
    /// ([`resume_after`](SessionList::resume_after)).
    async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<SessionList, Error>;

    /// Returns one session, even if it is void.
    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error>;

    /// Returns the sessions with these ids, void ones included, in the order of the ids. Unknown ids are skipped.
    async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error>;

    /// Returns every lot that has events or saved summaries, by name.
    async fn lots(&self) -> Result<Vec<LotRow>, Error>;

    /// Returns a range of a lot's quarter hours, read in one snapshot. An unknown lot has none.
    async fn quarters(&self, lot: &LotId, quarters: Range<i64>) -> Result<Quarters, Error>;

    /// Records that a correlator was connected in this quarter hour. Repeating the call changes nothing.
    async fn note_connected(&self, quarter: i64) -> Result<(), Error>;

    /// Returns those of these quarter hours in which a correlator was connected.
    async fn connected(&self, quarters: Range<i64>) -> Result<Connected, Error>;

    /// Returns the recent counts of several lots, in the order of the requests.
    async fn recent(&self, lots: &[RecentOf]) -> Result<Vec<Recent>, Error>;

    /// Returns up to `limit` changes after that sequence number, in order and without gaps.
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error>;

    /// Returns the number of the newest change; 0 before the first. Reads after this call include it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if reads do not include it within two seconds.
    async fn last_change(&self) -> Result<u64, Error>;

    /// Returns the events with this id in order of recording, at most [`EVENTS_OF_ID_MAX`].
    async fn events_with_id(&self, id: Uuid) -> Result<Vec<EventRow>, Error>;

    /// Returns up to `limit` (at most [`EVENTS_OF_VEHICLE_MAX`]) events of a vehicle by time: about as many before as
    /// after the time `around`, or the newest. The cost is one lookup for each of the vehicle's events.
    ///
    /// Events whose plate was not read are not linked to each other, and this call does not find them.
    async fn vehicle_events(
        &self,
        vehicle: &Vehicle,
        around: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<EventRow>, Error>;

    /// Returns the changes to one session, at most [`CHANGES_OF_SESSION_MAX`], that were recorded between two times,
    /// inclusive. The cost is one lookup for each change recorded in between.
    async fn changes_between(
        &self,
        session: SessionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<ChangeRow>, Error>;

    /// Returns all changes to one session, in order; none if the session is unknown.
    ///
    /// The search scans the list of changes around the times when events of the vehicle were recorded, under load a few
    /// thousand changes each. Only a hold or stay that ended and was revised later costs a scan of all changes in
    /// between, and a clock that was set back costs a scan of the whole list.
    async fn changes_of(&self, session: SessionId) -> Result<Vec<ChangeRow>, Error> {
        changes_of::changes_of(self, session).await
    }

    /// Returns everything that the ledger has about some vehicles, starting at number `from`, read in one snapshot, and
    /// where to continue.
    ///
    /// Each call scans the events and the sessions once.
    async fn audit(&self, rules: &Rules, from: i64) -> Result<Audited, Error>;

    /// Recounts the sessions of some quarter hours, starting at `from`, and compares the result with the stored counts,
    /// all read in one snapshot.
    ///
    /// Each call scans all sessions once.
    async fn recount(&self, from: QuarterPlace) -> Result<Recounted, Error>;

    /// Returns the tokens, users and login sessions, read in one snapshot.
    async fn accounts(&self) -> Result<Accounts, Error>;

    /// Changes the accounts atomically and durably; returns whether anything changed. A repeated call changes nothing,
    /// unless it sets a password.
    async fn change_accounts(&self, change: AccountChange) -> Result<bool, Error>;

    /// Returns the webhooks, by id, read in one snapshot.
    async fn webhooks(&self) -> Result<Vec<Webhook>, Error>;

    /// Returns the deliveries of a webhook that wait, by sequence number.
    async fn waiting_deliveries(&self, webhook: Uuid) -> Result<Vec<WaitingDelivery>, Error>;

    /// Changes a webhook atomically and durably; returns whether the change applied.
    async fn change_webhook(&self, change: WebhookChange) -> Result<bool, Error>;

    /// Checks that the store answers, is the one that was opened, and can be written: after a failed write, the check
    /// writes again. Call it about once a second.
    async fn ping(&self) -> Result<(), Error>;

    /// Checks that the store is still at the place where it was opened, without a query and without waiting.
    fn check_place(&self) -> Result<(), Error> {
        Ok(())
    }

    /// How many events and summaries are recorded that lists and statistics do not show yet.
    fn waiting(&self) -> u64 {
        0
    }

    /// The size of the write-ahead logs that this process keeps for the store; 0 when that is the store's own matter.
    fn log_bytes(&self) -> u64 {
        0
    }

    /// Completes the calls in progress, moves the content of logs into the store, and closes it; later calls fail.
    async fn close(&self) {}
}
