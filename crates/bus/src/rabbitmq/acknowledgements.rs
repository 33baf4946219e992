//! Acknowledgements of one consumer: what is done is kept until everything before it is done too, then goes in one frame.
//!
//! Delivery tags count from one on each connection, so they are contiguous. A tag of an earlier connection must never be
//! sent: the broker closes the channel for one that it does not know.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lapin::Channel;
use lapin::options::BasicAckOptions;
use tokio_util::sync::CancellationToken;

use super::connection::within;
use crate::{Acknowledger, Error, Tag};

/// The account of one consumer.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    account: Mutex<Account>,
    /// One frame at a time, so that they go in order; who waits finds its own part sent with another's.
    pen: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Account {
    generation: u64,
    channel: Option<Channel>,
    progress: Progress,
    broken: CancellationToken,
    /// The consumer is gone: what it did not acknowledge goes to others.
    closed: bool,
}

/// What is done on one connection.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Progress {
    /// All up to here is done.
    contiguous: u64,
    /// All up to here is acknowledged.
    sent: u64,
    /// Done, but not what was before.
    held_back: BTreeSet<u64>,
}

impl Progress {
    fn done(&mut self, number: u64) {
        if number > self.contiguous {
            self.held_back.insert(number);
        }
        while self.held_back.first() == Some(&(self.contiguous + 1)) {
            self.held_back.pop_first();
            self.contiguous += 1;
        }
    }

    /// What to acknowledge now, which counts as sent: a frame may be on its way even when its sender is cancelled.
    fn take_due(&mut self) -> Option<u64> {
        let due = self.contiguous > self.sent;
        self.sent = self.contiguous;
        due.then_some(self.sent)
    }
}

impl Acknowledgements {
    /// Begins with a new channel, and returns its generation and what is cancelled when acknowledging fails on it.
    pub(super) fn begin(&self, channel: Channel) -> (u64, CancellationToken) {
        let mut account = self.account();
        let broken = CancellationToken::new();
        let generation = account.generation + 1;
        *account = Account {
            generation,
            channel: Some(channel),
            broken: broken.clone(),
            closed: account.closed,
            ..Account::default()
        };
        (generation, broken)
    }

    /// Ends with the channel: what was delivered on it is stale.
    pub(super) fn end(&self) {
        let mut account = self.account();
        let generation = account.generation + 1;
        *account = Account { generation, closed: account.closed, ..Account::default() };
    }

    /// Takes no acknowledgements any more.
    pub(super) fn close(&self) {
        self.account().closed = true;
    }

    /// Acknowledges also what was held back, before a channel is closed in good order.
    pub(super) async fn finish(&self) {
        self.send().await;
        let (channel, held_back) = {
            let mut account = self.account();
            (account.channel.take(), std::mem::take(&mut account.progress.held_back))
        };
        let Some(channel) = channel else { return };
        for number in held_back {
            if within("acknowledging", channel.basic_ack(number, BasicAckOptions::default())).await.is_err() {
                return;
            }
        }
    }

    /// How many of so many deliveries on the channel of the moment the broker takes for unacknowledged.
    pub(super) fn outstanding(&self, delivered: u64) -> u64 {
        delivered.saturating_sub(self.account().progress.sent)
    }

    /// Whether a delivery of this generation can still be acknowledged.
    pub(super) fn is_current(&self, generation: u64) -> bool {
        self.account().generation == generation
    }

    async fn send(&self) {
        let _pen = self.pen.lock().await;
        let (channel, number, broken) = {
            let mut account = self.account();
            let Some(channel) = account.channel.clone() else { return };
            let Some(number) = account.progress.take_due() else { return };
            (channel, number, account.broken.clone())
        };
        let sent = within("acknowledging", channel.basic_ack(number, BasicAckOptions { multiple: true })).await;
        if let Err(failure) = sent {
            tracing::debug!(error = %failure, "not acknowledged, so it is delivered again");
            broken.cancel();
        }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Acknowledger for Acknowledgements {
    async fn acknowledge(&self, tags: &[Tag]) -> Result<(), Error> {
        {
            let mut account = self.account();
            if account.closed {
                return Ok(());
            }
            let generation = account.generation;
            for tag in tags.iter().filter(|tag| tag.generation == generation) {
                account.progress.done(tag.number);
            }
        }
        self.send().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_wait_for_the_earlier_ones_and_go_together() {
        let mut progress = Progress::default();

        for number in [2, 3, 5] {
            progress.done(number);
        }
        assert_eq!(progress.take_due(), None);
        progress.done(1);
        assert_eq!(progress.take_due(), Some(3));
        assert_eq!(progress, Progress { contiguous: 3, sent: 3, held_back: BTreeSet::from([5]) });
    }

    #[test]
    fn a_tag_that_is_repeated_changes_nothing() {
        let mut progress = Progress::default();
        progress.done(1);
        assert_eq!(progress.take_due(), Some(1));

        progress.done(1);

        assert_eq!(progress.take_due(), None);
    }
}
