//! One client of the feed: reads from the ledger up to the newest change, then from the ring buffer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking::LotId;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Announced, Message, Place, QUEUE};

/// The changes that a client reads from the ledger at once.
const CATCH_UP_PAGE: u32 = 500;
/// How long a whole page holds its permit: all clients together read at most 10,000 old changes a second.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(50);
/// The pause before a read is retried while the ledger is down.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Why a client gets no more messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ended {
    /// It, or the feed itself, fell too far behind. With the last number it may go on.
    #[error("lagged: more than {QUEUE} changes waited; go on with the number of the last one that came")]
    Lagged,
    /// The process stops. Another one, or the next, goes on.
    #[error("stopping: go on with the number of the last change that came")]
    Stopping,
    /// A fault of the program or of its store.
    #[error("failed: the log of the summary API says more")]
    Failed,
}

/// One client of the feed.
#[derive(Debug)]
pub(crate) struct Subscription {
    place: Place,
    lot: Option<LotId>,
    /// The last change that came, was left out by the filter, or is known otherwise.
    position: u64,
    /// Read from the ledger and not yet taken.
    read: VecDeque<Arc<Message>>,
    /// `None` while the newest change is not reached.
    queue: Option<broadcast::Receiver<Announced>>,
}

impl Subscription {
    pub(super) fn new(place: Place, after: u64, lot: Option<LotId>) -> Self {
        Self { place, lot, position: after, read: VecDeque::new(), queue: None }
    }

    /// The number of the last change that this client is done with.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Counts a client that is disconnected because it does not read, so it can't get a last message.
    pub(crate) fn cut_off(&self) {
        self.place.inner.metrics.dropped();
    }

    /// The next change of the client's lot. Nothing is lost when the call is dropped before its end.
    pub(crate) async fn next(&mut self) -> Result<Arc<Message>, Ended> {
        let lifecycle = self.place.inner.lifecycle.clone();
        let next = tokio::select! {
            biased;
            () = lifecycle.stopping() => Err(Ended::Stopping),
            next = self.next_wanted() => next,
        };
        match &next {
            Ok(_) => self.place.inner.metrics.sent(),
            Err(Ended::Lagged) => self.place.inner.metrics.dropped(),
            Err(Ended::Stopping | Ended::Failed) => {}
        }
        next
    }

    async fn next_wanted(&mut self) -> Result<Arc<Message>, Ended> {
        loop {
            let message = match (self.read.pop_front(), &mut self.queue) {
                (Some(message), _) => message,
                (None, Some(queue)) => match queue.recv().await {
                    Ok(Announced::Change(message)) => message,
                    Ok(Announced::Skipped) | Err(RecvError::Lagged(_)) => return Err(Ended::Lagged),
                    Err(RecvError::Closed) => return Err(Ended::Stopping),
                },
                (None, None) => {
                    self.read_on().await?;
                    continue;
                }
            };
            // The ring has what was read from the ledger already, too.
            if message.sequence <= self.position {
                continue;
            }
            if message.sequence != self.position + 1 {
                return Err(Ended::Lagged);
            }
            self.position = message.sequence;
            if self.lot.as_ref().is_none_or(|lot| *lot == message.lot) {
                return Ok(message);
            }
        }
    }

    /// Reads from the ledger. A page that is not full is the newest; what is committed from then on comes by the ring,
    /// which is joined before the read, so that nothing falls between the two, and only once it is this client's turn: the
    /// ring would run over while many others are read for.
    async fn read_on(&mut self) -> Result<(), Ended> {
        let inner = &self.place.inner;
        let turn = inner.catching_up.acquire().await.expect("the semaphore is never closed");
        let queue = inner.messages.subscribe();
        match inner.service.changed_sessions(self.position, CATCH_UP_PAGE).await {
            Ok(page) => {
                let is_newest = u32::try_from(page.len()).is_ok_and(|count| count < CATCH_UP_PAGE);
                if !is_newest {
                    tokio::time::sleep(CATCH_UP_PAUSE).await;
                }
                drop(turn);
                self.queue = is_newest.then_some(queue);
                self.read = page.iter().map(|changed| Arc::new(Message::of(changed))).collect();
                Ok(())
            }
            Err(error) if error.is_temporary() => {
                drop(turn);
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
