//! A consumer of one queue on a connection of its own, and the task that keeps both up.
//!
//! Deliveries wait in a buffer as large as the prefetch, so `receive` may be cancelled and takes many at once. A quorum
//! queue gives a channel only so many, so a larger prefetch is shared by several, whose deliveries are taken in turns.
//! Each channel is a generation: what was delivered on an earlier one is stale, since the broker delivers it again.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use lapin::Channel;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use service_kit::{Dependency, Lifecycle, ServiceContext};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::acknowledgements::Acknowledgements;
use super::connection::{Broker, Live, Problem, Watch, within};
use super::link::{lasted, reconnect_backoff};
use super::{headers, topology};
use crate::{Acknowledger, Consumer, Delivery, Error, Queue, Tag};

/// How often an idle consumer asks whether something is ready that it does not get.
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// How often in a row the answer may be yes.
const PROBES_MAX: u32 = 4;
/// A quorum queue leaves no more unacknowledged on one channel, whatever its prefetch.
const CHANNEL_PREFETCH_MAX: u16 = 2_000;

/// Begins to consume, in the background.
pub(super) fn start(broker: &Arc<Broker>, queue: Queue, prefetch: u16, context: &ServiceContext) -> Subscription {
    let (out, incoming) = mpsc::channel(usize::from(prefetch));
    let shutdown = CancellationToken::new();
    let refused = Arc::new(OnceLock::new());
    let acknowledgements = Arc::new(Acknowledgements::default());
    let supervisor = Supervisor {
        broker: Arc::clone(broker),
        queue,
        prefetch,
        out,
        acknowledgements: Arc::clone(&acknowledgements),
        refused: Arc::clone(&refused),
        health: context.health.dependency("rabbitmq"),
        shutdown: shutdown.clone(),
    };
    // Not on the lifecycle's tracker: acknowledging goes on during the drain, which must not wait for this.
    tokio::spawn(supervisor.run());
    Subscription {
        incoming,
        acknowledgements,
        refused,
        lifecycle: context.lifecycle.clone(),
        _shutdown: shutdown.drop_guard(),
    }
}

/// The consumer's end of the buffer.
#[derive(Debug)]
pub(super) struct Subscription {
    incoming: mpsc::Receiver<Delivery>,
    acknowledgements: Arc<Acknowledgements>,
    refused: Arc<OnceLock<Error>>,
    lifecycle: Lifecycle,
    _shutdown: DropGuard,
}

#[async_trait]
impl Consumer for Subscription {
    async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, Error> {
        let mut deliveries = Vec::new();
        loop {
            let received = tokio::select! {
                biased;
                () = self.lifecycle.stopping() => return Err(Error::Stopping),
                received = self.incoming.recv_many(&mut deliveries, most.max(1)) => received,
            };
            if received == 0 {
                return Err(self.refused.get().cloned().unwrap_or(Error::Stopping));
            }
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

impl Drop for Subscription {
    fn drop(&mut self) {
        // At once, as the task that takes leave of the broker may still be busy.
        self.acknowledgements.close();
    }
}

struct Supervisor {
    broker: Arc<Broker>,
    queue: Queue,
    prefetch: u16,
    out: mpsc::Sender<Delivery>,
    acknowledgements: Arc<Acknowledgements>,
    refused: Arc<OnceLock<Error>>,
    health: Dependency,
    shutdown: CancellationToken,
}

/// One connection that consumes.
struct Stream {
    live: Live,
    watch: Watch,
    channels: Vec<Channel>,
    consumers: Vec<lapin::Consumer>,
}

impl Supervisor {
    async fn run(self) {
        let mut backoff = reconnect_backoff();
        // Settings that worked once are right; what goes against them later is waited out.
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
                    let Some(reason) = ended else { return self.finish(stream).await };
                    self.acknowledgements.end();
                    self.health.down(reason);
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
        let (mut channels, mut consumers) = (Vec::new(), Vec::new());
        for prefetch in shares(self.prefetch) {
            let channel = within("opening a channel", live.connection().create_channel()).await?;
            let limited = channel.basic_qos(prefetch, BasicQosOptions::default());
            within("setting the prefetch", limited).await?;
            let consuming = channel.basic_consume(
                name.clone(),
                format!("dwell {}", self.broker.config.role).into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            );
            consumers.push(within("beginning to consume", consuming).await?);
            channels.push(channel);
        }
        Ok(Stream { live, watch, channels, consumers })
    }

    /// Fills the buffer until the connection ends, and says why; `None` for the shutdown.
    async fn serve(&self, stream: &mut Stream) -> Option<String> {
        let Stream { live, watch, channels, consumers } = stream;
        let (generation, broken) = self.acknowledgements.begin(channels.clone());
        let mut probe = tokio::time::interval_at(Instant::now() + PROBE_EVERY, PROBE_EVERY);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut delivered: u64 = 0;
        let mut idle = Idle::default();
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                () = broken.cancelled() => return Some("acknowledging failed, so the connection is made anew".to_owned()),
                reason = watch.ended(live, &self.health) => return Some(reason),
                first = first_of(consumers) => {
                    // What else is there comes along: looking after everything above costs more than a delivery.
                    let mut next = Some(first);
                    while let Some((place, message)) = next {
                        let message = match message {
                            Some(Ok(message)) => message,
                            Some(Err(error)) => return Some(ended(Some(&error))),
                            None => return Some(ended(None)),
                        };
                        delivered += 1;
                        if !self.pass_on(delivery(generation + place as u64, message)).await {
                            return None;
                        }
                        next = next_of(consumers, place + 1);
                    }
                },
                _ = probe.tick() => {
                    let full = self.acknowledgements.outstanding(delivered) >= u64::from(self.prefetch);
                    let ready = if full { 0 } else { self.ready(live).await };
                    if idle.strikes(delivered, ready) >= PROBES_MAX {
                        return Some("nothing is delivered although messages are ready".to_owned());
                    }
                }
            }
        }
    }

    /// Puts a delivery into the buffer; tells whether anybody still wants it.
    async fn pass_on(&self, delivery: Delivery) -> bool {
        match self.out.try_send(delivery) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(delivery)) => tokio::select! {
                () = self.shutdown.cancelled() => false,
                sent = self.out.send(delivery) => sent.is_ok(),
            },
        }
    }

    /// How many messages are ready, in the eyes of the broker; none when it does not say so.
    async fn ready(&self, live: &Live) -> u32 {
        let counted = within("counting the messages of a queue", async {
            let channel = live.connection().create_channel().await?;
            let name = self.broker.queue_name(self.queue);
            Ok(channel.queue_declare(name, topology::PASSIVE, FieldTable::default()).await?.message_count())
        });
        counted.await.unwrap_or_default()
    }

    /// Takes leave in good order: what is done is acknowledged, and the broker may deliver the rest to others at once.
    async fn finish(&self, stream: Stream) {
        self.acknowledgements.finish().await;
        stream.live.close().await;
    }
}

type Next = Option<lapin::Result<lapin::message::Delivery>>;

/// Waits for a delivery to any of the consumers; tells to which.
async fn first_of(consumers: &mut [lapin::Consumer]) -> (usize, Next) {
    let (next, place, _) = futures::future::select_all(consumers.iter_mut().map(|consumer| consumer.next())).await;
    (place, next)
}

/// A delivery that is at hand, asking the consumer at `place` first: in turns, since so the broker gives them out.
fn next_of(consumers: &mut [lapin::Consumer], place: usize) -> Option<(usize, Next)> {
    let count = consumers.len();
    let mut turns = (place..place + count).map(|place| place % count);
    turns.find_map(|place| Some((place, consumers.get_mut(place)?.next().now_or_never()?)))
}

/// A prefetch, divided among as few channels as can have it.
fn shares(prefetch: u16) -> impl Iterator<Item = u16> {
    let count = prefetch.div_ceil(CHANNEL_PREFETCH_MAX).max(1);
    (0..count).map(move |place| prefetch / count + u16::from(place < prefetch % count))
}

/// Why a consumer has no next delivery.
fn ended(error: Option<&lapin::Error>) -> String {
    error.map_or_else(
        || "the broker cancelled the consumer; was its queue deleted?".to_owned(),
        |error| format!("consuming ended: {error}"),
    )
}

/// Counts how often in a row nothing came although something was ready.
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
        death: headers::death_note(&message.properties),
        trace: headers::trace(&message.properties),
        body: Bytes::from(message.data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefetch_is_divided_without_a_rest_among_as_few_channels_as_can_have_it() {
        let divided = |prefetch| shares(prefetch).collect::<Vec<_>>();

        assert_eq!(divided(1), [1]);
        assert_eq!(divided(2_000), [2_000]);
        assert_eq!(divided(2_001), [1_001, 1_000]);
        assert_eq!(divided(8_000), [2_000; 4]);
    }
}
