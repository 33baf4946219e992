//! The loop that publishes simulated traffic: first the missed events, then each event when it is due.
//!
//! It begins `backfill` before now, on a whole minute, so that an entry and an exit service that start together begin
//! at the same time; the entry service first publishes every vehicle inside at that time. It waits while the bus is
//! down or full, and then catches up. Repeating the events of an earlier run is harmless: a known event changes
//! nothing. [`Traffic`] defines the events and their times.
//! nothing. What is published, and when, is [`Traffic`]'s.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Message, Properties, Queue};
use parking::{Direction, Door, GateEvent, Receipt, Timestamp, wire};
use service_kit::{ServiceContext, metrics};
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::vehicles::MINUTE_MS;
use crate::{Traffic, Upcoming};

/// The maximum of events in one publish.
pub const BATCH_EVENTS_MAX: usize = 500;
/// How often the loop checks what is due.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// A longer gap is skipped if it also exceeds the backfill: the clock was set, or the machine slept. Its car parks
/// then start again.
const SKIPPED_GAP_MIN_MS: i64 = 24 * 60 * MINUTE_MS;
/// A larger step back means that the clock was set: the events of that time are published once more.
const STEP_BACK_MIN_MS: i64 = 1_000;

/// Why publishing ended before the stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus refuses its configuration.
    #[error("simulated events cannot be published")]
    Bus(#[source] bus::Error),
    /// A metric can't be registered.
    #[error("the simulator cannot show its metrics")]
    Metrics(#[from] metrics::Error),
}

/// Publishes one direction of the traffic until the stop.
///
/// # Errors
/// [`Error::Bus`] if the bus refuses its configuration; an outage is retried.
pub async fn run(
    direction: Direction,
    traffic: Traffic,
    bus: Arc<dyn Bus>,
    context: &ServiceContext,
    backfill: Duration,
) -> Result<(), Error> {
    let metrics = Metrics::new(&context.registry, direction, BATCH_EVENTS_MAX)?;
    let publisher = Publisher { direction, traffic, bus, context, backfill, metrics };
    match publisher.run().await {
        Ok(()) | Err(bus::Error::Stopping) => Ok(()),
        Err(error @ bus::Error::Config(_)) => Err(Error::Bus(error)),
    }
}

struct Publisher<'a> {
    direction: Direction,
    traffic: Traffic,
    bus: Arc<dyn Bus>,
    context: &'a ServiceContext,
    backfill: Duration,
    metrics: Metrics,
}

impl Publisher<'_> {
    async fn run(&self) -> Result<(), bus::Error> {
        let mut upcoming = self.begin().await?;
        let mut minute = Minute { began: Instant::now(), events: 0 };
        loop {
            tokio::select! {
                biased;
                () = self.context.lifecycle.stopping() => return Ok(()),
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            let now = self.now();
            let ahead_ms = now.millis_since(upcoming.position());
            if ahead_ms > self.backfill_millis().max(SKIPPED_GAP_MIN_MS) + MINUTE_MS {
                tracing::warn!(from = %upcoming.position(), to = %now, "the clock was set forward, or stood still: starting again from here");
                upcoming = self.begin().await?;
            } else if ahead_ms < -STEP_BACK_MIN_MS {
                tracing::warn!(from = %upcoming.position(), to = %now, "the clock was set back: events are repeated");
                upcoming = self.made(move |traffic, direction| traffic.upcoming(direction, now)).await;
            }
            minute.events += self.publish_due(&mut upcoming).await?;
            minute.tell(self.direction);
        }
    }

    /// Publishes the backfill, and returns where the present begins.
    async fn begin(&self) -> Result<Upcoming, bus::Error> {
        let begin = self.now().plus_millis(-self.backfill_millis()).as_millis();
        let from = Timestamp::from_millis(begin.div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS));
        let (inside, mut upcoming) = self
            .made(move |traffic, direction| {
                let inside = match direction {
                    Direction::Entry => traffic.inside_at(from),
                    Direction::Exit => Vec::new(),
                };
                (inside, traffic.upcoming(direction, from))
            })
            .await;
        for events in inside.chunks(BATCH_EVENTS_MAX) {
            self.publish(events.iter()).await?;
        }
        let events = self.publish_due(&mut upcoming).await?;
        tracing::info!(
            direction = self.direction.as_str(),
            events,
            inside = inside.len(),
            %from,
            "backfill published"
        );
        Ok(upcoming)
    }

    /// Computes traffic outside of the runtime's threads, since a large amount may take long.
    async fn made<T: Send + 'static>(&self, make: impl FnOnce(&Traffic, Direction) -> T + Send + 'static) -> T {
        let (traffic, direction) = (self.traffic.clone(), self.direction);
        let result = tokio::task::spawn_blocking(move || make(&traffic, direction)).await;
        result.expect("making traffic never panics, and this task is not cancelled")
    }

    /// Publishes the due events until none is left, or the stop comes. Returns their number.
    async fn publish_due(&self, upcoming: &mut Upcoming) -> Result<u64, bus::Error> {
        let mut published = 0;
        while !self.context.lifecycle.is_stopping() {
            let now = self.now();
            let due = upcoming.take(now, BATCH_EVENTS_MAX);
            self.metrics.waiting(upcoming.waiting());
            self.metrics.behind(due.first().map_or(0, |oldest| now.millis_since(oldest.at)));
            if due.is_empty() {
                break;
            }
            published += self.publish(due.iter().map(|publication| &publication.event)).await?;
        }
        Ok(published)
    }

    async fn publish(&self, events: impl Iterator<Item = &GateEvent>) -> Result<u64, bus::Error> {
        let receipt = Receipt::new(Door::Simulated, None, self.now());
        let properties = Arc::new(Properties::of_json(receipt.headers()));
        let mut messages: Vec<Message> = events.map(|event| message(event, &properties)).collect();
        let count = messages.len();
        let _span = bus::begin_publishing(&mut messages, &self.context.traces);
        let begun = Instant::now();
        self.bus.publish(self.queue(), messages).await?;
        self.metrics.published(count, begun.elapsed());
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    fn queue(&self) -> Queue {
        match self.direction {
            Direction::Entry => Queue::Entry,
            Direction::Exit => Queue::Exit,
        }
    }

    fn backfill_millis(&self) -> i64 {
        i64::try_from(self.backfill.as_millis()).unwrap_or(i64::MAX)
    }

    fn now(&self) -> Timestamp {
        self.context.clock.now()
    }
}

fn message(event: &GateEvent, properties: &Arc<Properties>) -> Message {
    let mut body = Vec::with_capacity(256);
    wire::write_event(event, &mut body);
    Message { properties: Some(Arc::clone(properties)), ..Message::new(body) }
}

/// The counts for one log line a minute.
struct Minute {
    began: Instant,
    events: u64,
}

impl Minute {
    fn tell(&mut self, direction: Direction) {
        const LOG_INTERVAL: Duration = Duration::from_mins(1);
        if self.began.elapsed() < LOG_INTERVAL {
            return;
        }
        let events = std::mem::take(&mut self.events);
        self.began = Instant::now();
        tracing::info!(direction = direction.as_str(), events, "published events={events} in the last minute");
    }
}

#[cfg(test)]
mod tests;
