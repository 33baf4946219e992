//! The intake: two consumers, whose messages are parsed while there is room, and merged by event time.
//!
//! [`Progress`] counts what is received and not acknowledged; deadlines and status read it. Events in flight are
//! limited in number and in bytes (back-pressure).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bus::{Acknowledger, Bus, Consumer, Delivery, Queue};
use futures::FutureExt;
use parking::Clock;
use parking::wire::MAX_EVENTS_OF_MESSAGE;
use tokio::time::Instant;

use crate::arrival::{self, Arrival};
use crate::metrics::Metrics;
use crate::progress::{OutOfOrder, Progress};
use merge::{Merge, Side, Watermarks};

mod merge;

/// A queue that the broker reports empty counts as drained after this long without a delivery.
const REPORTED_EMPTY_WAIT: Duration = Duration::from_millis(50);
/// Without a report of the broker, a queue counts as drained after this long without a delivery.
const SILENCE_WAIT: Duration = Duration::from_secs(5);
/// Stop parsing messages above this many events in flight. One message of each queue may exceed it.
pub(crate) const OUTSTANDING_EVENTS_MAX: usize = 50_000;
/// Stop receiving above this many bytes of messages in flight. One message of each queue may exceed it.
pub(crate) const OUTSTANDING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Events up to this age are not a backlog.
const FRESH_MS: i64 = 2_000;

/// The two queues, as one stream of arrivals.
#[derive(Debug)]
pub(crate) struct Intake {
    entry: Inlet,
    exit: Inlet,
    merge: Merge,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    progress: Arc<Progress>,
    prefetch: usize,
}

#[derive(Debug)]
struct Inlet {
    consumer: Box<dyn Consumer>,
    /// Received, and not parsed yet: no room.
    unread: VecDeque<Unread>,
    last_received: Instant,
}

impl Inlet {
    fn new(consumer: Box<dyn Consumer>) -> Self {
        Self { consumer, unread: VecDeque::new(), last_received: Instant::now() }
    }
}

/// A message that is received and not parsed yet.
#[derive(Debug)]
struct Unread {
    delivery: Delivery,
    out_of_order: Option<OutOfOrder>,
}

/// The handles to acknowledge by.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledgers {
    entry: Arc<dyn Acknowledger>,
    exit: Arc<dyn Acknowledger>,
}

impl Acknowledgers {
    pub(crate) fn of(&self, queue: Queue) -> &Arc<dyn Acknowledger> {
        match queue {
            Queue::Entry => &self.entry,
            Queue::Exit | Queue::Dead => &self.exit,
        }
    }
}

impl Intake {
    pub(crate) async fn open(
        bus: &dyn Bus,
        prefetch: u16,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        progress: Arc<Progress>,
    ) -> Result<Self, bus::Error> {
        let entry = Inlet::new(bus.consume(Queue::Entry, prefetch).await?);
        let exit = Inlet::new(bus.consume(Queue::Exit, prefetch).await?);
        Ok(Self { entry, exit, merge: Merge::default(), clock, metrics, progress, prefetch: prefetch.into() })
    }

    pub(crate) fn acknowledgers(&self) -> Acknowledgers {
        Acknowledgers { entry: self.entry.consumer.acknowledger(), exit: self.exit.consumer.acknowledger() }
    }

    /// Waits for arrivals and takes up to `most` of them. Cancel safe: no arrival is lost.
    pub(crate) async fn next(&mut self, most: usize) -> Result<Vec<Arrival>, bus::Error> {
        self.take_at_hand(most)?;
        loop {
            let taken = self.merge.take(most, self.watermarks());
            if !taken.is_empty() {
                return Ok(taken);
            }
            let is_waiting = !self.merge.is_empty();
            let (entry_room, exit_room) = (self.receives(Side::Entry, most), self.receives(Side::Exit, most));
            tokio::select! {
                received = self.entry.consumer.receive(most), if entry_room => self.absorb(Side::Entry, received?),
                received = self.exit.consumer.receive(most), if exit_room => self.absorb(Side::Exit, received?),
                () = tokio::time::sleep(REPORTED_EMPTY_WAIT), if is_waiting => {}
                // Without room for either queue: the caller cancels this call, and calls again once an event is done.
                () = std::future::pending() => {}
            }
            self.parse(Side::Entry, most);
            self.parse(Side::Exit, most);
        }
    }

    /// Receives without waiting, so that batches grow with the load.
    fn take_at_hand(&mut self, most: usize) -> Result<(), bus::Error> {
        for side in [Side::Entry, Side::Exit] {
            self.parse(side, most);
            if self.receives(side, most)
                && let Some(received) = self.inlet_mut(side).consumer.receive(most).now_or_never()
            {
                self.absorb(side, received?);
                self.parse(side, most);
            }
        }
        Ok(())
    }

    /// Whether to receive more: only once every received message is parsed.
    fn receives(&self, side: Side, most: usize) -> bool {
        let bytes_max = if self.is_awaited(side) { 2 * OUTSTANDING_BYTES_MAX } else { OUTSTANDING_BYTES_MAX };
        self.inlet(side).unread.is_empty() && self.has_room(side, most) && self.progress.bytes() < bytes_max
    }

    /// Whether to parse another message.
    fn has_room(&self, side: Side, most: usize) -> bool {
        // Each of the two sides may have exceeded the limit by one message.
        let beyond = if self.is_awaited(side) { 2 * MAX_EVENTS_OF_MESSAGE } else { 0 };
        self.merge.len(side) < most && self.progress.events() < OUTSTANDING_EVENTS_MAX + beyond
    }

    /// Whether the queue has no arrivals while the other one may be waiting for it.
    fn is_awaited(&self, side: Side) -> bool {
        self.merge.len(side) == 0 && !self.merge.is_empty()
    }

    fn watermarks(&self) -> Watermarks {
        // A consumer with an exhausted prefetch, or one that lost its connection, does not show that its queue is
        // empty.
        let drained = |inlet: &Inlet, queue| {
            let idle = inlet.last_received.elapsed();
            let has_prefetch = self.progress.unacknowledged(queue) < self.prefetch;
            let is_read = inlet.unread.is_empty();
            is_read
                && has_prefetch
                && (idle >= SILENCE_WAIT || (idle >= REPORTED_EMPTY_WAIT && self.progress.is_empty(queue)))
        };
        Watermarks {
            entry_drained: drained(&self.entry, Queue::Entry),
            exit_drained: drained(&self.exit, Queue::Exit),
            fresh_since: self.clock.now().plus_millis(-FRESH_MS),
        }
    }

    fn absorb(&mut self, side: Side, deliveries: Vec<Delivery>) {
        let bytes = deliveries.iter().map(Delivery::bytes).sum();
        self.progress.received(side.queue(), deliveries.len(), bytes);
        let unread: Vec<Unread> = deliveries.into_iter().map(|delivery| self.unread(side, delivery)).collect();
        let inlet = self.inlet_mut(side);
        inlet.last_received = Instant::now();
        inlet.unread.extend(unread);
    }

    fn unread(&self, side: Side, delivery: Delivery) -> Unread {
        let comes_again = delivery.redelivered && side == Side::Entry;
        let out_of_order = comes_again.then(|| OutOfOrder::of(&self.progress));
        Unread { delivery, out_of_order }
    }

    /// Parses received messages while there is room.
    fn parse(&mut self, side: Side, most: usize) {
        if self.inlet(side).unread.is_empty() {
            return;
        }
        let (queue, now) = (side.queue(), self.clock.now());
        while self.has_room(side, most)
            && let Some(Unread { delivery, out_of_order }) = self.inlet_mut(side).unread.pop_front()
        {
            let before = self.merge.len(side);
            let metrics = &self.metrics;
            let count_dropped = |dropped| metrics.dropped(dropped);
            let dropped_headers =
                arrival::read(queue, &delivery, now, out_of_order, self.merge.of_mut(side), count_dropped);
            self.metrics.dropped_headers(dropped_headers);
            let arrived = self.merge.len(side) - before;
            self.metrics.received(queue, arrived);
            self.progress.begun(arrived);
        }
    }

    fn inlet(&self, side: Side) -> &Inlet {
        match side {
            Side::Entry => &self.entry,
            Side::Exit => &self.exit,
        }
    }

    fn inlet_mut(&mut self, side: Side) -> &mut Inlet {
        match side {
            Side::Entry => &mut self.entry,
            Side::Exit => &mut self.exit,
        }
    }
}

#[cfg(test)]
mod tests;
