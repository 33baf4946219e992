//! Dead letters in flight: they wait here, outside the batches, until the broker confirms them. Then their messages
//! are acknowledged.
//!
//! So a broker that accepts no dead letters, for instance because it is short of memory, delays no valid event. The
//! queue is bounded: when it is full, the worker receives nothing more until half of it is free (back-pressure).
//! Nothing is dropped: after a crash the broker redelivers the messages.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Bus, DeadLetterReason, Message, Queue, Tag};
use bytes::Bytes;
use parking::Refusal;
use service_kit::{DecisionLog, Dependency};
use tokio::sync::Notify;

use crate::arrival::{Received, Refused};
use crate::intake::Acknowledgers;
use crate::metrics::Metrics;
use crate::progress::Progress;

/// The maximum of unconfirmed dead letters; at this limit the worker stops receiving.
pub(crate) const LETTERS_MAX: usize = 10_000;
/// The maximum bytes of unconfirmed dead letters; at this limit the worker stops receiving.
pub(crate) const BYTES_MAX: usize = 32 * 1024 * 1024;
/// The maximum of letters in one publish.
const PUBLISH_LETTERS_MAX: usize = 500;
/// If a confirm takes longer, later messages are acknowledged without waiting for those of the letters.
const CONFIRM_WAIT: Duration = Duration::from_millis(100);

/// A refused element, and the message that contained it.
#[derive(Debug)]
pub(crate) struct Letter {
    message: Arc<Received>,
    body: Bytes,
    refusal: Refusal,
}

impl Letter {
    pub(crate) fn new(message: Arc<Received>, refused: Refused) -> Self {
        Self { message, body: refused.body, refusal: refused.refusal }
    }

    /// The message that contained it.
    pub(crate) fn received(&self) -> &Received {
        &self.message
    }

    /// The dead letter, with the publisher's properties.
    fn message(&self) -> Message {
        let Self { message, body, refusal } = self;
        let reason = DeadLetterReason { reason: refusal.to_string(), queue: message.queue.as_str().to_owned() };
        let (trace, properties) = (message.trace, message.properties.clone());
        Message { body: body.clone(), dead_letter: Some(reason), trace, properties }
    }

    fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.message, &other.message)
    }
}

/// The queue of unconfirmed dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    bus: Arc<dyn Bus>,
    metrics: Metrics,
    progress: Arc<Progress>,
    log: Arc<DecisionLog>,
    /// Down while the queue is full.
    room: Dependency,
    state: Mutex<State>,
    arrived: Notify,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Each letter with the bytes that its confirm frees.
    waiting: VecDeque<(Letter, usize)>,
    /// The unconfirmed letters, including those being published.
    letters: usize,
    bytes: usize,
    is_full: bool,
    is_closing: bool,
}

impl DeadLetters {
    pub(crate) fn new(
        bus: Arc<dyn Bus>,
        metrics: Metrics,
        progress: Arc<Progress>,
        log: Arc<DecisionLog>,
        room: Dependency,
    ) -> Self {
        room.up();
        let state = Mutex::default();
        Self { bus, metrics, progress, log, room, state, arrived: Notify::new(), freed: Notify::new() }
    }

    /// Adds letters, also beyond the limit: the worker checks the limit before it receives messages.
    pub(crate) fn hand_over(&self, letters: Vec<Letter>) {
        if letters.is_empty() {
            return;
        }
        let mut state = self.state();
        let mut letters = letters.into_iter().peekable();
        while let Some(letter) = letters.next() {
            // The letters of a message share its body, which the last of them frees.
            let is_last = letters.peek().is_none_or(|next| !next.is_of(&letter));
            let bytes = if is_last { letter.message.bytes() } else { 0 };
            state.letters += 1;
            state.bytes += bytes;
            state.waiting.push_back((letter, bytes));
        }
        let fills_up = !state.is_full && (state.letters >= LETTERS_MAX || state.bytes >= BYTES_MAX);
        state.is_full |= fills_up;
        self.metrics.dead_letters_held(state.letters, state.bytes);
        drop(state);
        if fills_up {
            self.room.down(format!(
                "{LETTERS_MAX} dead letters or {BYTES_MAX} bytes of them are not confirmed by the broker; nothing more is \
                 received until it has confirmed half of them"
            ));
        }
        self.arrived.notify_one();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state().is_full
    }

    /// Waits until there is room. Cancel safe.
    pub(crate) async fn room(&self) {
        while self.is_full() {
            self.freed.notified().await;
        }
    }

    /// Closes the queue: no letters follow.
    pub(crate) fn close(&self) {
        self.state().is_closing = true;
        self.arrived.notify_one();
    }

    /// Publishes letters and acknowledges their messages, until the queue is closed and empty, or the stop comes
    /// while the broker accepts nothing.
    pub(crate) async fn run(&self, acknowledgers: &Acknowledgers) -> Result<(), bus::Error> {
        while let Some(group) = self.next_group().await {
            let messages = group.iter().map(|(letter, _)| letter.message()).collect();
            let mut publishing = self.bus.publish(Queue::Dead, messages);
            loop {
                tokio::select! {
                    biased;
                    published = &mut publishing => break published?,
                    () = tokio::time::sleep(CONFIRM_WAIT) => self.set_aside(&group, acknowledgers).await?,
                }
            }
            drop(publishing);
            self.confirmed(group, acknowledgers).await?;
        }
        Ok(())
    }

    /// Waits for letters and takes some of the oldest; empty at the end.
    async fn next_group(&self) -> Option<Vec<(Letter, usize)>> {
        loop {
            {
                let mut state = self.state();
                if !state.waiting.is_empty() {
                    let count = state.waiting.len().min(PUBLISH_LETTERS_MAX);
                    return Some(state.waiting.drain(..count).collect());
                }
                if state.is_closing {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Sets the messages of the letters aside, so that later messages are acknowledged without them.
    async fn set_aside(&self, group: &[(Letter, usize)], acknowledgers: &Acknowledgers) -> Result<(), bus::Error> {
        let tags = {
            let state = self.state();
            by_queue(group.iter().chain(&state.waiting).map(|(letter, _)| &*letter.message))
        };
        for (queue, tags) in tags {
            acknowledgers.of(queue).set_aside(&tags).await?;
        }
        Ok(())
    }

    async fn confirmed(&self, group: Vec<(Letter, usize)>, acknowledgers: &Acknowledgers) -> Result<(), bus::Error> {
        for (Letter { message, refusal, .. }, _) in &group {
            self.metrics.dead_letter(refusal.member());
            let trace_id = message.trace.map(|trace| trace.trace_id().to_string());
            let line = || {
                let queue = message.queue.as_str();
                tracing::warn!(queue, reason = %refusal, trace_id, "sent to the dead-letter queue");
            };
            self.log.decision("dead_lettered", line);
        }
        let finished = group.iter().map(|(letter, _)| &*letter.message).filter(|message| message.one_finished());
        for (queue, tags) in by_queue(finished) {
            acknowledgers.of(queue).acknowledge(&tags).await?;
            self.progress.acknowledged(queue, tags.len());
        }
        let bytes: usize = group.iter().map(|(_, bytes)| bytes).sum();
        let letters = group.len();
        drop(group);
        self.free(letters, bytes);
        Ok(())
    }

    fn free(&self, letters: usize, bytes: usize) {
        let mut state = self.state();
        state.letters -= letters;
        state.bytes -= bytes;
        let opens = state.is_full && state.letters <= LETTERS_MAX / 2 && state.bytes <= BYTES_MAX / 2;
        state.is_full &= !opens;
        self.metrics.dead_letters_held(state.letters, state.bytes);
        drop(state);
        if opens {
            self.room.up();
            self.freed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_queue<'a>(messages: impl Iterator<Item = &'a Received>) -> BTreeMap<Queue, Vec<Tag>> {
    let mut tags: BTreeMap<Queue, Vec<Tag>> = BTreeMap::new();
    for message in messages {
        tags.entry(message.queue).or_default().push(message.tag);
    }
    tags
}

#[cfg(test)]
mod tests;
