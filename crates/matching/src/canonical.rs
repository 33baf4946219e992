//! The canonical sessions: which sessions the events of one vehicle are. A pure function of their set.
//!
//! One pass over the sorted events:
//! 1. At one instant all exits stand together and all entries stand together: exits first when the event before the
//!    instant is an entry, else entries first. (Gates often report whole minutes.)
//! 2. Neighbours of one direction, each at most the re-read window after the one before, are one passage. Its first
//!    event speaks for it.
//! 3. An exit passage that directly follows an entry passage, at most `max_stay` later, matches it. Any other exit is
//!    unmatched. An entry followed by an entry was left by a missed exit. A stay is never invented across a missed pair.

use parking::{Direction, Reason, State};

use crate::limits::Limits;
use crate::timeline::TimelineEvent;

/// One session of a vehicle. Entry and exit are places in the slice of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// The entry that speaks for its passage.
    pub entry: Option<usize>,
    /// The exit that speaks for its passage.
    pub exit: Option<usize>,
    /// Where the session stands.
    pub state: State,
    /// Why it is unmatched.
    pub reason: Option<Reason>,
}

impl Stay {
    /// The place of the event that gives the session its id: its entry, or else its exit.
    pub fn giving(&self) -> usize {
        self.entry.or(self.exit).expect("every session is made from an entry or an exit")
    }

    fn of_entry(entry: usize, state: State, reason: Option<Reason>) -> Self {
        Self { entry: Some(entry), exit: None, state, reason }
    }

    /// The session of an entry with nothing after it, or of an exit without an entry.
    #[inline]
    pub(crate) fn of_one(place: usize, direction: Direction, has_ended: bool) -> Self {
        match (direction, has_ended) {
            (Direction::Entry, false) => Self::of_entry(place, State::Open, None),
            (Direction::Entry, true) => Self::of_entry(place, State::UnmatchedEntry, Some(Reason::MaxStay)),
            (Direction::Exit, false) => Self { entry: None, exit: Some(place), state: State::HeldExit, reason: None },
            (Direction::Exit, true) => {
                Self { entry: None, exit: Some(place), state: State::UnmatchedExit, reason: None }
            }
        }
    }
}

/// Visits the sessions of `events` (one vehicle's, sorted by key), in the order of the events that give them.
///
/// `has_ended` says of an exit alone that its hold has ended, of an entry alone that it is older than the longest stay
/// on its lot's own time.
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

/// The session of one event whose plate says that nothing was read.
pub(crate) fn unread_stay(place: usize, direction: Direction) -> Stay {
    let (entry, exit, state) = match direction {
        Direction::Entry => (Some(place), None, State::UnmatchedEntry),
        Direction::Exit => (None, Some(place), State::UnmatchedExit),
    };
    Stay { entry, exit, state, reason: Some(Reason::Unread) }
}

/// The place of the event that speaks for the passage that the event at `place` belongs to.
pub(crate) fn speaker_of(events: &[TimelineEvent], re_read_window_ms: i64, place: usize) -> usize {
    let mut speaker = place;
    let mut current = place;
    for_each_in_order(events, |at| {
        if begins_passage(events, re_read_window_ms, at.before, at.place) {
            current = at.place;
        }
        if at.place == place {
            speaker = current;
        }
    });
    speaker
}

/// The passages in the order of matching, each with the places of its events; the first one speaks for it.
pub(crate) fn passages(events: &[TimelineEvent], re_read_window_ms: i64) -> Vec<Vec<usize>> {
    let mut passages: Vec<Vec<usize>> = Vec::new();
    for_each_in_order(events, |at| match passages.last_mut() {
        Some(passage) if !begins_passage(events, re_read_window_ms, at.before, at.place) => passage.push(at.place),
        _ => passages.push(vec![at.place]),
    });
    passages
}

fn for_each_passage(events: &[TimelineEvent], re_read_window_ms: i64, mut visit: impl FnMut(usize)) {
    for_each_in_order(events, |at| {
        if begins_passage(events, re_read_window_ms, at.before, at.place) {
            visit(at.place);
        }
    });
}

fn begins_passage(events: &[TimelineEvent], re_read_window_ms: i64, before: Option<usize>, place: usize) -> bool {
    let event = &events[place].key;
    before.map(|before| &events[before].key).is_none_or(|before| {
        before.direction != event.direction || event.time.millis_since(before.time) > re_read_window_ms
    })
}

struct InOrder {
    before: Option<usize>,
    place: usize,
}

/// Visits the events in the order of matching, each with the one before it.
fn for_each_in_order(events: &[TimelineEvent], mut visit: impl FnMut(InOrder)) {
    let mut before = None;
    let mut start = 0;
    while start < events.len() {
        let time = events[start].key.time;
        let end = start + 1 + events[start + 1..].iter().take_while(|event| event.key.time == time).count();
        if end == start + 1 {
            visit(InOrder { before, place: start });
            (before, start) = (Some(start), end);
            continue;
        }
        // Storage has entries before exits, each by id.
        let exits =
            start + events[start..end].iter().take_while(|event| event.key.direction == Direction::Entry).count();
        let follows_entry = before.is_some_and(|before: usize| events[before].key.direction == Direction::Entry);
        let halves = if follows_entry { [exits..end, start..exits] } else { [start..exits, exits..end] };
        for place in halves.into_iter().flatten() {
            visit(InOrder { before, place });
            before = Some(place);
        }
        start = end;
    }
}
