//! The contract on `RabbitMQ`, with quorum and classic queues, and the errors of a wrong configuration.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{Bus, BusConfig, Declare, Error, Queue, QueueType};
use serde_json::json;
use service_kit::ServiceContext;
use settings::Redacted;
use testbed::{RabbitMq, wait_until};

use crate::claims::{House, SMALL_MESSAGES, contract};
use crate::numbered::{EVENT_DEADLINE, depth, drained, messages, number, within};

mod quorum {
    use super::*;

    contract!(VirtualHost::new(QueueType::Quorum).await, ignore = "needs RabbitMQ: ci/test");
}

mod classic {
    use super::*;

    contract!(VirtualHost::new(QueueType::Classic).await, ignore = "needs RabbitMQ: ci/test");
}

/// A separate virtual host on the shared broker.
pub(crate) struct VirtualHost {
    pub(crate) url: String,
    queue_type: QueueType,
}

impl VirtualHost {
    pub(crate) async fn new(queue_type: QueueType) -> Self {
        let url = RabbitMq::shared().await.unwrap().vhost("bus").await.unwrap();
        Self { url, queue_type }
    }

    fn name(&self) -> &str {
        self.url.rsplit_once('/').unwrap().1
    }

    pub(crate) fn config(&self) -> BusConfig {
        BusConfig { queue_type: self.queue_type, ..config(&self.url) }
    }
}

pub(crate) fn config(url: &str) -> BusConfig {
    BusConfig { url: Some(Redacted::url(url)), role: "contract".to_owned(), ..BusConfig::default() }
}

impl House for VirtualHost {
    async fn open(&self, context: &ServiceContext) -> Arc<dyn Bus> {
        bus::open(&self.config(), context).unwrap()
    }

    async fn open_small(&self, context: &ServiceContext) -> Arc<dyn Bus> {
        let management = RabbitMq::shared().await.unwrap().management();
        let policy = json!({"pattern": ".*", "definition": {"max-length": SMALL_MESSAGES}, "apply-to": "queues"});
        management.put(&format!("policies/{}/small", self.name()), &policy).await.unwrap();
        let bus = self.open(context).await;
        let path = format!("queues/{}/parking.entry", self.name());
        wait_until(EVENT_DEADLINE, "the policy to hold", async || {
            let queue = management.get(&path).await.unwrap();
            queue.is_some_and(|queue| queue["policy"] == "small")
        })
        .await;
        bus
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_wrong_password_is_said_clearly_and_soon() {
    let host = VirtualHost::new(QueueType::Quorum).await;
    let wrong = config(&host.url.replace("guest:guest@", "guest:hidden@"));

    let said = refusals(&wrong).await;

    for text in said {
        assert!(text.contains("refuses amqp://guest:***@") && text.contains("DWELL_AMQP_URL"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_missing_virtual_host_is_said_clearly_and_soon() {
    let host = VirtualHost::new(QueueType::Quorum).await;

    let said = refusals(&config(&format!("{}-missing", host.url))).await;

    for text in said {
        assert!(text.contains("not found") && text.contains("virtual host in DWELL_AMQP_URL"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_queue_with_other_arguments_is_refused_and_can_be_taken_as_it_is() {
    let host = VirtualHost::new(QueueType::Quorum).await;
    let management = RabbitMq::shared().await.unwrap().management();
    for name in ["parking.entry", "parking.exit", "parking.dead"] {
        let plain = json!({"durable": true, "arguments": {}});
        management.put(&format!("queues/{}/{name}", host.name()), &plain).await.unwrap();
    }

    for text in refusals(&host.config()).await {
        for part in ["x-queue-type", "x-queue-type=\"quorum\"", "DWELL_QUEUE_DECLARE=passive", "DWELL_QUEUE_TYPE"] {
            assert!(text.contains(part), "{text}");
        }
    }

    let passive = BusConfig { declare: Declare::Passive, ..host.config() };
    let bus = bus::open(&passive, &ServiceContext::for_testing()).unwrap();
    within(bus.publish(Queue::Entry, messages(0..3))).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 5).await.unwrap();
    assert_eq!(drained(&mut *consumer, 3).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn missing_queues_are_not_made_when_they_are_to_be_taken_as_they_are() {
    let host = VirtualHost::new(QueueType::Quorum).await;

    for text in refusals(&BusConfig { declare: Declare::Passive, ..host.config() }).await {
        assert!(text.contains("parking.dead is missing") && text.contains("DWELL_QUEUE_DECLARE=active"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_queue_that_is_deleted_under_us_is_made_again() {
    let host = VirtualHost::new(QueueType::Quorum).await;
    let management = RabbitMq::shared().await.unwrap().management();
    let bus = bus::open(&host.config(), &ServiceContext::for_testing()).unwrap();
    within(bus.publish(Queue::Exit, messages(0..1))).await.unwrap();

    management.delete(&format!("queues/{}/parking.exit", host.name())).await.unwrap();
    within(bus.publish(Queue::Exit, messages(1..4))).await.unwrap();

    wait_until(EVENT_DEADLINE, "the messages", async || depth(&*bus, Queue::Exit).await >= 3).await;
    let mut consumer = bus.consume(Queue::Exit, 10).await.unwrap();
    assert_eq!(drained(&mut *consumer, 3).await, [1, 2, 3]);
    management.delete(&format!("queues/{}/parking.exit", host.name())).await.unwrap();
    // A queue that is being deleted may still confirm a message and then drop it, so it is published until it
    // arrives. The consumer is not always notified: then it takes four probes of fifteen seconds each to detect that
    // nothing arrives.
    wait_until(4 * EVENT_DEADLINE, "a message of the new queue", async || {
        bus.publish(Queue::Exit, messages(4..5)).await.unwrap();
        let received = tokio::time::timeout(Duration::from_secs(1), consumer.receive(1)).await;
        received.is_ok_and(|deliveries| deliveries.unwrap().iter().map(number).eq([4]))
    })
    .await;
}

/// The errors of a publisher and a consumer within ten seconds.
async fn refusals(config: &BusConfig) -> [String; 2] {
    let start = Instant::now();
    let context = ServiceContext::for_testing();
    let bus = bus::open(config, &context).unwrap();
    let published = within(bus.publish(Queue::Entry, messages(0..1))).await.unwrap_err();
    let mut consumer = bus.consume(Queue::Entry, 1).await.unwrap();
    let received = within(consumer.receive(1)).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(!context.health.is_ready());
    [published, received].map(|error| match error {
        Error::Config(refusal) => refusal.to_string(),
        Error::Stopping => panic!("a refusal is no stop"),
    })
}
