//! The queues between gates and correlator: the port, and the contract of its adapters.
//!
//! There are two adapters: [`embedded`] (one process, durable on disk, nothing to install) and [`rabbitmq`]. The
//! suite in `tests/contract` tests both for the same promises: a published message is delivered until it is
//! acknowledged, also after a crash; queues are bounded, and a full queue makes publishers wait (back-pressure); a
//! message keeps its publisher's properties, and dead letters carry their reason. Adapters retry during an outage, so
//! callers see a slow bus, never a broken one.
//!
//! Deliberately not here: the meaning of the messages.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use service_kit::Unavailable;
use service_kit::traces::{Kind, Span, TraceContext, Traces};

mod config;
pub mod embedded;
mod open;
mod properties;
pub mod rabbitmq;

pub use config::{BusConfig, Declare, QueueNames, QueueType};
pub use open::open;
pub use properties::{HeaderValue, Headers, Properties};
pub use rabbitmq::{ProbeError, QueueFound, QueueState, probe};

/// One of the three queues. Their names on the broker are configurable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Gate events of entry gates.
    Entry,
    /// Gate events of exit gates.
    Exit,
    /// Messages that could not be processed, with the reason.
    Dead,
}

impl Queue {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Entry, Self::Exit, Self::Dead];

    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
            Self::Dead => "dead",
        }
    }

    /// Its index in [`ALL`](Self::ALL).
    const fn index(self) -> usize {
        match self {
            Self::Entry => 0,
            Self::Exit => 1,
            Self::Dead => 2,
        }
    }
}

/// Why a message is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterReason {
    /// What is wrong with the message; never a plate.
    pub reason: String,
    /// The queue that the message was published to first.
    pub queue: String,
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The body, unchanged.
    pub body: Bytes,
    /// Only of a dead letter: why it is one.
    pub dead_letter: Option<DeadLetterReason>,
    /// The trace context of the work that published it, if it is traced.
    pub trace: Option<TraceContext>,
    /// The publisher's AMQP properties; `None` for our own programs, which only set JSON as the content type.
    pub properties: Option<Arc<Properties>>,
}

impl Message {
    /// A message of our own programs, which is not a dead letter.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), dead_letter: None, trace: None, properties: None }
    }

    /// The size of body and properties, in bytes.
    pub fn bytes(&self) -> usize {
        bytes(&self.body, self.properties.as_ref())
    }
}

/// The size of a body and properties, in bytes.
fn bytes(body: &Bytes, properties: Option<&Arc<Properties>>) -> usize {
    body.len() + properties.map_or(0, |said| said.bytes())
}

/// Begins the span of publishing these messages, and puts its context into their headers. Dropping the span ends it.
///
/// Returns `None`, and sets no header, if traces are off.
pub fn begin_publishing(messages: &mut [Message], traces: &Traces) -> Option<Span> {
    let mut span = traces.is_on().then(|| traces.begin(Kind::Publishes, "publish gate events", None))?;
    span.note("dwell.messages", messages.len());
    for message in messages {
        message.trace = Some(span.context());
    }
    Some(span)
}

/// Identifies one delivery of one consumer until it is acknowledged. A tag of a lost connection is stale:
/// acknowledging it does nothing, because the message is redelivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The connection, and the channel on it.
    pub generation: u64,
    /// The number of the delivery on the channel, in ascending order.
    pub number: u64,
}

/// A received message.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The tag to acknowledge it by.
    pub tag: Tag,
    /// The body.
    pub body: Bytes,
    /// When it arrived in this process.
    pub received: tokio::time::Instant,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// Only of a dead letter: why it is one, if known.
    pub dead_letter: Option<DeadLetterReason>,
    /// The trace context of the publisher, if it sent one. The embedded bus loses it in a restart.
    pub trace: Option<TraceContext>,
    /// The publisher's AMQP properties; `None` for our own programs.
    pub properties: Option<Arc<Properties>>,
}

impl Delivery {
    /// The size of body and properties, in bytes.
    pub fn bytes(&self) -> usize {
        bytes(&self.body, self.properties.as_ref())
    }
}

/// A permanent error: retrying does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The broker refuses our settings: wrong credentials, a missing virtual host, a queue with other arguments. The
    /// text says what to do.
    #[error("{0}")]
    Config(#[from] settings::Error),
    /// The process is stopping.
    #[error("the bus is closed: the service is stopping")]
    Stopping,
}

/// Why a bus can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has the embedded bus. The text says what to do.
    #[error("{0}")]
    InUse(#[from] Unavailable),
    /// It is refused for good. The text says what to do.
    #[error("{0}")]
    Refused(#[from] Error),
}

impl Error {
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Config(settings::Error::Refused(text.into()))
    }
}

/// The queues, to publish to and to consume from.
#[async_trait]
pub trait Bus: Send + Sync + fmt::Debug {
    /// Publishes the messages in order, and returns once all of them are safe: confirmed by the broker, or on disk.
    ///
    /// Waits while the broker is down or the queue is full. Messages may be duplicated, but are never lost. After the
    /// soft stop it still publishes, but returns [`Error::Stopping`] where it would have to wait.
    async fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<(), Error>;

    /// Begins to consume a queue, with at most `prefetch` unacknowledged deliveries; 0 means 1. Up to 2,000 arrive in
    /// the order of the queue; above that, several channels deliver them in roughly that order. The bytes of
    /// deliveries in the buffer are limited too.
    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error>;

    /// The broker's counts of the queue.
    ///
    /// Returns `None` if the broker does not report them right now. Counts are informative, so this never retries.
    async fn counts(&self, queue: Queue) -> Result<Option<Counts>, Error>;

    /// How many messages are ready in the queue, from [`counts`](Self::counts).
    async fn depth(&self, queue: Queue) -> Result<Option<u64>, Error> {
        Ok(self.counts(queue).await?.map(|counts| counts.ready))
    }
}

/// The broker's counts of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Ready messages, without the unacknowledged ones.
    pub ready: u64,
    /// Consumers of any program. One [`Consumer`] may count as several, see [`Acknowledger::consumers`].
    pub consumers: u64,
}

/// One call of `receive` returns at most this many bytes of bodies, beyond the first message.
pub(crate) const RECEIVED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One consumer of one queue. Its unacknowledged messages are redelivered to any consumer when it is dropped.
#[async_trait]
pub trait Consumer: Send + fmt::Debug {
    /// Waits for a delivery and returns the available ones in order, at most `most` and some megabytes.
    ///
    /// Cancel safe: no delivery is lost. After a lost connection it continues with a new generation. After the soft
    /// stop it returns [`Error::Stopping`]; acknowledging still works.
    async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, Error>;

    /// The handle to acknowledge by, usable from any task.
    fn acknowledger(&self) -> Arc<dyn Acknowledger>;
}

/// Acknowledges the deliveries of one consumer.
#[async_trait]
pub trait Acknowledger: Send + Sync + fmt::Debug {
    /// Acknowledges deliveries, in any order. Stale and repeated tags are ignored.
    ///
    /// Acknowledgements may be held back until all earlier deliveries are acknowledged too, so that one frame
    /// acknowledges many.
    async fn acknowledge(&self, tags: &[Tag]) -> Result<(), Error>;

    /// Announces that these deliveries will take long: acknowledgements of later ones are no longer held back for
    /// them.
    async fn set_aside(&self, tags: &[Tag]) -> Result<(), Error>;

    /// How many consumers the broker counts for this [`Consumer`]; 0 while it has no connection.
    fn consumers(&self) -> u64;
}
