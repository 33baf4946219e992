//! Acknowledgements of one consumer: what is done is kept until everything before it is done too, then goes in one frame.
//!
//! Delivery tags count from one on each channel, so they are contiguous. A tag of an earlier channel must never be
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
    /// Of the first of the channels; each further one has the next.
    generation: u64,
    channels: Vec<Line>,
    broken: CancellationToken,
    /// The consumer is gone: what it did not acknowledge goes to others.
    closed: bool,
}

/// One channel, and what is done of its deliveries.
#[derive(Debug)]
struct Line {
    channel: Channel,
    progress: Progress,
}

impl Account {
    /// Where the channel of a generation is among those of the moment.
    fn place(&self, generation: u64) -> Option<usize> {
        let place = usize::try_from(generation.checked_sub(self.generation)?).ok()?;
        (place < self.channels.len()).then_some(place)
    }

    /// Goes on with other channels, of which no generation was there before; returns the earlier ones.
    fn replace(&mut self, channels: Vec<Channel>) -> Vec<Line> {
        self.generation += self.channels.len().max(1) as u64;
        self.broken = CancellationToken::new();
        let lines = channels.into_iter().map(|channel| Line { channel, progress: Progress::default() }).collect();
        std::mem::replace(&mut self.channels, lines)
    }
}

/// What is done on one channel.
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
    /// Begins with new channels, and returns the generation of the first one, the others have those that follow it, and
    /// what is cancelled when acknowledging fails.
    pub(super) fn begin(&self, channels: Vec<Channel>) -> (u64, CancellationToken) {
        let mut account = self.account();
        account.replace(channels);
        (account.generation, account.broken.clone())
    }

    /// Ends with the channels: what was delivered on them is stale.
    pub(super) fn end(&self) {
        self.account().replace(Vec::new());
    }

    /// Takes no acknowledgements any more.
    pub(super) fn close(&self) {
        self.account().closed = true;
    }

    /// Ends with the channels before they are closed in good order: acknowledges also what was held back.
    pub(super) async fn finish(&self) {
        self.send().await;
        let lines = self.account().replace(Vec::new());
        for Line { channel, progress } in lines {
            for number in progress.held_back {
                if within("acknowledging", channel.basic_ack(number, BasicAckOptions::default())).await.is_err() {
                    return;
                }
            }
        }
    }

    /// How many of so many deliveries on the channels of the moment the broker takes for unacknowledged.
    pub(super) fn outstanding(&self, delivered: u64) -> u64 {
        let sent = self.account().channels.iter().map(|line| line.progress.sent).sum();
        delivered.saturating_sub(sent)
    }

    /// Whether a delivery of this generation can still be acknowledged.
    pub(super) fn is_current(&self, generation: u64) -> bool {
        self.account().place(generation).is_some()
    }

    async fn send(&self) {
        let _pen = self.pen.lock().await;
        let (due, broken) = {
            let mut account = self.account();
            let due = |line: &mut Line| Some((line.channel.clone(), line.progress.take_due()?));
            (account.channels.iter_mut().filter_map(due).collect::<Vec<_>>(), account.broken.clone())
        };
        for (channel, number) in due {
            let sent = within("acknowledging", channel.basic_ack(number, BasicAckOptions { multiple: true })).await;
            if let Err(failure) = sent {
                tracing::debug!(error = %failure, "not acknowledged, so it is delivered again");
                broken.cancel();
            }
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
            for tag in tags {
                if let Some(line) = account.place(tag.generation).and_then(|place| account.channels.get_mut(place)) {
                    line.progress.done(tag.number);
                }
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
