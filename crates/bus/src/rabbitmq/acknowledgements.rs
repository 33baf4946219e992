//! Acknowledgements of one consumer, batched: done deliveries are held back until all earlier ones are done too, and
//! then acknowledged by one frame. Deliveries after one that is set aside are acknowledged at once, one frame each.
//!
//! Delivery tags are contiguous and count from one on each channel. A tag of an earlier channel must never be sent:
//! the broker closes the channel for an unknown tag.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lapin::Channel;
use lapin::options::BasicAckOptions;
use tokio_util::sync::CancellationToken;

use super::connection::within;
use crate::{Acknowledger, Error, Tag};

/// The acknowledgement state of one consumer.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    account: Mutex<Account>,
    /// Only one frame is sent at a time, to keep the order. Callers that wait here find their part sent by another's
    /// frame.
    pen: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Account {
    /// The generation of the first channel; each further channel has the next number.
    generation: u64,
    channels: Vec<Line>,
    broken: CancellationToken,
    /// The consumer is gone: its unacknowledged deliveries go to others.
    closed: bool,
}

/// One channel, and the state of its deliveries.
#[derive(Debug)]
struct Line {
    channel: Channel,
    progress: Progress,
}

impl Account {
    /// The index of a generation's channel among the current ones.
    fn index(&self, generation: u64) -> Option<usize> {
        let index = usize::try_from(generation.checked_sub(self.generation)?).ok()?;
        (index < self.channels.len()).then_some(index)
    }

    /// Switches to new channels with fresh generations, and returns the earlier channels.
    fn replace(&mut self, channels: Vec<Channel>) -> Vec<Line> {
        self.generation += self.channels.len().max(1) as u64;
        self.broken = CancellationToken::new();
        let lines = channels.into_iter().map(|channel| Line { channel, progress: Progress::default() }).collect();
        std::mem::replace(&mut self.channels, lines)
    }
}

/// The done deliveries of one channel.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Progress {
    /// All deliveries up to this number are done.
    contiguous: u64,
    /// The last unacknowledged one of these; some before it may be acknowledged individually.
    unsent: Option<u64>,
    /// All deliveries up to this number are acknowledged.
    sent: u64,
    /// Done and not acknowledged, because an earlier one is not done.
    held_back: BTreeSet<u64>,
    /// Acknowledged individually, while an earlier one is not done.
    alone: BTreeSet<u64>,
    /// Not done; later acknowledgements do not wait for them.
    aside: BTreeSet<u64>,
}

/// The acknowledgements to send now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Due {
    /// Individual ones.
    alone: Vec<u64>,
    /// All up to this number.
    up_to: Option<u64>,
}

impl Progress {
    fn done(&mut self, number: u64) {
        self.aside.remove(&number);
        if number > self.contiguous && !self.alone.contains(&number) {
            self.held_back.insert(number);
        }
        loop {
            let next = self.contiguous + 1;
            if self.held_back.first() == Some(&next) {
                self.held_back.pop_first();
                self.unsent = Some(next);
            } else if self.alone.first() == Some(&next) {
                self.alone.pop_first();
            } else {
                return;
            }
            self.contiguous = next;
        }
    }

    fn set_aside(&mut self, number: u64) {
        if number > self.contiguous && !self.held_back.contains(&number) && !self.alone.contains(&number) {
            self.aside.insert(number);
        }
    }

    /// The acknowledgements to send now. They count as sent: a frame may have left even if its sender is cancelled.
    fn take_due(&mut self) -> Due {
        let up_to = self.unsent.take();
        self.sent = self.contiguous;
        let mut alone = Vec::new();
        if self.aside.contains(&(self.contiguous + 1)) {
            alone.extend(std::mem::take(&mut self.held_back));
            self.alone.extend(&alone);
        }
        Due { alone, up_to }
    }

    /// How many deliveries up to `number` are acknowledged.
    fn acknowledged(&self, up_to: u64) -> u64 {
        let sent = self.unsent.map_or(self.contiguous, |_| self.sent);
        let alone = self.alone.iter().filter(|number| **number <= up_to).count();
        sent.min(up_to) + alone as u64
    }
}

impl Acknowledgements {
    /// Starts with new channels. Returns the generation of the first one (the others follow in order), and a token
    /// that is cancelled if acknowledging fails.
    pub(super) fn begin(&self, channels: Vec<Channel>) -> (u64, CancellationToken) {
        let mut account = self.account();
        account.replace(channels);
        (account.generation, account.broken.clone())
    }

    /// Ends the channels: their deliveries are stale.
    pub(super) fn end(&self) {
        self.account().replace(Vec::new());
    }

    /// Accepts no more acknowledgements.
    pub(super) fn close(&self) {
        self.account().closed = true;
    }

    /// Ends the channels before a regular close, and sends the acknowledgements that were held back.
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

    /// Adds a channel.
    pub(super) fn extend(&self, channel: Channel) {
        self.account().channels.push(Line { channel, progress: Progress::default() });
    }

    /// Holds all acknowledgements back until the guard is dropped.
    pub(super) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.pen.lock().await
    }

    /// How many deliveries up to a number are acknowledged on one of the current channels.
    pub(super) fn acknowledged(&self, index: usize, up_to: u64) -> u64 {
        self.account().channels.get(index).map_or(0, |line| line.progress.acknowledged(up_to))
    }

    /// How many of `delivered` deliveries on the current channels the broker counts as unacknowledged.
    pub(super) fn outstanding(&self, delivered: u64) -> u64 {
        let acknowledged = self.account().channels.iter().map(|line| line.progress.acknowledged(u64::MAX)).sum();
        delivered.saturating_sub(acknowledged)
    }

    /// Whether a delivery of this generation can still be acknowledged.
    pub(super) fn is_current(&self, generation: u64) -> bool {
        self.account().index(generation).is_some()
    }

    async fn send(&self) {
        let _pen = self.pen.lock().await;
        let (due, broken) = {
            let mut account = self.account();
            let due = |line: &mut Line| {
                let Due { alone, up_to } = line.progress.take_due();
                let frames = up_to.map(|number| (number, true)).into_iter();
                let channel = line.channel.clone();
                frames.chain(alone.into_iter().map(|number| (number, false))).map(move |frame| (channel.clone(), frame))
            };
            (account.channels.iter_mut().flat_map(due).collect::<Vec<_>>(), account.broken.clone())
        };
        for (channel, (number, multiple)) in due {
            let sent = within("acknowledging", channel.basic_ack(number, BasicAckOptions { multiple })).await;
            if let Err(failure) = sent {
                tracing::debug!(error = %failure, "cannot acknowledge; the deliveries will be redelivered");
                broken.cancel();
                return;
            }
        }
    }

    /// Applies a change to deliveries that are not stale, and sends the acknowledgements that are due.
    async fn note(&self, tags: &[Tag], note: fn(&mut Progress, u64)) {
        {
            let mut account = self.account();
            if account.closed {
                return;
            }
            for tag in tags {
                if let Some(line) = account.index(tag.generation).and_then(|index| account.channels.get_mut(index)) {
                    note(&mut line.progress, tag.number);
                }
            }
        }
        self.send().await;
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Acknowledger for Acknowledgements {
    async fn acknowledge(&self, tags: &[Tag]) -> Result<(), Error> {
        self.note(tags, Progress::done).await;
        Ok(())
    }

    async fn set_aside(&self, tags: &[Tag]) -> Result<(), Error> {
        self.note(tags, Progress::set_aside).await;
        Ok(())
    }

    fn consumers(&self) -> u64 {
        let account = self.account();
        if account.closed { 0 } else { account.channels.len() as u64 }
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
        assert_eq!(progress.take_due(), Due::default());
        progress.done(1);
        assert_eq!(progress.take_due(), up_to(3));
        assert_eq!(
            progress,
            Progress { contiguous: 3, sent: 3, held_back: BTreeSet::from([5]), ..Progress::default() }
        );
    }

    #[test]
    fn a_tag_that_is_repeated_changes_nothing() {
        let mut progress = Progress::default();
        progress.done(1);
        assert_eq!(progress.take_due(), up_to(1));

        progress.done(1);

        assert_eq!(progress.take_due(), Due::default());
    }

    #[test]
    fn what_is_done_behind_one_that_is_set_aside_goes_by_itself() {
        let mut progress = Progress::default();
        for number in [1, 3, 4] {
            progress.done(number);
        }
        progress.set_aside(2);
        assert_eq!(progress.take_due(), Due { alone: vec![3, 4], up_to: Some(1) });
        progress.done(6);
        progress.done(3);
        assert_eq!((progress.take_due(), progress.acknowledged(9)), (Due { alone: vec![6], up_to: None }, 4));

        progress.done(2);

        // Not up to 4, which is acknowledged already: the broker does not know it any more.
        assert_eq!((progress.take_due(), progress.acknowledged(9)), (up_to(2), 5));
        progress.done(5);
        assert_eq!((progress.take_due(), progress.acknowledged(9)), (up_to(5), 6));
    }

    fn up_to(number: u64) -> Due {
        Due { alone: Vec::new(), up_to: Some(number) }
    }
}
