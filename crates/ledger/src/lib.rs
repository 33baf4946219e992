//! The port of the ledger: the durable record of sessions and of every change to them.
//!
//! Two adapters implement it and pass one contract suite: [`sqlite`] (a file, the default) and [`postgres`]. Recording
//! a unit uses optimistic concurrency: one transaction compares the vehicle's version and digest with those the unit
//! was decided from, writes the new ones, and appends the changes, numbered in order of commit. HTTP, metrics and
//! configuration are left to other crates.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Range, RangeInclusive};

use async_trait::async_trait;
use matching::{Due, Flags, LoadRequest, Outcome, Rule, Snapshot, Unit};
use parking::{
    EventKey, GateId, GivenRules, LotId, Plate, Rules, Session, SessionId, Source, State, Timestamp, Vehicle,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod audit;
mod chain;
mod changes_of;
#[cfg(test)]
mod contract;
mod dwells;
mod encoding;
mod group;
mod list;
mod open;
mod plan;
pub mod postgres;
mod progress;
mod recount;
mod rollup;
mod rows;
mod rules_guard;
pub mod sqlite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use audit::{Audited, AuditedVehicle};
pub use dwells::Dwells;
pub use open::{Probe, open, probe};
pub use recount::{QuarterDifference, QuarterPlace, Recounted};
pub use rollup::{Counts, QUARTER_MS, Tally, quarter_of, start_of};
pub use sqlite::BACKLOG_EVENTS_MAX;

/// Limits the events returned for one id. A reused id with different content is a different event.
pub const EVENTS_OF_ID_MAX: usize = 16;
/// Limits the events of a vehicle that one call reads in full.
pub const EVENTS_OF_VEHICLE_MAX: u32 = 1_000;
/// The largest clock skew between the machines that share a ledger. A stored time further in the future comes from a
/// wrong clock: a hold that began then has ended, and a lease from then is void.
const CLOCK_SKEW_MAX_MS: i64 = 10_000;
/// Limits the changes to a session that are read from one part of the list.
pub const CHANGES_OF_SESSION_MAX: u32 = 1_000;

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

/// A session in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The session itself.
    pub session: Session,
    /// Whether gate events or a saved summary made it.
    pub source: Source,
    /// The gate of the entry, if known.
    pub entry_gate: Option<GateId>,
    /// The gate of the exit, if known.
    pub exit_gate: Option<GateId>,
    /// For a void session: the session that its anchor event belongs to now.
    pub superseded_by: Option<SessionId>,
    /// When the session was first recorded.
    pub recorded_at: Timestamp,
    /// When the session last changed.
    pub updated_at: Timestamp,
}

/// Selects the sessions of a list. `None` and empty members do not filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFilter {
    /// Only sessions of this lot.
    pub lot: Option<LotId>,
    /// Only sessions of this plate, in any lot unless `lot` is set.
    pub plate: Option<Plate>,
    /// Only sessions in these states; if empty, in all states except void.
    pub states: Vec<State>,
    /// Only sessions whose anchor event is at or after this time.
    pub from: Option<Timestamp>,
    /// Only sessions whose anchor event is before this time.
    pub to: Option<Timestamp>,
}

/// The order of a list. Session ids grow with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest session first.
    #[default]
    NewestFirst,
    /// Oldest session first.
    OldestFirst,
}

/// Selects one page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The maximum number of sessions.
    pub limit: u32,
    /// Continue after this session.
    pub after: Option<SessionId>,
    /// The order of the list.
    pub order: Order,
}

/// One change to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// The sequence number: 1, 2, 3 … in order of commit, without gaps.
    pub sequence: u64,
    /// The session that changed.
    pub session: SessionId,
    /// The vehicle's version after this change; 0 for a saved summary.
    pub vehicle_version: u64,
    /// The previous state; `None` for a new session.
    pub from: Option<State>,
    /// The new state.
    pub to: State,
    /// The rule that caused the change; `None` for a saved summary.
    pub rule: Option<Rule>,
    /// When the change was recorded.
    pub recorded_at: Timestamp,
}

/// A gate event in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Lot and plate.
    pub vehicle: Vehicle,
    /// Time, direction and id.
    pub key: EventKey,
    /// The gate, if known.
    pub gate: Option<GateId>,
    /// The plate text from the gate's reader.
    pub plate_as_read: String,
    /// The reader's confidence in the plate, 0 to 1.
    pub confidence: Option<f32>,
    /// When the correlator received the event.
    pub received_at: Timestamp,
    /// When the event was recorded.
    pub recorded_at: Timestamp,
    /// The decisions made about the event so far.
    pub flags: Flags,
}

/// A lot in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotRow {
    /// The lot's name.
    pub id: LotId,
    /// The number of open sessions.
    pub inside: u64,
    /// The lot's own clock: the time of the newest event recorded there. `None` if the lot has only summaries.
    pub time: Option<Timestamp>,
}

/// A range of a lot's quarter hours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quarters {
    /// The quarter hours with at least one passage, each with its number (quarter hours since 1970), by number.
    pub quarters: Vec<(i64, Tally)>,
    /// The number of vehicles inside at the end of the last requested quarter hour.
    pub inside_after: i64,
    /// The quarter hour of the lot's first event; `None` before the first event.
    pub first: Option<i64>,
}

/// The quarter hours in which a correlator was connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connected {
    /// The requested quarter hours with a connected correlator, by number.
    pub quarters: BTreeSet<i64>,
    /// The first quarter hour in the ledger with a connected correlator, before which nothing is known. `None` before
    /// the first correlator.
    pub since: Option<i64>,
}

/// Asks for the recent counts of a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentOf {
    /// The lot.
    pub lot: LotId,
    /// The quarter hours to count, inclusive.
    pub quarters: RangeInclusive<i64>,
    /// For each of these times, count the open stays that began earlier.
    pub open_before: [Timestamp; 2],
}

/// The recent counts of a lot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recent {
    /// The requested quarter hours with at least one passage, by number.
    pub quarters: Vec<(i64, Counts)>,
    /// For each requested time, the number of open stays that began earlier.
    pub open_before: [u64; 2],
}

/// Counts of the decisions that the ledger still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// The number of held exits.
    pub held_exits: u64,
    /// The number of open sessions that exceed the maximum stay on their lot's own clock.
    pub overdue_stays: u64,
}

/// A summary to save: both times of a stay, from a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Lot and plate.
    pub vehicle: Vehicle,
    /// When the vehicle entered.
    pub entry: Timestamp,
    /// When the vehicle left.
    pub exit: Timestamp,
}

/// The result of saving a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The summary's session.
    pub row: SessionRow,
    /// Whether this call created the session.
    pub is_new: bool,
}

/// The durable record. Every call may be repeated.
///
/// # Contract
///
/// Dropping a call's future does not cancel the call. Calls may overlap, from any number of tasks and, on PostgreSQL,
/// from several processes; all of them lock vehicles in the same order.
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// The ledger's id, created together with the ledger.
    fn id(&self) -> Uuid;

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

    /// Counts the holds and stays that have not ended yet.
    async fn pending(&self, rules: &Rules) -> Result<Pending, Error>;

    /// Saves a summary at `now`. Saving an identical summary again changes nothing.
    async fn save_summary(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error>;

    /// Returns one page of sessions.
    async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<Vec<SessionRow>, Error>;

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

    /// Returns the number of the newest change; 0 before the first.
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
