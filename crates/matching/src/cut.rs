//! Where a timeline may be cut: what a vehicle did long ago need not be at hand.
//!
//! A cut lies where a session begins alone at its instant, so nothing that comes later can change what lies before.

use parking::Timestamp;

use crate::canonical::{Limits, for_each_stay};
use crate::timeline::{Flags, MAX_EVENTS, Timeline, TimelineEvent};

/// A longer timeline is cut, when it can be.
pub const TRIM_ABOVE: usize = 8;
/// So many of the newest events stay at least when a timeline is cut: late events find them at hand.
const KEEP: usize = 3;

impl Timeline {
    /// Cuts what a long timeline no longer needs at hand; one beyond [`MAX_EVENTS`] wherever it can be cut at all.
    pub fn trim(&mut self, limits: Limits) {
        if self.events().len() > TRIM_ABOVE {
            let newest = self.events()[self.events().len() - KEEP].key.time;
            self.cut_before(newest, limits);
        }
        if self.events().len() > MAX_EVENTS {
            self.cut_before(Timestamp::from_millis(i64::MAX), limits);
        }
    }

    /// Cuts at the latest place that still reaches `time`, if there is one.
    pub fn cut_before(&mut self, time: Timestamp, limits: Limits) {
        let mut cut = None;
        let ended = |event: &TimelineEvent| event.flags.has(Flags::ENDED);
        for_each_stay(self.events(), limits, ended, |stay| {
            let place = stay.giving();
            if self.events()[place].key.time < time && self.is_alone_at_its_instant(place) {
                cut = Some(place);
            }
        });
        // The first session of a cut timeline begins at the cut itself: nothing would be gained.
        if let Some(place) = cut.filter(|place| *place > 0) {
            self.cut_at(place);
        }
    }

    fn is_alone_at_its_instant(&self, place: usize) -> bool {
        let time = self.events()[place].key.time;
        let differs = |event: Option<&TimelineEvent>| event.is_none_or(|event| event.key.time != time);
        let before = place.checked_sub(1).and_then(|before| self.events().get(before));
        differs(before) && differs(self.events().get(place + 1))
    }
}
