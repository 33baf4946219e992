//! One queue in memory: its ready messages, and the unacknowledged ones of each consumer.
//!
//! Messages are ordered by sequence number, so a returned message gets its old position. `writer` writes the file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use service_kit::traces::TraceContext;
use tokio::sync::Notify;

use super::Limits;
use super::quota::Quota;
use crate::{Counts, DeadLetterReason, Delivery, Properties, RECEIVED_BYTES_MAX, Tag};

/// A message that is in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub(super) body: Bytes,
    pub(super) dead_letter: Option<DeadLetterReason>,
    /// Only in memory, not in the file.
    pub(super) trace: Option<TraceContext>,
    pub(super) properties: Option<Arc<Properties>>,
    pub(super) redelivered: bool,
}

impl Stored {
    fn bytes(&self) -> usize {
        crate::bytes(&self.body, self.properties.as_ref())
    }
}

/// A queue, with the notifications for waiting consumers and publishers.
#[derive(Debug)]
pub(super) struct QueueCell {
    state: Mutex<State>,
    /// A message became ready.
    pub(super) arrived: Notify,
    /// Serializes the publishers that wait for the quota.
    pub(super) turnstile: tokio::sync::Mutex<()>,
    pub(super) quota: Quota,
}

#[derive(Debug, Default)]
struct State {
    ready: BTreeMap<u64, Stored>,
    consumers: BTreeMap<u64, Unacknowledged>,
}

/// The unacknowledged messages of one consumer, by delivery number.
#[derive(Debug, Default)]
struct Unacknowledged {
    delivered: u64,
    messages: BTreeMap<u64, (u64, Stored)>,
}

impl QueueCell {
    /// A queue with these ready messages, by sequence number.
    pub(super) fn new(limits: Limits, ready: BTreeMap<u64, Stored>) -> Self {
        let bytes = ready.values().map(Stored::bytes).sum();
        let quota = Quota::new(limits, ready.len(), bytes);
        let state = Mutex::new(State { ready, consumers: BTreeMap::new() });
        Self { state, arrived: Notify::new(), turnstile: tokio::sync::Mutex::new(()), quota }
    }

    /// How many messages are ready.
    pub(super) fn ready(&self) -> usize {
        self.state().ready.len()
    }

    /// How many messages are ready, and how many consumers there are.
    pub(super) fn counts(&self) -> Counts {
        let state = self.state();
        Counts { ready: state.ready.len() as u64, consumers: state.consumers.len() as u64 }
    }

    /// Whether the consumer is registered.
    pub(super) fn has(&self, consumer: u64) -> bool {
        self.state().consumers.contains_key(&consumer)
    }

    /// Adds messages that are now in the file.
    pub(super) fn add(&self, messages: impl Iterator<Item = (u64, Stored)>) {
        self.state().ready.extend(messages);
        self.arrived.notify_waiters();
    }

    /// Registers a consumer.
    pub(super) fn join(&self, consumer: u64) {
        self.state().consumers.insert(consumer, Unacknowledged::default());
    }

    /// Removes a consumer. Its unacknowledged messages are ready again.
    pub(super) fn leave(&self, consumer: u64) {
        let mut state = self.state();
        let Some(gone) = state.consumers.remove(&consumer) else { return };
        let again = gone.messages.into_values();
        state.ready.extend(again.map(|(sequence, stored)| (sequence, Stored { redelivered: true, ..stored })));
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Delivers at most `most` messages, within the consumer's `prefetch`.
    pub(super) fn deliver(&self, consumer: u64, most: usize, prefetch: usize) -> Vec<Delivery> {
        let mut state = self.state();
        let State { ready, consumers } = &mut *state;
        let Some(own) = consumers.get_mut(&consumer) else { return Vec::new() };
        let count = most.min(prefetch.saturating_sub(own.messages.len())).min(ready.len());
        let mut deliveries = Vec::with_capacity(count);
        let mut bytes = 0;
        while deliveries.len() < count
            && bytes < RECEIVED_BYTES_MAX
            && let Some((sequence, stored)) = ready.pop_first()
        {
            bytes += stored.bytes();
            own.delivered += 1;
            deliveries.push(Delivery {
                received: tokio::time::Instant::now(),
                tag: Tag { generation: consumer, number: own.delivered },
                body: stored.body.clone(),
                redelivered: stored.redelivered,
                dead_letter: stored.dead_letter.clone(),
                trace: stored.trace,
                properties: stored.properties.clone(),
            });
            own.messages.insert(own.delivered, (sequence, stored));
        }
        deliveries
    }

    /// Removes the messages of these tags, frees their quota and returns their sequence numbers.
    pub(super) fn acknowledge(&self, consumer: u64, tags: &[Tag]) -> Vec<u64> {
        let mut state = self.state();
        let Some(own) = state.consumers.get_mut(&consumer) else { return Vec::new() };
        let mut sequences = Vec::with_capacity(tags.len());
        let mut bytes = 0;
        for tag in tags.iter().filter(|tag| tag.generation == consumer) {
            if let Some((sequence, stored)) = own.messages.remove(&tag.number) {
                bytes += stored.bytes();
                sequences.push(sequence);
            }
        }
        drop(state);
        if !sequences.is_empty() {
            self.quota.free(sequences.len(), bytes);
            // The consumer itself may wait because of its prefetch.
            self.arrived.notify_waiters();
        }
        sequences
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
