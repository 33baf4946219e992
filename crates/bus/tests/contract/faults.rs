//! Faults around `RabbitMQ`: the bus outlasts all of them, and no confirmed message is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bus::{Bus, Consumer, Error, Queue, QueueType};
use service_kit::ServiceContext;
use testbed::{Proxy, RabbitMq, wait_until};

use crate::numbered::{EVENT_DEADLINE, drained, messages, number, numbers, received, within};
use crate::rabbitmq::{VirtualHost, config};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_broker_that_is_killed_under_load_loses_nothing_that_was_confirmed() {
    const MESSAGES: u32 = 5_000;
    let mut broker = RabbitMq::start().await.unwrap();
    let context = ServiceContext::for_testing();
    let bus = bus::open(&config(&broker.amqp_url()), &context).unwrap();
    let confirmed = Arc::new(AtomicU32::new(0));
    let publishing = tokio::spawn(publish_all(Arc::clone(&bus), MESSAGES, Arc::clone(&confirmed)));
    let mut consumer = bus.consume(Queue::Entry, 100).await.unwrap();
    let consuming = tokio::spawn(async move { collect(&mut *consumer, MESSAGES).await });

    wait_until(EVENT_DEADLINE, "a part to be confirmed", async || confirmed.load(Ordering::SeqCst) > 1_000).await;
    broker.kill().unwrap();
    wait_until(EVENT_DEADLINE, "the outage to be noticed", async || !context.health.is_ready()).await;
    broker.restart().await.unwrap();

    publishing.await.unwrap();
    assert_eq!(tokio::time::timeout(EVENT_DEADLINE, consuming).await.unwrap().unwrap(), (0..MESSAGES).collect());
    wait_until(EVENT_DEADLINE, "the service to be ready", async || context.health.is_ready()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_broker_without_memory_blocks_publishing_but_not_acknowledging() {
    let broker = RabbitMq::start().await.unwrap();
    let context = ServiceContext::for_testing();
    let bus = bus::open(&config(&broker.amqp_url()), &context).unwrap();
    within(bus.publish(Queue::Entry, messages(0..100))).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    broker.ctl(&["set_vm_memory_high_watermark", "0"]).await.unwrap();

    let publishing = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.publish(Queue::Exit, messages(0..1)).await }
    });
    wait_until(EVENT_DEADLINE, "the block to be noticed", async || {
        context.health.report().contains("takes no messages")
    })
    .await;
    assert_eq!(drained(&mut *consumer, 100).await, numbers(0..100));
    let (management, url) = (broker.management(), broker.amqp_url());
    wait_until(EVENT_DEADLINE, "all to be acknowledged", async || {
        management.queue_depth(&url, "parking.entry").await.unwrap() == Some(0)
    })
    .await;
    assert!(!publishing.is_finished());

    broker.ctl(&["set_vm_memory_high_watermark", "absolute", "2GB"]).await.unwrap();
    within(publishing).await.unwrap().unwrap();
    wait_until(EVENT_DEADLINE, "the service to be ready", async || context.health.is_ready()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_broker_that_is_absent_at_start_is_waited_for() {
    let host = VirtualHost::new(QueueType::Quorum).await;
    let proxy = proxy(&host).await;
    proxy.cut().await;
    let context = ServiceContext::for_testing();
    let bus = bus::open(&config(&proxy.url(&host.url)), &context).unwrap();
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let publishing = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.publish(Queue::Entry, messages(0..3)).await }
    });
    wait_until(EVENT_DEADLINE, "the absence to be noticed", async || context.health.report().contains("connecting"))
        .await;
    assert_eq!(bus.depth(Queue::Entry).await, Ok(None));

    proxy.heal().await.unwrap();

    within(publishing).await.unwrap().unwrap();
    assert_eq!(drained(&mut *consumer, 3).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_stop_does_not_wait_for_a_broker_that_is_absent() {
    let host = VirtualHost::new(QueueType::Quorum).await;
    let proxy = proxy(&host).await;
    proxy.cut().await;
    let context = ServiceContext::for_testing();
    let bus = bus::open(&config(&proxy.url(&host.url)), &context).unwrap();
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();

    context.lifecycle.stop();

    assert_eq!(within(bus.publish(Queue::Entry, messages(0..3))).await, Err(Error::Stopping));
    assert_eq!(within(consumer.receive(1)).await, Err(Error::Stopping));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_connection_that_fell_silent_is_noticed_and_made_anew() {
    let host = VirtualHost::new(QueueType::Quorum).await;
    let proxy = proxy(&host).await;
    let context = ServiceContext::for_testing();
    let bus = bus::open(&config(&format!("{}?heartbeat=2", proxy.url(&host.url))), &context).unwrap();
    within(bus.publish(Queue::Entry, messages(0..5))).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let held = received(&mut *consumer, 5).await;

    proxy.black_hole();
    let publishing = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.publish(Queue::Entry, messages(5..8)).await }
    });
    wait_until(EVENT_DEADLINE, "both connections to be given up", async || {
        context.health.report().contains("(2 of 2 connections)")
    })
    .await;
    proxy.heal().await.unwrap();

    within(publishing).await.unwrap().unwrap();
    // The tags are of the lost connection, so this acknowledges nothing.
    let stale: Vec<_> = held.iter().map(|delivery| delivery.tag).collect();
    consumer.acknowledger().acknowledge(&stale).await.unwrap();
    assert_eq!(collect(&mut *consumer, 8).await, (0..8).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_confirm_that_is_lost_costs_a_repetition_and_no_message() {
    let host = VirtualHost::new(QueueType::Quorum).await;
    let proxy = proxy(&host).await;
    let context = ServiceContext::for_testing();
    let bus = bus::open(&config(&format!("{}?heartbeat=2", proxy.url(&host.url))), &context).unwrap();
    within(bus.publish(Queue::Entry, messages(0..5))).await.unwrap();

    proxy.lose_replies();
    let publishing = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.publish(Queue::Entry, messages(5..600)).await }
    });
    wait_until(EVENT_DEADLINE, "the silence to be noticed", async || !context.health.is_ready()).await;
    proxy.heal().await.unwrap();

    within(publishing).await.unwrap().unwrap();
    let mut consumer = bus.consume(Queue::Entry, 1_000).await.unwrap();
    assert_eq!(collect(&mut *consumer, 600).await, (0..600).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn connections_that_the_broker_closes_are_made_anew() {
    let host = VirtualHost::new(QueueType::Quorum).await;
    let management = RabbitMq::shared().await.unwrap().management();
    let bus = bus::open(&host.config(), &ServiceContext::for_testing()).unwrap();
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();

    for round in 0..3 {
        within(bus.publish(Queue::Entry, messages(round..=round))).await.unwrap();
        assert!(drained(&mut *consumer, 1).await.iter().all(|number| *number <= round));
        wait_until(EVENT_DEADLINE, "two connections to close", async || {
            management.close_connections(&host.url).await.unwrap() == 2
        })
        .await;
    }

    within(bus.publish(Queue::Entry, messages(9..10))).await.unwrap();
    within(async { while drained(&mut *consumer, 1).await != [9] {} }).await;
}

async fn proxy(host: &VirtualHost) -> Proxy {
    let (_, address) = host.url.rsplit_once('@').unwrap();
    Proxy::start(address.split_once('/').unwrap().0).await.unwrap()
}

/// Publishes the numbers below `all` in batches, and reports after each batch how many are confirmed.
async fn publish_all(bus: Arc<dyn Bus>, all: u32, confirmed: Arc<AtomicU32>) {
    const BATCH_MESSAGES: u32 = 20;
    for first in (0..all).step_by(BATCH_MESSAGES as usize) {
        bus.publish(Queue::Entry, messages(first..first + BATCH_MESSAGES)).await.unwrap();
        confirmed.store(first + BATCH_MESSAGES, Ordering::SeqCst);
    }
}

/// Receives and acknowledges until every number below `all` was delivered at least once.
async fn collect(consumer: &mut dyn Consumer, all: u32) -> BTreeSet<u32> {
    let acknowledger = consumer.acknowledger();
    let mut found = BTreeSet::new();
    while found.len() < all as usize {
        let deliveries = consumer.receive(50).await.unwrap();
        let tags: Vec<_> = deliveries.iter().map(|delivery| delivery.tag).collect();
        acknowledger.acknowledge(&tags).await.unwrap();
        found.extend(deliveries.iter().map(number));
    }
    found
}
