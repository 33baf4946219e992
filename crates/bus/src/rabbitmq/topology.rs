//! The queues on the broker: their arguments, and the broker's refusals.

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use super::connection::{Broker, Failure, Live, Problem, Refusal, within};
use crate::config::{Declare, QueueType};
use crate::{BusConfig, Queue};

/// Checks for a queue without declaring it.
pub(super) const PASSIVE: QueueDeclareOptions =
    QueueDeclareOptions { passive: true, durable: true, exclusive: false, auto_delete: false, nowait: false };
/// Declares a queue. An existing one stays unchanged, and must have the same arguments.
pub(super) const DURABLE: QueueDeclareOptions = QueueDeclareOptions { passive: false, ..PASSIVE };

/// The delivery limit of a quorum queue: so high that outages never reach it. `RabbitMQ` 4 drops a message after 20
/// redeliveries by default, and only version 4 has a value for "unlimited"; all versions accept this number.
const DELIVERY_LIMIT: i32 = i32::MAX;

/// Declares the three queues, or checks that they exist.
pub(super) async fn declare(broker: &Broker, live: &Live) -> Result<(), Problem> {
    let channel = within("opening a channel", live.connection().create_channel()).await?;
    // First the queue that the other two name.
    for queue in [Queue::Dead, Queue::Entry, Queue::Exit] {
        let (options, arguments) = match broker.config.declare {
            Declare::Active => (DURABLE, arguments(&broker.config, queue)),
            Declare::Passive => (PASSIVE, FieldTable::default()),
        };
        let declared = channel.queue_declare(broker.queue_name(queue), options, arguments);
        within("declaring a queue", declared).await.map_err(|failure| problem(&broker.config, queue, failure))?;
    }
    // The channel also ends with the connection, so an error does not matter here.
    drop(within("closing a channel", channel.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into())).await);
    Ok(())
}

pub(super) fn arguments(config: &BusConfig, queue: Queue) -> FieldTable {
    let mut arguments = FieldTable::default();
    let mut text = |name: &str, value: &str| {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    };
    match config.queue_type {
        QueueType::Quorum => text("x-queue-type", "quorum"),
        QueueType::Classic => text("x-queue-type", "classic"),
    }
    if queue == Queue::Dead {
        return arguments;
    }
    text("x-dead-letter-exchange", "");
    text("x-dead-letter-routing-key", &config.names.dead);
    text("x-overflow", "reject-publish");
    if config.queue_type == QueueType::Quorum {
        text("x-dead-letter-strategy", "at-least-once");
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    }
    arguments
}

fn problem(config: &BusConfig, queue: Queue, failure: Failure) -> Problem {
    let Some((refusal, said)) = failure.refusal() else { return failure.into() };
    let name = config.names.of(queue);
    match (refusal, config.declare) {
        (Refusal::Precondition, Declare::Active) => Problem::Config(format!(
            "the queue {name} is there with other arguments than ours: RabbitMQ says \"{said}\"; ours are {}. Set \
             DWELL_QUEUE_DECLARE=passive to take the queue as it is, or the DWELL_QUEUE_TYPE that it has (quorum or \
             classic), or delete the queue when it is empty",
            shown(config, queue)
        )),
        (Refusal::NotFound, Declare::Passive) => Problem::Config(format!(
            "the queue {name} is missing and DWELL_QUEUE_DECLARE=passive makes none: RabbitMQ says \"{said}\". Make the \
             queue, or set DWELL_QUEUE_DECLARE=active"
        )),
        (Refusal::Access, _) => Problem::Config(format!(
            "the user in DWELL_AMQP_URL may not declare the queue {name}: RabbitMQ says \"{said}\". Give the user the \
             right to configure it, or make the queues and set DWELL_QUEUE_DECLARE=passive"
        )),
        _ => failure.into(),
    }
}

/// Our arguments of a queue, as text.
pub(super) fn shown(config: &BusConfig, queue: Queue) -> String {
    let arguments = arguments(config, queue);
    let shown = arguments.inner().iter().map(|(name, value)| match value.as_long_string() {
        Some(text) => format!(", {name}=\"{text}\""),
        None => format!(", {name}={}", value.as_long_int().unwrap_or_default()),
    });
    std::iter::once("durable=true".to_owned()).chain(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorum_queues_keep_what_they_cannot_deliver() {
        let shown = Queue::ALL.map(|queue| shown(&BusConfig::default(), queue));

        let entry = "durable=true, x-dead-letter-exchange=\"\", x-dead-letter-routing-key=\"parking.dead\", \
                     x-dead-letter-strategy=\"at-least-once\", x-delivery-limit=2147483647, \
                     x-overflow=\"reject-publish\", x-queue-type=\"quorum\"";
        assert_eq!(shown, [entry, entry, "durable=true, x-queue-type=\"quorum\""]);
    }
}
