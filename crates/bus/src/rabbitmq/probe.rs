//! A look at the broker that changes nothing: may we log in, and are the queues as they must be?
//!
//! Nothing is retried and nothing waited out. What a person should do about it is left to the caller.

use lapin::types::FieldTable;
use settings::Masked;

use super::connection::{Broker, Failure, Live, Refusal, within};
use super::topology::{self, DURABLE, PASSIVE};
use crate::config::Declare;
use crate::{BusConfig, Queue};

/// A queue as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFound {
    /// Which.
    pub queue: Queue,
    /// Its name on the broker.
    pub name: String,
    /// How it stands.
    pub state: QueueState,
}

/// How a queue stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueState {
    /// It can be used as it is.
    Found {
        /// Messages that wait there.
        messages: u32,
        /// Who consumes it.
        consumers: u32,
    },
    /// It is not there; a service makes it when it starts.
    ToBeMade,
    /// It is not there, and by `DWELL_QUEUE_DECLARE=passive` nobody makes it.
    Missing,
    /// It is there with other arguments than ours, so no service starts.
    OtherArguments {
        /// What the broker says.
        said: String,
        /// Ours, for people.
        ours: String,
    },
    /// The user may not declare it.
    NoRight {
        /// What the broker says.
        said: String,
    },
}

/// Why nothing can be said about the queues.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The address is not one; the text says what is allowed.
    #[error("{0}")]
    Address(String),
    /// The broker refuses the user or the password.
    #[error("RabbitMQ says \"{0}\"")]
    Login(String),
    /// There is no such virtual host, or the user may not use it.
    #[error("RabbitMQ says \"{0}\"")]
    VirtualHost(String),
    /// Nobody answers, or something went wrong that may pass.
    #[error("{0}")]
    Away(String),
}

/// Logs in to the broker at `url`, looks at the three queues, and leaves. Makes no queue.
///
/// # Errors
/// Why the queues could not be looked at.
pub async fn probe(url: &Masked, config: &BusConfig) -> Result<Vec<QueueFound>, ProbeError> {
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
    // The queue is there, so this makes none: it only compares the arguments.
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

/// A refusal costs the channel, so each question has its own.
async fn declare(live: &Live, name: &str, is_active: bool, arguments: FieldTable) -> Result<QueueState, Failure> {
    let channel = within("opening a channel", live.connection().create_channel()).await?;
    let options = if is_active { DURABLE } else { PASSIVE };
    let found = within("looking at a queue", channel.queue_declare(name.into(), options, arguments)).await?;
    Ok(QueueState::Found { messages: found.message_count(), consumers: found.consumer_count() })
}
