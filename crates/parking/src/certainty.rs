//! What a camera says of its certainty beyond one number for the whole plate.

use serde::Serialize;

use crate::Plate;

/// The certainty of one read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Certainty {
    /// How sure the camera is of each letter and digit of the plate, 0 to 1; empty when it does not say.
    pub characters: Vec<f32>,
    /// Other plates that it thought possible, the best first.
    pub candidates: Vec<Candidate>,
}

/// Another plate that the camera thought possible.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The plate in its normal form; never empty.
    pub plate: Plate,
    /// How sure the camera is of it, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

impl Certainty {
    /// The most candidates that are kept of a read.
    pub const CANDIDATES_MAX: usize = 16;

    /// Whether the camera says nothing.
    pub fn is_empty(&self) -> bool {
        self.characters.is_empty() && self.candidates.is_empty()
    }
}
