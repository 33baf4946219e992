//! One queue in memory: what is ready, and what is delivered to whom and not acknowledged.
//!
//! Messages go by their sequence number, so what comes back from a consumer stands in its old place. Writing to the file
//! is left to the writer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use service_kit::traces::TraceContext;
use tokio::sync::Notify;

use super::Limits;
use super::room::Room;
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

/// A queue, with those who wait for it.
#[derive(Debug)]
pub(super) struct QueueCell {
    state: Mutex<State>,
    /// Something became ready.
    pub(super) arrived: Notify,
    /// Whose turn it is to wait for room.
    pub(super) turnstile: tokio::sync::Mutex<()>,
    pub(super) room: Room,
}

#[derive(Debug, Default)]
struct State {
    ready: BTreeMap<u64, Stored>,
    consumers: BTreeMap<u64, Unacknowledged>,
}

/// What one consumer has, by number of delivery.
#[derive(Debug, Default)]
struct Unacknowledged {
    delivered: u64,
    messages: BTreeMap<u64, (u64, Stored)>,
}

impl QueueCell {
    /// A queue in which these messages, by sequence number, are ready.
    pub(super) fn new(limits: Limits, ready: BTreeMap<u64, Stored>) -> Self {
        let bytes = ready.values().map(Stored::bytes).sum();
        let room = Room::new(limits, ready.len(), bytes);
        let state = Mutex::new(State { ready, consumers: BTreeMap::new() });
        Self { state, arrived: Notify::new(), turnstile: tokio::sync::Mutex::new(()), room }
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

    /// Whether a consumer has not left yet.
    pub(super) fn has(&self, consumer: u64) -> bool {
        self.state().consumers.contains_key(&consumer)
    }

    /// Adds messages that are now in the file.
    pub(super) fn add(&self, messages: impl Iterator<Item = (u64, Stored)>) {
        self.state().ready.extend(messages);
        self.arrived.notify_waiters();
    }

    /// Begins to keep account of a consumer.
    pub(super) fn join(&self, consumer: u64) {
        self.state().consumers.insert(consumer, Unacknowledged::default());
    }

    /// Makes ready again what the consumer did not acknowledge.
    pub(super) fn leave(&self, consumer: u64) {
        let mut state = self.state();
        let Some(gone) = state.consumers.remove(&consumer) else { return };
        let again = gone.messages.into_values();
        state.ready.extend(again.map(|(sequence, stored)| (sequence, Stored { redelivered: true, ..stored })));
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Delivers at most `most` messages, and so few that the consumer has at most `prefetch`.
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

    /// Takes out what these tags name, frees its room and returns its sequence numbers.
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
            self.room.free(sequences.len(), bytes);
            // The consumer itself may wait for its prefetch to have room again.
            self.arrived.notify_waiters();
        }
        sequences
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
