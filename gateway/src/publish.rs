//! Publishes to the bus with confirms, within a deadline.
//!
//! Nothing is sent to a bus that is known to be down. One that does not confirm in time may still take the events
//! later: the 503 makes the sender repeat them, and the copy changes nothing.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Message, Properties, Queue};
use parking::{Direction, FormatName, Receipt, Timestamp};
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

/// Which door events came through, and in which format, for metrics and for the headers of their messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    /// The door's name in metrics, where each form of `POST /api/v1/events` is a door.
    pub(crate) name: &'static str,
    way: parking::Door,
    /// The format of the events, or that of a camera.
    format: &'static str,
}

impl Door {
    pub(crate) const HTTP: Self = Self { name: "http", way: parking::Door::Http, format: "json" };
    pub(crate) const CLOUD_EVENTS: Self =
        Self { name: "cloud_events", way: parking::Door::Http, format: "cloud_events" };
    pub(crate) const NDJSON: Self = Self { name: "ndjson", way: parking::Door::Http, format: "ndjson" };
    pub(crate) const MQTT: Self = Self { name: "mqtt", way: parking::Door::Mqtt, format: "json" };
    pub(crate) const GRPC: Self = Self { name: "grpc", way: parking::Door::Grpc, format: "protobuf" };
    const CAMERA: Self = Self { name: "camera", way: parking::Door::Camera, format: "" };
    /// The names of all doors.
    pub(crate) const NAMES: [&str; 6] = [
        Self::HTTP.name,
        Self::CLOUD_EVENTS.name,
        Self::NDJSON.name,
        Self::GRPC.name,
        Self::MQTT.name,
        Self::CAMERA.name,
    ];

    /// The door of a camera's messages over HTTP.
    pub(crate) fn camera(format: camera_formats::Format) -> Self {
        Self::CAMERA.of_format(format)
    }

    /// This door, for a message of a camera.
    pub(crate) fn of_format(self, format: camera_formats::Format) -> Self {
        Self { format: format.as_str(), ..self }
    }

    /// The properties of messages with events that came through this door.
    pub(crate) fn properties(self, received: Timestamp) -> Arc<Properties> {
        let format = FormatName::parse(self.format).ok();
        Arc::new(Properties::of_json(Receipt::new(self.way, format, received).headers()))
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
