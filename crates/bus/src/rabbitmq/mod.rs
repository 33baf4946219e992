//! The bus on `RabbitMQ`.
//!
//! Publishing and consuming use separate connections, because a broker short of memory or disk blocks every
//! connection that publishes. A supervisor task rebuilds each connection without end: connection, topology, channel,
//! prefetch, consumer. The client library's own recovery is not used. Every wait for the broker has a timeout.
//!
//! Modules: `connection` one connection and its errors, `topology` the queues, `connection_handle` the publishing
//! connection, `queue_publisher` the publisher of one queue, `consumer`, `stream`, `window`, `buffer` and
//! `acknowledgements` consuming, `headers` dead-letter reasons and traces, `properties` the publisher's properties,
//! `guarded`, `nesting` and `texts` protection of the library from hostile headers, `probe` a read-only check of a
//! broker.

mod acknowledgements;
mod buffer;
mod connection;
mod connection_handle;
mod consumer;
mod guarded;
mod headers;
mod nesting;
mod probe;
mod properties;
mod queue_publisher;
mod stream;
mod texts;
mod topology;
mod window;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use service_kit::ServiceContext;
use settings::Redacted;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::connection::{Broker, within};
use self::connection_handle::ConnectionHandle;
pub use self::probe::{ProbeError, QueueFound, QueueState, probe};
use self::queue_publisher::{Job, QueuePublisher};
use crate::{Bus, BusConfig, Consumer, Counts, Error, Message, Queue};

/// The most messages that one publisher hands to a publisher at once.
const JOB_MESSAGES_MAX: usize = 500;
/// The most bytes of bodies that one publisher hands to a publisher at once, beyond the first message.
const JOB_BYTES_MAX: usize = 1024 * 1024;

/// The bus on a broker. Dropping it closes the connection that publishes; consumers have their own.
pub struct RabbitMq {
    broker: Arc<Broker>,
    connection: ConnectionHandle,
    publishers: [QueuePublisher; 3],
    context: ServiceContext,
    _shutdown: DropGuard,
}

impl RabbitMq {
    /// Begins to connect, in the background. Needs a Tokio runtime.
    ///
    /// Health shows it as the dependency `rabbitmq`. A broker that refuses us for good is what publishing and receiving
    /// answer; only a URL that cannot be read is refused here.
    pub fn open(url: &Redacted, config: &BusConfig, context: &ServiceContext) -> Result<Self, Error> {
        let broker = Arc::new(Broker::new(url, config)?);
        let shutdown = CancellationToken::new();
        let connection = ConnectionHandle::start(&broker, context, &shutdown);
        let publishers = Queue::ALL.map(|queue| QueuePublisher::start(queue, &broker, &connection, &context.lifecycle));
        Ok(Self { broker, connection, publishers, context: context.clone(), _shutdown: shutdown.drop_guard() })
    }
}

#[async_trait]
impl Bus for RabbitMq {
    async fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<(), Error> {
        let publisher = &self.publishers[queue.index()];
        let mut rest = messages;
        let mut receipts = Vec::new();
        while !rest.is_empty() {
            let later = rest.split_off(job_length(&rest));
            let (done, receipt) = oneshot::channel();
            publisher.submit(Job { messages: rest, done }).await?;
            receipts.push(receipt);
            rest = later;
        }
        for receipt in receipts {
            receipt.await.unwrap_or(Err(Error::Stopping))?;
        }
        Ok(())
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        Ok(Box::new(consumer::start(&self.broker, queue, prefetch.max(1), &self.context)))
    }

    async fn counts(&self, queue: Queue) -> Result<Option<Counts>, Error> {
        let Some(live) = self.connection.live_now()? else { return Ok(None) };
        let name = self.broker.queue_name(queue);
        let counted = within("counting the messages of a queue", async {
            // A queue that is missing costs the channel, so it is one of its own.
            let channel = live.connection().create_channel().await?;
            let found = channel.queue_declare(name, topology::PASSIVE, lapin::types::FieldTable::default()).await?;
            Ok(Counts { ready: found.message_count().into(), consumers: found.consumer_count().into() })
        });
        Ok(counted.await.ok())
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RabbitMq").field("broker", &self.broker).finish_non_exhaustive()
    }
}

/// How many of the messages, at least one, fit into one job.
fn job_length(messages: &[Message]) -> usize {
    let mut bytes = 0;
    let fitting = messages.iter().take(JOB_MESSAGES_MAX).take_while(|message| {
        bytes += message.bytes();
        bytes <= JOB_BYTES_MAX
    });
    fitting.count().max(1)
}
