//! What became of a delivery: reads, what was left out, what was refused.

use std::fmt;

use parking::Refusal;

use crate::Read;

/// The most reads of one delivery.
pub const MAX_READS: usize = 1_000;

/// What a delivery said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The reads to publish, in the message's order.
    pub reads: Vec<Read>,
    /// What is not a passage, and why.
    pub skipped: Vec<Skipped>,
    /// Reads of a message with several that can't be taken.
    pub refused: Vec<Refusal>,
    /// Pictures that came along and were dropped.
    pub images: usize,
}

/// Why a part of a delivery gives no read. None of these is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skipped {
    /// A sign of life, a device's description, or a test message.
    Heartbeat,
    /// An event of another kind than a vehicle at the gate.
    OtherEvent,
    /// The read of another camera than this gate's; its name, when the message gives one.
    OtherCamera(String),
    /// No vehicle was seen.
    NoVehicle,
    /// The vehicle is known, its plate comes in a later message.
    PlateNotYetRead,
    /// The gate is both ways, and the direction comes in a later message.
    DirectionNotYetKnown,
    /// The message adds nothing to the reads before it.
    NothingNew,
    /// A single frame of which the whole group is sent as well.
    PartOfGroup,
    /// A parked vehicle.
    Stationary,
    /// The gate ignores this plate.
    IgnoredPlate,
    /// Outside the zone that the gate looks at.
    OtherZone,
}

impl Skipped {
    /// A fixed word, fit to be a metric's label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::OtherEvent => "other_event",
            Self::OtherCamera(_) => "other_camera",
            Self::NoVehicle => "no_vehicle",
            Self::PlateNotYetRead => "plate_not_yet_read",
            Self::DirectionNotYetKnown => "direction_not_yet_known",
            Self::NothingNew => "nothing_new",
            Self::PartOfGroup => "part_of_group",
            Self::Stationary => "stationary",
            Self::IgnoredPlate => "ignored_plate",
            Self::OtherZone => "other_zone",
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
