//! MQTT messages reach the queues, by the gateway or by RabbitMQ's own plugin: what a broker acknowledged is not lost,
//! and what is no event stops nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bus::{BusConfig, Queue, rabbitmq};
use parking::SystemClock;
use serde_json::json;
use service_kit::ServiceContext;
use settings::Redacted;
use testbed::{Mosquitto, Program, RabbitMq, free_port, mqtt_publish, wait_until};

use crate::acknowledged_at_the_gateway::plates;
use crate::support::{PATIENCE, ready};

const EVENTS: &str = "site/events";
const GATES: &str = "[[gates]]\nid = \"in-1\"\nlot = \"P3\"\ndirection = \"entry\"\nformat = \"mapping\"\n\
    topics = [\"site/cameras/+/read\"]\n\
    mapping = { plate = \"/plate\", time = \"/time\", id = \"/ref\" }\n\n\
    [[gates]]\nid = \"in-2\"\nlot = \"P3\"\ndirection = \"entry\"\nformat = \"2n\"\ntopics = [\"site/2n\"]\n";

/// A gateway behind both brokers, and where its metrics are.
fn gateway(amqp_url: &str, broker: &Mosquitto, folder: &Path) -> (Program, u16) {
    gateway_at(amqp_url, &broker.url(), broker.authority(), folder)
}

/// A gateway that trusts this authority besides no other, or those of the system.
fn gateway_at(amqp_url: &str, mqtt_url: &str, authority: Option<&Path>, folder: &Path) -> (Program, u16) {
    let (lots, metrics) = (folder.join("lots.toml"), free_port());
    std::fs::write(&lots, GATES).unwrap();
    let program = Program::new(testbed::binary("gateway").unwrap())
        .env("DWELL_AMQP_URL", amqp_url)
        .env("DWELL_MQTT_URL", mqtt_url)
        .env("DWELL_MQTT_TOPICS", EVENTS)
        .env("DWELL_LOTS", lots)
        .env("DWELL_LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("DWELL_GRPC_LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("DWELL_METRICS_LISTEN", format!("127.0.0.1:{metrics}"))
        .current_dir(folder);
    // As if they were the certificates of the system.
    let program = match authority {
        Some(file) => program.env("SSL_CERT_FILE", file),
        None => program,
    };
    (program.start().unwrap(), metrics)
}

fn plate(number: usize) -> String {
    format!("M{number:06}")
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    let event = |number: usize| {
        let (id, plate) = (format!("9b810e76-6ec9-4286-a3ca-{number:012}"), plate(number));
        format!("{{\"id\":\"{id}\",\"vehicle_plate\":\"{plate}\",\"entry_date_time\":\"2024-09-24T09:00:00Z\"}}\n")
    };
    numbers.map(event).collect::<Vec<_>>().concat()
}

/// The value of a counter with labels.
async fn counted(metrics: u16, series: &str) -> f64 {
    let page = testbed::get(format!("http://127.0.0.1:{metrics}/metrics")).await;
    let Ok(page) = page else { return 0.0 };
    let text = page.text().await.unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or(0.0)
}

const ACCEPTED: &str = "dwell_gateway_events_accepted_total{door=\"mqtt\"}";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Mosquitto: ci/test"]
async fn what_a_broker_acknowledged_reaches_rabbitmq_although_gateway_and_broker_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("mqtt-kills").await.unwrap();
    let mut broker = Mosquitto::start().await.unwrap();
    // The session of the gateway begins with its first connection: before that, a broker keeps nothing for it.
    let (mut program, metrics) = gateway(&amqp_url, &broker, folder.path());
    ready(metrics).await;

    broker.publish(EVENTS, &lines(0..100), &[]).await.unwrap();
    program.kill().unwrap();
    broker.publish(EVENTS, &lines(100..300), &[]).await.unwrap();
    broker.kill().unwrap();
    broker.restart().await.unwrap();
    let (mut program, metrics) = gateway(&amqp_url, &broker, folder.path());
    ready(metrics).await;
    broker.publish(EVENTS, &lines(300..400), &[]).await.unwrap();
    program.kill().unwrap();
    let (mut program, metrics) = gateway(&amqp_url, &broker, folder.path());
    ready(metrics).await;
    broker.publish(EVENTS, &lines(400..401), &[]).await.unwrap();
    wait_until(PATIENCE, "the last event", async || counted(metrics, ACCEPTED).await > 0.0).await;

    // The gateway goes on until the queues have been silent for a while.
    let there = plates(&amqp_url).await;
    program.kill().unwrap();
    let lost: BTreeSet<_> = (0..401).map(plate).filter(|plate| !there.contains(plate)).collect();
    assert!(lost.is_empty(), "{} events are lost: {lost:?}", lost.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Mosquitto: ci/test"]
async fn messages_that_are_no_events_and_an_unavailable_rabbitmq_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut rabbitmq = RabbitMq::start().await.unwrap();
    let broker = Mosquitto::start().await.unwrap();
    let old = r#"{"plate":"OLD1","time":"2024-09-24T09:00:00Z","ref":1}"#;
    broker.publish("site/cameras/1/read", &format!("{old}\n"), &["-r"]).await.unwrap();
    let timeless =
        r#"{"lprUuid": "bc4baad9-0000-4706-986f-000000000001", "lprID": 1, "accessPoint": 0, "plateText": "OLD2"}"#;
    broker.publish("site/2n", &format!("{timeless}\n"), &["-r"]).await.unwrap();
    let (mut program, metrics) = gateway(&rabbitmq.amqp_url(), &broker, folder.path());
    ready(metrics).await;

    let garbage = format!("nothing\n[1,2]\n{{}}\n{}\n", "[".repeat(100_000));
    broker.publish(EVENTS, &garbage, &[]).await.unwrap();
    broker.publish("site/cameras/1/read", "\u{7}\n<x/>\n{\"plate\": 7}\n", &[]).await.unwrap();
    rabbitmq.kill().unwrap();
    broker.publish(EVENTS, &lines(0..200), &[]).await.unwrap();
    let unavailable = "dwell_gateway_unavailable_total{door=\"mqtt\"}";
    wait_until(PATIENCE, "an event that RabbitMQ does not take", async || counted(metrics, unavailable).await > 0.0)
        .await;
    rabbitmq.restart().await.unwrap();
    wait_until(PATIENCE, "all events", async || counted(metrics, ACCEPTED).await >= 201.0).await;

    let skipped = "dwell_gateway_skipped_total{format=\"2n\",reason=\"retained\"}";
    assert!((counted(metrics, skipped).await - 1.0).abs() < 0.5, "a retained read without a time was not left out");
    program.kill().unwrap();
    let there = plates(&rabbitmq.amqp_url()).await;
    assert!((0..200).map(plate).all(|plate| there.contains(&plate)) && there.contains("OLD1"), "{there:?}");
    assert!(!there.contains("OLD2"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Mosquitto: ci/test"]
async fn a_broker_is_reached_by_tls_if_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("mqtt-tls").await.unwrap();
    let broker = Mosquitto::start_with_tls().await.unwrap();
    let (mut program, metrics) = gateway(&amqp_url, &broker, folder.path());
    ready(metrics).await;
    broker.publish(EVENTS, &lines(0..1), &[]).await.unwrap();
    wait_until(PATIENCE, "the event", async || counted(metrics, ACCEPTED).await > 0.0).await;
    program.kill().unwrap();

    let (mut program, metrics) = gateway_at(&amqp_url, &broker.url(), None, folder.path());
    let url = format!("http://127.0.0.1:{metrics}/readyz?verbose");
    let said = async || match testbed::get(&url).await {
        Ok(answer) => answer.text().await.unwrap_or_default(),
        Err(_) => String::new(),
    };
    wait_until(PATIENCE, "the unknown authority", async || said().await.contains("UnknownIssuer")).await;
    program.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ with its MQTT plugin, and mosquitto_pub: ci/test"]
async fn events_reach_the_queues_by_rabbitmqs_own_mqtt_plugin_and_survive_its_kill() {
    let mut rabbitmq = RabbitMq::start_with_mqtt().await.unwrap();
    let context = ServiceContext::new(Arc::new(SystemClock));
    let url = Redacted::url(rabbitmq.amqp_url());
    let bus = rabbitmq::RabbitMq::open(&url, &BusConfig::default(), &context).unwrap();
    // Makes the queues, as each service does.
    let consumer = bus::Bus::consume(&bus, Queue::Entry, 1).await.unwrap();
    let binding = "bindings/%2F/e/amq.topic/q/parking.entry";
    wait_until(PATIENCE, "the queue", async || {
        rabbitmq.management().post(binding, &json!({"routing_key": "site.#"})).await.unwrap().is_some()
    })
    .await;
    drop(consumer);
    let broker = rabbitmq.mqtt_url().unwrap();

    mqtt_publish(&broker, "site/entries", &lines(0..300), &[]).await.unwrap();
    rabbitmq.kill().unwrap();
    rabbitmq.restart().await.unwrap();

    let (mut there, expected) = (BTreeSet::new(), (0..300).map(plate).collect::<BTreeSet<_>>());
    // The queue may take longer to come back than the server.
    for _ in 0..10 {
        there.extend(plates(&rabbitmq.amqp_url()).await);
        if there == expected {
            return;
        }
    }
    panic!("these are lost: {:?}", expected.difference(&there).collect::<Vec<_>>());
}

/// Sets what `docs/cameras.md` describes: what `amq.topic` can't route goes to the dead letters.
async fn catch_unrouted(rabbitmq: &RabbitMq) {
    let api = rabbitmq.management();
    api.put("exchanges/%2F/parking.unrouted", &json!({"type": "fanout", "durable": true})).await.unwrap();
    api.post("bindings/%2F/e/parking.unrouted/q/parking.dead", &json!({})).await.unwrap();
    let policy = "{\"alternate-exchange\":\"parking.unrouted\"}";
    let set = ["set_policy", "--apply-to", "exchanges", "unrouted", "^amq\\.topic$", policy];
    rabbitmq.ctl(&set).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ with its MQTT plugin, and mosquitto_pub: ci/test"]
async fn what_rabbitmqs_own_mqtt_plugin_cannot_route_is_a_dead_letter_with_the_documented_policy() {
    let rabbitmq = RabbitMq::start_with_mqtt().await.unwrap();
    let context = ServiceContext::new(Arc::new(SystemClock));
    let url = Redacted::url(rabbitmq.amqp_url());
    let bus = rabbitmq::RabbitMq::open(&url, &BusConfig::default(), &context).unwrap();
    let mut dead = bus::Bus::consume(&bus, Queue::Dead, 100).await.unwrap();
    let broker = rabbitmq.mqtt_url().unwrap();
    wait_until(PATIENCE, "the queue", async || {
        let binding = "bindings/%2F/e/amq.topic/q/parking.entry";
        rabbitmq.management().post(binding, &json!({"routing_key": "site.#"})).await.unwrap().is_some()
    })
    .await;
    // Without the policy it is acknowledged to the device, and nowhere.
    mqtt_publish(&broker, "sight/entries", &lines(0..1), &[]).await.unwrap();
    catch_unrouted(&rabbitmq).await;

    mqtt_publish(&broker, "sight/entries", &lines(1..3), &[]).await.unwrap();
    mqtt_publish(&broker, "site/entries", &lines(3..5), &[]).await.unwrap();

    let mut caught = String::new();
    while caught.lines().count() < 2 {
        let letters = tokio::time::timeout(PATIENCE, dead.receive(100)).await.unwrap().unwrap();
        caught.extend(letters.iter().map(|letter| format!("{}\n", String::from_utf8_lossy(&letter.body))));
    }
    assert_eq!(caught, lines(1..3));
    assert_eq!(plates(&rabbitmq.amqp_url()).await, [3, 4].map(plate).into());
}
