//! Packs events into messages and messages into batches, within their limits.
//!
//! Sending the batches is left to the caller.

use std::ops::ControlFlow;
use std::sync::Arc;

use bus::{Message, Properties};
use parking::wire::MAX_BODY_BYTES;
use parking::{Clock, Door, Receipt};
use tokio::sync::mpsc;

/// A batch has at most this many messages, and is sent when it has this many bytes.
const BATCH_MESSAGES: usize = 1_000;
const BATCH_BYTES: usize = 1024 * 1024;

/// Messages that are confirmed together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) messages: Vec<Message>,
    pub(super) events: u64,
}

/// Packs events into messages and messages into batches.
#[derive(Debug)]
pub(super) struct Packer {
    batches: mpsc::Sender<Batch>,
    events_per_message: usize,
    /// The current message: events, separated by commas.
    body: Vec<u8>,
    events: usize,
    batch: Batch,
    batch_bytes: usize,
    clock: Arc<dyn Clock>,
    /// Those of the messages of the batch, whose receipt is that of its first event.
    properties: Option<Arc<Properties>>,
}

impl Packer {
    pub(super) fn new(batches: mpsc::Sender<Batch>, events_per_message: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            batches,
            events_per_message,
            body: Vec::new(),
            events: 0,
            batch: Batch::default(),
            batch_bytes: 0,
            clock,
            properties: None,
        }
    }

    /// Breaks if the batches have no receiver.
    pub(super) fn add(&mut self, json: &[u8]) -> ControlFlow<()> {
        // Room for the brackets of an array and a comma.
        let is_full = self.events == self.events_per_message || self.body.len() + json.len() + 3 > MAX_BODY_BYTES;
        if self.events > 0 && is_full {
            self.end_message()?;
        }
        if self.events > 0 {
            self.body.push(b',');
        }
        self.body.extend_from_slice(json);
        self.events += 1;
        if self.properties.is_none() {
            let receipt = Receipt::new(Door::File, None, self.clock.now());
            self.properties = Some(Arc::new(Properties::of_json(receipt.headers())));
        }
        if self.events == self.events_per_message { self.end_message() } else { ControlFlow::Continue(()) }
    }

    /// Sends the current batch.
    pub(super) fn flush(&mut self) -> ControlFlow<()> {
        if self.events > 0 {
            self.end_message()?;
        }
        self.end_batch()
    }

    fn end_message(&mut self) -> ControlFlow<()> {
        let mut body = std::mem::take(&mut self.body);
        if self.events > 1 {
            body.insert(0, b'[');
            body.push(b']');
        }
        self.batch.events += self.events as u64;
        self.events = 0;
        self.batch_bytes += body.len();
        self.batch.messages.push(Message { properties: self.properties.clone(), ..Message::new(body) });
        if self.batch.messages.len() >= BATCH_MESSAGES || self.batch_bytes >= BATCH_BYTES {
            return self.end_batch();
        }
        ControlFlow::Continue(())
    }

    fn end_batch(&mut self) -> ControlFlow<()> {
        (self.batch_bytes, self.properties) = (0, None);
        let batch = std::mem::take(&mut self.batch);
        if batch.messages.is_empty() || self.batches.blocking_send(batch).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}
