//! Each part is killed, and each is stopped for a while, under load.

use std::time::Duration;

use super::{Site, pause};

/// Longer than RabbitMQ and the HTTP clients wait for an answer.
const LONG: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_correlator_is_killed() {
    let mut site = Site::under_load().await;
    site.fault();
    site.correlators[0].kill().unwrap();
    site.ends_exact("correlator: kill -9").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn every_correlator_is_killed_and_others_take_their_place() {
    let mut site = Site::under_load().await;
    site.fault();
    for correlator in &mut site.correlators {
        correlator.kill().unwrap();
    }
    site.add_correlator();
    site.ends_exact("all correlators: kill -9").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_correlator_is_stopped_for_a_while() {
    let mut site = Site::under_load().await;
    site.fault();
    pause(&site.correlators[0], LONG).await;
    site.ends_exact("correlator: SIGSTOP for 15 s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn the_summary_api_is_killed() {
    let mut site = Site::under_load().await;
    site.fault();
    site.api.kill().unwrap();
    site.restart_api();
    site.ends_exact("summary API: kill -9").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn the_summary_api_is_stopped_for_a_while() {
    let mut site = Site::under_load().await;
    site.fault();
    pause(&site.api, LONG).await;
    site.ends_exact("summary API: SIGSTOP for 15 s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn redis_is_killed_and_comes_back_empty() {
    let mut site = Site::under_load().await;
    site.fault();
    site.redis.kill().unwrap();
    site.redis.restart().await.unwrap();
    site.redis.flush().await.unwrap();
    site.ends_exact("Redis: kill -9, then empty").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn redis_is_stopped_for_a_while() {
    let mut site = Site::under_load().await;
    site.fault();
    site.redis.pause().unwrap();
    tokio::time::sleep(LONG).await;
    site.redis.resume().unwrap();
    site.ends_exact("Redis: SIGSTOP for 15 s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn the_publisher_is_killed_and_sends_everything_again() {
    let mut site = Site::under_load().await;
    site.fault();
    site.publisher.take().unwrap().kill().unwrap();
    site.publish();
    site.ends_exact("publisher: kill -9, then everything again").await;
}
