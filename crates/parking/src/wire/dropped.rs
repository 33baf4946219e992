//! The optional members of a gate event that could not be used.
//!
//! Whether one can be used is for the wire format to say.

/// The optional members that an event was taken without: empty, of the wrong type or out of range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The gate's name is none.
    pub gate_id: bool,
    /// The confidence is no number from 0 to 1.
    pub confidence: bool,
}

impl Dropped {
    /// All members that can be dropped, by name.
    pub const MEMBERS: [&str; 2] = ["gate_id", "confidence"];

    /// The names of those that were dropped.
    pub fn members(self) -> impl Iterator<Item = &'static str> {
        Self::MEMBERS.into_iter().zip([self.gate_id, self.confidence]).filter_map(|(name, is)| is.then_some(name))
    }
}
