//! The capacity of a timeline: which new events do not fit.
//!
//! The ledger refuses a timeline of more than [`MAX_EVENTS`] events, so no decision that may be recorded has one.

use parking::EventKey;

use crate::canonical::passages;
use crate::limits::Limits;
use crate::timeline::{FULL_AT, MAX_EVENTS, Timeline};

/// The new events that do not fit into a trimmed timeline.
///
/// A full timeline that can't be cut is one session: at most two passages, with many events. A new event in one of
/// them makes it longer, early or late; an event in a passage of its own leads to a cut.
pub(super) fn missing(
    timeline: &Timeline,
    limits: Limits,
    arrivals: &[EventKey],
    new_indices: Vec<usize>,
) -> Vec<usize> {
    if timeline.events().len() <= FULL_AT {
        return Vec::new();
    }
    let mut is_shared = vec![false; timeline.events().len()];
    for passage in passages(timeline.events(), limits.re_read_window_ms) {
        for index in passage.iter().filter(|_| passage.len() > 1) {
            is_shared[*index] = true;
        }
    }
    let makes_longer = |index: &usize| timeline.position(&arrivals[*index]).is_some_and(|index| is_shared[index]);
    let mut too_many: Vec<usize> = new_indices.iter().copied().filter(makes_longer).collect();
    // An event outside of two long passages can make them one session.
    if too_many.is_empty() && timeline.events().len() > MAX_EVENTS {
        return new_indices;
    }
    let excess = timeline.events().len() - FULL_AT;
    too_many.split_off(too_many.len().saturating_sub(excess))
}
