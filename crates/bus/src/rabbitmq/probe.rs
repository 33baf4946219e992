//! A read-only check of the broker: can we log in, and do the queues have the right arguments?
//!
//! Nothing is retried. The caller knows what a person should do about a problem.

use lapin::types::FieldTable;
use settings::Redacted;

use super::connection::{Broker, Failure, Live, Refusal, within};
use super::topology::{self, DURABLE, PASSIVE};
use crate::config::Declare;
use crate::{BusConfig, Queue};

/// The state of a queue on the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFound {
    /// The queue.
    pub queue: Queue,
    /// Its name on the broker.
    pub name: String,
    /// Its state.
    pub state: QueueState,
}

/// The state of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueState {
    /// It exists with the right arguments.
    Found {
        /// Ready messages.
        messages: u32,
        /// Its consumers.
        consumers: u32,
    },
    /// It is missing; a service declares it when it starts.
    ToBeMade,
    /// It is missing, and with `DWELL_QUEUE_DECLARE=passive` no service declares it.
    Missing,
    /// It exists with other arguments, so no service starts.
    OtherArguments {
        /// The broker's text.
        said: String,
        /// Our arguments, as text.
        ours: String,
    },
    /// The user may not declare it.
    NoRight {
        /// The broker's text.
        said: String,
    },
}

/// Why the queues can't be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The URL is invalid; the text says what is allowed.
    #[error("{0}")]
    Address(String),
    /// The broker refuses the user or the password.
    #[error("RabbitMQ says \"{0}\"")]
    Login(String),
    /// The virtual host does not exist, or the user may not use it.
    #[error("RabbitMQ says \"{0}\"")]
    VirtualHost(String),
    /// The broker is unreachable, or the error may be temporary.
    #[error("{0}")]
    Away(String),
}

/// Logs in to the broker at `url` and checks the three queues. Declares no queue.
///
/// # Errors
/// Why the queues could not be checked.
pub async fn probe(url: &Redacted, config: &BusConfig) -> Result<Vec<QueueFound>, ProbeError> {
    let broker = Broker::new(url, config).map_err(|error| ProbeError::Address(error.to_string()))?;
    let (live, _watch) = broker.try_connect("looking").await.map_err(|failure| login(&failure))?;
    let mut found = Vec::with_capacity(Queue::ALL.len());
    for queue in Queue::ALL {
        let state = look(&live, config, queue).await.map_err(|failure| ProbeError::Away(failure.to_string()))?;
        found.push(QueueFound { queue, name: config.names.of(queue).to_owned(), state });
    }
    live.close().await;
    Ok(found)
}

fn login(failure: &Failure) -> ProbeError {
    match failure.refusal_of_login() {
        Some((Refusal::Access, said)) => ProbeError::Login(said.to_owned()),
        Some((Refusal::VirtualHost, said)) => ProbeError::VirtualHost(said.to_owned()),
        _ => ProbeError::Away(failure.to_string()),
    }
}

async fn look(live: &Live, config: &BusConfig, queue: Queue) -> Result<QueueState, Failure> {
    let is_active = config.declare == Declare::Active;
    let name = config.names.of(queue);
    let passively = declare(live, name, false, FieldTable::default()).await;
    let found = match passively {
        Ok(found) => found,
        Err(failure) => {
            return match failure.refusal() {
                Some((Refusal::NotFound, _)) if is_active => Ok(QueueState::ToBeMade),
                Some((Refusal::NotFound, _)) => Ok(QueueState::Missing),
                Some((Refusal::Access, said)) => Ok(QueueState::NoRight { said: said.to_owned() }),
                _ => Err(failure),
            };
        }
    };
    if !is_active {
        return Ok(found);
    }
    // The queue exists, so this only compares the arguments.
    match declare(live, name, true, topology::arguments(config, queue)).await {
        Ok(found) => Ok(found),
        Err(failure) => match failure.refusal() {
            Some((Refusal::Precondition, said)) => {
                Ok(QueueState::OtherArguments { said: said.to_owned(), ours: topology::shown(config, queue) })
            }
            Some((Refusal::Access, said)) => Ok(QueueState::NoRight { said: said.to_owned() }),
            _ => Err(failure),
        },
    }
}

/// A refusal closes the channel, so each question has its own.
async fn declare(live: &Live, name: &str, is_active: bool, arguments: FieldTable) -> Result<QueueState, Failure> {
    let channel = within("opening a channel", live.connection().create_channel()).await?;
    let options = if is_active { DURABLE } else { PASSIVE };
    let found = within("looking at a queue", channel.queue_declare(name.into(), options, arguments)).await?;
    Ok(QueueState::Found { messages: found.message_count(), consumers: found.consumer_count() })
}
