//! Events over gRPC, from clients of ours and of others: what was acknowledged is in the queues, although the gateway
//! is killed, and a bus that stalls costs neither a connection nor memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures::stream;
use gateway::grpc::DESCRIPTION;
use gateway::grpc::proto::events_client::EventsClient;
use gateway::grpc::proto::{Event, ExchangeRequest, ExchangeResponse, ReportRequest, event::Time};
use testbed::{Program, RabbitMq, free_port, wait_for};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::acknowledged_at_the_gateway::plates;
use crate::support::{PATIENCE, metric, ready};

/// Where a gateway is reached.
struct Gateway {
    program: Program,
    grpc: u16,
    metrics: u16,
}

async fn gateway(amqp_url: &str, folder: &Path) -> Gateway {
    let (grpc, metrics) = (free_port(), free_port());
    let program = Program::new(testbed::binary("gateway").unwrap())
        .env("DWELL_AMQP_URL", amqp_url)
        .env("DWELL_LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("DWELL_GRPC_LISTEN", format!("127.0.0.1:{grpc}"))
        .env("DWELL_METRICS_LISTEN", format!("127.0.0.1:{metrics}"))
        .current_dir(folder)
        .start()
        .unwrap();
    ready(metrics).await;
    Gateway { program, grpc, metrics }
}

impl Gateway {
    async fn client(&self) -> EventsClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", self.grpc)).unwrap();
        EventsClient::new(endpoint.connect().await.unwrap())
    }

    async fn memory(&self) -> f64 {
        let page = format!("http://127.0.0.1:{}/metrics", self.metrics);
        metric(&page, "process_resident_memory_bytes").await.unwrap()
    }
}

fn plate(number: usize) -> String {
    format!("G{number:06}")
}

fn event(number: usize) -> Event {
    let seconds = 1_727_168_400 + i64::try_from(number).unwrap();
    Event {
        id: format!("9b810e76-6ec9-4286-a3ca-{number:012}"),
        vehicle_plate: plate(number),
        time: Some(Time::EntryTime(prost_types::Timestamp { seconds, nanos: 0 })),
        ..Event::default()
    }
}

fn ids(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| event(number).id).collect()
}

/// All acknowledged ids of a stream, and how it ended.
async fn acknowledged(
    client: &mut EventsClient<Channel>,
    messages: Vec<Vec<Event>>,
) -> (Vec<String>, Result<(), Status>) {
    let requests = stream::iter(messages.into_iter().map(|events| ExchangeRequest { events }));
    let mut accepted = Vec::new();
    let mut answers = match client.exchange(requests).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return (accepted, Err(status)),
    };
    loop {
        match answers.message().await {
            Ok(Some(ExchangeResponse { accepted: ids, .. })) => accepted.extend(ids),
            Ok(None) => return (accepted, Ok(())),
            Err(status) => return (accepted, Err(status)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_report_counts_its_events_and_says_what_is_wrong_with_which() {
    let folder = tempfile::tempdir().unwrap();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("grpc-report").await.unwrap();
    let gateway = gateway(&amqp_url, folder.path()).await;
    let wrong = [
        Event { id: "none".to_owned(), ..event(3) },
        Event { time: None, ..event(4) },
        Event { lot_id: "P 3".to_owned(), ..event(5) },
    ];
    let messages = [vec![event(0), event(1)], vec![], wrong.to_vec(), vec![event(2)]];
    let requests = stream::iter(messages.map(|events| ReportRequest { events }));

    let answer = gateway.client().await.report(requests).await.unwrap().into_inner();

    assert_eq!((answer.accepted, answer.filtered, answer.refused), (3, 0, 3));
    let refusals: Vec<_> =
        answer.refusals.iter().map(|refusal| (refusal.number, refusal.id.as_str(), refusal.member.as_str())).collect();
    let (fourth, fifth) = (event(4).id, event(5).id);
    assert_eq!(refusals, [(3, "none", "id"), (4, fourth.as_str(), "time"), (5, fifth.as_str(), "lot_id")]);
    assert_eq!(plates(&amqp_url).await, (0..3).map(plate).collect::<BTreeSet<_>>());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn refusals_are_answered_in_parts_and_a_message_has_a_limit_of_events() {
    let folder = tempfile::tempdir().unwrap();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("grpc-refusals").await.unwrap();
    let gateway = gateway(&amqp_url, folder.path()).await;
    let mut client = gateway.client().await;
    let messages = vec![vec![Event::default(); 10_000], vec![Event::default(); 500], vec![Event::default(); 10_001]];
    let requests = stream::iter(messages.into_iter().map(|events| ExchangeRequest { events }));
    let mut answers = client.exchange(requests).await.unwrap().into_inner();

    let (mut refused, mut largest) = (0, 0);
    let ended = loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                refused += answer.refusals.len();
                largest = largest.max(answer.refusals.len());
            }
            Ok(None) => panic!("the message with too many events was taken"),
            Err(status) => break status,
        }
    };

    assert!(refused >= 10_000 && largest <= 1_000, "{refused} refusals, at most {largest} in an answer");
    assert_eq!(ended.code(), Code::InvalidArgument);
    assert!(ended.message().contains("10001 events, and at most 10000"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn what_was_acknowledged_in_a_stream_is_in_the_queues_although_the_gateway_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("grpc-kill").await.unwrap();
    let mut killed = gateway(&amqp_url, folder.path()).await;
    let mut client = killed.client().await;
    // Endless: only the kill ends the stream.
    let requests = stream::iter((0..).map(|number| ExchangeRequest { events: vec![event(number)] }));
    let mut answers = client.exchange(requests).await.unwrap().into_inner();
    let mut accepted = Vec::new();
    while accepted.len() < 2_000 {
        accepted.extend(answers.message().await.unwrap().unwrap().accepted);
    }
    killed.program.kill().unwrap();
    while let Ok(Some(answer)) = answers.message().await {
        accepted.extend(answer.accepted);
    }

    assert_eq!(accepted, ids(0..accepted.len()), "answers are not in the order of the events");
    let there = plates(&amqp_url).await;
    let lost: Vec<_> = (0..accepted.len()).map(plate).filter(|plate| !there.contains(plate)).collect();
    assert!(lost.is_empty(), "{} of {} events are lost: {lost:?}", lost.len(), accepted.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_bus_that_stalls_cuts_no_stream_of_small_messages_and_costs_little_memory() {
    const EVENTS: usize = 60_000;
    /// Longer than a client needs to fill every window.
    const STALL: Duration = Duration::from_secs(3);
    let folder = tempfile::tempdir().unwrap();
    let rabbitmq = RabbitMq::start().await.unwrap();
    let gateway = gateway(&rabbitmq.amqp_url(), folder.path()).await;
    let mut client = gateway.client().await;
    assert_eq!(acknowledged(&mut client, vec![vec![event(0)]]).await.0, ids(0..1));
    let before = gateway.memory().await;

    rabbitmq.pause().unwrap();
    let messages: Vec<_> = (0..EVENTS).map(|number| vec![event(number)]).collect();
    let mut others = client.clone();
    let streams = async {
        tokio::join!(acknowledged(&mut client, messages.clone()), acknowledged(&mut others, messages.clone()))
    };
    let resumed = async {
        tokio::time::sleep(STALL).await;
        let during = gateway.memory().await;
        rabbitmq.resume().unwrap();
        during
    };
    let (((first, ended), (second, other_ended)), during) = tokio::join!(streams, resumed);

    ended.unwrap();
    other_ended.unwrap();
    assert_eq!((first, second), (ids(0..EVENTS), ids(0..EVENTS)));
    let grown = (during - before) / 1024.0 / 1024.0;
    assert!(grown < 64.0, "the memory of the gateway has grown by {grown:.1} MiB");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ: ci/test"]
async fn a_bus_that_is_away_is_unavailable_and_a_message_that_is_too_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut rabbitmq = RabbitMq::start().await.unwrap();
    let gateway = gateway(&rabbitmq.amqp_url(), folder.path()).await;
    let mut client = gateway.client().await;
    let huge = Event { vehicle_plate: "X".repeat(2 * 1024 * 1024), ..event(0) };
    let (accepted, ended) = acknowledged(&mut client, vec![vec![huge]]).await;
    assert_eq!((accepted, ended.unwrap_err().code()), (vec![], Code::OutOfRange));

    rabbitmq.kill().unwrap();
    let refused = wait_for(PATIENCE, "a refused event", async || {
        let (_, ended) = acknowledged(&mut gateway.client().await, vec![vec![event(0)]]).await;
        ended.err()
    })
    .await;
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    rabbitmq.restart().await.unwrap();
    wait_for(PATIENCE, "an accepted event", async || {
        let (accepted, _) = acknowledged(&mut client, vec![vec![event(0)]]).await;
        (accepted == ids(0..1)).then_some(())
    })
    .await;
}

/// A client that is made from the description alone, as any generated one is; and it asks for the health and for the
/// services.
const PYTHON: &str = r#"
import sys, time, grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
files = descriptor_pb2.FileDescriptorSet.FromString(open(sys.argv[2], "rb").read())
pool = descriptor_pool.DescriptorPool()
for file in files.file:
    pool.Add(file)
factory = message_factory.MessageFactory(pool)
def message(name):
    return factory.GetPrototype(pool.FindMessageTypeByName("dwell.v1." + name))
Event, ReportRequest, ReportResponse, ExchangeRequest, ExchangeResponse = map(message,
    ["Event", "ReportRequest", "ReportResponse", "ExchangeRequest", "ExchangeResponse"])
channel = grpc.insecure_channel(sys.argv[1])
def event(number):
    event = Event(id="9b810e76-6ec9-4286-a3ca-%012d" % number, vehicle_plate="G%06d" % number, lot_id="P3", gate_id="in-1",
        confidence=0.9, candidates=[{"plate": "G00"}])
    event.entry_time.seconds = 1727168400 + number
    return event
raw = lambda data: data
check = channel.unary_unary("/grpc.health.v1.Health/Check", raw, raw)
# It follows the bus with a delay.
while check(b"\x0a\x0fdwell.v1.Events") != b"\x08\x01":
    time.sleep(0.05)
for version in ["v1", "v1alpha"]:
    path = "/grpc.reflection.%s.ServerReflection/ServerReflectionInfo" % version
    services = b"".join(channel.stream_stream(path, raw, raw)(iter([b"\x3a\x00"])))
    assert b"dwell.v1.Events" in services, services
report = channel.stream_unary("/dwell.v1.Events/Report", ReportRequest.SerializeToString, ReportResponse.FromString)
answer = report(ReportRequest(events=[event(n) for n in range(start, start + 100)]) for start in range(0, 10000, 100))
assert (answer.accepted, answer.refused) == (10000, 0), answer
exchange = channel.stream_stream("/dwell.v1.Events/Exchange", ExchangeRequest.SerializeToString, ExchangeResponse.FromString)
bad = Event(id="none", vehicle_plate="B")
accepted, refused = [], []
for answer in exchange(ExchangeRequest(events=[event(n)] if n != 10500 else [bad]) for n in range(10000, 11000)):
    accepted.extend(answer.accepted)
    refused.extend((refusal.number, refusal.member) for refusal in answer.refusals)
assert accepted == [event(n).id for n in range(10000, 11000) if n != 10500], len(accepted)
assert refused == [(501, "time")], refused
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and python3-grpcio: ci/test"]
async fn a_python_client_reports_and_exchanges_events_and_finds_health_and_reflection() {
    let folder = tempfile::tempdir().unwrap();
    let amqp_url = RabbitMq::shared().await.unwrap().vhost("grpc-python").await.unwrap();
    let gateway = gateway(&amqp_url, folder.path()).await;
    let description = folder.path().join("events.binpb");
    std::fs::write(&description, DESCRIPTION).unwrap();

    // Where Debian puts the packages python3-grpcio and python3-protobuf.
    let mut client = Command::new("/usr/bin/python3");
    client.args(["-c", PYTHON, &format!("127.0.0.1:{}", gateway.grpc)]).arg(description);
    let ran = tokio::task::block_in_place(|| client.output().unwrap());

    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let expected: BTreeSet<_> = (0..11_000).filter(|number| *number != 10_500).map(plate).collect();
    assert_eq!(plates(&amqp_url).await, expected);
}
