//! The ledger: the durable record of sessions and of every change to them. The port.
//!
//! Two adapters, held to one contract: [`sqlite`] (a file, the default) and [`postgres`]. A unit is recorded in one
//! atomic step that compares the vehicle's version and digest and sets the new ones; a list of changes is appended in
//! the same transaction, numbered in order of commit. HTTP, metrics and configuration are not known here.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Range, RangeInclusive};

use async_trait::async_trait;
use matching::{Due, Flags, LoadRequest, Outcome, Rule, Snapshot, Unit};
use parking::{
    EventKey, GateId, GivenRules, LotId, Plate, Rules, Session, SessionId, Source, State, Timestamp, Vehicle,
};
use uuid::Uuid;

mod agreed;
mod audit;
mod batch;
mod chain;
mod changes_of;
#[cfg(test)]
mod contract;
mod dwells;
mod list;
mod merge;
mod open;
pub mod postgres;
mod progress;
mod recount;
mod rollup;
mod rows;
pub mod sqlite;
mod stored;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unit;

pub use audit::{Audited, AuditedVehicle};
pub use dwells::Dwells;
pub use open::{Probe, open, probe};
pub use recount::{QuarterDifference, QuarterPlace, Recounted};
pub use rollup::{Counts, QUARTER_MS, Tally, quarter_of, start_of};

/// The most events that are told of one id: a reused id with other content is another event.
pub const EVENTS_OF_ID: usize = 16;
/// The most events of a vehicle that are read whole at once.
pub const EVENTS_OF_VEHICLE: u32 = 1_000;
/// How far the clocks of the machines of one ledger may differ. A stored moment that is further in the future was written
/// by a clock that was wrong: a hold that began then has ended, and a lease from then holds nothing.
const CLOCKS_DIFFER_MS: i64 = 10_000;
/// The most changes of a session that are read from one part of the list.
pub const CHANGES_OF_SESSION: u32 = 1_000;

/// Why the ledger could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store is away, busy or full: the same call may succeed later, and may have succeeded already.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// A setting does not fit: the address is wrong, a newer program made the store, its events were decided by other
    /// rules. A person must act.
    #[error("{0}")]
    Config(String),
    /// Another process has the store, which is for one process at a time: a person must act.
    #[error("{0}")]
    InUse(String),
    /// Where the ledger was, there is another one now: what this process knows of it is wrong.
    #[error("{0}")]
    Replaced(String),
    /// What the store holds can't be read: a fault of the store or of this program.
    #[error("the ledger holds what can't be read: {0}")]
    Corrupt(String),
}

/// A session as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The stay.
    pub session: Session,
    /// Gate events or a saved summary.
    pub source: Source,
    /// The gate of the entry, when it is known.
    pub entry_gate: Option<GateId>,
    /// The gate of the exit, when it is known.
    pub exit_gate: Option<GateId>,
    /// Of a void session: which session has its anchor event now.
    pub superseded_by: Option<SessionId>,
    /// When the session was first recorded.
    pub recorded_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Which sessions a list has. `None` and empty leave the choice open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFilter {
    /// Of this lot.
    pub lot: Option<LotId>,
    /// Of this plate, in any lot unless one is named.
    pub plate: Option<Plate>,
    /// In one of these states; empty: in all but void.
    pub states: Vec<State>,
    /// Given by an event of this time or later.
    pub from: Option<Timestamp>,
    /// Given by an event before this time.
    pub to: Option<Timestamp>,
}

/// In which order a list runs. Session ids grow with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest session first.
    #[default]
    NewestFirst,
    /// The oldest session first.
    OldestFirst,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The most sessions.
    pub limit: u32,
    /// Go on after this session.
    pub after: Option<SessionId>,
    /// The order of the list.
    pub order: Order,
}

/// One change to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number: 1, 2, 3 … in order of commit, without gaps.
    pub sequence: u64,
    /// Which session.
    pub session: SessionId,
    /// The vehicle's version once the change was recorded; 0 for a saved summary.
    pub vehicle_version: u64,
    /// The state before; `None` when the session is new.
    pub from: Option<State>,
    /// The state after.
    pub to: State,
    /// Why; `None` for a saved summary.
    pub rule: Option<Rule>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// A gate event as the ledger has it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// The lot and the plate.
    pub vehicle: Vehicle,
    /// Time, direction and id.
    pub key: EventKey,
    /// The gate, when it is known.
    pub gate: Option<GateId>,
    /// The plate as the gate read it.
    pub plate_as_read: String,
    /// How sure the reader is of the plate, 0 to 1.
    pub confidence: Option<f32>,
    /// When the correlator received it.
    pub received_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What is decided about it by now.
    pub flags: Flags,
}

/// A lot as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotRow {
    /// Its name.
    pub id: LotId,
    /// Open sessions.
    pub inside: u64,
    /// The lot's own time: that of the newest event recorded there. `None` before the first: the lot has summaries alone.
    pub time: Option<Timestamp>,
}

/// Some quarter hours of a lot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quarters {
    /// The quarter hours in which anything happened, each with its number (since 1970), by number.
    pub quarters: Vec<(i64, Tally)>,
    /// Vehicles that were inside when the last of the quarter hours asked for had ended.
    pub inside_after: i64,
    /// The quarter hour of the lot's first event; `None` before it.
    pub first: Option<i64>,
}

/// In which quarter hours a correlator was connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connected {
    /// Those of the quarter hours asked for, by number.
    pub quarters: BTreeSet<i64>,
    /// The first quarter hour of all since the ledger was made; before it nothing was noted. `None` before the first
    /// correlator.
    pub since: Option<i64>,
}

/// Asks how a lot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentOf {
    /// Which lot.
    pub lot: LotId,
    /// The quarter hours to count, the last one included.
    pub quarters: RangeInclusive<i64>,
    /// How many open stays began before each of these times?
    pub open_before: [Timestamp; 2],
}

/// How a lot stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recent {
    /// Those of the quarter hours in which anything happened, by number.
    pub quarters: Vec<(i64, Counts)>,
    /// The open stays that began before each of the times.
    pub open_before: [u64; 2],
}

/// Work that the ledger still waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// Exits that are held.
    pub held_exits: u64,
    /// Open sessions older than the longest stay on their lot's own time.
    pub overdue_stays: u64,
}

/// A summary to save: both times of a stay, from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The lot and the plate.
    pub vehicle: Vehicle,
    /// When the vehicle entered.
    pub entry: Timestamp,
    /// When it left.
    pub exit: Timestamp,
}

/// What became of a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The session.
    pub row: SessionRow,
    /// It was not there before.
    pub is_new: bool,
}

/// The durable record. Every call may be repeated.
///
/// # Contract
/// A call that was begun runs to its end when its future is dropped. Calls from any number of tasks and, on
/// PostgreSQL, processes may overlap; vehicles are locked in one order.
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// The ledger's own id, made with the ledger.
    fn id(&self) -> Uuid;

    /// Takes the given rules, with the ledger's own where none are given; all other calls are to be made with the rules
    /// that this answers.
    ///
    /// # Errors
    /// [`Error::Config`] when the ledger has events, and other rules than those given gave their sessions, or when a
    /// newer program wrote it with rules that this one does not know.
    async fn agree_on(&self, given: &GivenRules) -> Result<Rules, Error>;

    /// The snapshots of many vehicles, in the order asked for. A vehicle that is not known is at version 0.
    ///
    /// A request that must reach further back than the stored timeline is answered from the events themselves.
    async fn load(&self, requests: &[LoadRequest], rules: &Rules) -> Result<Vec<Snapshot>, Error>;

    /// Records units at `now`, each whole or not at all; the outcomes are in their order.
    async fn record(&self, units: Vec<Unit>, rules: &Rules, now: Timestamp) -> Result<Vec<Outcome>, Error>;

    /// Leases up to `most` vehicles of which something awaited has ended at `now`; until `lease_until` they are not
    /// given out again. `ended` names only what has ended; snapshots reach back to it. Holds that began in the future
    /// have ended, and leases that end later than any lease of now don't count: a clock was wrong when they were written.
    async fn due(&self, most: u32, rules: &Rules, now: Timestamp, lease_until: Timestamp) -> Result<Vec<Due>, Error>;

    /// What is still awaited.
    async fn pending(&self, rules: &Rules) -> Result<Pending, Error>;

    /// Saves a summary at `now`; the same one again changes nothing.
    async fn save_summary(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error>;

    /// One page of sessions.
    async fn sessions(&self, filter: &SessionFilter, page: Page) -> Result<Vec<SessionRow>, Error>;

    /// One session, void or not.
    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, Error>;

    /// The sessions with these ids, void or not, in the order asked for. What is no session's id is left out.
    async fn sessions_by_id(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error>;

    /// Every lot that has events or saved summaries, by name.
    async fn lots(&self) -> Result<Vec<LotRow>, Error>;

    /// Some quarter hours of a lot, all of one moment. An unknown lot has none.
    async fn quarters(&self, lot: &LotId, quarters: Range<i64>) -> Result<Quarters, Error>;

    /// Notes that a correlator was connected in this quarter hour; once more changes nothing.
    async fn note_connected(&self, quarter: i64) -> Result<(), Error>;

    /// In which of these quarter hours a correlator was connected.
    async fn connected(&self, quarters: Range<i64>) -> Result<Connected, Error>;

    /// How some lots stand, in the order asked for.
    async fn recent(&self, lots: &[RecentOf]) -> Result<Vec<Recent>, Error>;

    /// Up to `limit` changes after that sequence number, in order and without gaps.
    async fn changes(&self, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error>;

    /// The number of the newest change; 0 before the first.
    async fn last_change(&self) -> Result<u64, Error>;

    /// The events with this id, the first recorded first, at most [`EVENTS_OF_ID`].
    async fn events_with_id(&self, id: Uuid) -> Result<Vec<EventRow>, Error>;

    /// Up to `limit` (at most [`EVENTS_OF_VEHICLE`]) events of a vehicle by time: those `around` a moment, about as many
    /// before as after it, or else the newest. It costs a look at each of the vehicle's events.
    ///
    /// Events of a plate that says that nothing was read stand each alone and are not found this way.
    async fn vehicle_events(
        &self,
        vehicle: &Vehicle,
        around: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<EventRow>, Error>;

    /// The changes to one session, at most [`CHANGES_OF_SESSION`], among all that were recorded between two moments, both
    /// included. It costs a look at each of those.
    async fn changes_between(
        &self,
        session: SessionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<ChangeRow>, Error>;

    /// The changes to one session, in order; none when there is no such session.
    ///
    /// They are looked for around the moments when events of the vehicle were recorded, a few thousand changes each under
    /// load. Only a hold or a stay that ended and was revised later costs a look at all changes in between, and a clock that
    /// was set back one at all changes.
    async fn changes_of(&self, session: SessionId) -> Result<Vec<ChangeRow>, Error> {
        changes_of::changes_of(self, session).await
    }

    /// All that the ledger has of the vehicles from the number `from` on, as of one moment: some of them, and where to go on.
    ///
    /// It reads the events and the sessions whole, once for each part.
    async fn audit(&self, rules: &Rules, from: i64) -> Result<Audited, Error>;

    /// Recounts the sessions of some quarter hours from `from` on, and compares the result with the stored counts, all read
    /// at one moment.
    ///
    /// Each part reads all sessions once.
    async fn recount(&self, from: QuarterPlace) -> Result<Recounted, Error>;

    /// Whether the store answers, is the one that was opened, and keeps what is written: when the last attempt to write
    /// failed, another one is made. To be called about once a second.
    async fn ping(&self) -> Result<(), Error>;

    /// Whether the store still is where it was opened, as far as that can be told at once and without asking it.
    fn check_place(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The size of the write-ahead log that this process keeps for the store; 0 when that is the store's own matter.
    fn log_bytes(&self) -> u64 {
        0
    }

    /// Does what was begun, takes what is only in logs into the store, and ends; later calls fail.
    async fn close(&self) {}
}
