//! `RabbitMQ` in the testbed: what tests rely on when they start, share, break and query one.

use std::time::Duration;

use serde_json::json;
use testbed::{Management, RabbitMq, wait_until};

const EVENT_DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_message_in_a_durable_queue_outlives_a_kill() {
    let mut rabbitmq = RabbitMq::start().await.unwrap();
    let management = rabbitmq.management();
    publish_one(&management, "%2F").await.unwrap();
    wait_until(EVENT_DEADLINE, "the message to be counted", async || {
        depth(&management, &rabbitmq.amqp_url()).await == Some(1)
    })
    .await;

    rabbitmq.kill().unwrap();
    let answer_of_the_dead = management.get("overview").await;
    rabbitmq.restart().await.unwrap();

    assert!(answer_of_the_dead.is_err());
    wait_until(EVENT_DEADLINE, "the message to be back", async || {
        depth(&management, &rabbitmq.amqp_url()).await == Some(1)
    })
    .await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: ci/test"]
async fn clients_of_one_virtual_host_can_be_cut_off_by_the_server() {
    let shared = RabbitMq::shared().await.unwrap();
    let url = shared.vhost("cut-off").await.unwrap();

    // There is no connection there; the claim is that the request is understood.
    assert_eq!(shared.management().close_connections(&url).await.unwrap(), 0);
}

#[tokio::test]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_stopped_application_serves_again_after_its_start() {
    let rabbitmq = RabbitMq::start().await.unwrap();

    rabbitmq.stop_app().await.unwrap();
    let stopped = tokio::net::TcpStream::connect(rabbitmq.address()).await.is_err();
    rabbitmq.start_app().await.unwrap();
    let running = tokio::net::TcpStream::connect(rabbitmq.address()).await.is_ok();

    assert!(stopped && running, "stopped: {stopped}, running: {running}");
}

#[tokio::test]
#[ignore = "needs RabbitMQ: ci/test"]
async fn virtual_hosts_keep_tests_on_one_server_apart() {
    let shared = RabbitMq::shared().await.unwrap();
    let one = shared.vhost("one").await.unwrap();
    let other = shared.vhost("one").await.unwrap();

    publish_one(shared.management(), one.rsplit_once('/').unwrap().1).await.unwrap();

    wait_until(EVENT_DEADLINE, "the message", async || depth(shared.management(), &one).await == Some(1)).await;
    assert_eq!(depth(shared.management(), &other).await, None);
    assert_ne!(one, other);
}

async fn publish_one(management: &Management, vhost: &str) -> anyhow::Result<()> {
    let queue = json!({"durable": true, "arguments": {"x-queue-type": "quorum"}});
    management.put(&format!("queues/{vhost}/tickets"), &queue).await?;
    let message = json!({
        "properties": {"delivery_mode": 2}, "routing_key": "tickets", "payload": "hello", "payload_encoding": "string",
    });
    let published = management.post(&format!("exchanges/{vhost}/amq.default/publish"), &message).await?;
    anyhow::ensure!(published == Some(json!({"routed": true})), "the message was not routed: {published:?}");
    Ok(())
}

async fn depth(management: &Management, url: &str) -> Option<u64> {
    management.queue_depth(url, "tickets").await.ok().flatten()
}
