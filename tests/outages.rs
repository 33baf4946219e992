//! The services wait for an outage to end: servers that are absent at start or vanish later cost time, never a
//! session.

use std::time::Duration;

use testbed::{Postgres, Program, RabbitMq, Redis, free_port, wait_until};

use crate::support::{
    PATIENCE, TOKEN, assert_same_sessions, correlator, gate_events, json, metric, published, publishing, ready,
    replayed, settled, stays, summary_api,
};

/// Within this time what is wrong is to be seen.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, Redis and PostgreSQL: ci/test"]
async fn every_server_may_go_away_in_the_middle() {
    let Some(stays) = stays() else { return };
    let folder = tempfile::tempdir().unwrap();
    let events = gate_events(&stays, folder.path(), &["--lots", "P6"]);
    let expected = replayed(&events);
    let (broker, mut redis, mut postgres) =
        tokio::try_join!(RabbitMq::start(), Redis::start(), Postgres::start()).unwrap();
    let (port, amqp) = (free_port(), broker.amqp_url());
    let _api = summary_api(&postgres.database().await.unwrap(), port, folder.path());
    let _correlator = correlator(&amqp, &redis.url(), port, folder.path());
    ready(port).await;
    let page = format!("http://127.0.0.1:{port}/metrics");
    let under_way = publishing(&events, &amqp);

    matched(&page, 1_000.0).await;
    redis.kill().unwrap();
    matched(&page, 3_000.0).await;
    postgres.kill().unwrap();
    postgres.restart().await.unwrap();
    matched(&page, 6_000.0).await;
    // In good order: the quorum queues of RabbitMQ 3.10 sometimes crash in their own recovery after a kill under load,
    // and are then gone for good. What a killed broker costs is tried by the contract of the bus.
    broker.stop_app().await.unwrap();
    broker.start_app().await.unwrap();
    redis.restart().await.unwrap();
    matched(&page, 12_000.0).await;
    redis.pause().unwrap();
    matched(&page, 16_000.0).await;
    redis.resume().unwrap();
    published(under_way).await;

    assert_same_sessions(&settled(&format!("http://127.0.0.1:{port}")), &expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_redis_with_an_older_copy_changes_no_session() {
    let Some(stays) = stays() else { return };
    let folder = tempfile::tempdir().unwrap();
    let events = gate_events(&stays, folder.path(), &["--lots", "P4,P10"]);
    let expected = replayed(&events);
    let amqp = RabbitMq::shared().await.unwrap().vhost("older-copy").await.unwrap();
    let mut redis = Redis::start().await.unwrap();
    let (port, database) = (free_port(), format!("sqlite:{}", folder.path().join("ledger.sqlite").display()));
    let _api = summary_api(&database, port, folder.path());
    let _correlator = correlator(&amqp, &redis.url(), port, folder.path());
    ready(port).await;
    let page = format!("http://127.0.0.1:{port}/metrics");
    let under_way = publishing(&events, &amqp);

    matched(&page, 2_000.0).await;
    let older = redis.copy().unwrap();
    matched(&page, 8_000.0).await;
    redis.replace_data(&older).await.unwrap();
    published(under_way).await;

    assert_same_sessions(&settled(&format!("http://127.0.0.1:{port}")), &expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn servers_that_are_absent_at_start_are_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = RabbitMq::start().await.unwrap();
    broker.kill().unwrap();
    let (port, api_port) = (free_port(), free_port());
    let mut correlator = Program::new(testbed::binary("correlator").unwrap())
        .env("DWELL_AMQP_URL", broker.amqp_url())
        .env("DWELL_SUMMARY_API_URL", format!("http://127.0.0.1:{api_port}"))
        .env("DWELL_INTERNAL_TOKEN", TOKEN)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .start()
        .unwrap();
    correlator.wait_for_line("summary-api is down", PATIENCE).await.unwrap();

    let database = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
    let _api = summary_api(&database, api_port, folder.path());
    correlator.wait_for_line("summary-api is up", PATIENCE).await.unwrap();
    broker.restart().await.unwrap();

    ready(port).await;
    let status = format!("http://127.0.0.1:{api_port}/api/v1/status");
    wait_until(PATIENCE, "the correlator to report", async || {
        json(&status).await.is_some_and(|status| status["settled"] == true)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn what_a_correlator_elsewhere_lacks_is_said_by_the_page_within_three_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let broker = RabbitMq::start().await.unwrap();
    let mut redis = Redis::start().await.unwrap();
    let (port, database) = (free_port(), format!("sqlite:{}", folder.path().join("ledger.sqlite").display()));
    let _api = summary_api(&database, port, folder.path());
    ready(port).await;
    let health = async || {
        let page = testbed::get(format!("http://127.0.0.1:{port}/")).await.ok()?.text().await.ok()?;
        Some(page.split("id=\"health\"").nth(1)?.split("</div>").next()?.to_owned())
    };
    let says = async |within: Duration, what: &str| {
        wait_until(within, what, async || health().await.is_some_and(|line| line.contains(what))).await;
    };
    says(PATIENCE, "no correlator reports").await;
    let mut correlator = correlator(&broker.amqp_url(), &redis.url(), port, folder.path());
    says(PATIENCE, "All dependencies up").await;

    redis.kill().unwrap();
    says(SOON, "Degraded: correlator: redis").await;
    let status = json(&format!("http://127.0.0.1:{port}/api/v1/status")).await.unwrap();
    let dependencies = status["correlators"][0]["dependencies"].as_array().unwrap();
    let of_redis = dependencies.iter().find(|one| one["name"] == "redis").unwrap();
    assert!(of_redis["up"] == false && of_redis["reason"].is_string(), "{of_redis}");
    redis.restart().await.unwrap();
    says(PATIENCE, "All dependencies up").await;

    broker.stop_app().await.unwrap();
    says(SOON, "correlator: rabbitmq").await;
    broker.start_app().await.unwrap();
    says(PATIENCE, "All dependencies up").await;

    correlator.kill().unwrap();
    says(SOON, "Degraded: correlator silent").await;
    says(PATIENCE, "Degraded: no correlator reports").await;
}

async fn matched(page: &str, exits: f64) {
    wait_until(PATIENCE, "exits to be matched", async || {
        metric(page, "matched_events").await.is_some_and(|count| count >= exits)
    })
    .await;
}
