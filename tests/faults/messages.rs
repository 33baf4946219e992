//! The broker is stopped, killed, in alarm, or loses a queue, under load.

use std::time::Duration;

use super::Site;

const LONG: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn the_broker_is_stopped_for_a_while() {
    let mut site = Site::under_load_on_own_broker().await;
    site.fault();
    site.broker().pause().unwrap();
    tokio::time::sleep(LONG).await;
    site.broker().resume().unwrap();
    site.ends_exact("RabbitMQ: SIGSTOP for 15 s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn the_broker_restarts() {
    let mut site = Site::under_load_on_own_broker().await;
    site.fault();
    // In good order: quorum queues of RabbitMQ 3.10 may crash in their own recovery after a kill under load.
    site.broker().stop_app().await.unwrap();
    site.broker().start_app().await.unwrap();
    site.ends_exact("RabbitMQ: restart").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn the_broker_takes_no_messages_for_a_while() {
    let mut site = Site::under_load_on_own_broker().await;
    site.fault();
    site.broker().ctl(&["set_vm_memory_high_watermark", "0.00001"]).await.unwrap();
    tokio::time::sleep(LONG).await;
    site.broker().ctl(&["set_vm_memory_high_watermark", "0.6"]).await.unwrap();
    site.ends_exact("RabbitMQ: memory alarm for 15 s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_queue_is_deleted_and_everything_is_sent_again() {
    let mut site = Site::under_load_on_own_broker().await;
    site.fault();
    site.broker().ctl(&["delete_queue", "parking.exit"]).await.unwrap();
    // Whether this publisher gets through depends on when the queue is declared again.
    site.publisher.take().unwrap().kill().unwrap();
    site.publish();
    site.ends_exact("RabbitMQ: queue deleted, then everything again").await;
}
