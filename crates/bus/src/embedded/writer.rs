//! The one thread that writes to the file, and the desk where work for it is laid down.
//!
//! While a transaction is on its way to the disk, publishes and acknowledgements gather on the desk; the next transaction
//! takes all of them. How many there are is bounded by the room of the queues.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use service_kit::{Backoff, Dependency, Lifecycle};
use tokio::sync::oneshot;

use super::queue::{QueueCell, Stored};
use super::store::{Change, Store, change_of};
use crate::{Error, Message, Queue};

/// How long acknowledgements wait for a publish to share a transaction with.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_millis(100);

/// What waits for the writer.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pile: Mutex<Pile>,
    laid_down: Condvar,
}

#[derive(Debug, Default)]
struct Pile {
    publications: Vec<Publication>,
    acknowledged: [Vec<u64>; 3],
    /// When the oldest acknowledgement was laid down.
    acknowledged_since: Option<Instant>,
    /// Nobody lays anything down any more.
    closing: bool,
    /// Nobody writes any more.
    closed: bool,
}

#[derive(Debug)]
struct Publication {
    queue: Queue,
    messages: Vec<Message>,
    stored: oneshot::Sender<()>,
}

impl Desk {
    /// Lays messages down, in the order of the calls; the receipt comes when they are in the file.
    pub(super) fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<oneshot::Receiver<()>, Error> {
        let (stored, receipt) = oneshot::channel();
        let mut pile = self.pile();
        if pile.closed {
            return Err(Error::Stopping);
        }
        pile.publications.push(Publication { queue, messages, stored });
        drop(pile);
        self.laid_down.notify_one();
        Ok(receipt)
    }

    /// Lays down what is done with.
    pub(super) fn acknowledge(&self, queue: Queue, mut sequences: Vec<u64>) {
        let mut pile = self.pile();
        pile.acknowledged[queue.index()].append(&mut sequences);
        if pile.acknowledged_since.is_none() {
            pile.acknowledged_since = Some(Instant::now());
            drop(pile);
            self.laid_down.notify_one();
        }
    }

    /// Lets the writer end when it has written what is there.
    pub(super) fn close(&self) {
        self.pile().closing = true;
        self.laid_down.notify_one();
    }

    /// Waits for work; `None` when there is none left and the desk is closed.
    fn next(&self) -> Option<Pile> {
        let mut pile = self.pile();
        loop {
            let due = pile.acknowledged_since.map(|since| since + ACKNOWLEDGE_WITHIN);
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if !pile.publications.is_empty() || left.is_some_and(|left| left.is_zero() || pile.closing) {
                let closing = pile.closing;
                return Some(std::mem::replace(&mut *pile, Pile { closing, ..Pile::default() }));
            }
            if pile.closing {
                return None;
            }
            pile = match left {
                Some(left) => self.laid_down.wait_timeout(pile, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.laid_down.wait(pile).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Waits at most so long for the desk to be closed; whether it is.
    fn closing_within(&self, wait: Duration) -> bool {
        let waited = self.laid_down.wait_timeout_while(self.pile(), wait, |pile| !pile.closing);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing thread's own.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) queues: Arc<[QueueCell; 3]>,
    pub(super) desk: Arc<Desk>,
    /// The next sequence number of each queue.
    pub(super) next: [u64; 3],
    pub(super) health: Dependency,
    pub(super) lifecycle: Lifecycle,
}

/// However the writer ends, publishers must not wait for it any more.
struct CloseAtEnd(Arc<Desk>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        let mut pile = self.0.pile();
        pile.closed = true;
        pile.publications.clear();
    }
}

impl Writer {
    /// Writes until the desk is closed and empty.
    pub(super) fn run(mut self) {
        let _close = CloseAtEnd(Arc::clone(&self.desk));
        while let Some(pile) = self.desk.next() {
            let mut changes: [Change; 3] = Default::default();
            for (change, removed) in changes.iter_mut().zip(pile.acknowledged) {
                change.removed = removed;
                // Neighbours in the tree are removed faster one after the other.
                change.removed.sort_unstable();
            }
            let mut receipts = Vec::with_capacity(pile.publications.len());
            for Publication { queue, messages, stored } in pile.publications {
                let next = &mut self.next[queue.index()];
                let numbered = messages.into_iter().zip(*next..);
                let added = &mut change_of(&mut changes, queue).added;
                added.extend(numbered.map(|(message, sequence)| (sequence, message)));
                *next = added.last().map_or(*next, |(sequence, _)| sequence + 1);
                receipts.push(stored);
            }
            if !self.commit(&changes) {
                // The receipts are dropped, which tells the publishers.
                continue;
            }
            for (queue, change) in self.queues.iter().zip(changes) {
                if !change.added.is_empty() {
                    queue.add(change.added.into_iter().map(|(sequence, message)| (sequence, fresh(message))));
                }
            }
            for receipt in receipts {
                // A publisher that went away does not want to know.
                receipt.send(()).ok();
            }
        }
    }

    /// Commits, and waits out a disk that is full or fails; false when the stop came first.
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
            if self.lifecycle.is_stopping() || self.desk.closing_within(backoff.next_delay()) {
                return false;
            }
        }
    }
}

fn fresh(message: Message) -> Stored {
    let Message { body, dead_letter, trace, properties } = message;
    Stored { body, dead_letter, trace, properties, redelivered: false }
}
