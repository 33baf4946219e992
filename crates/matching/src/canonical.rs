//! The canonical sessions of one vehicle: a pure function of the set of its events.
//!
//! One pass over the sorted events, without those that another event supersedes:
//! 1. Events at one instant are grouped by direction: exits first if the event before the instant is an entry, else
//!    entries first. (Gates often report whole minutes.)
//! 2. Adjacent events of one direction, each at most the re-read window after the one before, are one passage. Its
//!    first event represents it.
//! 3. An exit passage that directly follows an entry passage, at most `max_stay` later, matches it. Any other exit is
//!    unmatched. An entry followed by an entry was left by a missed exit. A stay is never invented across a missed
//!    pair.

use parking::{Direction, Reason, State};

use crate::limits::Limits;
use crate::timeline::{Flags, TimelineEvent};

/// One session of a vehicle. Entry and exit are indices into the slice of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// The entry that represents its passage.
    pub entry: Option<usize>,
    /// The exit that represents its passage.
    pub exit: Option<usize>,
    /// The session's state.
    pub state: State,
    /// Why it is unmatched.
    pub reason: Option<Reason>,
}

impl Stay {
    /// The index of the anchor event, from which the session's id is derived: its entry, or else its exit.
    pub fn anchor(&self) -> usize {
        self.entry.or(self.exit).expect("every session is made from an entry or an exit")
    }

    fn of_entry(entry: usize, state: State, reason: Option<Reason>) -> Self {
        Self { entry: Some(entry), exit: None, state, reason }
    }

    /// The session of an entry with nothing after it, or of an exit without an entry.
    #[inline]
    pub(crate) fn of_one(index: usize, direction: Direction, has_ended: bool) -> Self {
        match (direction, has_ended) {
            (Direction::Entry, false) => Self::of_entry(index, State::Open, None),
            (Direction::Entry, true) => Self::of_entry(index, State::UnmatchedEntry, Some(Reason::MaxStay)),
            (Direction::Exit, false) => Self { entry: None, exit: Some(index), state: State::HeldExit, reason: None },
            (Direction::Exit, true) => {
                Self { entry: None, exit: Some(index), state: State::UnmatchedExit, reason: None }
            }
        }
    }
}

/// Visits the sessions of `events` (one vehicle's, sorted by key), in the order of their anchor events.
///
/// `has_ended` returns true for an unmatched exit whose hold has ended, and for an unmatched entry older than the
/// longest stay on its lot's clock.
pub fn for_each_stay(
    events: &[TimelineEvent],
    limits: Limits,
    has_ended: impl Fn(&TimelineEvent) -> bool,
    mut visit: impl FnMut(Stay),
) {
    let mut inside: Option<usize> = None;
    for_each_passage(events, limits.re_read_window_ms, |first| {
        let event = &events[first];
        match (event.key.direction, inside.take()) {
            (Direction::Entry, before) => {
                if let Some(entry) = before {
                    visit(Stay::of_entry(entry, State::UnmatchedEntry, Some(Reason::ReEntered)));
                }
                inside = Some(first);
            }
            (Direction::Exit, Some(entry))
                if event.key.time.millis_since(events[entry].key.time) <= limits.max_stay_ms =>
            {
                visit(Stay { entry: Some(entry), exit: Some(first), state: State::Matched, reason: None });
            }
            (Direction::Exit, before) => {
                if let Some(entry) = before {
                    visit(Stay::of_entry(entry, State::UnmatchedEntry, Some(Reason::MaxStay)));
                }
                visit(Stay::of_one(first, Direction::Exit, has_ended(event)));
            }
        }
    });
    if let Some(entry) = inside {
        visit(Stay::of_one(entry, Direction::Entry, has_ended(&events[entry])));
    }
}

/// The session of one event with an unread plate.
pub(crate) fn unread_stay(index: usize, direction: Direction) -> Stay {
    let (entry, exit, state) = match direction {
        Direction::Entry => (Some(index), None, State::UnmatchedEntry),
        Direction::Exit => (None, Some(index), State::UnmatchedExit),
    };
    Stay { entry, exit, state, reason: Some(Reason::Unread) }
}

/// The index of the event that represents the passage of the event at `index`: its own if it is superseded.
pub(crate) fn representative_of(events: &[TimelineEvent], re_read_window_ms: i64, index: usize) -> usize {
    let mut representative = index;
    let mut current = index;
    for_each_in_order(events, |at| {
        if begins_passage(events, re_read_window_ms, at.before, at.index) {
            current = at.index;
        }
        if at.index == index {
            representative = current;
        }
    });
    representative
}

/// The passages in the order of matching, each with the indices of its events. The first event represents the passage.
pub(crate) fn passages(events: &[TimelineEvent], re_read_window_ms: i64) -> Vec<Vec<usize>> {
    let mut passages: Vec<Vec<usize>> = Vec::new();
    for_each_in_order(events, |at| match passages.last_mut() {
        Some(passage) if !begins_passage(events, re_read_window_ms, at.before, at.index) => passage.push(at.index),
        _ => passages.push(vec![at.index]),
    });
    passages
}

fn for_each_passage(events: &[TimelineEvent], re_read_window_ms: i64, mut visit: impl FnMut(usize)) {
    for_each_in_order(events, |at| {
        if begins_passage(events, re_read_window_ms, at.before, at.index) {
            visit(at.index);
        }
    });
}

fn begins_passage(events: &[TimelineEvent], re_read_window_ms: i64, before: Option<usize>, index: usize) -> bool {
    let event = &events[index].key;
    before.map(|before| &events[before].key).is_none_or(|before| {
        before.direction != event.direction || event.time.millis_since(before.time) > re_read_window_ms
    })
}

struct InOrder {
    before: Option<usize>,
    index: usize,
}

/// Visits the events in the order of matching, each with the one before it. Superseded ones are passed over.
fn for_each_in_order(events: &[TimelineEvent], mut visit: impl FnMut(InOrder)) {
    let mut before = None;
    let mut start = 0;
    while start < events.len() {
        let time = events[start].key.time;
        let end = start + 1 + events[start + 1..].iter().take_while(|event| event.key.time == time).count();
        if end == start + 1 {
            if !events[start].flags.has(Flags::SUPERSEDED) {
                visit(InOrder { before, index: start });
                before = Some(start);
            }
            start = end;
            continue;
        }
        // Events are stored with entries before exits, each by id.
        let exits =
            start + events[start..end].iter().take_while(|event| event.key.direction == Direction::Entry).count();
        let follows_entry = before.is_some_and(|before: usize| events[before].key.direction == Direction::Entry);
        let halves = if follows_entry { [exits..end, start..exits] } else { [start..exits, exits..end] };
        let counts = |index: &usize| !events[*index].flags.has(Flags::SUPERSEDED);
        for index in halves.into_iter().flatten().filter(counts) {
            visit(InOrder { before, index });
            before = Some(index);
        }
        start = end;
    }
}
