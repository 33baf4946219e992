//! A producer that is not ours: events put on the queues by another AMQP client become sessions, bad ones dead letters.

use std::process::Command;

use testbed::{RabbitMq, Redis, free_port, wait_until};

use crate::support::{PATIENCE, correlator, dwell, json, ready, summary_api};

/// Declares nothing and publishes through the default exchange, as any client may, with confirms: without them a
/// quorum queue may drop what a channel sent just before it closed.
const PRODUCER: &str = r#"
import json, sys, pika
connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.confirm_delivery()
def put(queue, body):
    channel.basic_publish(exchange="", routing_key=queue, body=body if isinstance(body, bytes) else json.dumps(body))
def event(number, member, minute, **more):
    return {"id": "00000000-0000-4000-8000-%012d" % number, "vehicle_plate": "pi-ka %d" % (number // 2), member: "2024-09-24T09:%02d:00Z" % minute, **more}
put("parking.entry", event(2, "entry_date_time", 0))
put("parking.exit", event(3, "exit_date_time", 10))
put("parking.entry", [event(4, "entry_date_time", 1), {"id": "broken"}, event(6, "entry_date_time", 2), 17])
put("parking.exit", b"\xff\xfe not json")
put("parking.exit", [event(5, "exit_date_time", 20), event(7, "exit_date_time", 30, lot_id="main", gate_id=None)])
put("parking.exit", b"")
put("parking.entry", [])
put("parking.exit", event(9, "exit_date_time", 40, confidence=7))
connection.close()
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn good_events_become_sessions_and_bad_ones_dead_letters_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let broker = RabbitMq::shared().await.unwrap().vhost("producers").await.unwrap();
    let redis = Redis::start().await.unwrap();
    let (port, database) = (free_port(), format!("sqlite:{}", folder.path().join("ledger.sqlite").display()));
    let _api = summary_api(&database, port, folder.path());
    let _correlator = correlator(&broker, &redis.url(), port, folder.path());
    ready(port).await;
    queues_exist(&broker).await;

    // Where Debian puts the client library of its package python3-pika.
    let produced = Command::new("/usr/bin/python3").args(["-c", PRODUCER, &broker]).output().unwrap();
    assert!(produced.status.success(), "{}", String::from_utf8_lossy(&produced.stderr));

    let url = format!("http://127.0.0.1:{port}/api/v1/sessions?state=matched");
    wait_until(PATIENCE, "three matched sessions", async || {
        json(&url).await.is_some_and(|list| list["sessions"].as_array().is_some_and(|sessions| sessions.len() == 3))
    })
    .await;
    assert_eq!(dead_letters(&broker).await, ["body", "body", "body", "body", "id"]);
}

async fn queues_exist(broker: &str) {
    let management = RabbitMq::shared().await.unwrap().management();
    wait_until(PATIENCE, "the queues to be declared", async || {
        management.queue_depth(broker, "parking.entry").await.is_ok_and(|depth| depth.is_some())
            && management.queue_depth(broker, "parking.exit").await.is_ok_and(|depth| depth.is_some())
    })
    .await;
}

/// The first words of the reasons in the dead-letter queue, sorted, once there are five.
async fn dead_letters(broker: &str) -> Vec<String> {
    let listed = || {
        let json = dwell(&["dlq", "list", "--json"], &[("DWELL_AMQP_URL", broker)]);
        let member = |line: &str| {
            let letter: serde_json::Value = serde_json::from_str(line).unwrap();
            letter["reason"].as_str().unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
        };
        let mut members: Vec<String> = json.lines().map(member).collect();
        members.sort();
        members
    };
    wait_until(PATIENCE, "five dead letters", async || tokio::task::block_in_place(listed).len() == 5).await;
    tokio::task::block_in_place(listed)
}
