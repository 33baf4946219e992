//! Events of a stream of lines that are confirmed together, packed into messages of several events.
//!
//! When a batch is sent, and what becomes of it, is left to `ndjson`.

use std::sync::Arc;

use bus::Message;
use parking::{Clock, Direction, Timestamp};

use crate::publish::{Door, Outgoing};

/// The most events of a batch, and about its most bytes.
const BATCH_EVENTS: u64 = 1_000;
pub(crate) const BATCH_BYTES: usize = 256 * 1024;
/// The most events of a message, and about its most bytes.
const MESSAGE_EVENTS: u64 = 100;
const MESSAGE_BYTES: usize = 64 * 1024;

/// Events that are confirmed together, packed into messages.
#[derive(Debug)]
pub(crate) struct Batch {
    door: Door,
    clock: Arc<dyn Clock>,
    outgoing: Outgoing,
    /// The messages under way.
    packing: [Packing; 2],
    bytes: usize,
    events: u64,
    pub(crate) last_line: u64,
}

/// A message under way.
#[derive(Debug, Default)]
struct Packing {
    /// Events, separated by commas.
    body: Vec<u8>,
    events: u64,
    /// When its first event arrived, which is the receipt of all of them.
    received: Timestamp,
}

const DIRECTIONS: [Direction; 2] = [Direction::Entry, Direction::Exit];

impl Batch {
    pub(crate) fn new(door: Door, clock: Arc<dyn Clock>) -> Self {
        Self {
            door,
            clock,
            outgoing: Outgoing::default(),
            packing: Default::default(),
            bytes: 0,
            events: 0,
            last_line: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.events >= BATCH_EVENTS || self.bytes >= BATCH_BYTES
    }

    pub(crate) fn add(&mut self, direction: Direction, json: &[u8], line: u64) {
        let place = usize::from(direction == Direction::Exit);
        let Packing { body, events, received } = &mut self.packing[place];
        if *events == 0 {
            *received = self.clock.now();
        }
        body.push(if *events == 0 { b'[' } else { b',' });
        body.extend_from_slice(json);
        *events += 1;
        let is_full = *events == MESSAGE_EVENTS || body.len() >= MESSAGE_BYTES;
        self.bytes += json.len() + 1;
        self.events += 1;
        self.last_line = line;
        if is_full {
            self.end_message(place);
        }
    }

    fn end_message(&mut self, place: usize) {
        let Packing { mut body, events, received } = std::mem::take(&mut self.packing[place]);
        if events == 0 {
            return;
        }
        if events == 1 {
            body.remove(0);
        } else {
            body.push(b']');
        }
        let message = Message { properties: Some(self.door.properties(received)), ..Message::new(body) };
        self.outgoing.add_several(DIRECTIONS[place], message, events);
    }

    /// The batch, and the number of its last line; an empty one takes its place.
    pub(crate) fn take(&mut self) -> (Outgoing, u64) {
        for place in 0..DIRECTIONS.len() {
            self.end_message(place);
        }
        (self.bytes, self.events) = (0, 0);
        (std::mem::take(&mut self.outgoing), self.last_line)
    }
}
