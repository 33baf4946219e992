//! The progress of this correlator on its queues: what is in flight, and the watermark of entries.
//!
//! Intake and worker update it; deadlines and status read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use bus::Queue;
use parking::Timestamp;

/// Stands for a count that the broker does not report.
const UNKNOWN_COUNT: u64 = u64::MAX;

/// Counts of what is in flight.
#[derive(Debug)]
pub(crate) struct Progress {
    entry: QueueProgress,
    exit: QueueProgress,
    /// Events received and not done.
    events: AtomicUsize,
    /// Bytes of the messages with an undecided event.
    bytes: AtomicUsize,
    /// Event time of the last recorded entry. Not the maximum: an old backlog may follow live entries.
    entry_watermark: AtomicI64,
    /// Entry messages in flight that were delivered before, perhaps to another correlator: not in the queue's order.
    out_of_order: AtomicUsize,
}

#[derive(Debug)]
struct QueueProgress {
    unacknowledged: AtomicUsize,
    /// Of these, the messages with an undecided event; the others only wait for the confirm of a dead letter.
    undecided: AtomicUsize,
    ready: AtomicU64,
}

impl QueueProgress {
    const fn new() -> Self {
        Self {
            unacknowledged: AtomicUsize::new(0),
            undecided: AtomicUsize::new(0),
            ready: AtomicU64::new(UNKNOWN_COUNT),
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            entry: QueueProgress::new(),
            exit: QueueProgress::new(),
            events: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            entry_watermark: AtomicI64::new(i64::MIN),
            out_of_order: AtomicUsize::new(0),
        }
    }
}

/// An entry message in flight that was delivered before. Dropping it ends its count.
#[derive(Debug)]
pub(crate) struct OutOfOrder(Arc<Progress>);

impl OutOfOrder {
    pub(crate) fn of(progress: &Arc<Progress>) -> Self {
        progress.out_of_order.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(progress))
    }
}

impl Drop for OutOfOrder {
    fn drop(&mut self) {
        self.0.out_of_order.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Progress {
    pub(crate) fn received(&self, queue: Queue, messages: usize, bytes: usize) {
        self.of(queue).unacknowledged.fetch_add(messages, Ordering::Relaxed);
        self.of(queue).undecided.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All events of these messages are recorded or handed to the dead letters.
    pub(crate) fn decided(&self, queue: Queue, messages: usize, bytes: usize) {
        self.of(queue).undecided.fetch_sub(messages, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn acknowledged(&self, queue: Queue, messages: usize) {
        self.of(queue).unacknowledged.fetch_sub(messages, Ordering::Relaxed);
    }

    /// Messages of a queue that are received and not acknowledged.
    pub(crate) fn unacknowledged(&self, queue: Queue) -> usize {
        self.of(queue).unacknowledged.load(Ordering::Relaxed)
    }

    /// Messages of a queue with an event that is neither recorded nor handed to the dead letters.
    pub(crate) fn undecided(&self, queue: Queue) -> usize {
        self.of(queue).undecided.load(Ordering::Relaxed)
    }

    /// The number of ready messages, as reported by the broker; `None` without a report.
    pub(crate) fn set_ready(&self, queue: Queue, ready: Option<u64>) {
        self.of(queue).ready.store(ready.unwrap_or(UNKNOWN_COUNT), Ordering::Relaxed);
    }

    pub(crate) fn entry_recorded(&self, time: Timestamp) {
        self.entry_watermark.store(time.as_millis(), Ordering::Relaxed);
    }

    /// The watermark of entries: the event time of the last recorded one. `None` before the first one, and while
    /// entries out of the queue's order are in flight.
    pub(crate) fn entry_watermark(&self) -> Option<Timestamp> {
        let until = self.entry_watermark.load(Ordering::Relaxed);
        let is_in_order = self.out_of_order.load(Ordering::Relaxed) == 0;
        (until != i64::MIN && is_in_order).then(|| Timestamp::from_millis(until))
    }

    pub(crate) fn begun(&self, events: usize) {
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, events: usize) {
        self.events.fetch_sub(events, Ordering::Relaxed);
    }

    /// Events received and not done.
    pub(crate) fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// Bytes of the messages with an undecided event.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the broker reports the queue as empty.
    pub(crate) fn is_empty(&self, queue: Queue) -> bool {
        self.of(queue).ready.load(Ordering::Relaxed) == 0
    }

    /// Whether this correlator allows that the hold of an exit of that time ends: no earlier entry is in the entry
    /// queue or in flight here, as far as the queue is in order of time. The ledger asks the other correlators.
    pub(crate) fn entries_have_reached(&self, time: Timestamp) -> bool {
        let drained = self.is_empty(Queue::Entry) && self.undecided(Queue::Entry) == 0;
        drained || self.entry_watermark().is_some_and(|until| until >= time)
    }

    fn of(&self, queue: Queue) -> &QueueProgress {
        match queue {
            Queue::Entry => &self.entry,
            Queue::Exit | Queue::Dead => &self.exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_NOON: Timestamp = Timestamp::from_millis(1_727_179_200_000);

    #[test]
    fn a_hold_does_not_end_while_entries_lag_behind_its_time() {
        let progress = Progress::default();
        assert!(!progress.entries_have_reached(AT_NOON), "an unknown depth does not mean an empty queue");
        progress.set_ready(Queue::Entry, Some(5));
        assert!(!progress.entries_have_reached(AT_NOON));
        progress.entry_recorded(AT_NOON);
        assert!(progress.entries_have_reached(AT_NOON));
    }

    #[test]
    fn an_empty_entry_queue_lags_behind_nothing() {
        let progress = Progress::default();
        progress.set_ready(Queue::Entry, Some(0));
        assert!(progress.entries_have_reached(AT_NOON));
        progress.received(Queue::Entry, 1, 150);
        assert!(!progress.entries_have_reached(AT_NOON), "a received entry is not yet recorded");
        progress.decided(Queue::Entry, 1, 150);
        assert!(progress.entries_have_reached(AT_NOON), "an unconfirmed dead letter is not an entry");
        assert_eq!((progress.unacknowledged(Queue::Entry), progress.bytes()), (1, 0));
    }

    #[test]
    fn entries_that_come_again_say_nothing_of_the_time_that_is_reached() {
        let progress = Arc::new(Progress::default());
        progress.set_ready(Queue::Entry, Some(5));
        progress.entry_recorded(AT_NOON);

        let again = OutOfOrder::of(&progress);
        assert!(!progress.entries_have_reached(AT_NOON));
        drop(again);

        assert!(progress.entries_have_reached(AT_NOON));
    }
}
