//! The embedded bus: bounded queues in one process, durable in one file, with nothing to install.
//!
//! Messages are in memory, within [`Limits`], and in the file; a publish returns when its messages are in the file. One
//! thread writes by group commit: all pending publishes and acknowledgements are one transaction with one fsync.
//! Acknowledgements alone are written within 100 ms, since a lost one only costs a redelivery.
//!
//! Modules: `queue` ready and delivered messages, `quota` the limit, `store` the file, `writer` the thread,
//! `subscription` the consumer. Only one process can open a file; a second one is refused.

mod queue;
mod quota;
mod store;
mod subscription;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use async_trait::async_trait;
use service_kit::{Lifecycle, ServiceContext};

use self::queue::QueueCell;
use self::store::Store;
use self::subscription::Subscription;
use self::writer::{WriteQueue, Writer};
use crate::{Bus, Consumer, Counts, Error, Message, OpenError, Queue};

/// The capacity of each queue. Publishers wait while a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Unacknowledged messages.
    pub messages_max: usize,
    /// Bytes of their bodies. An empty queue also accepts a single longer message.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { messages_max: 200_000, bytes_max: 64 * 1024 * 1024 }
    }
}

/// The embedded bus. Dropping it and its consumers writes pending changes and closes the file.
#[derive(Debug)]
pub struct Embedded {
    core: Arc<Core>,
    /// Numbers the consumers. The number is the generation of a consumer's tags.
    consumers: AtomicU64,
}

/// Shared by the bus, its consumers and their acknowledgers. Dropping the last one closes the file.
struct Core {
    queues: Arc<[QueueCell; 3]>,
    write_queue: Arc<WriteQueue>,
    lifecycle: Lifecycle,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Whether this folder contains a bus. Creates nothing.
    pub fn is_in(folder: &Path) -> bool {
        store::is_in(folder)
    }

    /// Opens the bus in this folder. Creates a missing folder.
    ///
    /// Health shows it as the dependency `bus`.
    pub fn open(folder: &Path, limits: Limits, context: &ServiceContext) -> Result<Self, OpenError> {
        let (store, waiting) = Store::open(folder)?;
        let next = waiting.each_ref().map(|queue| queue.last_key_value().map_or(0, |(sequence, _)| sequence + 1));
        let queues = Arc::new(waiting.map(|ready| QueueCell::new(limits, ready)));
        let write_queue = Arc::new(WriteQueue::default());
        let health = context.health.dependency("bus");
        health.up();
        let writer = Writer {
            store,
            queues: Arc::clone(&queues),
            write_queue: Arc::clone(&write_queue),
            next,
            health,
            lifecycle: context.lifecycle.clone(),
        };
        let thread = std::thread::Builder::new().name("bus writer".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| Error::refused(format!("cannot start the thread of the bus: {error}")))?;
        let core = Core { queues, write_queue, lifecycle: context.lifecycle.clone(), thread: Some(thread) };
        Ok(Self { core: Arc::new(core), consumers: AtomicU64::new(0) })
    }
}

#[async_trait]
impl Bus for Embedded {
    async fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<(), Error> {
        let cell = self.core.queue(queue);
        let mut rest = messages;
        let mut receipts = Vec::new();
        while !rest.is_empty() {
            // One publisher at a time waits for room, so that messages keep the order of their publishers.
            let turn = cell.turnstile.lock().await;
            let taken = tokio::select! {
                biased;
                taken = cell.quota.take(&rest) => taken,
                () = self.core.lifecycle.stopping() => return Err(Error::Stopping),
            };
            let later = rest.split_off(taken);
            receipts.push(self.core.write_queue.publish(queue, rest)?);
            drop(turn);
            rest = later;
        }
        for receipt in receipts {
            receipt.await.map_err(|_| Error::Stopping)?;
        }
        Ok(())
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        let number = self.consumers.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Subscription::new(Arc::clone(&self.core), queue, number, prefetch)))
    }

    async fn counts(&self, queue: Queue) -> Result<Option<Counts>, Error> {
        Ok(Some(self.core.queue(queue).counts()))
    }
}

impl Core {
    fn queue(&self, queue: Queue) -> &QueueCell {
        &self.queues[queue.index()]
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = self.queues.each_ref().map(QueueCell::ready);
        formatter.debug_struct("Core").field("ready", &ready).finish_non_exhaustive()
    }
}

impl Drop for Core {
    /// Waits for the writer, which has at most one more transaction.
    fn drop(&mut self) {
        self.write_queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was reported where it happened.
            drop(thread.join());
        }
    }
}
