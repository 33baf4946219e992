//! What leaves this crate: sessions, events and changes as one principal may see them.
//!
//! A principal with `read_plate` sees plates and ids. Any other one sees masked plates, and aliases instead of the ids
//! of sessions and events, because a session's id gives its plate away (see [`access::Aliases`]). `Sight` is the only
//! place where rows of the ledger become what a face shows, and no function that a face can call returns a row of the
//! ledger. Ids that come from outside pass it too: for each principal, an id is what that principal sees.

mod rows;

use std::sync::Arc;

use access::{Aliases, Principal, Scope, mask_plate, mask_read};
use ledger::{ChangeRow, EventRow, SessionRow};
use matching::{Cause, Explanation, Passage};
use parking::{EventKey, Plate, SessionId};
use uuid::Uuid;

use super::Changed;

pub use rows::{SeenChange, SeenEvent, SeenPlate, SeenSession};

/// How a principal sees plates and ids. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// As they are.
    Whole,
    /// Plates masked, and aliases of ids.
    Masked(Arc<Aliases>),
}

impl Sight {
    pub(crate) fn of(principal: &Principal, aliases: &Arc<Aliases>) -> Self {
        if principal.may(Scope::ReadPlate) { Self::Whole } else { Self::Masked(Arc::clone(aliases)) }
    }

    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// The id of a session, as the principal sees it.
    pub(crate) fn session_id(&self, session: SessionId) -> Uuid {
        match self {
            Self::Whole => session.as_uuid(),
            Self::Masked(aliases) => aliases.of_session(session),
        }
    }

    /// The session of an id that the principal has sent.
    pub(crate) fn own_session(&self, seen: Uuid) -> SessionId {
        match self {
            Self::Whole => SessionId::from_uuid(seen),
            Self::Masked(aliases) => aliases.session(seen),
        }
    }

    /// The event of an id that the principal has sent.
    pub(crate) fn own_event(&self, seen: Uuid) -> Uuid {
        match self {
            Self::Whole => seen,
            Self::Masked(aliases) => aliases.event(seen),
        }
    }

    /// The opposite of [`key`](Self::key).
    pub(crate) fn own_key(&self, seen: &EventKey) -> EventKey {
        EventKey { id: self.own_event(seen.id), ..*seen }
    }

    pub(crate) fn event_id(&self, event: Uuid) -> Uuid {
        match self {
            Self::Whole => event,
            Self::Masked(aliases) => aliases.of_event(event),
        }
    }

    fn key(&self, key: EventKey) -> EventKey {
        EventKey { id: self.event_id(key.id), ..key }
    }

    fn plate(&self, plate: Plate) -> SeenPlate {
        match self {
            Self::Whole => SeenPlate::Whole(plate),
            Self::Masked(_) => SeenPlate::Masked(mask_plate(&plate)),
        }
    }

    pub(crate) fn session(&self, row: SessionRow) -> SeenSession {
        let SessionRow { session, source, entry_gate, exit_gate, superseded_by, recorded_at, updated_at } = row;
        SeenSession {
            id: self.session_id(session.id),
            lot: session.vehicle.lot,
            plate: self.plate(session.vehicle.plate),
            entry_event_id: session.entry_event_id.map(|event| self.event_id(event)),
            entry_time: session.entry_time,
            entry_gate,
            exit_event_id: session.exit_event_id.map(|event| self.event_id(event)),
            exit_time: session.exit_time,
            exit_gate,
            state: session.state,
            reason: session.reason,
            source,
            superseded_by: superseded_by.map(|session| self.session_id(session)),
            recorded_at,
            updated_at,
        }
    }

    pub(crate) fn sessions(&self, rows: Vec<SessionRow>) -> Vec<SeenSession> {
        rows.into_iter().map(|row| self.session(row)).collect()
    }

    pub(crate) fn event(&self, row: EventRow) -> SeenEvent {
        let EventRow { vehicle, key, gate, plate_as_read, confidence, received_at, recorded_at, receipt, .. } = row;
        let plate_as_read = if self.is_whole() { plate_as_read } else { mask_read(&plate_as_read) };
        SeenEvent {
            lot: vehicle.lot,
            plate: self.plate(vehicle.plate),
            key: self.key(key),
            gate,
            plate_as_read,
            confidence,
            received_at,
            recorded_at,
            receipt,
            supersedes: row.supersedes.map(|event| self.event_id(event)),
            superseded_by: row.superseded_by.map(|event| self.event_id(event)),
        }
    }

    pub(crate) fn change(&self, row: &ChangeRow) -> SeenChange {
        SeenChange {
            sequence: row.sequence,
            session: self.session_id(row.session),
            vehicle_version: row.vehicle_version,
            from: row.from,
            to: row.to,
            rule: row.rule,
            recorded_at: row.recorded_at,
        }
    }

    pub(crate) fn changed(&self, change: &ChangeRow, session: SessionRow) -> Changed {
        Changed { change: self.change(change), session: self.session(session) }
    }

    /// The explanation with the ids that the principal sees.
    pub(crate) fn explanation(&self, explanation: Explanation) -> Explanation {
        if self.is_whole() {
            return explanation;
        }
        let Explanation { event, passage, before, after, session, state, reason, rule, entry, exit, cause } =
            explanation;
        Explanation {
            event: self.key(event),
            passage: self.passage(passage),
            before: before.map(|passage| self.passage(passage)),
            after: after.map(|passage| self.passage(passage)),
            session: SessionId::from_uuid(self.session_id(session)),
            state,
            reason,
            rule,
            entry: entry.map(|key| self.key(key)),
            exit: exit.map(|key| self.key(key)),
            cause: if let Cause::EntryTaken(entry) = cause { Cause::EntryTaken(self.key(entry)) } else { cause },
        }
    }

    fn passage(&self, passage: Passage) -> Passage {
        Passage {
            representative: self.key(passage.representative),
            re_reads: passage.re_reads.into_iter().map(|key| self.key(key)).collect(),
        }
    }
}
