//! Trimming a timeline: where its older part may be cut off.
//!
//! A cut is where a session begins. The later events, in the order of matching, have the same sessions without the
//! earlier ones. An event at the cut's instant or before is decided on a longer timeline.

use parking::{Direction, Timestamp};

use crate::canonical::{Stay, for_each_stay};
use crate::limits::Limits;
use crate::timeline::{FULL_AT, Flags, Timeline, TimelineEvent};

/// Cut a timeline above this length, if possible.
pub const TRIM_ABOVE: usize = 8;
/// A cut keeps at least this many of the newest events, so that late events find them.
const EVENTS_KEPT_MIN: usize = 3;

impl Timeline {
    /// Cuts off what a long timeline does not need; one beyond [`FULL_AT`] wherever a cut is possible.
    pub fn trim(&mut self, limits: Limits) {
        if self.events().len() > TRIM_ABOVE {
            let newest = self.events()[self.events().len() - EVENTS_KEPT_MIN].key.time;
            self.cut_before(newest, limits);
        }
        if self.events().len() > FULL_AT {
            self.cut_before(Timestamp::from_millis(i64::MAX), limits);
        }
    }

    /// Cuts at the latest index that still reaches `time`, if there is one.
    pub fn cut_before(&mut self, time: Timestamp, limits: Limits) {
        let mut cut = None;
        let ended = |event: &TimelineEvent| event.flags.has(Flags::ENDED);
        for_each_stay(self.events(), limits, ended, |stay| {
            if self.events()[stay.anchor()].key.time < time && self.is_first_at_its_instant(stay.anchor()) {
                cut = Some(stay);
            }
        });
        // The first session of a cut timeline begins at the cut itself: cutting there gains nothing.
        if let Some(stay) = cut.filter(|stay| stay.anchor() > 0) {
            self.cut_at(stay.anchor(), self.exits_before(stay));
        }
    }

    /// False for an exit that precedes the entries of its instant: the order depends on the event before it, and
    /// without that event the entries would come first.
    fn is_first_at_its_instant(&self, index: usize) -> bool {
        let before = index.checked_sub(1).map(|before| self.events()[before].key.time);
        before != Some(self.events()[index].key.time)
    }

    /// The exits at the instant at which `stay` begins with an entry, if they belong to an earlier session; then its
    /// own exit is not among them.
    fn exits_before(&self, stay: Stay) -> std::ops::Range<usize> {
        let index = stay.anchor();
        let is_of_instant = |event: &TimelineEvent| event.key.time == self.events()[index].key.time;
        let of = |count: fn(&TimelineEvent) -> bool| {
            self.events()[index..].iter().take_while(|event| is_of_instant(event)).filter(|event| count(event)).count()
        };
        if stay.entry.is_none() || stay.exit.is_some_and(|exit| is_of_instant(&self.events()[exit])) {
            return index..index;
        }
        let entries = of(|event| event.key.direction == Direction::Entry);
        let exits = of(|event| event.key.direction == Direction::Exit);
        index + entries..index + entries + exits
    }
}
