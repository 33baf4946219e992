//! A consumer of one queue on a connection of its own, and its supervisor task.
//!
//! Deliveries wait in a buffer, so `receive` is cancel safe and returns many at once. `window` limits their number,
//! and `stream` spreads them over channels. Each channel is a generation: deliveries on an earlier one are stale,
//! because the broker redelivers them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lapin::types::FieldTable;
use service_kit::{Dependency, Lifecycle, ServiceContext};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::acknowledgements::Acknowledgements;
use super::buffer::Buffer;
use super::connection::{Broker, Failure, Live, Problem, within};
use super::connection_handle::{lasted, reconnect_backoff};
use super::stream::Stream;
use super::window::{self, Seen};
use super::{headers, topology};
use crate::{Acknowledger, Consumer, Delivery, Error, Queue, Tag};

/// How often an idle consumer checks whether messages are ready that it does not receive.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
/// After this many positive checks in a row the consumer reconnects.
const PROBES_MAX: u32 = 4;

/// Starts to consume in the background.
pub(super) fn start(broker: &Arc<Broker>, queue: Queue, prefetch: u16, context: &ServiceContext) -> Subscription {
    let buffer = Arc::new(Buffer::default());
    let shutdown = CancellationToken::new();
    let refused = Arc::new(OnceLock::new());
    let acknowledgements = Arc::new(Acknowledgements::default());
    let supervisor = Supervisor {
        broker: Arc::clone(broker),
        queue,
        prefetch,
        first: prefetch.min(window::FIRST_WINDOW_MESSAGES),
        buffer: Arc::clone(&buffer),
        acknowledgements: Arc::clone(&acknowledgements),
        refused: Arc::clone(&refused),
        health: context.health.dependency("rabbitmq"),
        shutdown: shutdown.clone(),
    };
    // Not on the lifecycle's tracker: acknowledging goes on during the drain, which must not wait for this.
    tokio::spawn(supervisor.run());
    Subscription {
        buffer,
        acknowledgements,
        refused,
        lifecycle: context.lifecycle.clone(),
        _shutdown: shutdown.drop_guard(),
    }
}

/// The consumer's side of the buffer.
#[derive(Debug)]
pub(super) struct Subscription {
    buffer: Arc<Buffer>,
    acknowledgements: Arc<Acknowledgements>,
    refused: Arc<OnceLock<Error>>,
    lifecycle: Lifecycle,
    _shutdown: DropGuard,
}

#[async_trait]
impl Consumer for Subscription {
    async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, Error> {
        loop {
            let received = tokio::select! {
                biased;
                () = self.lifecycle.stopping() => return Err(Error::Stopping),
                received = self.buffer.take(most.max(1)) => received,
            };
            let Some(mut deliveries) = received else {
                return Err(self.refused.get().cloned().unwrap_or(Error::Stopping));
            };
            deliveries.retain(|delivery| self.acknowledgements.is_current(delivery.tag.generation));
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    fn acknowledger(&self) -> Arc<dyn Acknowledger> {
        Arc::clone(&self.acknowledgements) as Arc<dyn Acknowledger>
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.buffer.close();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // At once, because the task that closes the connection may still be busy.
        self.acknowledgements.close();
    }
}

struct Supervisor {
    broker: Arc<Broker>,
    queue: Queue,
    prefetch: u16,
    /// The number of deliveries with which a connection starts.
    first: u16,
    buffer: Arc<Buffer>,
    acknowledgements: Arc<Acknowledgements>,
    refused: Arc<OnceLock<Error>>,
    health: Dependency,
    shutdown: CancellationToken,
}

/// Why a connection is closed.
enum Ended {
    Shutdown,
    Lost(String),
    /// Bodies exceed the window. The next connection starts with this window.
    Overfull(u16),
}

impl Supervisor {
    async fn run(mut self) {
        let mut backoff = reconnect_backoff();
        // Settings that worked once are correct; later refusals are retried.
        let mut proven = false;
        loop {
            let began = Instant::now();
            let established = tokio::select! {
                () = self.shutdown.cancelled() => return,
                established = Box::pin(self.establish()) => established,
            };
            match established {
                Ok(mut stream) => {
                    proven = true;
                    self.health.up();
                    let ended = self.serve(&mut stream).await;
                    if matches!(ended, Ended::Shutdown) {
                        return self.finish(stream).await;
                    }
                    self.acknowledgements.end();
                    self.buffer.clear();
                    match ended {
                        Ended::Overfull(first) => {
                            tracing::info!(
                                queue = self.queue.as_str(),
                                first,
                                "large messages: receiving fewer at a time"
                            );
                            self.first = first;
                            stream.live.close().await;
                            continue;
                        }
                        Ended::Lost(reason) => self.health.down(reason),
                        Ended::Shutdown => return,
                    }
                }
                Err(Problem::Config(text)) if !proven => {
                    self.health.down(text.as_str());
                    // Only set here, and the task ends with it.
                    self.refused.get_or_init(|| Error::refused(text));
                    return;
                }
                Err(problem) => self.health.down(problem.to_string()),
            }
            if lasted(began) {
                backoff.reset();
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
        }
    }

    async fn establish(&self) -> Result<Stream, Problem> {
        let name = self.broker.queue_name(self.queue);
        let (live, watch) = self.broker.connect(&format!("consuming {name}")).await?;
        topology::declare(&self.broker, &live).await?;
        Ok(Stream::begin(&self.broker, live, watch, name, self.first).await?)
    }

    /// Fills the buffer until the connection ends, and returns the reason.
    async fn serve(&self, stream: &mut Stream) -> Ended {
        let (generation, broken) = self.acknowledgements.begin(stream.channels());
        let mut probe = tokio::time::interval_at(Instant::now() + PROBE_INTERVAL, PROBE_INTERVAL);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut idle = Idle::default();
        let mut seen = Seen::default();
        let mut window = self.first;
        loop {
            let is_narrow = window < self.prefetch;
            let Stream { live, watch, lines } = stream;
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Ended::Shutdown,
                () = broken.cancelled() => {
                    return Ended::Lost("acknowledging failed, reconnecting".to_owned());
                }
                reason = watch.ended(live, &self.health) => return Ended::Lost(reason),
                first = lines.first() => {
                    // Also take the other available deliveries: the checks above cost more than a delivery.
                    let mut next = Some(first);
                    while let Some((index, message)) = next {
                        let message = match message {
                            Some(Ok(message)) => message,
                            Some(Err(error)) => return Ended::Lost(ended(Some(&error))),
                            None => return Ended::Lost(ended(None)),
                        };
                        let delivery = delivery(generation + index as u64, message);
                        seen.add(delivery.bytes());
                        if window::is_overfull(self.buffer.push(delivery)) {
                            return Ended::Overfull(seen.first());
                        }
                        next = lines.at_hand(index + 1);
                    }
                },
                () = self.buffer.drained(), if is_narrow => {}
                _ = probe.tick() => {
                    let full = lines.is_exhausted(&self.acknowledgements);
                    let ready = if full { 0 } else { self.ready(live).await };
                    if idle.strikes(lines.delivered(), ready) >= PROBES_MAX {
                        return Ended::Lost("nothing is delivered although messages are ready".to_owned());
                    }
                }
            }
            if is_narrow {
                match self.widened(stream, seen).await {
                    Ok(wider) => window = wider.unwrap_or(window),
                    Err(failure) => return Ended::Lost(failure.to_string()),
                }
            }
        }
    }

    /// Widens the window once it is used up and few bytes are waiting.
    async fn widened(&self, stream: &mut Stream, seen: Seen) -> Result<Option<u16>, Failure> {
        let _held = self.acknowledgements.hold().await;
        if !stream.lines.is_exhausted(&self.acknowledgements) {
            return Ok(None);
        }
        let outstanding = self.acknowledgements.outstanding(stream.lines.delivered());
        let Some(window) = seen.window(outstanding, self.buffer.fill(), self.prefetch) else { return Ok(None) };
        stream.lines.widen(&stream.live, window, &self.acknowledgements).await?;
        Ok(Some(window))
    }

    /// How many messages are ready, as reported by the broker; zero if it does not report.
    async fn ready(&self, live: &Live) -> u32 {
        let counted = within("counting the messages of a queue", async {
            let channel = live.connection().create_channel().await?;
            let name = self.broker.queue_name(self.queue);
            Ok(channel.queue_declare(name, topology::PASSIVE, FieldTable::default()).await?.message_count())
        });
        counted.await.unwrap_or_default()
    }

    /// Closes regularly: acknowledges what is done, and lets the broker deliver the rest to others at once.
    async fn finish(&self, stream: Stream) {
        self.acknowledgements.finish().await;
        stream.live.close().await;
    }
}

/// Why a consumer has no next delivery.
fn ended(error: Option<&lapin::Error>) -> String {
    error.map_or_else(
        || "the broker cancelled the consumer; was its queue deleted?".to_owned(),
        |error| format!("consuming ended: {error}"),
    )
}

/// Counts the checks in a row that found ready messages and no delivery.
#[derive(Debug, Default)]
struct Idle {
    delivered: u64,
    strikes: u32,
}

impl Idle {
    fn strikes(&mut self, delivered: u64, ready: u32) -> u32 {
        let starved = delivered == self.delivered && ready > 0;
        self.strikes = if starved { self.strikes + 1 } else { 0 };
        self.delivered = delivered;
        self.strikes
    }
}

fn delivery(generation: u64, message: lapin::message::Delivery) -> Delivery {
    Delivery {
        received: Instant::now(),
        tag: Tag { generation, number: message.delivery_tag },
        redelivered: message.redelivered,
        dead_letter: headers::dead_letter_reason(&message.properties),
        trace: headers::trace(&message.properties),
        properties: headers::said(&message.properties),
        body: Bytes::from(message.data),
    }
}
