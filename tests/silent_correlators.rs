//! The pipeline waits for the messages of a correlator that hangs, is cut off or dies: `settled` stays false, no hold
//! ends.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bus::{Bus as _, BusConfig, Message, Queue, rabbitmq};
use parking::SystemClock;
use service_kit::ServiceContext;
use settings::Redacted;
use testbed::{Program, Proxy, RabbitMq, Redis, Signal, free_port, wait_for, wait_until};
use uuid::Uuid;

use crate::support::{PATIENCE, correlator, dwell, json, metric, ready, summary_api_holding};

/// Vehicles that each come and go once: half of them are no more messages than a correlator takes at first.
const VEHICLES: u128 = 60;
/// Longer than a report counts. In a shorter hold, a correlator that stopped right after a report that it is idle still counts
/// as idle.
const HOLD: &str = "2s";
/// 24 September 2024, 09:00 UTC.
const BEGIN_MS: i64 = 1_727_168_400_000;

/// A summary API and a broker, with nobody at work yet.
struct Site {
    folder: tempfile::TempDir,
    port: u16,
    amqp: String,
    redis: Redis,
    bus: rabbitmq::RabbitMq,
    _api: Program,
}

impl Site {
    async fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let amqp = RabbitMq::shared().await.unwrap().vhost(name).await.unwrap();
        let redis = Redis::start().await.unwrap();
        let (port, database) = (free_port(), format!("sqlite:{}", folder.path().join("ledger.sqlite").display()));
        let api = summary_api_holding(&database, port, folder.path(), HOLD);
        ready(port).await;
        let context = ServiceContext::new(Arc::new(SystemClock));
        let bus = rabbitmq::RabbitMq::open(&Redacted::url(amqp.as_str()), &BusConfig::default(), &context).unwrap();
        Self { folder, port, amqp, redis, bus, _api: api }
    }

    fn correlator(&self, api_port: u16) -> Program {
        correlator(&self.amqp, &self.redis.url(), api_port, self.folder.path())
    }

    fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn status(&self) -> Option<serde_json::Value> {
        json(&format!("{}/api/v1/status", self.api())).await
    }

    /// Waits until this many correlators report, and all is settled.
    async fn at_rest(&self, correlators: usize) {
        wait_until(PATIENCE, "correlators at rest", async || {
            self.status().await.is_some_and(|status| {
                status["settled"] == true
                    && status["correlators"].as_array().is_some_and(|all| all.len() == correlators)
            })
        })
        .await;
    }

    async fn publish(&self) {
        let event = |vehicle: u128, member: &str, offset: u128, minute: i64| {
            let (id, time) = (Uuid::from_u128(vehicle * 2 + offset), BEGIN_MS + minute * 60_000);
            let time = parking::Timestamp::from_millis(time);
            Message::new(format!(r#"{{"id":"{id}","vehicle_plate":"CAR{vehicle}","{member}":"{time}"}}"#).into_bytes())
        };
        let entries = (1..=VEHICLES).map(|vehicle| event(vehicle, "entry_date_time", 0, 0)).collect();
        // In another order than the entries: the broker delivers to the consumers in turn, and the two ends of a stay
        // are to come to different correlators.
        let order = (0..VEHICLES).map(|place| place * 7 % VEHICLES + 1);
        let exits = order.map(|vehicle| event(vehicle, "exit_date_time", 1, 60)).collect();
        self.bus.publish(Queue::Entry, entries).await.unwrap();
        self.bus.publish(Queue::Exit, exits).await.unwrap();
    }

    /// Tells what `export --settled` waited for when it gave up.
    fn left_unsettled(&self) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_dwell"));
        let api = self.api();
        let arguments = ["export", "--api", &api, "--sessions", "-", "--settled", "--timeout", "4s"];
        let ran = Command::new(program).args(arguments).output().unwrap();
        assert!(!ran.status.success(), "it says settled: {}", String::from_utf8_lossy(&ran.stdout));
        String::from_utf8(ran.stderr).unwrap()
    }

    /// Waits until all is settled; each stay is matched then, and no exit counted as unmatched meanwhile.
    async fn all_is_matched(&self) {
        let api = self.api();
        let file = tokio::task::block_in_place(|| {
            dwell(&["export", "--api", &api, "--sessions", "-", "--settled", "--timeout", "5m"], &[])
        });
        let matched = file.lines().filter(|line| line.split(',').nth(8) == Some("matched")).count();
        let page = format!("{api}/metrics");
        let counted = (metric(&page, "matched_events").await, metric(&page, "unmatched_events").await);
        assert_eq!((matched as u128, counted), (VEHICLES, (Some(60.0), Some(0.0))), "{file}");
    }
}

/// Waits until a correlator has done its share of what was published, while the other one has not.
async fn half_done(site: &Site) {
    let published = site.status().await.unwrap()["now"].as_str().unwrap().to_owned();
    wait_until(PATIENCE, "one correlator to be idle", async || {
        site.status().await.is_some_and(|status| {
            let is_idle = |one: &serde_json::Value| {
                one["reported_at"].as_str().is_some_and(|reported_at| reported_at > published.as_str())
                    && (&one["entry_ready"], &one["exit_ready"], &one["in_flight"]) == (&0.into(), &0.into(), &0.into())
            };
            status["correlators"].as_array().is_some_and(|all| all.iter().any(is_idle))
        })
    })
    .await;
}

/// Publishes while one of two correlators is silent, and waits until the other one has finished its half. Nothing is
/// settled then, and no hold has ended.
async fn the_silent_one_is_waited_for(site: &Site) {
    site.publish().await;
    half_done(site).await;
    let left = tokio::task::block_in_place(|| site.left_unsettled());
    let unmatched = metric(&format!("{}/metrics", site.api()), "unmatched_events").await;
    assert!(
        left.contains("has been silent for") && left.contains("of the entry queue that no reporting correlator has"),
        "{left}"
    );
    assert_eq!(unmatched, Some(0.0), "a hold ended although the entry is in a correlator's hands");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn export_settled_waits_for_a_stopped_correlator_with_messages_in_its_hands() {
    let site = Site::new("stopped-correlator").await;
    let (stopped, _other) = (site.correlator(site.port), site.correlator(site.port));
    site.at_rest(2).await;

    stopped.signal(Signal::STOP).unwrap();
    the_silent_one_is_waited_for(&site).await;

    stopped.signal(Signal::CONT).unwrap();
    site.all_is_matched().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_lone_stopped_correlator_keeps_settled_false() {
    let site = Site::new("lone-stopped-correlator").await;
    let stopped = site.correlator(site.port);
    site.at_rest(1).await;

    stopped.signal(Signal::STOP).unwrap();
    site.publish().await;
    let left = tokio::task::block_in_place(|| site.left_unsettled());
    stopped.signal(Signal::CONT).unwrap();

    assert!(left.contains("no correlator reports") && left.contains("has been silent for"), "{left}");
    site.all_is_matched().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_correlator_cut_off_from_the_summary_api_keeps_settled_false() {
    let site = Site::new("cut-off-correlator").await;
    let proxy = Proxy::start(format!("127.0.0.1:{}", site.port)).await.unwrap();
    let (_cut_off, _other) = (site.correlator(proxy.address().port()), site.correlator(site.port));
    site.at_rest(2).await;

    proxy.cut().await;
    the_silent_one_is_waited_for(&site).await;

    proxy.heal().await.unwrap();
    site.all_is_matched().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn what_a_killed_correlator_had_in_its_hands_is_settled_by_the_others() {
    let site = Site::new("killed-correlator").await;
    let (mut killed, _other) = (site.correlator(site.port), site.correlator(site.port));
    site.at_rest(2).await;

    killed.signal(Signal::STOP).unwrap();
    site.publish().await;
    half_done(&site).await;
    killed.kill().unwrap();

    site.all_is_matched().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_consumer_of_another_program_keeps_settled_false_and_the_status_says_so() {
    let site = Site::new("other-consumer").await;
    let _correlator = site.correlator(site.port);
    site.at_rest(1).await;

    let other = site.bus.consume(Queue::Entry, 10).await.unwrap();
    let waits_for = wait_for(PATIENCE, "the consumer to be seen", async || {
        site.status().await.and_then(|status| status["waits_for"].get(0).cloned())
    })
    .await;
    let settled = site.status().await.unwrap()["settled"].clone();
    drop(other);

    assert!(waits_for.as_str().unwrap().starts_with("1 consumer of the entry queue that no reporting"), "{waits_for}");
    assert_eq!(settled, false);
    site.at_rest(1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_correlator_that_stops_in_good_order_is_not_waited_for() {
    let site = Site::new("leaving-correlator").await;
    let mut leaving = site.correlator(site.port);
    site.at_rest(1).await;

    leaving.signal(Signal::TERM).unwrap();
    assert!(leaving.wait(PATIENCE).await.unwrap().success());

    let status = site.status().await.unwrap();
    let only = "no correlator reports (is one running, and does it know this summary API?)";
    assert_eq!((&status["correlators"], &status["waits_for"]), (&serde_json::json!([]), &serde_json::json!([only])));
}
