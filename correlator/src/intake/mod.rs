//! Where events come in: two consumers, parsed at once and merged by event time.
//!
//! What is received and not acknowledged is counted in [`Progress`], which deadlines and status read.

use std::sync::Arc;
use std::time::Duration;

use bus::{Acknowledger, Bus, Consumer, Delivery, Queue};
use futures::FutureExt;
use parking::Clock;
use tokio::time::Instant;

use crate::arrival::{self, Arrival};
use crate::metrics::Metrics;
use crate::progress::Progress;
use merge::{Horizon, Merge, Side};

mod merge;

/// A queue that is empty by the broker's word, and has sent nothing for so long, is taken for drained.
const PATIENCE: Duration = Duration::from_millis(50);
/// So is one that has sent nothing for so long, whatever the broker says or does not say.
const PATIENCE_MAX: Duration = Duration::from_secs(5);
/// Nothing more is received while so many events are received and not done. One message may exceed it.
pub(crate) const OUTSTANDING_EVENTS_MAX: usize = 50_000;
/// Events not older than this are no backlog.
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
    last_received: Instant,
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
        let entry = Inlet { consumer: bus.consume(Queue::Entry, prefetch).await?, last_received: Instant::now() };
        let exit = Inlet { consumer: bus.consume(Queue::Exit, prefetch).await?, last_received: Instant::now() };
        Ok(Self { entry, exit, merge: Merge::default(), clock, metrics, progress, prefetch: prefetch.into() })
    }

    pub(crate) fn acknowledgers(&self) -> Acknowledgers {
        Acknowledgers { entry: self.entry.consumer.acknowledger(), exit: self.exit.consumer.acknowledger() }
    }

    /// Waits for arrivals and takes up to `most` of them. May be cancelled at any await without losing one.
    pub(crate) async fn next(&mut self, most: usize) -> Result<Vec<Arrival>, bus::Error> {
        self.take_at_hand(most)?;
        loop {
            let taken = self.merge.take(most, self.horizon());
            if !taken.is_empty() {
                return Ok(taken);
            }
            let is_waiting = !self.merge.is_empty();
            let (entry_room, exit_room) = (self.has_room(Side::Entry, most), self.has_room(Side::Exit, most));
            tokio::select! {
                received = self.entry.consumer.receive(most), if entry_room => self.absorb(Side::Entry, received?),
                received = self.exit.consumer.receive(most), if exit_room => self.absorb(Side::Exit, received?),
                () = tokio::time::sleep(PATIENCE), if is_waiting => {}
            }
        }
    }

    /// Receives what needs no waiting, so that batches grow with the load.
    fn take_at_hand(&mut self, most: usize) -> Result<(), bus::Error> {
        if self.has_room(Side::Entry, most)
            && let Some(received) = self.entry.consumer.receive(most).now_or_never()
        {
            self.absorb(Side::Entry, received?);
        }
        if self.has_room(Side::Exit, most)
            && let Some(received) = self.exit.consumer.receive(most).now_or_never()
        {
            self.absorb(Side::Exit, received?);
        }
        Ok(())
    }

    /// A side with nothing at hand always has room: the other one may be waiting for it.
    fn has_room(&self, side: Side, most: usize) -> bool {
        let at_hand = self.merge.len(side);
        at_hand == 0 || (at_hand < most && self.progress.events() < OUTSTANDING_EVENTS_MAX)
    }

    fn horizon(&self) -> Horizon {
        // Neither a consumer whose prefetch is used up nor one that has lost its connection is a sign of an empty queue.
        let drained = |inlet: &Inlet, queue| {
            let idle = inlet.last_received.elapsed();
            let has_prefetch = self.progress.unacknowledged(queue) < self.prefetch;
            has_prefetch && (idle >= PATIENCE_MAX || (idle >= PATIENCE && self.progress.is_empty(queue)))
        };
        Horizon {
            entry_drained: drained(&self.entry, Queue::Entry),
            exit_drained: drained(&self.exit, Queue::Exit),
            fresh_from: self.clock.now().plus_millis(-FRESH_MS),
        }
    }

    fn absorb(&mut self, side: Side, deliveries: Vec<Delivery>) {
        let now = self.clock.now();
        let (queue, inlet) = match side {
            Side::Entry => (Queue::Entry, &mut self.entry),
            Side::Exit => (Queue::Exit, &mut self.exit),
        };
        inlet.last_received = Instant::now();
        self.progress.received(queue, deliveries.len());
        let before = self.merge.len(side);
        for delivery in deliveries {
            let metrics = &self.metrics;
            arrival::read(queue, &delivery, now, self.merge.of_mut(side), |dropped| metrics.dropped(dropped));
        }
        let arrived = self.merge.len(side) - before;
        self.metrics.received(queue, arrived);
        self.progress.begun(arrived);
    }
}
