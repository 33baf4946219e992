//! A read that is ready to be published, and its wire form.

use parking::{Direction, GateId, LotId, Timestamp};
use serde::Serialize;
use uuid::Uuid;

/// The most candidates that are kept of a read.
pub const MAX_CANDIDATES: usize = 16;

/// Another plate that the camera thought possible.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The plate as the camera wrote it.
    pub plate: String,
    /// How sure the camera is of it, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

/// Where a read's time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The camera's clock, with its offset from UTC.
    Camera,
    /// The camera's clock without an offset, taken to be in the gate's zone.
    CameraLocal,
    /// The message has no time of capture: the moment it arrived.
    Received,
}

impl TimeSource {
    /// A fixed word, fit to be a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::CameraLocal => "camera_local",
            Self::Received => "received",
        }
    }
}

/// One read of one plate at one gate: a gate event, with all that the camera said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// Derived from the gate and what the vendor keeps stable, never from the plate.
    pub id: Uuid,
    /// The lot of the gate.
    pub lot: LotId,
    /// The gate.
    pub gate: GateId,
    /// The plate as the camera wrote it; empty when it read none.
    pub plate: String,
    /// When the vehicle was seen.
    pub time: Timestamp,
    /// What that time is.
    pub time_source: TimeSource,
    /// Into the lot or out of it.
    pub direction: Direction,
    /// How sure the camera is of the plate, 0 to 1; `None` when it gives no score.
    pub confidence: Option<f32>,
    /// The same for each letter and digit of the plate, or nothing.
    pub character_confidences: Vec<f32>,
    /// Other plates that the camera thought possible, the best first.
    pub candidates: Vec<Candidate>,
    /// The earlier read of this gate that this one replaces.
    pub supersedes: Option<Uuid>,
}

impl Read {
    /// Writes the read as one gate event in JSON, without a line end.
    pub fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self)
            .expect("plain strings and finite numbers are always JSON, and memory takes them");
    }

    /// The read as one gate event in JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out);
        out
    }
}

impl Serialize for Read {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            id: Uuid,
            vehicle_plate: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            entry_date_time: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            exit_date_time: Option<String>,
            lot_id: &'a str,
            gate_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            confidence: Option<f32>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            character_confidences: &'a [f32],
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            candidates: &'a [Candidate],
            #[serde(skip_serializing_if = "Option::is_none")]
            supersedes: Option<Uuid>,
        }
        let time_of = |direction| (self.direction == direction).then(|| self.time.to_string());
        let written = Written {
            id: self.id,
            vehicle_plate: &self.plate,
            entry_date_time: time_of(Direction::Entry),
            exit_date_time: time_of(Direction::Exit),
            lot_id: self.lot.as_str(),
            gate_id: self.gate.as_str(),
            confidence: self.confidence,
            character_confidences: &self.character_confidences,
            candidates: &self.candidates,
            supersedes: self.supersedes,
        };
        written.serialize(serializer)
    }
}
