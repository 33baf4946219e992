//! The optional members of a gate event that could not be used.
//!
//! Whether one can be used is for the wire format to say.

/// The optional members that an event was taken without: empty, of the wrong type or out of range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for a member of its own")]
pub struct Dropped {
    /// The gate's name is none.
    pub gate_id: bool,
    /// The confidence is no number from 0 to 1.
    pub confidence: bool,
    /// The confidences of the characters are no list of such numbers, or not one a character.
    pub character_confidences: bool,
    /// The candidates are no list, or one of them is no plate with a confidence.
    pub candidates: bool,
    /// What it supersedes is not the id of another event.
    pub supersedes: bool,
}

impl Dropped {
    /// All members that can be dropped, by name.
    pub const MEMBERS: [&str; 5] = ["gate_id", "confidence", "character_confidences", "candidates", "supersedes"];

    /// Whether each was dropped, in the order of [`MEMBERS`](Self::MEMBERS).
    pub fn flags(self) -> [bool; Self::MEMBERS.len()] {
        [self.gate_id, self.confidence, self.character_confidences, self.candidates, self.supersedes]
    }

    /// The names of those that were dropped.
    pub fn members(self) -> impl Iterator<Item = &'static str> {
        Self::MEMBERS.into_iter().zip(self.flags()).filter_map(|(name, is)| is.then_some(name))
    }
}
