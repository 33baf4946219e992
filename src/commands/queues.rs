//! The bus of the commands `publish` and `dlq`: opened once, for one piece of work, with errors that say what to do.
//!
//! The commands send and receive.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusConfig, OpenError, Queue, embedded};
use clap::Command;
use service_kit::{ServiceContext, Unavailable};
use settings::{AMQP_URL, DATA_DIR, OF_COMMANDS, OF_LINKS, OF_QUEUES, OTLP_ENDPOINT, Setting, Settings};

/// While a command uses the embedded bus, nothing consumes from it: its queues must hold a whole file.
const EMBEDDED_LIMITS: embedded::Limits = embedded::Limits { messages_max: 10_000_000, bytes_max: 1024 * 1024 * 1024 };
/// The timeout of a broker's answer about the depth of a queue.
const DEPTH_TIMEOUT: Duration = Duration::from_secs(30);
const DEPTH_INTERVAL: Duration = Duration::from_millis(100);

/// Why the queues can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus refuses the settings; the cause says what to do.
    #[error("the queues can't be used")]
    Config(#[from] settings::Error),
    /// The broker does not answer, or another process uses the embedded bus.
    #[error("the queues can't be used")]
    Unavailable(#[from] Unavailable),
    /// The stop came first.
    #[error("stopped before it was done; it is safe to run it again")]
    Stopped,
}

/// The command with a help of the settings of the queues.
pub(crate) fn reading(command: Command) -> Command {
    reading_too(command, &[])
}

/// The command with a help of the settings of the queues, and of others.
pub(crate) fn reading_too(command: Command, others: &[&Setting]) -> Command {
    settings::reading(command, &[OF_QUEUES, OF_LINKS, &[&DATA_DIR, &OTLP_ENDPOINT], others, OF_COMMANDS])
}

/// The open bus.
#[derive(Debug)]
pub(crate) struct Queues {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) config: BusConfig,
}

impl Queues {
    /// Opens the bus that the settings name.
    pub(crate) fn open(settings: &Settings, context: &ServiceContext) -> Result<Self, Error> {
        let mut config = BusConfig::from_settings("dwell", settings)?;
        config.limits = EMBEDDED_LIMITS;
        let bus = bus::open(&config, context).map_err(not_opened)?;
        Ok(Self { bus, config })
    }

    /// Opens the bus to publish to. Creates embedded queues only in a folder that is set explicitly: in the default
    /// folder, no dwell may ever run.
    pub(crate) fn open_to_publish(settings: &Settings, context: &ServiceContext) -> Result<Self, Error> {
        if settings.is_given(&DATA_DIR) {
            Self::open(settings, context)
        } else {
            Self::open_existing(settings, context)
        }
    }

    /// Opens the bus, but creates no embedded one: a new one would be empty.
    pub(crate) fn open_existing(settings: &Settings, context: &ServiceContext) -> Result<Self, Error> {
        let BusConfig { url, data_dir, .. } = BusConfig::from_settings("dwell", settings)?;
        if url.is_none() && !embedded::Embedded::is_in(&data_dir) {
            let reason = format!(
                "{} has none; name the folder that dwell works in with {}, or the broker with {}",
                data_dir.display(),
                DATA_DIR.name,
                AMQP_URL.name
            );
            return Err(Unavailable { name: "the embedded queues", reason }.into());
        }
        Self::open(settings, context)
    }

    /// Whether the bus is embedded.
    pub(crate) fn is_embedded(&self) -> bool {
        self.config.url.is_none()
    }

    /// The name of the queue for people.
    pub(crate) fn name(&self, queue: Queue) -> &str {
        self.config.names.of(queue)
    }

    /// The location of the queues, as the end of a sentence.
    pub(crate) fn place(&self) -> String {
        self.config.url.as_ref().map_or_else(|| self.config.data_dir.display().to_string(), ToString::to_string)
    }

    /// How many messages are ready in the queue; retries until a timeout.
    pub(crate) async fn depth(&self, queue: Queue) -> Result<u64, Error> {
        let asked = async {
            loop {
                match self.bus.depth(queue).await {
                    Ok(Some(depth)) => return Ok(depth),
                    Ok(None) => tokio::time::sleep(DEPTH_INTERVAL).await,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        tokio::time::timeout(DEPTH_TIMEOUT, asked).await.unwrap_or_else(|_| {
            let place = self.config.url.as_ref().map_or_else(String::new, |url| format!(" at {url}"));
            let reason =
                format!("no answer{place} within {DEPTH_TIMEOUT:?}; is it running, and is {} right?", AMQP_URL.name);
            Err(Unavailable { name: "rabbitmq", reason }.into())
        })
    }
}

impl From<bus::Error> for Error {
    fn from(error: bus::Error) -> Self {
        match error {
            bus::Error::Stopping => Self::Stopped,
            bus::Error::Config(refusal) => refusal.into(),
        }
    }
}

fn not_opened(error: OpenError) -> Error {
    match error {
        OpenError::Refused(error) => error.into(),
        OpenError::InUse(Unavailable { name, reason }) => {
            let both = format!(
                "{reason}; for queues that a running program uses at the same time, set {} for both",
                AMQP_URL.name
            );
            Unavailable { name, reason: both }.into()
        }
    }
}
