//! A second, naive implementation of the canonical sessions: it sorts the whole set, builds every passage as a list,
//! and compares neighbours. The crate's implementation must agree with it.

use std::collections::{BTreeMap, BTreeSet};

use matching::Limits;
use parking::{Direction, EventKey, Reason, State};

/// A session: entry, exit, state and reason.
pub(crate) type Naive = (Option<EventKey>, Option<EventKey>, State, Option<Reason>);

/// The final sessions of one vehicle's events, at the lot time `lot_time_ms`.
pub(crate) fn sessions(events: &[EventKey], limits: Limits, lot_time_ms: i64) -> Vec<Naive> {
    let passages = passages(&in_order(events), limits.re_read_window_ms);
    let mut sessions = Vec::new();
    for (index, passage) in passages.iter().enumerate() {
        let this = passage[0];
        let before = index.checked_sub(1).map(|before| passages[before][0]);
        let after = passages.get(index + 1).map(|after| after[0]);
        let pairs = |entry: EventKey, exit: EventKey| {
            entry.direction == Direction::Entry
                && exit.direction == Direction::Exit
                && exit.time.as_millis() - entry.time.as_millis() <= limits.max_stay_ms
        };
        sessions.extend(match this.direction {
            Direction::Exit if before.is_some_and(|before| pairs(before, this)) => None,
            Direction::Exit => Some((None, Some(this), State::UnmatchedExit, None)),
            Direction::Entry => Some(match after {
                Some(after) if pairs(this, after) => (Some(this), Some(after), State::Matched, None),
                Some(after) if after.direction == Direction::Entry => {
                    (Some(this), None, State::UnmatchedEntry, Some(Reason::ReEntered))
                }
                Some(_) => (Some(this), None, State::UnmatchedEntry, Some(Reason::MaxStay)),
                None if lot_time_ms - this.time.as_millis() > limits.max_stay_ms => {
                    (Some(this), None, State::UnmatchedEntry, Some(Reason::MaxStay))
                }
                None => (Some(this), None, State::Open, None),
            }),
        });
    }
    sessions.sort_by_key(|(entry, exit, _, _)| entry.or(*exit));
    sessions
}

fn in_order(events: &[EventKey]) -> Vec<EventKey> {
    let set: BTreeSet<EventKey> = events.iter().copied().collect();
    let mut instants: BTreeMap<i64, (Vec<EventKey>, Vec<EventKey>)> = BTreeMap::new();
    for event in set {
        let (entries, exits) = instants.entry(event.time.as_millis()).or_default();
        if event.direction == Direction::Entry { entries.push(event) } else { exits.push(event) }
    }
    let mut ordered: Vec<EventKey> = Vec::new();
    for (mut entries, mut exits) in instants.into_values() {
        entries.sort_by_key(|event| event.id);
        exits.sort_by_key(|event| event.id);
        if ordered.last().is_some_and(|last| last.direction == Direction::Entry) {
            ordered.extend(exits.into_iter().chain(entries));
        } else {
            ordered.extend(entries.into_iter().chain(exits));
        }
    }
    ordered
}

fn passages(ordered: &[EventKey], window: i64) -> Vec<Vec<EventKey>> {
    let mut passages: Vec<Vec<EventKey>> = Vec::new();
    for event in ordered {
        match passages.last_mut() {
            Some(passage) if belongs(passage.last(), event, window) => passage.push(*event),
            _ => passages.push(vec![*event]),
        }
    }
    passages
}

fn belongs(last: Option<&EventKey>, event: &EventKey, window: i64) -> bool {
    last.is_some_and(|last| {
        last.direction == event.direction && event.time.as_millis() - last.time.as_millis() <= window
    })
}
