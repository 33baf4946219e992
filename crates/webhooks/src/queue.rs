//! The deliveries of one webhook that are not accepted yet: in order per session, by their due times otherwise. Pure.
//!
//! Of each session only the oldest delivery is ready to be sent; the next one follows when the receiver has accepted
//! it. So a session whose messages fail holds up no other one.

use std::collections::{BTreeMap, BTreeSet};

use ledger::WaitingDelivery;
use parking::Timestamp;
use uuid::Uuid;

/// The deliveries that are not accepted yet.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<u64, Entry>,
    sessions: BTreeMap<Uuid, BTreeSet<u64>>,
    /// The oldest delivery of each session, unless it is being sent.
    ready: BTreeSet<(Timestamp, u64)>,
    /// Deliveries that the ledger does not have yet in this form.
    unsaved: BTreeSet<u64>,
    /// Deliveries that the ledger has and that are done.
    done: BTreeSet<u64>,
}

#[derive(Debug)]
struct Entry {
    delivery: WaitingDelivery,
    /// Whether the ledger has it, perhaps in an older form.
    is_stored: bool,
}

impl Queue {
    /// The queue of what the ledger has.
    pub(crate) fn of_stored(stored: Vec<WaitingDelivery>) -> Self {
        let mut queue = Self::default();
        for delivery in stored {
            queue.insert(delivery, true);
        }
        queue
    }

    /// Adds the delivery of a new change.
    pub(crate) fn add(&mut self, delivery: WaitingDelivery) {
        self.insert(delivery, false);
        self.unsaved.insert(delivery.sequence);
    }

    fn insert(&mut self, delivery: WaitingDelivery, is_stored: bool) {
        let of_session = self.sessions.entry(delivery.session).or_default();
        if of_session.is_empty() {
            self.ready.insert((delivery.due, delivery.sequence));
        }
        of_session.insert(delivery.sequence);
        self.entries.insert(delivery.sequence, Entry { delivery, is_stored });
    }

    /// The number of deliveries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether at least this many deliveries are due.
    pub(crate) fn has_due(&self, now: Timestamp, many: usize) -> bool {
        self.ready.range(..=(now, u64::MAX)).take(many).count() == many
    }

    /// Whether a delivery has failed and waits.
    pub(crate) fn has_failed(&self) -> bool {
        self.entries.values().any(|entry| entry.delivery.attempts > 0)
    }

    /// Whether a delivery is ready that was never sent.
    pub(crate) fn has_untried(&self) -> bool {
        let is_untried = |sequence: &u64| self.entries.get(sequence).is_some_and(|entry| entry.delivery.attempts == 0);
        self.ready.iter().any(|(_, sequence)| is_untried(sequence))
    }

    /// When the next delivery is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.ready.first().map(|(due, _)| *due)
    }

    /// Takes the delivery that is due for the longest time.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<WaitingDelivery> {
        let first = *self.ready.first().filter(|(due, _)| *due <= now)?;
        self.take(first)
    }

    /// Takes the delivery with the fewest attempts, due or not.
    pub(crate) fn take_probe(&mut self) -> Option<WaitingDelivery> {
        let attempts = |sequence: &u64| self.entries.get(sequence).map_or(0, |entry| entry.delivery.attempts);
        let first = *self.ready.iter().min_by_key(|(_, sequence)| (attempts(sequence), *sequence))?;
        self.take(first)
    }

    fn take(&mut self, place: (Timestamp, u64)) -> Option<WaitingDelivery> {
        self.ready.remove(&place);
        self.entries.get(&place.1).map(|entry| entry.delivery)
    }

    /// The receiver has accepted a delivery that was taken.
    pub(crate) fn delivered(&mut self, sequence: u64) {
        let Some(Entry { delivery, is_stored }) = self.entries.remove(&sequence) else { return };
        self.unsaved.remove(&sequence);
        if is_stored {
            self.done.insert(sequence);
        }
        let Some(of_session) = self.sessions.get_mut(&delivery.session) else { return };
        of_session.remove(&sequence);
        let next = of_session.first().and_then(|sequence| self.entries.get(sequence));
        if let Some(Entry { delivery, .. }) = next {
            self.ready.insert((delivery.due, delivery.sequence));
        } else {
            self.sessions.remove(&delivery.session);
        }
    }

    /// A delivery that was taken has to be sent again at `due`; a failed attempt counts.
    pub(crate) fn put_back(&mut self, sequence: u64, due: Timestamp, has_failed: bool) {
        let Some(Entry { delivery, .. }) = self.entries.get_mut(&sequence) else { return };
        delivery.attempts = delivery.attempts.saturating_add(u32::from(has_failed));
        delivery.due = due;
        self.unsaved.insert(sequence);
        self.ready.insert((due, sequence));
    }

    /// All deliveries that are ready are due.
    pub(crate) fn make_all_due(&mut self, now: Timestamp) {
        let later = std::mem::take(&mut self.ready);
        for (due, sequence) in later {
            let due = due.min(now);
            if let Some(Entry { delivery, .. }) = self.entries.get_mut(&sequence)
                && delivery.due != due
            {
                delivery.due = due;
                self.unsaved.insert(sequence);
            }
            self.ready.insert((due, sequence));
        }
    }

    /// What the ledger does not have yet: deliveries that wait, and those that are done.
    pub(crate) fn unsaved(&self) -> (Vec<WaitingDelivery>, Vec<u64>) {
        let waiting = self.unsaved.iter().filter_map(|sequence| self.entries.get(sequence));
        (waiting.map(|entry| entry.delivery).collect(), self.done.iter().copied().collect())
    }

    /// The ledger has everything.
    pub(crate) fn saved(&mut self) {
        for sequence in std::mem::take(&mut self.unsaved) {
            if let Some(entry) = self.entries.get_mut(&sequence) {
                entry.is_stored = true;
            }
        }
        self.done.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn delivery(sequence: u64, session: u128) -> WaitingDelivery {
        let session = Uuid::from_u128(session);
        WaitingDelivery { sequence, session, recorded_at: at(0), attempts: 0, due: at(0) }
    }

    fn queue(deliveries: &[(u64, u128)]) -> Queue {
        let mut queue = Queue::default();
        for (sequence, session) in deliveries {
            queue.add(delivery(*sequence, *session));
        }
        queue
    }

    fn due(queue: &mut Queue, now: i64) -> Option<u64> {
        queue.take_due(at(now)).map(|delivery| delivery.sequence)
    }

    #[test]
    fn the_next_delivery_of_a_session_follows_when_the_one_before_is_accepted() {
        let mut queue = queue(&[(1, 7), (2, 7), (3, 8)]);
        assert_eq!([due(&mut queue, 0), due(&mut queue, 0), due(&mut queue, 0)], [Some(1), Some(3), None]);

        queue.put_back(1, at(50), true);
        assert_eq!((due(&mut queue, 49), queue.next_due()), (None, Some(at(50))));
        assert_eq!(due(&mut queue, 50), Some(1));
        queue.delivered(1);
        assert_eq!(due(&mut queue, 50), Some(2));
        queue.delivered(2);
        queue.delivered(3);
        assert!(queue.entries.is_empty() && queue.sessions.is_empty() && queue.ready.is_empty());
    }

    #[test]
    fn a_probe_is_the_delivery_with_the_fewest_attempts() {
        let mut queue = queue(&[(1, 7), (2, 8)]);
        assert_eq!(due(&mut queue, 0), Some(1));
        queue.put_back(1, at(90), true);
        let probes = [queue.take_probe(), queue.take_probe(), queue.take_probe()];
        assert_eq!(probes.map(|probe| probe.map(|delivery| delivery.sequence)), [Some(2), Some(1), None]);
    }

    #[test]
    fn only_what_the_ledger_lacks_is_saved() {
        let mut queue = Queue::of_stored(vec![delivery(1, 7), delivery(2, 8)]);
        queue.add(delivery(3, 9));
        queue.add(delivery(4, 10));
        let taken: Vec<u64> = std::iter::from_fn(|| due(&mut queue, 0)).collect();
        assert_eq!(taken, [1, 2, 3, 4]);
        queue.delivered(1);
        queue.delivered(3);
        queue.put_back(2, at(5), true);

        let saved = WaitingDelivery { attempts: 1, due: at(5), ..delivery(2, 8) };
        assert_eq!(queue.unsaved(), (vec![saved, delivery(4, 10)], vec![1]));
        queue.saved();
        assert_eq!(queue.unsaved(), (vec![], vec![]));
        queue.delivered(4);
        assert_eq!(queue.unsaved(), (vec![], vec![4]));
    }

    #[test]
    fn all_that_waits_can_be_made_due() {
        let mut queue = queue(&[(1, 7), (2, 8)]);
        assert_eq!(due(&mut queue, 0), Some(1));
        queue.put_back(1, at(900), true);
        queue.make_all_due(at(10));
        assert!(queue.has_due(at(10), 2) && !queue.has_due(at(10), 3) && queue.has_failed());
    }
}
