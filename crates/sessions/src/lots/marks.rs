//! What a list shows of a stay besides its session: how long it is, how long it may be, and its marks.

use parking::State;

use super::LotStatus;
use crate::SeenSession;

/// The marks of a stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// The vehicle is inside for longer than the lot permits.
    pub is_overstay: bool,
    /// The exit of the vehicle was probably missed.
    pub is_doubtful: bool,
}

impl LotStatus {
    /// How long a stay of this lot took, or how long its vehicle is inside, milliseconds.
    pub fn stay_ms(&self, session: &SeenSession) -> Option<i64> {
        let inside = session.entry_time.filter(|_| session.state == State::Open);
        session.dwell_ms().or_else(|| inside.map(|entry| self.age_ms(entry)))
    }

    /// How long the vehicle of a stay may stay, milliseconds; `None` if the lot permits any stay, and for a void session.
    pub fn permitted_ms(&self, session: &SeenSession) -> Option<i64> {
        let entry = session.entry_time.filter(|_| session.state != State::Void)?;
        self.known.as_ref()?.permitted_stay_ms(entry)
    }

    /// The marks of a stay; none unless its vehicle is inside.
    pub fn marks(&self, session: &SeenSession) -> Marks {
        let inside = session.entry_time.filter(|_| session.state == State::Open);
        inside.map_or_else(Marks::default, |entry| Marks {
            is_overstay: self.is_overstay(entry),
            is_doubtful: self.is_doubtful(entry),
        })
    }
}
