//! What a camera said, in the camera's own terms: before the gate's configuration is applied.

use chrono::NaiveDateTime;
use parking::{Direction, Refusal, Timestamp};

use crate::identity::Identity;
use crate::{Candidate, Delivery, Gate, Recall, Skipped};

/// The time of capture as the camera gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Moment {
    /// A moment.
    Utc(Timestamp),
    /// What the camera's wall clock showed.
    Local(NaiveDateTime),
    /// The message has no time.
    Received,
}

/// How the vehicle moved, as far as the message says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Motion {
    /// Not said.
    Unknown,
    /// Not said yet: a later message of this car will.
    NotYet,
    /// In or out, whatever the camera sees.
    Way(Direction),
    /// Towards the camera.
    Approaching,
    /// Away from the camera.
    Leaving,
    /// Degrees of the vendor's circle.
    Heading(f32),
    /// Zones of the picture in the order in which they were entered, and whether more may come.
    Zones(Vec<String>, bool),
}

/// One look at one vehicle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sighting {
    /// As the camera wrote it; empty when it read none.
    pub(crate) plate: String,
    pub(crate) time: Moment,
    /// All names by which the message calls the camera.
    pub(crate) cameras: Vec<String>,
    pub(crate) motion: Motion,
    /// 0 to 1.
    pub(crate) confidence: Option<f32>,
    /// One for each character of the plate, 0 to 1; dropped when their number is another.
    pub(crate) character_confidences: Vec<f32>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) identity: Identity,
}

impl Sighting {
    pub(crate) fn new(plate: impl Into<String>, time: Moment) -> Self {
        Self {
            plate: plate.into(),
            time,
            cameras: Vec::new(),
            motion: Motion::Unknown,
            confidence: None,
            character_confidences: Vec::new(),
            candidates: Vec::new(),
            identity: Identity::Place,
        }
    }
}

/// What an adapter found in a body, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    Sighting(Box<Sighting>),
    Skipped(Skipped),
    Refused(Refusal),
}

impl From<Sighting> for Found {
    fn from(sighting: Sighting) -> Self {
        Self::Sighting(Box::new(sighting))
    }
}

impl From<Skipped> for Found {
    fn from(skipped: Skipped) -> Self {
        Self::Skipped(skipped)
    }
}

impl From<Result<Sighting, Refusal>> for Found {
    fn from(result: Result<Sighting, Refusal>) -> Self {
        result.map_or_else(Self::Refused, Self::from)
    }
}

/// What an adapter may look at besides the body.
pub(crate) struct Context<'a> {
    pub(crate) delivery: &'a Delivery<'a>,
    pub(crate) gate: &'a Gate,
    pub(crate) recall: &'a mut dyn Recall,
}
