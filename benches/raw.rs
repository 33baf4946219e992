//! The queues used without any work: the yardstick of every row with a broker, and a publisher with a constant rate.
//!
//! Each runs as a separate process, so that its CPU time is measured like the correlator's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use bus::{Bus, BusConfig, Message, Queue, QueueNames};
use futures::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use parking::{SystemClock, Timestamp};
use service_kit::ServiceContext;
use settings::Settings;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::generator::{lot, plate};
use crate::measure::{number, quantile};
use crate::report::say;

/// The time between two publishes at a constant rate.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(10);
/// At a constant rate, a vehicle leaves this many ticks after it entered.
const STAY_TICKS: u64 = 200;
/// Limits the ticks that wait for their confirms.
const UNCONFIRMED_TICKS_MAX: usize = 200;
const LOTS: u64 = 50;
/// Limits the time a queue may be missing.
const QUEUE_WAIT_MAX: Duration = Duration::from_mins(1);
/// The offset of the id in the events published here.
const ID_OFFSET: usize = 7;
const ID_LENGTH: usize = 36;

/// How to consume the queues.
#[derive(Debug, clap::Args)]
pub(crate) struct ConsumeArguments {
    #[arg(long)]
    amqp: String,
    #[arg(long)]
    prefetch: u16,
    /// Messages per acknowledgement
    #[arg(long)]
    acknowledge_every: u64,
    /// Ends this many seconds after the first message; by default, when the messages present at the start are
    /// acknowledged
    #[arg(long)]
    seconds: Option<u64>,
    /// Seconds after the first message that do not count
    #[arg(long, default_value_t = 0)]
    skip: u64,
    /// Whether to read the time of sending from the messages
    #[arg(long)]
    latency: bool,
}

/// How to publish events.
#[derive(Debug, clap::Args)]
pub(crate) struct PublishArguments {
    #[arg(long)]
    amqp: String,
    /// Events per second
    #[arg(long)]
    rate: u64,
    #[arg(long)]
    seconds: u64,
}

/// Microseconds since 1970, which two processes on one machine can compare.
pub(crate) fn wall_micros() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "parking::Clock has milliseconds, and a delivery takes less than one"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Returns an event id that contains the current time.
fn id_sent_now(count: u64) -> Uuid {
    Uuid::from_u64_pair(wall_micros(), count)
}

/// Returns the age of an event in milliseconds, and the time it was sent.
pub(crate) fn age_ms(id: Uuid) -> (f64, u64) {
    let (sent, _) = id.as_u64_pair();
    (number(wall_micros().saturating_sub(sent)) / 1000.0, sent)
}

/// The messages that one consumer received.
#[derive(Debug, Default)]
struct Taken {
    messages: u64,
    latencies_ms: Vec<f64>,
}

impl Taken {
    fn add(&mut self, more: Self) {
        self.messages += more.messages;
        self.latencies_ms.extend(more.latencies_ms);
    }
}

impl ConsumeArguments {
    /// A quorum queue limits the unacknowledged messages of a channel to this number.
    fn channels(&self) -> u16 {
        self.prefetch.div_ceil(2_000)
    }
}

/// Consumes and acknowledges both queues, with a connection for each; prints the messages, p50 and p99.
pub(crate) async fn consume(arguments: ConsumeArguments) -> anyhow::Result<()> {
    let arguments = Arc::new(arguments);
    let names = QueueNames::default();
    let mut tasks = JoinSet::new();
    for name in [names.entry, names.exit] {
        let arguments = Arc::clone(&arguments);
        tasks.spawn(async move { take(&arguments, &name).await });
    }
    let mut all = Taken::default();
    while let Some(taken) = tasks.join_next().await {
        all.add(taken??);
    }
    let (p50, p99) = (quantile(&mut all.latencies_ms, 0.5), quantile(&mut all.latencies_ms, 0.99));
    say(&format!("{} {p50} {p99}", all.messages));
    Ok(())
}

async fn take(arguments: &Arc<ConsumeArguments>, queue: &str) -> anyhow::Result<Taken> {
    let connection = Connection::connect(&arguments.amqp, ConnectionProperties::default()).await?;
    let there = depth(&connection, queue).await?;
    let (count, is_done) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    if there == 0 && arguments.seconds.is_none() {
        is_done.cancel();
    }
    let mut lines = JoinSet::new();
    for _ in 0..arguments.channels() {
        let line = Line {
            channel: connection.create_channel().await?,
            queue: queue.to_owned(),
            there,
            count: Arc::clone(&count),
            is_done: is_done.clone(),
        };
        let arguments = Arc::clone(arguments);
        lines.spawn(async move { line.take(&arguments).await });
    }
    let mut all = Taken::default();
    // A dropped channel is closed in the background, which can make closing its connection fail.
    let mut channels = Vec::new();
    while let Some(done) = lines.join_next().await {
        let (taken, channel) = done??;
        all.add(taken);
        channels.push(channel);
    }
    if arguments.seconds.is_none() && count.load(Ordering::Relaxed) < there {
        bail!("only {} of {there} messages of {queue} came", count.load(Ordering::Relaxed));
    }
    // When the broker answers, it has received all acknowledgements.
    connection.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into()).await?;
    Ok(all)
}

/// Waits until its publishers have created the queue; returns the number of its messages.
async fn depth(connection: &Connection, queue: &str) -> anyhow::Result<u64> {
    let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    let begun = Instant::now();
    loop {
        // Asking for a missing queue closes the channel.
        let channel = connection.create_channel().await?;
        match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
            Ok(found) => return Ok(u64::from(found.message_count())),
            Err(error) if begun.elapsed() > QUEUE_WAIT_MAX => return Err(error.into()),
            Err(_) => tokio::time::sleep(PUBLISH_INTERVAL).await,
        }
    }
}

/// One of the channels that share the prefetch of a queue, like those of the bus.
struct Line {
    channel: Channel,
    queue: String,
    /// The number of messages in the queue at the start.
    there: u64,
    /// The number of messages received on all channels.
    count: Arc<AtomicU64>,
    is_done: CancellationToken,
}

impl Line {
    async fn take(self, arguments: &ConsumeArguments) -> anyhow::Result<(Taken, Channel)> {
        let channels = arguments.channels();
        self.channel.basic_qos(arguments.prefetch / channels, BasicQosOptions::default()).await?;
        let (name, options) = (self.queue.as_str().into(), BasicConsumeOptions::default());
        let mut consumer = self.channel.basic_consume(name, "yardstick".into(), options, FieldTable::default()).await?;
        let mut counts_from = Instant::now();
        let length = arguments.seconds.map(Duration::from_secs);
        let end = tokio::time::sleep(crate::PROGRAM_DURATION_MAX);
        tokio::pin!(end);
        let mut taken = Taken::default();
        let (mut own, mut last) = (0_u64, 0);
        loop {
            let delivery = tokio::select! {
                biased;
                () = &mut end => break,
                () = self.is_done.cancelled() => break,
                next = consumer.next() => next.context("the broker ended the consumer")??,
            };
            own += 1;
            last = delivery.delivery_tag;
            if own == 1 {
                let begun = Instant::now();
                counts_from = begun + Duration::from_secs(arguments.skip);
                end.as_mut().reset(begun + length.unwrap_or(crate::PROGRAM_DURATION_MAX));
            }
            if arguments.skip == 0 || Instant::now() >= counts_from {
                taken.messages += 1;
                if arguments.latency {
                    taken.latencies_ms.push(age_of(&delivery.data)?);
                }
            }
            if own.is_multiple_of((arguments.acknowledge_every / u64::from(channels)).max(1)) {
                self.channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
            }
            if self.count.fetch_add(1, Ordering::Relaxed) + 1 == self.there && length.is_none() {
                self.is_done.cancel();
            }
        }
        if last > 0 && length.is_none() {
            self.channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
        }
        Ok((taken, self.channel))
    }
}

fn age_of(body: &[u8]) -> anyhow::Result<f64> {
    let id = body.get(ID_OFFSET..ID_OFFSET + ID_LENGTH).context("a message is not an event of the constant rate")?;
    Ok(age_ms(Uuid::try_parse_ascii(id)?).0)
}

/// Publishes entries and exits at a constant rate, with confirms; the ids contain the time of sending.
pub(crate) async fn publish(arguments: &PublishArguments) -> anyhow::Result<()> {
    let settings = Settings::from_variables([("DWELL_AMQP_URL", arguments.amqp.as_str())])?;
    let context = ServiceContext::new(Arc::new(SystemClock));
    let bus = bus::open(&BusConfig::from_settings("bench", &settings)?, &context)?;
    let ticks = arguments.seconds * 1000 / u64::try_from(PUBLISH_INTERVAL.as_millis())?;
    let mut interval = tokio::time::interval(PUBLISH_INTERVAL);
    let mut confirms = JoinSet::new();
    // The number of pairs of an entry and an exit that are due by the end of a tick.
    let due = |tick: u64| tick * arguments.rate / 2 * 10 / 1000;
    for tick in 0..ticks {
        interval.tick().await;
        if confirms.len() >= UNCONFIRMED_TICKS_MAX {
            bail!("the broker does not confirm {} events a second", arguments.rate);
        }
        let entries = (due(tick)..due(tick + 1)).map(|vehicle| event(vehicle, "entry")).collect();
        let left = tick.checked_sub(STAY_TICKS);
        let exits = left.map(|left| (due(left)..due(left + 1)).map(|vehicle| event(vehicle, "exit")).collect());
        for (queue, messages) in [(Queue::Entry, entries), (Queue::Exit, exits.unwrap_or_default())] {
            confirms.spawn(confirmed(Arc::clone(&bus), queue, messages));
        }
        while let Some(confirmed) = confirms.try_join_next() {
            confirmed??;
        }
    }
    while let Some(confirmed) = confirms.join_next().await {
        confirmed??;
    }
    Ok(())
}

async fn confirmed(bus: Arc<dyn Bus>, queue: Queue, messages: Vec<Message>) -> Result<(), bus::Error> {
    if messages.is_empty() { Ok(()) } else { bus.publish(queue, messages).await }
}

fn event(vehicle: u64, direction: &str) -> Message {
    let id = id_sent_now(vehicle * 2 + u64::from(direction == "exit"));
    let time = Timestamp::from_millis(i64::try_from(id.as_u64_pair().0 / 1000).unwrap_or(0));
    let (plate, lot) = (plate(vehicle), lot(vehicle, LOTS));
    Message::new(format!(
        r#"{{"id":"{id}","vehicle_plate":"{plate}","lot_id":"{lot}","{direction}_date_time":"{time}"}}"#
    ))
}
