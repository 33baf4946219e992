//! The configuration of the bus: embedded or a broker, and the names of its queues.
//!
//! Each service decides what to do if it needs a broker and none is configured.

use std::path::PathBuf;

use settings::{Redacted, Settings};
use tls::Connector;

use crate::Queue;
use crate::embedded::Limits;

/// The maximum length of a queue name in AMQP, in bytes.
const QUEUE_NAME_BYTES_MAX: usize = 255;

/// The configuration of the bus. The default is the embedded bus in `./dwell-data`.
#[derive(Debug, Clone)]
pub struct BusConfig {
    /// The broker; `None` means the embedded bus. `Display` hides the password.
    pub url: Option<Redacted>,
    /// The names of the queues on the broker.
    pub names: QueueNames,
    /// The type of the queues on the broker.
    pub queue_type: QueueType,
    /// Whether to declare the queues.
    pub declare: Declare,
    /// The connection name that operators of the broker see: the service's name.
    pub role: String,
    /// The TLS of an `amqps` address.
    pub connector: Connector,
    /// The folder of the embedded bus.
    pub data_dir: PathBuf,
    /// The capacity of each queue of the embedded bus.
    pub limits: Limits,
}

/// The names of the three queues on the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueNames {
    /// The name of [`Queue::Entry`].
    pub entry: String,
    /// The name of [`Queue::Exit`].
    pub exit: String,
    /// The name of [`Queue::Dead`].
    pub dead: String,
}

impl QueueNames {
    /// The name of this queue.
    pub fn of(&self, queue: Queue) -> &str {
        match queue {
            Queue::Entry => &self.entry,
            Queue::Exit => &self.exit,
            Queue::Dead => &self.dead,
        }
    }
}

/// A type of queue in `RabbitMQ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueType {
    /// Replicated, and fsynced before a publish is confirmed.
    Quorum,
    /// On one node.
    Classic,
}

/// Whether to declare the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declare {
    /// Declare them with our arguments.
    Active,
    /// Require that they exist, with any arguments.
    Passive,
}

impl Default for QueueNames {
    fn default() -> Self {
        Self { entry: "parking.entry".to_owned(), exit: "parking.exit".to_owned(), dead: "parking.dead".to_owned() }
    }
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            url: None,
            names: QueueNames::default(),
            queue_type: QueueType::Quorum,
            declare: Declare::Active,
            role: "dwell".to_owned(),
            connector: Connector::default(),
            data_dir: PathBuf::from("./dwell-data"),
            limits: Limits::default(),
        }
    }
}

impl BusConfig {
    /// Reads the configuration from the settings; `role` is the service's name.
    pub fn from_settings(role: &str, settings: &Settings) -> Result<Self, settings::Error> {
        let queue_types = [("quorum", QueueType::Quorum), ("classic", QueueType::Classic)];
        let declares = [("active", Declare::Active), ("passive", Declare::Passive)];
        let default = Self::default();
        Ok(Self {
            url: settings.url(&settings::AMQP_URL, &["amqp", "amqps"])?,
            names: names(settings)?,
            queue_type: settings.choice(&settings::QUEUE_TYPE, &queue_types)?.unwrap_or(default.queue_type),
            declare: settings.choice(&settings::QUEUE_DECLARE, &declares)?.unwrap_or(default.declare),
            role: role.to_owned(),
            connector: Connector::from_settings(settings)?,
            data_dir: settings.text(&settings::DATA_DIR).map_or(default.data_dir, PathBuf::from),
            limits: default.limits,
        })
    }
}

fn names(settings: &Settings) -> Result<QueueNames, settings::Error> {
    let name = |setting: &settings::Setting| {
        let name = settings.required(setting)?;
        if name.len() > QUEUE_NAME_BYTES_MAX {
            return Err(settings.wrong(setting, format!("it has {} bytes", name.len())));
        }
        Ok(name.to_owned())
    };
    let names = QueueNames {
        entry: name(&settings::QUEUE_ENTRY)?,
        exit: name(&settings::QUEUE_EXIT)?,
        dead: name(&settings::QUEUE_DEAD)?,
    };
    let twice = "it is the name of another of the three queues too";
    if names.dead == names.entry || names.dead == names.exit {
        return Err(settings.wrong(&settings::QUEUE_DEAD, twice));
    }
    if names.exit == names.entry {
        return Err(settings.wrong(&settings::QUEUE_EXIT, twice));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_settings_the_bus_is_embedded() {
        let config = BusConfig::from_settings("dwell", &Settings::from_variables([]).unwrap()).unwrap();

        assert_eq!((config.url, config.names), (None, QueueNames::default()));
    }

    #[test]
    fn a_broker_shows_itself_without_its_password() {
        let settings = Settings::from_variables([("DWELL_AMQP_URL", "amqp://dwell:hidden@broker/%2f")]).unwrap();

        let config = BusConfig::from_settings("correlator", &settings).unwrap();

        let shown = format!("{config:?}");
        assert!(shown.contains("amqp://dwell:***@broker") && !shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn one_name_for_two_queues_is_refused() {
        let settings = Settings::from_variables([("DWELL_QUEUE_DEAD", "parking.exit")]).unwrap();

        let refusal = BusConfig::from_settings("correlator", &settings).unwrap_err().to_string();

        assert_eq!(
            refusal,
            "DWELL_QUEUE_DEAD=parking.exit: it is the name of another of the three queues too; \
             allowed is a queue name of 1 to 255 bytes"
        );
    }
}
