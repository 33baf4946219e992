//! A consumer of the embedded bus, and the handle that acknowledges its deliveries.

use std::sync::Arc;

use async_trait::async_trait;

use super::Core;
use crate::{Acknowledger, Consumer, Delivery, Error, Queue, Tag};

/// A consumer. Dropping it makes its unacknowledged messages ready again.
#[derive(Debug)]
pub(super) struct Subscription {
    handle: Arc<Handle>,
    prefetch: usize,
}

/// Acknowledges for one subscription; does nothing once the subscription is gone.
#[derive(Debug)]
struct Handle {
    core: Arc<Core>,
    queue: Queue,
    consumer: u64,
}

impl Subscription {
    pub(super) fn new(core: Arc<Core>, queue: Queue, consumer: u64, prefetch: u16) -> Self {
        core.queue(queue).join(consumer);
        Self { handle: Arc::new(Handle { core, queue, consumer }), prefetch: usize::from(prefetch.max(1)) }
    }
}

#[async_trait]
impl Consumer for Subscription {
    async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, Error> {
        let Handle { core, queue, consumer } = &*self.handle;
        let cell = core.queue(*queue);
        loop {
            if core.lifecycle.is_stopping() {
                return Err(Error::Stopping);
            }
            let mut arrived = std::pin::pin!(cell.arrived.notified());
            // Registered before the check, so that no arrival is missed between the check and the wait.
            arrived.as_mut().enable();
            let deliveries = cell.deliver(*consumer, most.max(1), self.prefetch);
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            tokio::select! {
                () = arrived => {}
                () = core.lifecycle.stopping() => {}
            }
        }
    }

    fn acknowledger(&self) -> Arc<dyn Acknowledger> {
        Arc::clone(&self.handle) as Arc<dyn Acknowledger>
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.handle.core.queue(self.handle.queue).leave(self.handle.consumer);
    }
}

#[async_trait]
impl Acknowledger for Handle {
    async fn acknowledge(&self, tags: &[Tag]) -> Result<(), Error> {
        let sequences = self.core.queue(self.queue).acknowledge(self.consumer, tags);
        if !sequences.is_empty() {
            self.core.write_queue.acknowledge(self.queue, sequences);
        }
        Ok(())
    }

    /// Nothing to do: this bus acknowledges each delivery individually.
    async fn set_aside(&self, _tags: &[Tag]) -> Result<(), Error> {
        Ok(())
    }

    fn consumers(&self) -> u64 {
        self.core.queue(self.queue).has(self.consumer).into()
    }
}
