//! The rows that a plan writes, alike for both adapters.
//!
//! `plan` decides their content, and the adapters store them.

use std::collections::HashMap;

use matching::{ExpectedVersion, RecordedEvent, Rule, Snapshot, Timeline};
use parking::{EventKey, Reason, SessionId, Source, State, Timestamp};

/// The row of a vehicle.
#[derive(Debug, Clone)]
pub(super) struct StoredVehicle {
    pub(super) number: i64,
    pub(super) lot_number: i64,
    pub(super) base: ExpectedVersion,
    pub(super) timeline: Timeline,
    /// The numbers of the timeline's events, in the same order.
    pub(super) event_numbers: Vec<i64>,
    /// The event recorded last: the head of the chain of the vehicle's events.
    pub(super) last_event: Option<i64>,
    /// The event that was recorded last when the ledger began to list the vehicle's sessions in an index.
    pub(super) listed_after: Option<i64>,
}

impl PlannedVehicle {
    /// A vehicle as it was read; `is_new` if it has no row.
    pub(super) fn new(row: StoredVehicle, is_new: bool) -> Self {
        Self { read_version: row.base.version, row, is_new, is_changed: false, older: HashMap::new() }
    }
}

impl StoredVehicle {
    /// Creates a vehicle that is not in the ledger yet.
    pub(super) fn new(number: i64, lot_number: i64) -> Self {
        let (base, timeline) = (ExpectedVersion::default(), Timeline::default());
        Self { number, lot_number, base, timeline, event_numbers: Vec::new(), last_event: None, listed_after: None }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { base: self.base, timeline: self.timeline.clone() }
    }
}

/// A vehicle in a plan.
#[derive(Debug, Clone)]
pub(super) struct PlannedVehicle {
    pub(super) row: StoredVehicle,
    /// The version of the row that was read; 0 without one.
    pub(super) read_version: u64,
    /// Whether the vehicle has no row in the store yet.
    pub(super) is_new: bool,
    /// Whether its row must be written.
    pub(super) is_changed: bool,
    /// Numbers of recorded events that are not in the timeline, loaded if a unit names some.
    pub(super) older: HashMap<EventKey, i64>,
}

/// A new row of an event.
#[derive(Debug)]
pub(super) struct EventWrite {
    pub(super) number: i64,
    pub(super) previous: Option<i64>,
    pub(super) vehicle_number: i64,
    pub(super) event: RecordedEvent,
    pub(super) recorded_at: Timestamp,
}

/// One end of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// `None` for a summary.
    pub(super) event_number: Option<i64>,
    pub(super) time: Timestamp,
}

/// The new content of a session's row.
#[derive(Debug)]
pub(super) struct SessionWrite {
    pub(super) id: SessionId,
    pub(super) vehicle_number: i64,
    pub(super) lot_number: i64,
    pub(super) state: State,
    pub(super) reason: Option<Reason>,
    pub(super) source: Source,
    pub(super) entry: Option<End>,
    pub(super) exit: Option<End>,
    pub(super) superseded_by: Option<SessionId>,
    /// Whether the session has no row yet.
    pub(super) is_new: bool,
    /// Whether the session is found by its vehicle through the index, not through the chain of events.
    pub(super) is_listed: bool,
    /// Written only if the session is new.
    pub(super) recorded_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// A new row of a change, without its sequence number.
#[derive(Debug)]
pub(super) struct ChangeWrite {
    pub(super) session: SessionId,
    pub(super) vehicle_version: u64,
    pub(super) from: Option<State>,
    pub(super) to: State,
    pub(super) rule: Option<Rule>,
    pub(super) recorded_at: Timestamp,
}

/// Sessions of which a plan may change the exit, each with the exit that it has; `None` while it has none.
pub(super) type ExitsBefore = HashMap<SessionId, Option<Timestamp>>;

/// What a plan changes of a lot.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LotWrite {
    pub(super) newest: Option<Timestamp>,
    pub(super) inside: i64,
}
