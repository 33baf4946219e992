//! Dead letters that a real broker does not accept, because of its memory alarm: valid messages are still processed,
//! and killing the correlator meanwhile loses neither kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use bus::{Bus as _, BusConfig, Message, Queue, rabbitmq};
use parking::{SystemClock, Timestamp};
use serde_json::Value;
use service_kit::ServiceContext;
use settings::Redacted;
use testbed::{Program, RabbitMq, Redis, free_port, wait_until};
use uuid::Uuid;

use crate::support::{PATIENCE, TOKEN, dwell, metric, ready, settled, summary_api};

/// Vehicles that each enter and leave once, far more than a correlator has in its batches.
const VEHICLES: u32 = 400;
/// One of this many messages in each queue is bad, so that every batch of five has one.
const ONE_BAD_OF: u32 = 5;
const BAD: u32 = 2 * VEHICLES / (ONE_BAD_OF - 1);
/// 24 September 2024, 09:00 UTC.
const BEGIN_MS: i64 = 1_727_168_400_000;

/// A broker with good and bad messages in its queues, and a summary API, without a correlator.
struct Site {
    broker: RabbitMq,
    redis: Redis,
    api: String,
    folder: tempfile::TempDir,
    _api: Program,
}

impl Site {
    async fn with_messages() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (broker, redis) = tokio::try_join!(RabbitMq::start(), Redis::start()).unwrap();
        let (port, database) = (free_port(), format!("sqlite:{}", folder.path().join("ledger.sqlite").display()));
        let program = summary_api(&database, port, folder.path());
        ready(port).await;
        let context = ServiceContext::new(Arc::new(SystemClock));
        let url = Redacted::url(broker.amqp_url());
        let bus = rabbitmq::RabbitMq::open(&url, &BusConfig::default(), &context).unwrap();
        bus.publish(Queue::Entry, messages(Queue::Entry, "entry_date_time", 0)).await.unwrap();
        bus.publish(Queue::Exit, messages(Queue::Exit, "exit_date_time", 60)).await.unwrap();
        let api = format!("http://127.0.0.1:{port}");
        Self { broker, redis, api, folder, _api: program }
    }

    /// A correlator with four small batches, and where its metrics are.
    fn correlator(&self) -> (Program, String) {
        let port = free_port();
        let program = Program::new(testbed::binary("correlator").unwrap())
            .env("DWELL_AMQP_URL", self.broker.amqp_url())
            .env("DWELL_REDIS_URL", self.redis.url())
            .env("DWELL_SUMMARY_API_URL", self.api.as_str())
            .env("DWELL_INTERNAL_TOKEN", TOKEN)
            .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
            .env("DWELL_BATCH_EVENTS", "5")
            .env("DWELL_BATCHES_IN_FLIGHT", "4")
            .current_dir(self.folder.path());
        (program.start().unwrap(), format!("http://127.0.0.1:{port}/metrics"))
    }

    /// Makes the broker accept no messages, only acknowledgements.
    async fn alarm(&self) {
        self.broker.ctl(&["set_vm_memory_high_watermark", "0.00001"]).await.unwrap();
        wait_until(PATIENCE, "the alarm", async || self.is_alarmed().await).await;
    }

    async fn end_of_the_alarm(&self) {
        self.broker.ctl(&["set_vm_memory_high_watermark", "0.6"]).await.unwrap();
        wait_until(PATIENCE, "the alarm to end", async || !self.is_alarmed().await).await;
    }

    async fn is_alarmed(&self) -> bool {
        let nodes = self.broker.management().get("nodes").await.unwrap().unwrap();
        nodes[0]["mem_alarm"] == true
    }

    /// The messages of a queue: ready, and unacknowledged.
    async fn counts(&self, queue: &str) -> Option<(u64, u64)> {
        let found = self.broker.management().get(&format!("queues/%2F/{queue}")).await.unwrap()?;
        Some((found["messages_ready"].as_u64()?, found["messages_unacknowledged"].as_u64()?))
    }

    async fn all_exits_are_matched(&self) {
        let page = format!("{}/metrics", self.api);
        wait_until(PATIENCE, "all good messages to be recorded", async || {
            metric(&page, "matched_events").await == Some(f64::from(VEHICLES))
        })
        .await;
    }

    /// Checks that every vehicle matches once and that every bad message is a dead letter. Returns the number of dead letters.
    fn nothing_is_lost(&self) -> usize {
        let file = tokio::task::block_in_place(|| settled(&self.api));
        let matched = file.lines().filter(|line| line.split(',').nth(8) == Some("matched")).count();
        assert_eq!((matched, file.lines().count() - 1), (VEHICLES as usize, VEHICLES as usize), "{file}");
        let verdict = dwell(&["verify", "--api", &self.api, "--internal-token", TOKEN], &[]);
        assert!(verdict.contains("every event is accounted for, exactly once"), "{verdict}");
        let letters = self.dead_letters();
        let bodies: BTreeSet<&str> = letters.iter().map(|letter| letter["body"].as_str().unwrap()).collect();
        let expected: BTreeSet<String> =
            ["entry", "exit"].iter().flat_map(|queue| (0..BAD / 2).map(|number| bad(queue, number))).collect();
        assert_eq!(bodies, expected.iter().map(String::as_str).collect());
        letters.len()
    }

    fn dead_letters(&self) -> Vec<Value> {
        let list = ["dlq", "list", "--json", "--show-bodies", "--limit", "1000"];
        let text = dwell(&list, &[("DWELL_AMQP_URL", &self.broker.amqp_url())]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn bad(queue: &str, number: u32) -> String {
    format!("{queue}: bad {number}")
}

/// The messages of a queue: after each four good ones a bad one.
fn messages(queue: Queue, member: &str, minute: i64) -> Vec<Message> {
    let mut messages = Vec::new();
    for vehicle in 0..VEHICLES {
        let time = Timestamp::from_millis(BEGIN_MS + minute * 60_000);
        let id = Uuid::from_u64_pair(u64::from(vehicle) + 1, time.as_millis().unsigned_abs());
        let event = format!(r#"{{"id":"{id}","vehicle_plate":"CAR{vehicle}","{member}":"{time}"}}"#);
        messages.push(Message::new(event));
        if vehicle % (ONE_BAD_OF - 1) == 0 {
            messages.push(Message::new(bad(queue.as_str(), vehicle / (ONE_BAD_OF - 1))));
        }
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn in_a_memory_alarm_with_a_dead_letter_in_each_batch_good_messages_go_on_until_the_queues_are_empty() {
    let site = Site::with_messages().await;
    site.alarm().await;
    let (_correlator, page) = site.correlator();

    site.all_exits_are_matched().await;
    // The broker gets its memory back only if processed messages are acknowledged.
    for queue in ["parking.entry", "parking.exit"] {
        let only_the_bad = Some((0, u64::from(BAD / 2)));
        wait_until(PATIENCE, queue, async || site.counts(queue).await == only_the_bad).await;
    }
    assert!(site.is_alarmed().await, "the alarm has ended before all was consumed");
    assert_eq!(metric(&page, "dwell_dead_letters_held").await, Some(f64::from(BAD)));
    site.end_of_the_alarm().await;

    assert_eq!(site.nothing_is_lost(), BAD as usize);
    assert_eq!(metric(&page, "dwell_dead_letters_held").await, Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_correlator_that_is_killed_while_dead_letters_wait_loses_no_letter_and_no_good_message() {
    let site = Site::with_messages().await;
    site.alarm().await;
    let (mut killed, page) = site.correlator();
    site.all_exits_are_matched().await;
    wait_until(PATIENCE, "all dead letters to wait", async || {
        metric(&page, "dwell_dead_letters_held").await == Some(f64::from(BAD))
    })
    .await;

    killed.kill().unwrap();
    for queue in ["parking.entry", "parking.exit"] {
        let ready_again = Some((u64::from(BAD / 2), 0));
        wait_until(PATIENCE, queue, async || site.counts(queue).await == ready_again).await;
    }
    let (_correlator, _) = site.correlator();
    site.end_of_the_alarm().await;

    // The killed correlator may have sent a letter that the broker reads after the alarm: then the letter is there
    // twice.
    assert!(site.nothing_is_lost() >= BAD as usize);
}
