//! What a gateway has acknowledged is in RabbitMQ, whichever of the two is killed under load.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::{Bus as _, BusConfig, Queue, rabbitmq};
use parking::SystemClock;
use parking::wire::parse_message;
use service_kit::ServiceContext;
use settings::Redacted;
use testbed::{Program, RabbitMq, free_port, wait_until};

use crate::support::{PATIENCE, ready};

/// Senders of each form.
const SENDERS: usize = 2;
/// Events in a body of a sender that sends several.
const SEVERAL: u64 = 20;
/// How long nothing fails, before and between the faults.
const CALM: Duration = Duration::from_secs(2);
/// Between two requests of a sender: the load is bounded.
const PAUSE: Duration = Duration::from_millis(50);
/// No message arrives for this long: the queue is empty.
const SILENCE: Duration = Duration::from_secs(3);
const GATES: &str = "[[gates]]\nid = \"in-1\"\nlot = \"P3\"\ndirection = \"entry\"\nformat = \"mapping\"\n\
    mapping = { plate = \"/plate\", time = \"/time\", id = \"/ref\" }\n";

/// A form in which events are sent.
#[derive(Debug, Clone, Copy)]
enum Form {
    One,
    Array,
    Lines,
    Camera,
}

/// What the senders share.
#[derive(Debug, Default)]
struct Senders {
    next: AtomicU64,
    is_over: AtomicBool,
    /// The plates of all events that were acknowledged.
    acknowledged: Mutex<BTreeSet<String>>,
    failures: AtomicU64,
}

/// A plate is the number of its event, so that events of cameras, which get their ids from the gateway, are found
/// again.
fn plate(number: u64) -> String {
    format!("N{number:08}")
}

fn event(number: u64) -> String {
    let member = if number.is_multiple_of(2) { "entry_date_time" } else { "exit_date_time" };
    let (id, plate) = (format!("9b810e76-6ec9-4286-a3ca-{number:012}"), plate(number));
    format!(r#"{{"id":"{id}","vehicle_plate":"{plate}","{member}":"2024-09-24T09:00:00Z"}}"#)
}

impl Senders {
    /// Sends until it is over; a body that is not acknowledged is sent again.
    async fn send(&self, base: &str, form: Form) {
        let client = testbed::http();
        while !self.is_over.load(Ordering::Relaxed) {
            let count = if matches!(form, Form::Array | Form::Lines) { SEVERAL } else { 1 };
            let first = self.next.fetch_add(count, Ordering::Relaxed);
            let events = || (first..first + count).map(event).collect::<Vec<_>>();
            let (path, content_type, body) = match form {
                Form::One => ("/api/v1/events", "application/json", event(first)),
                Form::Array => ("/api/v1/events", "application/json", format!("[{}]", events().join(","))),
                Form::Lines => ("/api/v1/events", "application/x-ndjson", events().join("\n")),
                Form::Camera => {
                    let plate = plate(first);
                    let body = format!(r#"{{"plate":"{plate}","time":"2024-09-24T09:00:00Z","ref":{first}}}"#);
                    ("/cameras/mapping/in-1", "application/json", body)
                }
            };
            while !self.is_over.load(Ordering::Relaxed) {
                let request = client.post(format!("{base}{path}")).timeout(Duration::from_secs(5));
                let request = request.header("content-type", content_type);
                if request.body(body.clone()).send().await.is_ok_and(|answer| answer.status().is_success()) {
                    self.acknowledged.lock().unwrap().extend((first..first + count).map(plate));
                    break;
                }
                self.failures.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE * 2).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }
}

fn gateway(amqp_url: &str, port: u16, folder: &Path) -> Program {
    let lots = folder.join("lots.toml");
    std::fs::write(&lots, GATES).unwrap();
    let program = Program::new(testbed::binary("gateway").unwrap())
        .env("DWELL_AMQP_URL", amqp_url)
        .env("DWELL_LOTS", lots)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .env("DWELL_GRPC_LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("DWELL_METRICS_LISTEN", format!("127.0.0.1:{}", free_port()))
        .current_dir(folder);
    program.start().unwrap()
}

/// The plates of all events in the queues.
pub(crate) async fn plates(amqp_url: &str) -> BTreeSet<String> {
    let context = ServiceContext::new(Arc::new(SystemClock));
    let bus = rabbitmq::RabbitMq::open(&Redacted::url(amqp_url), &BusConfig::default(), &context).unwrap();
    let mut plates = BTreeSet::new();
    for queue in [Queue::Entry, Queue::Exit] {
        let mut consumer = bus.consume(queue, 2_000).await.unwrap();
        let acknowledger = consumer.acknowledger();
        while let Ok(received) = tokio::time::timeout(SILENCE, consumer.receive(2_000)).await {
            for delivery in received.unwrap() {
                let elements = parse_message(&delivery.body).unwrap();
                plates
                    .extend(elements.into_iter().map(|element| element.event.unwrap().event.vehicle.plate.to_string()));
                acknowledger.acknowledge(&[delivery.tag]).await.unwrap();
            }
        }
    }
    plates
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn what_a_gateway_acknowledged_survives_that_it_and_rabbitmq_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = RabbitMq::start().await.unwrap();
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let mut program = gateway(&broker.amqp_url(), port, folder.path());
    ready(port).await;
    let senders = Arc::new(Senders::default());
    let mut tasks = tokio::task::JoinSet::new();
    for form in [Form::One, Form::Array, Form::Lines, Form::Camera] {
        for _ in 0..SENDERS {
            let (senders, base) = (Arc::clone(&senders), base.clone());
            tasks.spawn(async move { senders.send(&base, form).await });
        }
    }
    let more_is_acknowledged = async |what: &str| {
        let before = senders.count();
        wait_until(PATIENCE, what, async || senders.count() > before + 1_000).await;
        tokio::time::sleep(CALM).await;
    };

    more_is_acknowledged("the first events").await;
    for _ in 0..2 {
        program.kill().unwrap();
        program = gateway(&broker.amqp_url(), port, folder.path());
        more_is_acknowledged("events after the gateway was killed").await;
    }
    broker.kill().unwrap();
    tokio::time::sleep(CALM).await;
    broker.restart().await.unwrap();
    more_is_acknowledged("events after RabbitMQ was killed").await;
    senders.is_over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    program.kill().unwrap();

    assert!(senders.failures.load(Ordering::Relaxed) > 0, "no request met a fault");
    let there = plates(&broker.amqp_url()).await;
    let acknowledged = senders.acknowledged.lock().unwrap();
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged events are lost: {lost:?}", lost.len(), acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_file_is_published_through_a_gateway_that_is_killed_meanwhile() {
    const EVENTS: u64 = 30_000;
    let folder = tempfile::tempdir().unwrap();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("publish-http").await.unwrap();
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, (0..EVENTS).map(|number| event(number) + "\n").collect::<Vec<_>>().concat()).unwrap();
    let port = free_port();
    let mut program = gateway(&amqp_url, port, folder.path());
    ready(port).await;
    let publish = Program::new(testbed::binary("dwell").unwrap()).arg("publish").arg(file.to_str().unwrap());
    let mut publish = publish.arg("--http").arg(format!("http://127.0.0.1:{port}")).start().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    program.kill().unwrap();
    program = gateway(&amqp_url, port, folder.path());

    let status = publish.wait(PATIENCE).await.unwrap();

    let said = publish.output();
    assert!(status.success() && said.contains("30,000 events accepted by http://127.0.0.1:"), "{said}");
    program.kill().unwrap();
    let there = plates(&amqp_url).await;
    assert_eq!((0..EVENTS).map(plate).filter(|plate| !there.contains(plate)).count(), 0);
}
