//! A gate event that was received, with what is recorded beside it.

use matching::{Flags, RecordedEvent};
use parking::{GateEvent, Receipt, Timestamp};
use uuid::Uuid;

/// A gate event, when it was received here, and how it came in.
#[derive(Debug)]
pub(crate) struct NewEvent {
    pub(crate) event: GateEvent,
    pub(crate) received_at: Timestamp,
    pub(crate) receipt: Receipt,
    /// The id of the event of the same lot and gate that this one replaces.
    pub(crate) supersedes: Option<Uuid>,
}

impl NewEvent {
    /// The record of the event with these flags.
    pub(crate) fn record(&self, flags: Flags) -> RecordedEvent {
        let receipt = Some(self.receipt.clone());
        RecordedEvent {
            receipt,
            supersedes: self.supersedes,
            ..RecordedEvent::new(&self.event, self.received_at, flags)
        }
    }
}
