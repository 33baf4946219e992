//! The results of queries: sessions, changes, events, lots and their counts.

use std::collections::BTreeSet;

use matching::{Flags, Rule};
use parking::{EventKey, GateId, LotId, Receipt, Session, SessionId, Source, State, Timestamp, Vehicle};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Counts, Tally};

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

/// One page of a list of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionList {
    /// The sessions, in the requested order.
    pub rows: Vec<SessionRow>,
    /// The number of the newest change that the list includes; 0 before the first.
    pub sequence: u64,
    /// Where the search stopped, if it has looked at the most sessions that one page may look at: the list goes on
    /// after this position, which may be no session. `None` if the page is full, or the list has ended.
    pub resume_after: Option<SessionId>,
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
    /// How it came in; `None` if it was recorded by a program that did not keep that.
    pub receipt: Option<Receipt>,
    /// The id of the event of the same lot and gate that this one replaces.
    pub supersedes: Option<Uuid>,
    /// The id of the event that replaces this one; of several the one recorded first.
    pub superseded_by: Option<Uuid>,
}

/// An id of events that may have to be marked as superseded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupersededId {
    /// The id.
    pub id: Uuid,
    /// How often it became due since it was last done.
    pub marks: i64,
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

/// The recent counts of a lot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recent {
    /// The requested quarter hours with at least one passage, by number.
    pub quarters: Vec<(i64, Counts)>,
    /// For each requested time, the number of open stays that began earlier.
    pub open_before: [u64; 2],
    /// The number of open stays that began in one of the requested ranges of time.
    pub open_within: u64,
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

impl Summary {
    /// The id of its session.
    pub fn id(&self) -> SessionId {
        SessionId::of_summary(&self.vehicle, self.entry, self.exit)
    }

    /// Its session as it is read, saved at `now`.
    pub fn row(&self, now: Timestamp) -> SessionRow {
        SessionRow {
            session: Session {
                id: self.id(),
                vehicle: self.vehicle.clone(),
                entry_event_id: None,
                entry_time: Some(self.entry),
                exit_event_id: None,
                exit_time: Some(self.exit),
                state: State::Matched,
                reason: None,
            },
            source: Source::Summary,
            entry_gate: None,
            exit_gate: None,
            superseded_by: None,
            recorded_at: now,
            updated_at: now,
        }
    }
}

/// The result of saving a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The summary's session.
    pub row: SessionRow,
    /// Whether this call created the session.
    pub is_new: bool,
    /// The number of the newest change at that moment. A read that includes it includes the session.
    pub sequence: u64,
}
