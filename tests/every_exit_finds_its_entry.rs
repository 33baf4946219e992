//! The same gate events give the same sessions, `session_id` and all, whatever carries them and whatever dies on the
//! way.
//!
//! Two lots each, so that the tests stay short; `PARKING_LOTS` names others, and is all of them when it is empty.

use std::time::Duration;

use testbed::{Postgres, Program, RabbitMq, Redis, free_port, wait_until};

use crate::support::{
    PATIENCE, assert_same_sessions, correlator, dwell, gate_events, metric, published, publishing, ready, replayed,
    settled, stays, summary_api,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ, Redis and PostgreSQL: ci/test"]
async fn two_correlators_on_real_servers_give_the_sessions_of_the_replay() {
    let Some(stays) = stays() else { return };
    let folder = tempfile::tempdir().unwrap();
    let events = gate_events(&stays, folder.path(), &["--lots", &lots("P3,P5")]);
    let expected = replayed(&events);
    let broker = RabbitMq::shared().await.unwrap().vhost("same-sessions").await.unwrap();
    let redis = Redis::start().await.unwrap();
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let port = free_port();
    let _api = summary_api(&database, port, folder.path());
    let _steady = correlator(&broker, &redis.url(), port, folder.path());
    let mut doomed = correlator(&broker, &redis.url(), port, folder.path());
    let page = format!("http://127.0.0.1:{port}/metrics");
    let under_way = publishing(&events, &broker);

    matched(&page, 8_000.0).await;
    doomed.kill().unwrap();
    matched(&page, 20_000.0).await;
    redis.flush().await.unwrap();
    published(under_way).await;

    assert_same_sessions(&settled(&format!("http://127.0.0.1:{port}")), &expected);
}

#[test]
fn the_embedded_parts_give_the_sessions_of_the_replay() {
    let Some(stays) = stays() else { return };
    let folder = tempfile::tempdir().unwrap();
    let events = gate_events(&stays, folder.path(), &["--minutes-only", "--lots", &lots("P1,P10")]);
    let expected = replayed(&events);
    let data = folder.path().join("data");
    dwell(&["publish", events.to_str().unwrap()], &[("DWELL_DATA_DIR", data.to_str().unwrap())]);
    let port = free_port();
    let start = || {
        Program::new(testbed::binary("dwell").unwrap())
            .env("DWELL_DATA_DIR", data.to_str().unwrap())
            .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
            .env("DWELL_HOLD", "1s")
            .env("DWELL_ARRIVALS", "0")
            .start()
            .unwrap()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let page = format!("http://127.0.0.1:{port}/metrics");

    let mut first = start();
    runtime.block_on(matched(&page, 8_000.0));
    first.kill().unwrap();
    let _second = start();
    runtime.block_on(ready(port));

    assert_same_sessions(&settled(&format!("http://127.0.0.1:{port}")), &expected);
}

fn lots(few: &str) -> String {
    std::env::var("PARKING_LOTS").unwrap_or_else(|_| few.to_owned())
}

/// Waits until this many exits have been counted as matched.
async fn matched(page: &str, exits: f64) {
    wait_until(PATIENCE, "exits to be matched", async || {
        tokio::time::timeout(Duration::from_secs(5), metric(page, "matched_events"))
            .await
            .ok()
            .flatten()
            .is_some_and(|count| count >= exits)
    })
    .await;
}
