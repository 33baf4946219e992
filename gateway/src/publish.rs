//! Publishes to the bus with confirms, within a deadline.
//!
//! Nothing is sent to a bus that is known to be down. One that does not confirm in time may still take the events
//! later: the 503 makes the sender repeat them, and the copy changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, HeaderValue, Message, Properties, Queue};
use parking::{Direction, Timestamp};
use service_kit::ServiceContext;
use service_kit::health::{DependencyStatus, Status};
use service_kit::traces::Traces;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// How long a request waits for the confirms. Some senders give up after two seconds.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1_500);
/// The names under which health shows a bus.
const BUSES: [&str; 2] = ["rabbitmq", "bus"];

/// Hands events to the bus.
#[derive(Debug)]
pub(crate) struct Publisher {
    bus: Arc<dyn Bus>,
    health: service_kit::Health,
    traces: Traces,
    metrics: Metrics,
}

/// The bus did not confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unconfirmed;

/// Which door events came through, for the headers of their messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    /// The door's name, as in metrics.
    pub(crate) name: &'static str,
    /// The camera's format.
    pub(crate) format: Option<&'static str>,
}

impl Door {
    pub(crate) const HTTP: Self = Self { name: "http", format: None };
    pub(crate) const CLOUD_EVENTS: Self = Self { name: "cloud_events", format: None };
    pub(crate) const NDJSON: Self = Self { name: "ndjson", format: None };
    /// With the format of a camera, if the message is one's.
    pub(crate) const MQTT: Self = Self { name: "mqtt", format: None };
    pub(crate) const GRPC: Self = Self { name: "grpc", format: None };
    const CAMERA: &str = "camera";
    /// The names of all doors.
    pub(crate) const NAMES: [&str; 6] =
        [Self::HTTP.name, Self::CLOUD_EVENTS.name, Self::NDJSON.name, Self::GRPC.name, Self::MQTT.name, Self::CAMERA];

    pub(crate) fn camera(format: camera_formats::Format) -> Self {
        Self { name: Self::CAMERA, format: Some(format.as_str()) }
    }

    /// What stands beside the events of this door on their way.
    pub(crate) fn properties(self, received: Timestamp) -> Arc<Properties> {
        let mut headers = BTreeMap::from([
            ("x-dwell-door".to_owned(), HeaderValue::text(self.name)),
            ("x-dwell-received".to_owned(), HeaderValue::text(&received.to_string())),
        ]);
        if let Some(format) = self.format {
            headers.insert("x-dwell-format".to_owned(), HeaderValue::text(format));
        }
        Arc::new(Properties { content_type: Some("application/json".to_owned()), headers, ..Properties::default() })
    }
}

/// Messages for the two queues.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outgoing {
    entries: Vec<Message>,
    exits: Vec<Message>,
    events: u64,
}

impl Outgoing {
    /// Adds a message with one event.
    pub(crate) fn add(&mut self, direction: Direction, message: Message) {
        self.add_several(direction, message, 1);
    }

    /// Adds a message with several events.
    pub(crate) fn add_several(&mut self, direction: Direction, message: Message, events: u64) {
        self.events += events;
        match direction {
            Direction::Entry => self.entries.push(message),
            Direction::Exit => self.exits.push(message),
        }
    }

    /// Adds all of another one.
    pub(crate) fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.exits.extend(other.exits);
        self.events += other.events;
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }
}

impl Publisher {
    pub(crate) fn new(bus: Arc<dyn Bus>, context: &ServiceContext, metrics: Metrics) -> Self {
        Self { bus, health: context.health.clone(), traces: context.traces.clone(), metrics }
    }

    /// Publishes all messages, and returns once all are confirmed.
    pub(crate) async fn publish(&self, outgoing: Outgoing, within: Duration) -> Result<(), Unconfirmed> {
        if outgoing.events == 0 {
            return Ok(());
        }
        let begun = Instant::now();
        let Outgoing { entries, exits, .. } = outgoing;
        let publishing = async { tokio::try_join!(self.send(Queue::Entry, entries), self.send(Queue::Exit, exits)) };
        match tokio::time::timeout(within, publishing).await {
            Ok(Ok(_)) => {
                self.metrics.publish_seconds.observe(begun.elapsed().as_secs_f64());
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the bus takes no events");
                Err(Unconfirmed)
            }
            Err(_) => Err(Unconfirmed),
        }
    }

    async fn send(&self, queue: Queue, mut messages: Vec<Message>) -> Result<(), bus::Error> {
        if messages.is_empty() {
            return Ok(());
        }
        let _span = bus::begin_publishing(&mut messages, &self.traces);
        self.bus.publish(queue, messages).await
    }

    /// Whether the bus is known to be down.
    pub(crate) fn is_away(&self) -> bool {
        let is_up = |status: &DependencyStatus| !BUSES.contains(&status.name) || status.status == Status::Up;
        self.health.is_draining() || !self.health.dependencies().iter().all(is_up)
    }
}
