//! One client of the feed: reads from the ledger up to the newest change, then from the ring buffer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use access::Lots;
use sessions::ScopedService;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Announced, Announcement, ClientSlot, Message, QUEUE_MESSAGES_MAX};

/// The changes of one read of a client that catches up.
const CATCH_UP_PAGE: u32 = 500;
/// How long a whole page holds its permit: all clients together read at most 10,000 old changes a second.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(50);
/// The pause before a read is retried while the ledger is down.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The reason why the server disconnects a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ended {
    /// The client, or the feed itself, fell too far behind. The client may resume with the last sequence number.
    #[error(
        "lagged: more than {QUEUE_MESSAGES_MAX} changes are waiting; reconnect with the sequence number of the last received change"
    )]
    Lagged,
    /// The process shuts down. Another process, or its next start, continues the feed.
    #[error("stopping: reconnect with the sequence number of the last received change")]
    Stopping,
    /// The token of the client was revoked, has expired, or allows something else now.
    #[error("refused: the token that opened this feed is no longer valid")]
    Refused,
    /// A fault of the program or of its database.
    #[error("failed: the log of the summary API has the details")]
    Failed,
}

/// One client of the feed.
#[derive(Debug)]
pub(crate) struct Subscription {
    slot: ClientSlot,
    lots: Lots,
    /// What the client may see.
    viewer: ScopedService,
    /// The last change that was sent, filtered out, or known to the client from the start.
    position: u64,
    /// Read from the ledger and not yet sent.
    read: VecDeque<Arc<Announcement>>,
    /// The receiver of the ring buffer; `None` until this client has reached the newest change.
    queue: Option<broadcast::Receiver<Announced>>,
}

impl Subscription {
    pub(super) fn new(slot: ClientSlot, after: u64, lots: Lots, viewer: ScopedService) -> Self {
        Self { slot, lots, viewer, position: after, read: VecDeque::new(), queue: None }
    }

    /// The sequence number up to which this client has received or filtered out all changes.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Counts a client that is disconnected because it does not read, so it can't get a last message.
    pub(crate) fn cut_off(&self) {
        self.slot.inner.metrics.dropped();
    }

    /// Waits for the next change of the client's lot. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Message, Ended> {
        let lifecycle = self.slot.inner.lifecycle.clone();
        let next = tokio::select! {
            biased;
            () = lifecycle.stopping() => Err(Ended::Stopping),
            next = self.next_of_lot() => next,
        };
        match &next {
            Ok(_) => self.slot.inner.metrics.sent(),
            Err(Ended::Lagged) => self.slot.inner.metrics.dropped(),
            Err(Ended::Stopping | Ended::Refused | Ended::Failed) => {}
        }
        next
    }

    async fn next_of_lot(&mut self) -> Result<Message, Ended> {
        loop {
            let announced = match (self.read.pop_front(), &mut self.queue) {
                (Some(announced), _) => announced,
                (None, Some(queue)) => match queue.recv().await {
                    Ok(Announced::Change(announced)) => announced,
                    Ok(Announced::Skipped) | Err(RecvError::Lagged(_)) => return Err(Ended::Lagged),
                    Err(RecvError::Closed) => return Err(Ended::Stopping),
                },
                (None, None) => {
                    self.read_page().await?;
                    continue;
                }
            };
            // The ring buffer contains changes that were already read from the ledger.
            if announced.sequence() <= self.position {
                continue;
            }
            if announced.sequence() != self.position + 1 {
                return Err(Ended::Lagged);
            }
            self.position = announced.sequence();
            if self.lots.contains(announced.lot()) {
                return Ok(announced.message(&self.viewer));
            }
        }
    }

    /// Reads a page from the ledger. A page that is not full ends with the newest change; later changes come from the
    /// ring buffer. The client subscribes to it before the read, so that it misses no change, but after it got the
    /// permit: the ring buffer would overflow while the client waits for many others.
    async fn read_page(&mut self) -> Result<(), Ended> {
        let inner = &self.slot.inner;
        let permit = inner.catching_up.acquire().await.expect("the semaphore is never closed");
        let queue = inner.messages.subscribe();
        match inner.service.followed_changes(self.position, CATCH_UP_PAGE).await {
            Ok(page) => {
                let is_newest = u32::try_from(page.len()).is_ok_and(|count| count < CATCH_UP_PAGE);
                if !is_newest {
                    tokio::time::sleep(CATCH_UP_PAUSE).await;
                }
                drop(permit);
                self.queue = is_newest.then_some(queue);
                self.read = page.into_iter().map(|change| Arc::new(Announcement::of(change))).collect();
                Ok(())
            }
            Err(error) if error.is_temporary() => {
                drop(permit);
                tracing::debug!(%error, "a client of the live feed waits for the ledger");
                tokio::time::sleep(RETRY_PAUSE).await;
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the live feed of a client failed");
                Err(Ended::Failed)
            }
        }
    }
}
