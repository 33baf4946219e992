//! The events that others name in `supersedes`: they count as not having happened.
//!
//! Which they are is known when all files are read, so the names are kept in memory: about 50 bytes for each event that
//! is named. An event is named by its lot, gate and id; its plate and its direction may be any.

use std::collections::HashSet;

use uuid::Uuid;

use super::gates::GateNumber;

/// An event that another one names: the lot's number, the gate's, and the id.
pub(super) type Named = (u32, GateNumber, Uuid);

/// The events that are named.
#[derive(Debug, Default)]
pub(super) struct Superseded(HashSet<Named>);

impl Superseded {
    pub(super) fn extend(&mut self, named: impl IntoIterator<Item = Named>) {
        self.0.extend(named);
    }

    /// Whether an event counts as not having happened. `lot` is called only when any event is named at all.
    #[inline]
    pub(super) fn has(&self, lot: impl FnOnce() -> u32, gate: GateNumber, id: Uuid) -> bool {
        !self.0.is_empty() && self.0.contains(&(lot(), gate, id))
    }
}
