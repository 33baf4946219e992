//! One connection that consumes: its channels, and how many deliveries each may have under way.
//!
//! A quorum queue gives a channel only so many, so a larger window is shared by several, whose deliveries are taken in
//! turns. When to widen the window is left to `window`, what to do with deliveries to `consumer`.

use futures::{FutureExt as _, StreamExt as _};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};

use super::acknowledgements::Acknowledgements;
use super::connection::{Broker, Failure, Live, Watch, within};

/// A quorum queue leaves no more unacknowledged on one channel, whatever its prefetch.
const CHANNEL_PREFETCH_MAX: u64 = 2_000;

/// One connection that consumes.
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

/// A channel, and the consumer on it.
struct Line {
    channel: Channel,
    consumer: Option<lapin::Consumer>,
    delivered: u64,
    /// What was delivered before this consumer began.
    before: u64,
    /// How many deliveries of this consumer the broker leaves unacknowledged.
    limit: u64,
}

/// The next delivery, or why there is none.
pub(super) type Next = Option<lapin::Result<Delivery>>;

impl Stream {
    /// Begins to consume with a small window, which fits on one channel.
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
    /// How many were delivered.
    pub(super) fn delivered(&self) -> u64 {
        self.all.iter().map(|line| line.delivered).sum()
    }

    /// Waits for a delivery to any of the channels; tells to which.
    pub(super) async fn first(&mut self) -> (usize, Next) {
        let mut places = Vec::with_capacity(self.all.len());
        let lines = self.all.iter_mut().enumerate();
        let consumers = lines.filter_map(|(place, line)| {
            let consumer = line.consumer.as_mut()?;
            places.push(place);
            Some(consumer.next())
        });
        let (next, index, _) = futures::future::select_all(consumers).await;
        let place = places[index];
        self.count(place, &next);
        (place, next)
    }

    /// A delivery that is at hand, asking the channel at `place` first: in turns, since so the broker gives them out.
    pub(super) fn at_hand(&mut self, place: usize) -> Option<(usize, Next)> {
        let count = self.all.len();
        let mut turns = (place..place + count).map(|place| place % count);
        let (place, next) = turns.find_map(|place| {
            let consumer = self.all.get_mut(place)?.consumer.as_mut()?;
            Some((place, consumer.next().now_or_never()?))
        })?;
        self.count(place, &next);
        Some((place, next))
    }

    fn count(&mut self, place: usize, next: &Next) {
        if let (Some(Ok(_)), Some(line)) = (next, self.all.get_mut(place)) {
            line.delivered += 1;
        }
    }

    /// Whether the broker has delivered as many as it may, so that none is on its way.
    pub(super) fn is_exhausted(&self, acknowledgements: &Acknowledgements) -> bool {
        self.all.iter().enumerate().all(|(place, line)| {
            let earlier = acknowledgements.acknowledged(place, line.before);
            let of_this = acknowledgements.acknowledged(place, u64::MAX) - earlier;
            line.delivered - line.before >= line.limit + of_this
        })
    }

    /// Lets the broker leave `window` deliveries unacknowledged in all. Only when it has delivered as many as it may: a
    /// delivery that crossed with this would change places with later ones.
    ///
    /// The caller sees to it that nothing is acknowledged meanwhile.
    pub(super) async fn widen(
        &mut self,
        live: &Live,
        window: u16,
        acknowledgements: &Acknowledgements,
    ) -> Result<(), Failure> {
        let outstanding = |place: usize, line: &Line| line.delivered - acknowledgements.acknowledged(place, u64::MAX);
        let all: u64 = self.all.iter().enumerate().map(|(place, line)| outstanding(place, line)).sum();
        let mut left = u64::from(window).saturating_sub(all);
        for (place, line) in self.all.iter_mut().enumerate() {
            let limit = (CHANNEL_PREFETCH_MAX.saturating_sub(outstanding(place, line))).min(left);
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
    /// Begins to consume, unless nothing may be delivered.
    async fn begin(&mut self, queue: &ShortString, role: &str, limit: u64) -> Result<(), Failure> {
        (self.before, self.limit) = (self.delivered, limit);
        if limit == 0 {
            return Ok(());
        }
        let prefetch = u16::try_from(limit).unwrap_or(u16::MAX);
        let limited = self.channel.basic_qos(prefetch, BasicQosOptions::default());
        within("setting the prefetch", limited).await?;
        // A quorum queue takes a tag that comes again on a channel for the same consumer, and delivers to it once more what
        // it has unacknowledged.
        let tag = format!("dwell {role} {}", self.delivered);
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = self.channel.basic_consume(queue.clone(), tag.into(), options, arguments);
        self.consumer = Some(within("beginning to consume", consuming).await?);
        Ok(())
    }

    /// Ends to consume. What is unacknowledged stays so.
    async fn end(&mut self) -> Result<(), Failure> {
        let Some(consumer) = self.consumer.take() else { return Ok(()) };
        let cancelled = self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        within("ending to consume", cancelled).await
    }
}
