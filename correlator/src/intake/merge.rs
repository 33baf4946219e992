//! A watermark merge of the two queues by event time. Pure: the caller supplies the watermarks.
//!
//! The order within a queue stays. Exits ahead of their entries would be held and then revised, so while one queue has
//! no arrivals but may receive more, the other one waits, unless its events are fresh.

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

/// The arrivals that are received and not yet taken.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    entry: VecDeque<Arrival>,
    exit: VecDeque<Arrival>,
}

/// What the merge may assume of a queue without arrivals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watermarks {
    /// The entry queue is empty for now.
    pub(crate) entry_drained: bool,
    /// The exit queue is empty for now.
    pub(crate) exit_drained: bool,
    /// Events of this time or later are fresh: there is no backlog, so waiting gains nothing.
    pub(crate) fresh_since: Timestamp,
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
    pub(crate) fn take(&mut self, most: usize, watermarks: Watermarks) -> Vec<Arrival> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(side) = self.next_side(watermarks) else { break };
            taken.extend(self.of_mut(side).pop_front());
        }
        taken
    }

    fn next_side(&self, watermarks: Watermarks) -> Option<Side> {
        let goes_alone = |arrival: &Arrival, other_drained: bool| {
            other_drained || arrival.content.is_err() || arrival.order() >= watermarks.fresh_since
        };
        match (self.entry.front(), self.exit.front()) {
            (Some(entry), Some(exit)) if entry.order() <= exit.order() => Some(Side::Entry),
            (Some(_), Some(_)) => Some(Side::Exit),
            (Some(entry), None) => goes_alone(entry, watermarks.exit_drained).then_some(Side::Entry),
            (None, Some(exit)) => goes_alone(exit, watermarks.entry_drained).then_some(Side::Exit),
            (None, None) => None,
        }
    }

    /// The arrivals of a queue, to add to.
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

    fn watermarks(drained: bool, fresh_second: i64) -> Watermarks {
        let fresh_since = Timestamp::from_millis(1_727_168_400_000 + fresh_second * 1000);
        Watermarks { entry_drained: drained, exit_drained: drained, fresh_since }
    }

    #[test]
    fn two_backlogs_are_taken_in_order_of_event_time() {
        let taken = merge(&[1, 3, 5], &[2, 4, 6, 7]).take(100, watermarks(false, 60));
        assert_eq!(seconds(&taken), [1, 2, 3, 4, 5], "no exit runs ahead of entries that may still come");
    }

    #[test]
    fn a_drained_queue_holds_the_other_up_no_longer() {
        let taken = merge(&[1], &[2, 4]).take(100, watermarks(true, 60));
        assert_eq!(seconds(&taken), [1, 2, 4]);
    }

    #[test]
    fn fresh_events_wait_for_nothing() {
        let taken = merge(&[], &[2, 4]).take(100, watermarks(false, 1));
        assert_eq!(seconds(&taken), [2, 4]);
    }

    #[test]
    fn the_order_within_a_queue_stays() {
        let taken = merge(&[5, 1], &[3]).take(2, watermarks(true, 60));
        assert_eq!(seconds(&taken), [3, 5]);
    }
}
