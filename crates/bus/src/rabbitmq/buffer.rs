//! The buffer of received deliveries, and its size in bytes.
//!
//! `window` limits how many deliveries may arrive.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Delivery, RECEIVED_BYTES_MAX};

/// Deliveries from the broker that the consumer has not yet taken.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    state: Mutex<State>,
    arrived: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    deliveries: VecDeque<Delivery>,
    fill: Fill,
    is_closed: bool,
}

/// The fill level of a buffer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fill {
    pub(super) deliveries: usize,
    pub(super) bytes: usize,
}

impl Buffer {
    pub(super) fn push(&self, delivery: Delivery) -> Fill {
        let mut state = self.state();
        state.fill.deliveries += 1;
        state.fill.bytes += delivery.bytes();
        state.deliveries.push_back(delivery);
        let fill = state.fill;
        drop(state);
        if fill.deliveries == 1 {
            self.arrived.notify_one();
        }
        fill
    }

    /// Takes the oldest deliveries, up to some megabytes; waits for the first one. Returns `None` at the end. Cancel
    /// safe.
    pub(super) async fn take(&self, most: usize) -> Option<Vec<Delivery>> {
        loop {
            {
                let mut state = self.state();
                let taken = state.take(most);
                if !taken.is_empty() {
                    let is_empty = state.deliveries.is_empty();
                    drop(state);
                    if is_empty {
                        self.drained.notify_one();
                    }
                    return Some(taken);
                }
                if state.is_closed {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Waits until all current deliveries are taken.
    pub(super) async fn drained(&self) {
        self.drained.notified().await;
    }

    pub(super) fn fill(&self) -> Fill {
        self.state().fill
    }

    /// Discards the deliveries: the broker redelivers them.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.deliveries.clear();
        state.fill = Fill::default();
    }

    /// Ends the buffer: no more deliveries follow.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.arrived.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, most: usize) -> Vec<Delivery> {
        let mut taken = Vec::with_capacity(most.min(self.deliveries.len()));
        let mut bytes = 0;
        while taken.len() < most
            && bytes < RECEIVED_BYTES_MAX
            && let Some(delivery) = self.deliveries.pop_front()
        {
            bytes += delivery.bytes();
            taken.push(delivery);
        }
        self.fill.deliveries -= taken.len();
        self.fill.bytes -= bytes;
        taken
    }
}
