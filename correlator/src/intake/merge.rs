//! Takes from two queues in order of event time, as far as both have something. Pure: what a queue has is told to it.
//!
//! Within a queue the order stays. Exits that ran ahead of their entries would be held and then revised, so while
//! one queue has nothing at hand but may have more, the other waits, unless its events are fresh.

use std::collections::VecDeque;

use bus::Queue;
use parking::Timestamp;

use crate::arrival::Arrival;

/// The two queues that events come on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Entry,
    Exit,
}

impl Side {
    pub(crate) fn queue(self) -> Queue {
        match self {
            Self::Entry => Queue::Entry,
            Self::Exit => Queue::Exit,
        }
    }
}

/// What has been received and not yet taken.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    entry: VecDeque<Arrival>,
    exit: VecDeque<Arrival>,
}

/// What the merge may assume of a side that has nothing at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizon {
    /// The entry queue has nothing more for now.
    pub(crate) entry_drained: bool,
    /// The exit queue has nothing more for now.
    pub(crate) exit_drained: bool,
    /// Events of this time or later are fresh: no backlog, so nothing is gained by waiting.
    pub(crate) fresh_from: Timestamp,
}

impl Merge {
    pub(crate) fn len(&self, side: Side) -> usize {
        match side {
            Side::Entry => self.entry.len(),
            Side::Exit => self.exit.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entry.is_empty() && self.exit.is_empty()
    }

    /// Takes up to `most` arrivals.
    pub(crate) fn take(&mut self, most: usize, horizon: Horizon) -> Vec<Arrival> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(side) = self.next_side(horizon) else { break };
            taken.extend(self.of_mut(side).pop_front());
        }
        taken
    }

    fn next_side(&self, horizon: Horizon) -> Option<Side> {
        let goes_alone = |arrival: &Arrival, other_drained: bool| {
            other_drained || arrival.content.is_err() || arrival.order() >= horizon.fresh_from
        };
        match (self.entry.front(), self.exit.front()) {
            (Some(entry), Some(exit)) if entry.order() <= exit.order() => Some(Side::Entry),
            (Some(_), Some(_)) => Some(Side::Exit),
            (Some(entry), None) => goes_alone(entry, horizon.exit_drained).then_some(Side::Entry),
            (None, Some(exit)) => goes_alone(exit, horizon.entry_drained).then_some(Side::Exit),
            (None, None) => None,
        }
    }

    /// What is at hand of a side, to add to.
    pub(crate) fn of_mut(&mut self, side: Side) -> &mut VecDeque<Arrival> {
        match side {
            Side::Entry => &mut self.entry,
            Side::Exit => &mut self.exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::{delivered, read_all};

    fn arrivals(member: &str, seconds: &[u32]) -> Vec<Arrival> {
        let event = |second: &u32| {
            let body = format!(
                r#"{{"id": "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "vehicle_plate": "A1", "{member}": "2024-09-24T09:00:{second:02}Z"}}"#
            );
            read_all(Queue::Entry, &delivered(body), Timestamp::from_millis(1_727_168_400_000))
        };
        seconds.iter().flat_map(event).collect()
    }

    fn merge(entries: &[u32], exits: &[u32]) -> Merge {
        let mut merge = Merge::default();
        merge.of_mut(Side::Entry).extend(arrivals("entry_date_time", entries));
        merge.of_mut(Side::Exit).extend(arrivals("exit_date_time", exits));
        merge
    }

    fn seconds(taken: &[Arrival]) -> Vec<i64> {
        taken.iter().map(|arrival| (arrival.order().as_millis() / 1000) % 60).collect()
    }

    fn horizon(drained: bool, fresh_second: i64) -> Horizon {
        let fresh_from = Timestamp::from_millis(1_727_168_400_000 + fresh_second * 1000);
        Horizon { entry_drained: drained, exit_drained: drained, fresh_from }
    }

    #[test]
    fn two_backlogs_are_taken_in_order_of_event_time() {
        let taken = merge(&[1, 3, 5], &[2, 4, 6, 7]).take(100, horizon(false, 60));
        assert_eq!(seconds(&taken), [1, 2, 3, 4, 5], "no exit runs ahead of entries that may still come");
    }

    #[test]
    fn a_drained_queue_holds_the_other_up_no_longer() {
        let taken = merge(&[1], &[2, 4]).take(100, horizon(true, 60));
        assert_eq!(seconds(&taken), [1, 2, 4]);
    }

    #[test]
    fn fresh_events_wait_for_nothing() {
        let taken = merge(&[], &[2, 4]).take(100, horizon(false, 1));
        assert_eq!(seconds(&taken), [2, 4]);
    }

    #[test]
    fn the_order_within_a_queue_stays() {
        let taken = merge(&[5, 1], &[3]).take(2, horizon(true, 60));
        assert_eq!(seconds(&taken), [3, 5]);
    }
}
