//! `dwell publish` brings every event of a file into the queue of its direction, once, in order, and as it was written;
//! `dwell dlq` shows dead letters and sends them back. On the embedded bus and on RabbitMQ.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use bus::{Bus, BusConfig, DeadLetterReason, Message, Queue};
use service_kit::ServiceContext;
use settings::Settings;
use testbed::RabbitMq;

use crate::support::PATIENCE;

/// More than one batch, in one file of each kind.
const EVENTS: u32 = 2_500;

fn event(number: u32) -> String {
    let time = format!("2024-09-24T{:02}:{:02}:{:02}Z", number / 3600, number / 60 % 60, number % 60);
    let direction = if number.is_multiple_of(2) { "entry" } else { "exit" };
    format!(
        r#"{{"id": "9b810e76-6ec9-4286-a3ca-{number:012x}", "vehicle_plate": "ab-{number}", "{direction}_date_time": "{time}", "more": 1}}"#
    )
}

fn dwell(arguments: &[&str], environment: (&str, &str)) -> Output {
    let ran =
        Command::new(env!("CARGO_BIN_EXE_dwell")).args(arguments).env(environment.0, environment.1).output().unwrap();
    assert!(ran.status.success(), "dwell {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran
}

/// What comes on a queue, until it is enough.
async fn received(bus: &Arc<dyn Bus>, queue: Queue, is_enough: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut consumer = bus.consume(queue, 1_000).await.unwrap();
    let acknowledger = consumer.acknowledger();
    let mut bodies: Vec<String> = Vec::new();
    while !is_enough(&bodies) {
        let deliveries = tokio::time::timeout(PATIENCE, consumer.receive(1_000)).await.unwrap().unwrap();
        bodies.extend(deliveries.iter().map(|delivery| String::from_utf8(delivery.body.to_vec()).unwrap()));
        let tags: Vec<_> = deliveries.iter().map(|delivery| delivery.tag).collect();
        acknowledger.acknowledge(&tags).await.unwrap();
    }
    bodies
}

fn open(variable: (&str, &str)) -> (Arc<dyn Bus>, ServiceContext) {
    let settings = Settings::from_variables([variable]).unwrap();
    let context = ServiceContext::for_testing();
    (bus::open(&BusConfig::from_settings("test", &settings).unwrap(), &context).unwrap(), context)
}

async fn check_queues(folder: &Path, variable: (&str, &str)) {
    let file = folder.join("events.ndjson");
    let lines: Vec<String> = (0..EVENTS).map(event).collect();
    std::fs::write(&file, lines.join("\r\n")).unwrap();
    let file = file.to_str().unwrap();

    let said = String::from_utf8(dwell(&["publish", file], variable).stderr).unwrap();
    assert!(
        said.contains("2,500 events published to ") && said.contains(variable.1.rsplit('@').next().unwrap()),
        "{said}"
    );
    let is_embedded = variable.0 == "DWELL_DATA_DIR";
    assert_eq!(
        said.contains("nothing has matched them yet: the next dwell that starts on this folder"),
        is_embedded,
        "{said}"
    );
    dwell(&["publish", file, "--events-per-message", "1000"], variable);

    let of = |rest: u32| lines.iter().skip(rest as usize).step_by(2).map(String::as_str).collect::<Vec<_>>();
    let (bus, context) = open(variable);
    for (queue, events) in [(Queue::Entry, of(0)), (Queue::Exit, of(1))] {
        let arrays = [&events[..1_000], &events[1_000..]].map(|events| format!("[{}]", events.join(",")));
        let bodies = received(&bus, queue, |bodies| bodies.len() >= events.len() + 2).await;
        assert!(bodies[..events.len()] == events, "{queue:?} has other messages");
        assert!(bodies[events.len()..] == arrays, "{queue:?} has other arrays");
        assert_eq!(bus.depth(queue).await.unwrap(), Some(0));
    }
    let reason = DeadLetterReason { reason: "id is missing".to_owned(), queue: "exit".to_owned() };
    bus.publish(Queue::Dead, vec![Message { dead_letter: Some(reason), ..Message::new("SECRET1") }]).await.unwrap();
    drop(bus);
    context.lifecycle.stop();

    let listed = String::from_utf8(dwell(&["dlq", "list"], variable).stdout).unwrap();
    dwell(&["dlq", "requeue"], variable);

    assert!(listed.contains("exit") && listed.contains("id is missing") && !listed.contains("SECRET1"), "{listed}");
    let (bus, _context) = open(variable);
    // A broker may deliver again what the consumer before acknowledged as it left.
    let bodies = received(&bus, Queue::Exit, |bodies| bodies.iter().any(|body| body == "SECRET1")).await;
    let strangers: Vec<&String> =
        bodies.iter().filter(|body| *body != "SECRET1" && !body.contains("9b810e76")).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    testbed::wait_until(PATIENCE, "the dead letters to be empty", async || {
        bus.depth(Queue::Dead).await.unwrap() == Some(0)
    })
    .await;
}

#[tokio::test]
async fn on_the_embedded_bus() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    check_queues(folder.path(), ("DWELL_DATA_DIR", data.to_str().unwrap())).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: ci/test"]
async fn on_rabbitmq() {
    let folder = tempfile::tempdir().unwrap();
    let url = RabbitMq::shared().await.unwrap().vhost("files").await.unwrap();
    check_queues(folder.path(), ("DWELL_AMQP_URL", &url)).await;
}

#[tokio::test]
async fn an_embedded_bus_in_use_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let (_bus, _context) = open(("DWELL_DATA_DIR", data));

    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    let ran = command.args(["dlq", "list"]).env("DWELL_DATA_DIR", data).output().unwrap();

    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(69), "{said}");
    assert!(said.contains("is in use by another process") && said.contains("DWELL_AMQP_URL"), "{said}");
}

#[test]
fn a_command_that_finds_nothing_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, hint) in [
        (["dlq", "list"], 69, "dwell-data has none; name the folder that dwell works in with DWELL_DATA_DIR"),
        (["dlq", "requeue"], 69, "or the broker with DWELL_AMQP_URL"),
        (["publish", "nofile.ndjson"], 1, "cannot open nofile.ndjson"),
        (["publish", "/dev/null"], 69, "dwell-data has none; name the folder that dwell works in with DWELL_DATA_DIR"),
    ] {
        let ran = Command::new(env!("CARGO_BIN_EXE_dwell")).args(arguments).current_dir(&folder).output().unwrap();

        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{said}");
        assert!(said.contains(hint), "{said}");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}
