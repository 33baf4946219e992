//! A gate event that was received, with what is recorded beside it.

use matching::{Flags, RecordedEvent};
use parking::{GateEvent, Receipt, Timestamp};

/// A gate event, when it was received here, and how it came in.
#[derive(Debug)]
pub(crate) struct NewEvent {
    pub(crate) event: GateEvent,
    pub(crate) received_at: Timestamp,
    pub(crate) receipt: Receipt,
}

impl NewEvent {
    /// The record of the event with these flags.
    pub(crate) fn record(&self, flags: Flags) -> RecordedEvent {
        let receipt = Some(self.receipt.clone());
        RecordedEvent { receipt, ..RecordedEvent::new(&self.event, self.received_at, flags) }
    }
}
