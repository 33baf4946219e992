//! One consuming connection: its channels, and the number of unacknowledged deliveries of each.
//!
//! A quorum queue limits the deliveries of a channel, so a larger window uses several channels, polled round robin.
//! `window` decides when to widen the window, `consumer` handles the deliveries.

use futures::{FutureExt as _, StreamExt as _};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};

use super::acknowledgements::Acknowledgements;
use super::connection::{Broker, Failure, Live, Watch, within};

/// The maximum of unacknowledged deliveries on one channel of a quorum queue, whatever its prefetch.
const CHANNEL_PREFETCH_MAX: u64 = 2_000;

/// One consuming connection.
pub(super) struct Stream {
    pub(super) live: Live,
    pub(super) watch: Watch,
    pub(super) lines: Lines,
}

/// Its channels.
pub(super) struct Lines {
    queue: ShortString,
    role: String,
    all: Vec<Line>,
}

/// A channel, and its consumer.
struct Line {
    channel: Channel,
    consumer: Option<lapin::Consumer>,
    delivered: u64,
    /// The number of deliveries before this consumer started.
    before: u64,
    /// The prefetch of this consumer.
    limit: u64,
}

/// The next delivery, or why there is none.
pub(super) type Next = Option<lapin::Result<Delivery>>;

impl Stream {
    /// Starts to consume with a small window, which fits on one channel.
    pub(super) async fn begin(
        broker: &Broker,
        live: Live,
        watch: Watch,
        queue: ShortString,
        window: u16,
    ) -> Result<Self, Failure> {
        let role = broker.config.role.clone();
        let mut lines = Lines { queue, role, all: Vec::new() };
        lines.open(&live, u64::from(window)).await?;
        Ok(Self { live, watch, lines })
    }

    pub(super) fn channels(&self) -> Vec<Channel> {
        self.lines.all.iter().map(|line| line.channel.clone()).collect()
    }
}

impl Lines {
    /// The number of deliveries.
    pub(super) fn delivered(&self) -> u64 {
        self.all.iter().map(|line| line.delivered).sum()
    }

    /// Waits for a delivery on any of the channels; returns the channel's index.
    pub(super) async fn first(&mut self) -> (usize, Next) {
        let mut indices = Vec::with_capacity(self.all.len());
        let lines = self.all.iter_mut().enumerate();
        let consumers = lines.filter_map(|(index, line)| {
            let consumer = line.consumer.as_mut()?;
            indices.push(index);
            Some(consumer.next())
        });
        let (next, index, _) = futures::future::select_all(consumers).await;
        let index = indices[index];
        self.count(index, &next);
        (index, next)
    }

    /// An available delivery, round robin from the channel at `index`, in the order in which the broker distributes
    /// them.
    pub(super) fn at_hand(&mut self, index: usize) -> Option<(usize, Next)> {
        let count = self.all.len();
        let mut turns = (index..index + count).map(|index| index % count);
        let (index, next) = turns.find_map(|index| {
            let consumer = self.all.get_mut(index)?.consumer.as_mut()?;
            Some((index, consumer.next().now_or_never()?))
        })?;
        self.count(index, &next);
        Some((index, next))
    }

    fn count(&mut self, index: usize, next: &Next) {
        if let (Some(Ok(_)), Some(line)) = (next, self.all.get_mut(index)) {
            line.delivered += 1;
        }
    }

    /// Whether the window is used up, so that no delivery is on its way.
    pub(super) fn is_exhausted(&self, acknowledgements: &Acknowledgements) -> bool {
        self.all.iter().enumerate().all(|(index, line)| {
            let earlier = acknowledgements.acknowledged(index, line.before);
            let of_this = acknowledgements.acknowledged(index, u64::MAX) - earlier;
            line.delivered - line.before >= line.limit + of_this
        })
    }

    /// Sets the total prefetch to `window`. Only when the window is used up: a delivery in flight would change places
    /// with later ones.
    ///
    /// The caller makes sure that nothing is acknowledged meanwhile.
    pub(super) async fn widen(
        &mut self,
        live: &Live,
        window: u16,
        acknowledgements: &Acknowledgements,
    ) -> Result<(), Failure> {
        let outstanding = |index: usize, line: &Line| line.delivered - acknowledgements.acknowledged(index, u64::MAX);
        let all: u64 = self.all.iter().enumerate().map(|(index, line)| outstanding(index, line)).sum();
        let mut left = u64::from(window).saturating_sub(all);
        for (index, line) in self.all.iter_mut().enumerate() {
            let limit = (CHANNEL_PREFETCH_MAX.saturating_sub(outstanding(index, line))).min(left);
            left -= limit;
            line.end().await?;
            line.begin(&self.queue, &self.role, limit).await?;
        }
        while left > 0 {
            let limit = left.min(CHANNEL_PREFETCH_MAX);
            left -= limit;
            let channel = self.open(live, limit).await?;
            acknowledgements.extend(channel);
        }
        Ok(())
    }

    async fn open(&mut self, live: &Live, limit: u64) -> Result<Channel, Failure> {
        let channel = within("opening a channel", live.connection().create_channel()).await?;
        let mut opened = Line { channel: channel.clone(), consumer: None, delivered: 0, before: 0, limit: 0 };
        opened.begin(&self.queue, &self.role, limit).await?;
        self.all.push(opened);
        Ok(channel)
    }
}

impl Line {
    /// Starts to consume, unless the prefetch is zero.
    async fn begin(&mut self, queue: &ShortString, role: &str, limit: u64) -> Result<(), Failure> {
        (self.before, self.limit) = (self.delivered, limit);
        if limit == 0 {
            return Ok(());
        }
        let prefetch = u16::try_from(limit).unwrap_or(u16::MAX);
        let limited = self.channel.basic_qos(prefetch, BasicQosOptions::default());
        within("setting the prefetch", limited).await?;
        // A quorum queue treats a reused consumer tag on a channel as the same consumer, and redelivers its
        // unacknowledged messages.
        let tag = format!("dwell {role} {}", self.delivered);
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = self.channel.basic_consume(queue.clone(), tag.into(), options, arguments);
        self.consumer = Some(within("beginning to consume", consuming).await?);
        Ok(())
    }

    /// Cancels the consumer. Its unacknowledged messages stay unacknowledged.
    async fn end(&mut self) -> Result<(), Failure> {
        let Some(consumer) = self.consumer.take() else { return Ok(()) };
        let cancelled = self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        within("ending to consume", cancelled).await
    }
}
