//! The writer thread, and its queue of pending writes (group commit).
//!
//! While a transaction is written to disk, publishes and acknowledgements collect in the queue; the next transaction
//! takes all of them. The quotas of the message queues limit their number.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use service_kit::{Backoff, Dependency, Lifecycle};
use tokio::sync::oneshot;

use super::queue::{QueueCell, Stored};
use super::store::{Change, Store, change_of};
use crate::{Error, Message, Queue};

/// How long acknowledgements wait for a publish to share a transaction with.
const ACKNOWLEDGE_DELAY_MAX: Duration = Duration::from_millis(100);

/// The queue of the writer thread.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    pending: Mutex<PendingWrites>,
    added: Condvar,
}

#[derive(Debug, Default)]
struct PendingWrites {
    publications: Vec<Publication>,
    acknowledged: [Vec<u64>; 3],
    /// When the oldest pending acknowledgement was added.
    acknowledged_since: Option<Instant>,
    /// The bus is closing: no more writes are added.
    closing: bool,
    /// The writer thread has ended.
    closed: bool,
}

#[derive(Debug)]
struct Publication {
    queue: Queue,
    messages: Vec<Message>,
    stored: oneshot::Sender<()>,
}

impl WriteQueue {
    /// Adds messages, in the order of the calls. The receipt resolves when they are in the file.
    pub(super) fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<oneshot::Receiver<()>, Error> {
        let (stored, receipt) = oneshot::channel();
        let mut pending = self.pending();
        if pending.closed {
            return Err(Error::Stopping);
        }
        pending.publications.push(Publication { queue, messages, stored });
        drop(pending);
        self.added.notify_one();
        Ok(receipt)
    }

    /// Adds acknowledged messages.
    pub(super) fn acknowledge(&self, queue: Queue, mut sequences: Vec<u64>) {
        let mut pending = self.pending();
        pending.acknowledged[queue.index()].append(&mut sequences);
        if pending.acknowledged_since.is_none() {
            pending.acknowledged_since = Some(Instant::now());
            drop(pending);
            self.added.notify_one();
        }
    }

    /// Ends the writer after the pending writes.
    pub(super) fn close(&self) {
        self.pending().closing = true;
        self.added.notify_one();
    }

    /// Waits for pending writes; `None` when the queue is closed and empty.
    fn next(&self) -> Option<PendingWrites> {
        let mut pending = self.pending();
        loop {
            let due = pending.acknowledged_since.map(|since| since + ACKNOWLEDGE_DELAY_MAX);
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if !pending.publications.is_empty() || left.is_some_and(|left| left.is_zero() || pending.closing) {
                let closing = pending.closing;
                return Some(std::mem::replace(&mut *pending, PendingWrites { closing, ..PendingWrites::default() }));
            }
            if pending.closing {
                return None;
            }
            pending = match left {
                Some(left) => self.added.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.added.wait(pending).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Waits up to `wait` for the queue to be closed, and returns whether it is.
    fn closing_within(&self, wait: Duration) -> bool {
        let waited = self.added.wait_timeout_while(self.pending(), wait, |pending| !pending.closing);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    fn pending(&self) -> MutexGuard<'_, PendingWrites> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of the writer thread.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) queues: Arc<[QueueCell; 3]>,
    pub(super) write_queue: Arc<WriteQueue>,
    /// The next sequence number of each queue.
    pub(super) next: [u64; 3],
    pub(super) health: Dependency,
    pub(super) lifecycle: Lifecycle,
}

/// Releases waiting publishers when the writer ends, also by a panic.
struct CloseAtEnd(Arc<WriteQueue>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        let mut pending = self.0.pending();
        pending.closed = true;
        pending.publications.clear();
    }
}

impl Writer {
    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _close = CloseAtEnd(Arc::clone(&self.write_queue));
        while let Some(pending) = self.write_queue.next() {
            let mut changes: [Change; 3] = Default::default();
            for (change, removed) in changes.iter_mut().zip(pending.acknowledged) {
                change.removed = removed;
                // Removing in key order is faster in a B-tree.
                change.removed.sort_unstable();
            }
            let mut receipts = Vec::with_capacity(pending.publications.len());
            for Publication { queue, messages, stored } in pending.publications {
                let next = &mut self.next[queue.index()];
                let numbered = messages.into_iter().zip(*next..);
                let added = &mut change_of(&mut changes, queue).added;
                added.extend(numbered.map(|(message, sequence)| (sequence, message)));
                *next = added.last().map_or(*next, |(sequence, _)| sequence + 1);
                receipts.push(stored);
            }
            if !self.commit(&changes) {
                // Dropping the receipts reports the failure to the publishers.
                continue;
            }
            for (queue, change) in self.queues.iter().zip(changes) {
                if !change.added.is_empty() {
                    queue.add(change.added.into_iter().map(|(sequence, message)| (sequence, fresh(message))));
                }
            }
            for receipt in receipts {
                // The publisher may have been cancelled.
                receipt.send(()).ok();
            }
        }
    }

    /// Commits, and retries while the disk is full or failing; false if the stop came first.
    fn commit(&mut self, changes: &[Change; 3]) -> bool {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.store.commit(changes) {
                Ok(()) => {
                    self.health.up();
                    return true;
                }
                Err(error) => error,
            };
            self.health.down(format!("cannot write to {}: {error}", self.store.path().display()));
            if self.lifecycle.is_stopping() || self.write_queue.closing_within(backoff.next_delay()) {
                return false;
            }
        }
    }
}

fn fresh(message: Message) -> Stored {
    let Message { body, dead_letter, trace, properties } = message;
    Stored { body, dead_letter, trace, properties, redelivered: false }
}
