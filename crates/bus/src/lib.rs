//! The queues between gates and correlator: the port, and what every adapter promises.
//!
//! Two adapters stand behind it: [`embedded`] (one process, durable on disk, nothing installed) and [`rabbitmq`].
//! The suite in `tests/contract` holds both to the same promises: what was published is delivered until it is
//! acknowledged, also after a crash; queues are bounded and a full one makes the publisher wait; a message keeps what its
//! publisher said beside the body, and dead letters carry their reason. An outage of the broker is waited out here, so callers see a slow bus, never a broken one.
//!
//! What the messages mean is not known here.

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

/// One of the three queues. Their names on the broker can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Gate events of entry gates.
    Entry,
    /// Gate events of exit gates.
    Exit,
    /// What could not be processed, with the reason.
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

    /// Its place in [`ALL`](Self::ALL).
    const fn index(self) -> usize {
        match self {
            Self::Entry => 0,
            Self::Exit => 1,
            Self::Dead => 2,
        }
    }
}

/// Why a message lies in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterReason {
    /// What is wrong with the message; never a plate.
    pub reason: String,
    /// The queue that it came on.
    pub queue: String,
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The body, as it was or will be received.
    pub body: Bytes,
    /// For a dead letter: why it is one.
    pub dead_letter: Option<DeadLetterReason>,
    /// The work that it came from, when somebody may want to know.
    pub trace: Option<TraceContext>,
    /// What its publisher said beside the body; `None` for one of our own programs, which says that it is JSON.
    pub properties: Option<Arc<Properties>>,
}

impl Message {
    /// A message of our own programs, without a dead-letter reason.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), dead_letter: None, trace: None, properties: None }
    }

    /// Bytes of its body, and of what its publisher said beside it.
    pub fn bytes(&self) -> usize {
        bytes(&self.body, self.properties.as_ref())
    }
}

/// Bytes of a body, and of what was said beside it.
fn bytes(body: &Bytes, properties: Option<&Arc<Properties>>) -> usize {
    body.len() + properties.map_or(0, |said| said.bytes())
}

/// Begins the span of publishing these messages, whose headers then name it; it ends when it is dropped.
///
/// `None`, and no header, when spans go nowhere: nobody asks then which work the messages came from.
pub fn begin_publishing(messages: &mut [Message], traces: &Traces) -> Option<Span> {
    let mut span = traces.is_on().then(|| traces.begin(Kind::Publishes, "publish gate events", None))?;
    span.note("dwell.messages", messages.len());
    for message in messages {
        message.trace = Some(span.context());
    }
    Some(span)
}

/// Names one delivery of one consumer, until it is acknowledged. One from a lost connection is stale: acknowledging
/// it does nothing, since the message is delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Which connection it came on, and which channel there.
    pub generation: u64,
    /// Its number there, growing in order of delivery.
    pub number: u64,
}

/// A message as it is received.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// To acknowledge it by.
    pub tag: Tag,
    /// The body.
    pub body: Bytes,
    /// When it arrived in this process.
    pub received: tokio::time::Instant,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// For a dead letter: why it is one, when it is known.
    pub dead_letter: Option<DeadLetterReason>,
    /// The work that it came from, when its publisher says so. The embedded bus forgets it with a restart.
    pub trace: Option<TraceContext>,
    /// What its publisher said beside the body; `None` for one of our own programs.
    pub properties: Option<Arc<Properties>>,
}

impl Delivery {
    /// Bytes of its body, and of what its publisher said beside it.
    pub fn bytes(&self) -> usize {
        bytes(&self.body, self.properties.as_ref())
    }
}

/// What can't be waited out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Settings and broker disagree, such as wrong credentials, a missing virtual host or a queue with other arguments.
    /// The text says what to do.
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
    /// It can't be used.
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
    /// Publishes the messages in order and returns once all of them are safe: confirmed by the broker, or on disk.
    ///
    /// Waits while the broker is away or the queue is full. A message may then be there twice, never not at all. After
    /// the soft stop it still publishes, but where it would have to wait so, it answers [`Error::Stopping`].
    async fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<(), Error>;

    /// Begins to consume a queue, with at most `prefetch` deliveries not acknowledged; none is taken for one. Up to 2,000
    /// come in the order of the queue; above that they come on several channels, in that order only roughly. What waits to
    /// be received is bounded in bytes too.
    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error>;

    /// What the broker counts of the queue.
    ///
    /// `None` when it does not say so just now; counts are only looked at, so this is not waited out.
    async fn counts(&self, queue: Queue) -> Result<Option<Counts>, Error>;

    /// How many messages are ready in the queue, as [`counts`](Self::counts) tells it.
    async fn depth(&self, queue: Queue) -> Result<Option<u64>, Error> {
        Ok(self.counts(queue).await?.map(|counts| counts.ready))
    }
}

/// What the broker counts of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Messages that are ready, those delivered and not acknowledged left out.
    pub ready: u64,
    /// Consumers, of any program: a [`Consumer`] may be several, see [`Acknowledger::consumers`].
    pub consumers: u64,
}

/// The bodies that a consumer hands out at once have at most so many bytes, beyond the first.
pub(crate) const RECEIVED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One consumer of one queue. What is not acknowledged when it is dropped is delivered again, to whoever consumes.
#[async_trait]
pub trait Consumer: Send + fmt::Debug {
    /// Waits for a delivery and takes what is at hand, at most `most` deliveries and some megabytes, in order.
    ///
    /// May be cancelled at any await without losing a delivery. After a lost connection it goes on with a new generation.
    /// From the soft stop on it answers [`Error::Stopping`]; acknowledging goes on.
    async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, Error>;

    /// The handle to acknowledge by, from any task.
    fn acknowledger(&self) -> Arc<dyn Acknowledger>;
}

/// Acknowledges the deliveries of one consumer.
#[async_trait]
pub trait Acknowledger: Send + Sync + fmt::Debug {
    /// Acknowledges deliveries, in any order; stale and repeated tags are passed over.
    ///
    /// Acknowledgements may be held back until all earlier deliveries are acknowledged too, so that many go in one.
    async fn acknowledge(&self, tags: &[Tag]) -> Result<(), Error>;

    /// Says that these deliveries will take long: acknowledgements of later ones are no longer held back for them.
    async fn set_aside(&self, tags: &[Tag]) -> Result<(), Error>;

    /// How many consumers the broker counts for this [`Consumer`]; none while it has no connection.
    fn consumers(&self) -> u64;
}
