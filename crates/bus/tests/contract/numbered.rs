//! Messages with numbers as bodies: made, received, acknowledged and counted, so that a claim can name them.

use std::future::Future;
use std::time::Duration;

use bus::{Bus, Consumer, Delivery, Message, Queue};

/// The longest wait for an expected event.
pub(crate) const EVENT_DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(EVENT_DEADLINE, work).await.unwrap_or_else(|_| panic!("not done in {EVENT_DEADLINE:?}"))
}

/// Messages with these numbers as bodies.
pub(crate) fn messages(numbers: impl IntoIterator<Item = u32>) -> Vec<Message> {
    numbers.into_iter().map(|number| Message::new(number.to_string())).collect()
}

pub(crate) fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    numbers.into_iter().collect()
}

pub(crate) fn number(delivery: &Delivery) -> u32 {
    std::str::from_utf8(&delivery.body).unwrap().parse().unwrap()
}

pub(crate) fn sorted(deliveries: &[Delivery]) -> Vec<u32> {
    let mut numbers: Vec<_> = deliveries.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Receives until this many deliveries arrived, and acknowledges none.
pub(crate) async fn received(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    within(async {
        while deliveries.len() < count {
            deliveries.extend(consumer.receive(count - deliveries.len()).await.unwrap());
        }
    })
    .await;
    deliveries
}

/// Receives until this many deliveries arrived, acknowledges all, and returns their numbers.
pub(crate) async fn drained(consumer: &mut dyn Consumer, count: usize) -> Vec<u32> {
    let acknowledger = consumer.acknowledger();
    let mut numbers = Vec::new();
    within(async {
        while numbers.len() < count {
            let deliveries = consumer.receive(count - numbers.len()).await.unwrap();
            let tags: Vec<_> = deliveries.iter().map(|delivery| delivery.tag).collect();
            acknowledger.acknowledge(&tags).await.unwrap();
            numbers.extend(deliveries.iter().map(number));
        }
    })
    .await;
    numbers
}

pub(crate) async fn depth(bus: &dyn Bus, queue: Queue) -> u64 {
    bus.depth(queue).await.unwrap().unwrap_or_default()
}
