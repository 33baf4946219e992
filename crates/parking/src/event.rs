//! Gate events: what a gate saw, and what makes two of them the same.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{GateId, LotId, Plate, Timestamp};

/// Which way a vehicle passed the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the lot.
    Entry,
    /// Out of the lot.
    Exit,
}

impl Direction {
    /// `entry` or `exit`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
        }
    }
}

/// A plate within a lot: the key that events are matched on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Vehicle {
    /// The car park.
    pub lot: LotId,
    /// The plate in its normal form.
    pub plate: Plate,
}

/// What tells one event of a vehicle from another: together with the [`Vehicle`] it is the event's identity.
///
/// The order is by time, then entries before exits, then id: a fixed order for storage. The order in
/// which matching takes events of one instant depends on the event before (crate `matching`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    /// When the vehicle was seen.
    pub time: Timestamp,
    /// Which way it passed.
    pub direction: Direction,
    /// The event's own id.
    pub id: Uuid,
}

/// One read of one plate at one gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateEvent {
    /// The lot and the plate.
    pub vehicle: Vehicle,
    /// The time, the direction and the id.
    pub key: EventKey,
    /// The plate as the gate read it; kept, never compared.
    pub plate_as_read: CompactString,
    /// The gate, when it is known.
    pub gate: Option<GateId>,
    /// How sure the reader is of the plate, 0 to 1.
    pub confidence: Option<f32>,
}
