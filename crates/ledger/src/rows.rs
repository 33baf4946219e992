//! The rows that a batch of units writes, alike for both adapters.
//!
//! What stands in them is decided by `batch` and `unit`; how they are stored is the adapters'.

use std::collections::HashMap;

use matching::{Base, RecordedEvent, Rule, Snapshot, Timeline};
use parking::{EventKey, Reason, SessionId, Source, State, Timestamp};

/// A vehicle as the ledger stores it.
#[derive(Debug, Clone)]
pub(super) struct StoredVehicle {
    pub(super) number: i64,
    pub(super) lot_number: i64,
    pub(super) base: Base,
    pub(super) timeline: Timeline,
    /// The numbers of the timeline's events, in its order.
    pub(super) event_numbers: Vec<i64>,
    /// The end of the chain: the event recorded last.
    pub(super) last_event: Option<i64>,
    /// The event recorded last when its sessions began to be listed.
    pub(super) listed_after: Option<i64>,
}

impl StoredVehicle {
    /// A vehicle that the ledger does not know yet.
    pub(super) fn new(number: i64, lot_number: i64) -> Self {
        let (base, timeline) = (Base::default(), Timeline::default());
        Self { number, lot_number, base, timeline, event_numbers: Vec::new(), last_event: None, listed_after: None }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { base: self.base, timeline: self.timeline.clone() }
    }
}

/// A vehicle in a batch.
#[derive(Debug, Clone)]
pub(super) struct BatchVehicle {
    pub(super) row: StoredVehicle,
    /// It has no row in the store yet.
    pub(super) is_new: bool,
    /// Its row has to be written.
    pub(super) is_changed: bool,
    /// Numbers of recorded events that the timeline does not hold, loaded when a unit names some.
    pub(super) older: HashMap<EventKey, i64>,
}

/// A new row of the events.
#[derive(Debug)]
pub(super) struct EventWrite<'a> {
    pub(super) number: i64,
    pub(super) previous: Option<i64>,
    pub(super) vehicle_number: i64,
    pub(super) event: &'a RecordedEvent,
    pub(super) recorded_at: Timestamp,
}

/// One end of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// `None` for a summary.
    pub(super) event_number: Option<i64>,
    pub(super) time: Timestamp,
}

/// A session as it is from now on.
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
    /// It is not there yet.
    pub(super) is_new: bool,
    /// It is found by its vehicle in the index, not by the chain of events.
    pub(super) is_listed: bool,
    /// For a session that is new.
    pub(super) recorded_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// A new row of the changes, but for its sequence number.
#[derive(Debug)]
pub(super) struct ChangeWrite {
    pub(super) session: SessionId,
    pub(super) vehicle_version: u64,
    pub(super) from: Option<State>,
    pub(super) to: State,
    pub(super) rule: Option<Rule>,
    pub(super) recorded_at: Timestamp,
}

/// Sessions of which a batch may change the exit, each with the exit that it has; `None` while it has none.
pub(super) type ExitsBefore = HashMap<SessionId, Option<Timestamp>>;

/// What a batch changes of a lot.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LotWrite {
    pub(super) newest: Option<Timestamp>,
    pub(super) inside: i64,
}
