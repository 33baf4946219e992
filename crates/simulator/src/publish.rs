//! The one loop that publishes made-up traffic: first what was missed, then each event when its time has come.
//!
//! It begins `backfill` before now, on a whole minute, so that an entry and an exit service that start together begin at
//! the same moment; the entry service publishes everybody inside at that moment first. A bus that is away or full makes
//! it wait, and then it catches up. Repeating what a former run published is harmless: an event that is known changes
//! nothing. What is published, and when, is [`Traffic`]'s.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Message, Queue};
use parking::{Direction, GateEvent, Timestamp, wire};
use service_kit::{ServiceContext, metrics};
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::vehicles::MINUTE_MS;
use crate::{Traffic, Upcoming};

/// The most events that are handed to the bus at once.
pub const BATCH_EVENTS_MAX: usize = 500;
/// How often the loop looks what is due.
const TICK: Duration = Duration::from_millis(200);
/// After a gap longer than the backfill, and longer than this, what lies between is passed over: the clock was set, or
/// the machine slept for so long that its car parks are better begun anew.
const GAP_LEAST_MS: i64 = 24 * 60 * MINUTE_MS;
/// A clock that goes back by more than this was set: what lies between is published once more, in time.
const BACK_LEAST_MS: i64 = 1_000;

/// Why publishing ended before the stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus can't be used as it is configured.
    #[error("simulated events cannot be published")]
    Bus(#[source] bus::Error),
    /// A metric can't be registered.
    #[error("the simulator cannot show its metrics")]
    Metrics(#[from] metrics::Error),
}

/// Publishes one direction of the traffic until the stop.
///
/// # Errors
/// [`Error::Bus`] when the bus refuses its configuration; an outage of it is waited out.
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
                () = tokio::time::sleep(TICK) => {}
            }
            let now = self.now();
            let ahead_ms = now.millis_since(upcoming.position());
            if ahead_ms > self.backfill_millis().max(GAP_LEAST_MS) + MINUTE_MS {
                tracing::warn!(from = %upcoming.position(), to = %now, "the clock was set forward, or stood still: beginning anew");
                upcoming = self.begin().await?;
            } else if ahead_ms < -BACK_LEAST_MS {
                tracing::warn!(from = %upcoming.position(), to = %now, "the clock was set back: events are repeated");
                upcoming = self.made(move |traffic, direction| traffic.upcoming(direction, now)).await;
            }
            minute.events += self.publish_due(&mut upcoming).await?;
            minute.tell(self.direction);
        }
    }

    /// Publishes the past, and says up to where the present came.
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

    /// Makes something of the traffic beside the runtime's own threads, since it may take long when there is much.
    async fn made<T: Send + 'static>(&self, make: impl FnOnce(&Traffic, Direction) -> T + Send + 'static) -> T {
        let (traffic, direction) = (self.traffic.clone(), self.direction);
        let result = tokio::task::spawn_blocking(move || make(&traffic, direction)).await;
        result.expect("making traffic never panics, and nobody cancels it while it is waited for")
    }

    /// Publishes what is due until nothing is left of it, or the stop comes. Says how many events that were.
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
        let mut messages: Vec<Message> = events.map(message).collect();
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

fn message(event: &GateEvent) -> Message {
    let mut body = Vec::with_capacity(256);
    wire::write_event(event, &mut body);
    Message::new(body)
}

/// Counts for the one line a minute.
struct Minute {
    began: Instant,
    events: u64,
}

impl Minute {
    fn tell(&mut self, direction: Direction) {
        const EVERY: Duration = Duration::from_mins(1);
        if self.began.elapsed() < EVERY {
            return;
        }
        let events = std::mem::take(&mut self.events);
        self.began = Instant::now();
        tracing::info!(direction = direction.as_str(), events, "published events={events} in the last minute");
    }
}

#[cfg(test)]
mod tests;
