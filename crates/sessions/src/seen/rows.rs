//! The rows that a principal sees.

use std::fmt;

use ledger::SessionRow;
use matching::Rule;
use parking::{EventKey, GateId, LotId, Plate, Reason, Receipt, Session, SessionId, Source, State, Timestamp, Vehicle};
use uuid::Uuid;

/// A plate as a principal sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenPlate {
    /// The plate in its normal form.
    Whole(Plate),
    /// The mask of the plate: `AB•••12`.
    Masked(String),
}

impl SeenPlate {
    /// The text to show; empty if no letter and no digit was read.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Whole(plate) => plate.as_str(),
            Self::Masked(mask) => mask,
        }
    }

    /// Whether no letter and no digit was read.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// The plate, unless it is masked.
    pub const fn whole(&self) -> Option<&Plate> {
        match self {
            Self::Whole(plate) => Some(plate),
            Self::Masked(_) => None,
        }
    }
}

impl fmt::Display for SeenPlate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A session as a principal sees it: its ids are its own, or their aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSession {
    /// The session's id. Ids sort by the time of the anchor event.
    pub id: Uuid,
    /// The lot.
    pub lot: LotId,
    /// The plate.
    pub plate: SeenPlate,
    /// The entry event; `None` for an exit alone and for a summary.
    pub entry_event_id: Option<Uuid>,
    /// When the vehicle entered.
    pub entry_time: Option<Timestamp>,
    /// The gate of the entry, if known.
    pub entry_gate: Option<GateId>,
    /// The exit event; `None` for an entry alone and for a summary.
    pub exit_event_id: Option<Uuid>,
    /// When the vehicle left.
    pub exit_time: Option<Timestamp>,
    /// The gate of the exit, if known.
    pub exit_gate: Option<GateId>,
    /// The state.
    pub state: State,
    /// The reason why it is unmatched.
    pub reason: Option<Reason>,
    /// Whether gate events or a saved summary made it.
    pub source: Source,
    /// For a void session: the session that its anchor event belongs to now.
    pub superseded_by: Option<Uuid>,
    /// When the session was first recorded.
    pub recorded_at: Timestamp,
    /// When the session last changed.
    pub updated_at: Timestamp,
}

impl SeenSession {
    /// The row of the ledger, unless the plate is masked.
    pub(crate) fn whole(&self) -> Option<SessionRow> {
        let plate = self.plate.whole()?.clone();
        let session = Session {
            id: SessionId::from_uuid(self.id),
            vehicle: Vehicle { lot: self.lot.clone(), plate },
            entry_event_id: self.entry_event_id,
            entry_time: self.entry_time,
            exit_event_id: self.exit_event_id,
            exit_time: self.exit_time,
            state: self.state,
            reason: self.reason,
        };
        Some(SessionRow {
            session,
            source: self.source,
            entry_gate: self.entry_gate.clone(),
            exit_gate: self.exit_gate.clone(),
            superseded_by: self.superseded_by.map(SessionId::from_uuid),
            recorded_at: self.recorded_at,
            updated_at: self.updated_at,
        })
    }

    /// The time of the anchor event: the entry, or else the exit.
    pub fn given_at(&self) -> Option<Timestamp> {
        self.entry_time.or(self.exit_time)
    }

    /// Exit time minus entry time of a matched session, milliseconds.
    pub fn dwell_ms(&self) -> Option<i64> {
        match (self.state, self.entry_time, self.exit_time) {
            (State::Matched, Some(entry), Some(exit)) => Some(exit.millis_since(entry)),
            _ => None,
        }
    }
}

/// A gate event as a principal sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenEvent {
    /// The lot.
    pub lot: LotId,
    /// The plate.
    pub plate: SeenPlate,
    /// Time, direction, and the id or its alias.
    pub key: EventKey,
    /// The gate, if known.
    pub gate: Option<GateId>,
    /// The plate text from the gate's reader, or the mask of its normal form.
    pub plate_as_read: String,
    /// The reader's confidence in the plate, 0 to 1.
    pub confidence: Option<f32>,
    /// When the correlator received the event.
    pub received_at: Timestamp,
    /// When the event was recorded.
    pub recorded_at: Timestamp,
    /// How it came in; `None` if it was recorded by a program that did not keep that.
    pub receipt: Option<Receipt>,
    /// The event of the same lot and gate that this one replaces: its id or its alias.
    pub supersedes: Option<Uuid>,
    /// The event that replaces this one, which then counts as not having happened: its id or its alias.
    pub superseded_by: Option<Uuid>,
}

/// A change to a session as a principal sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenChange {
    /// The sequence number: 1, 2, 3 … in order of commit, without gaps.
    pub sequence: u64,
    /// The session that changed: its id or its alias.
    pub session: Uuid,
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
