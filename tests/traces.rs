//! What belongs together can be found: each decision names its trace, and a trace goes from the gate to the ledger.
//!
//! A collector of the test's own receives the spans of the real programs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use bus::Queue;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking::Rules;
use prost::Message as _;
use service_kit::traces::{TraceContext, Traces};
use settings::Settings;
use testbed::{Program, ProgramBuilder, RabbitMq, Redis, free_port, wait_for};

use crate::support::pipeline::Pipeline;
use crate::support::{PATIENCE, TOKEN, published, ready};

/// The way of an event, each step after the one before it.
const WAY: [&str; 4] = ["publish gate events", "settle gate events", "record sessions", "record in the ledger"];

/// What a caller of ours may say of its work, and the trace and the span in it.
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const CALLERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";
const SUMMARY: &str =
    r#"{"vehicle_plate":"FIN123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-25T10:00:00Z"}"#;
const EVENT: &str =
    r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"A1","entry_date_time":"2024-09-24T09:00:00Z"}"#;

/// Every span that was received, with the service that sent it.
type Received = Arc<Mutex<Vec<(String, Span)>>>;

/// A collector on loopback: its address, and what it receives.
async fn collector() -> (String, Received) {
    let received = Received::default();
    let kept = Arc::clone(&received);
    let take = post(move |body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        kept.lock().unwrap().extend(request.resource_spans.into_iter().flat_map(|of_service| {
            let resource = of_service.resource.unwrap_or_default();
            let name = resource.attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
            let Some(Value::StringValue(service)) = name.value.unwrap().value else { panic!("no name of a service") };
            let spans = of_service.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.map(|span| (service.clone(), span)).collect::<Vec<_>>()
        }));
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().route("/v1/traces", take)).into_future());
    (address, received)
}

/// The services on the way of a trace that goes the whole way, once there is one: publishing, settling, recording.
async fn whole_way(received: &Received) -> Vec<String> {
    wait_for(PATIENCE, "a trace from the gate to the ledger", async || {
        let spans = received.lock().unwrap();
        let by_id: BTreeMap<_, _> = spans.iter().map(|(service, span)| (&span.span_id, (service, span))).collect();
        spans.iter().filter(|(_, span)| span.name == WAY[3]).find_map(|(service, last)| {
            let mut way = vec![(service.clone(), last.name.clone())];
            let mut span = last;
            while let Some((service, before)) = by_id.get(&span.parent_span_id) {
                assert_eq!(before.trace_id, span.trace_id);
                way.push(((*service).clone(), before.name.clone()));
                span = before;
            }
            way.reverse();
            let (services, names): (Vec<_>, Vec<_>) = way.into_iter().unzip();
            (names == WAY).then_some(services)
        })
    })
    .await
}

fn program(name: &str, folder: &tempfile::TempDir, port: u16) -> ProgramBuilder {
    Program::new(testbed::binary(name).unwrap())
        .env("DWELL_DATA_DIR", folder.path().to_str().unwrap())
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .env("DWELL_INTERNAL_TOKEN", TOKEN)
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
}

/// Of a trace or a span, as logs and tools write it.
fn id(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The fields of the first decision with these words that got a line of its own.
async fn first(words: &str, program: &mut Program) -> serde_json::Value {
    let line = program.wait_for_line(words, PATIENCE).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    line["fields"].clone()
}

fn names(fields: &serde_json::Value) -> BTreeSet<&str> {
    fields.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_names_its_events_its_session_and_its_trace_and_no_plate() {
    let folder = tempfile::tempdir().unwrap();
    let mut dwell = program("dwell", &folder, free_port()).start().unwrap();

    let fields = first("session matched", &mut dwell).await;

    assert_eq!(names(&fields), ["dwell", "entry_event", "exit_event", "lot", "session", "trace_id"].into());
    let trace = fields["trace_id"].as_str().unwrap();
    assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_sends_one_trace_from_the_gate_to_the_ledger() {
    let (folder, (address, received)) = (tempfile::tempdir().unwrap(), collector().await);
    let mut dwell = program("dwell", &folder, free_port()).env("DWELL_OTLP_ENDPOINT", address).start().unwrap();

    assert_eq!(whole_way(&received).await, ["dwell"; 4]);

    let trace = first("session matched", &mut dwell).await["trace_id"].as_str().unwrap().to_owned();
    wait_for(PATIENCE, "the trace that the log names", async || {
        received.lock().unwrap().iter().any(|(_, span)| id(&span.trace_id) == trace).then_some(())
    })
    .await;
    for (_, span) in received.lock().unwrap().iter() {
        let counts = span.attributes.iter().all(|attribute| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            matches!(value, Some(Value::IntValue(_))) || attribute.key.starts_with("thread.")
        });
        assert!(counts, "a span has something else than counts: {:?}", span.attributes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_that_a_client_saves_belongs_to_the_clients_trace_and_its_line_has_no_plate() {
    let (folder, (address, received), port) = (tempfile::tempdir().unwrap(), collector().await, free_port());
    let mut api = program("summary-api", &folder, port).env("DWELL_OTLP_ENDPOINT", address).start().unwrap();
    ready(port).await;

    let request = testbed::http().post(format!("http://127.0.0.1:{port}/save_summary"));
    let request = request.header("content-type", "application/json").header("traceparent", CALLER).body(SUMMARY);
    request.send().await.unwrap().error_for_status().unwrap();

    let fields = first("summary saved", &mut api).await;
    assert_eq!(names(&fields), ["dwell", "lot", "session", "trace_id"].into());
    assert_eq!(fields["trace_id"], CALLERS_TRACE);
    let span = wait_for(PATIENCE, "the span of the call", async || {
        let spans = received.lock().unwrap();
        spans.iter().find(|(_, span)| span.name == "save a summary").map(|(_, span)| span.clone())
    })
    .await;
    assert_eq!((id(&span.trace_id).as_str(), id(&span.parent_span_id).as_str()), (CALLERS_TRACE, CALLERS_SPAN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_names_the_trace_of_the_work_that_refused_it() {
    let mut pipeline = Pipeline::new(Rules::default()).await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let settings = Settings::from_variables([("DWELL_OTLP_ENDPOINT", nobody.as_str())]).unwrap();
    pipeline.context.traces =
        Traces::from_settings(&settings, "test", &pipeline.context.registry, &pipeline.context.connector).unwrap();
    let message = bus::Message { trace: TraceContext::parse(CALLER), ..bus::Message::new("no event") };
    pipeline.bus.publish(Queue::Entry, vec![message]).await.unwrap();
    let mut dead = pipeline.bus.consume(Queue::Dead, 1).await.unwrap();

    let (_, letters) = tokio::join!(pipeline.settle(pipeline.recorder()), dead.receive(1));

    let trace = letters.unwrap()[0].trace.expect("the letter has a trace");
    assert_eq!(trace.trace_id().to_string(), CALLERS_TRACE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_belongs_to_the_first_work_that_it_comes_from_and_links_to_the_others() {
    let (mut pipeline, (address, received)) = (Pipeline::new(Rules::default()).await, collector().await);
    let settings = Settings::from_variables([("DWELL_OTLP_ENDPOINT", address.as_str())]).unwrap();
    pipeline.context.traces =
        Traces::from_settings(&settings, "test", &pipeline.context.registry, &pipeline.context.connector).unwrap();
    let works = ["1", "2", "3"].map(|digit| CALLER.replace("0af7", &digit.repeat(4)));
    let of_work = |(number, work): (u128, &String)| bus::Message {
        trace: TraceContext::parse(work),
        ..bus::Message::new(EVENT.replace("9b810e76", &format!("{number:08x}")))
    };
    // Two of the messages come from one work.
    let messages = (1..).zip([&works[0], &works[1], &works[1], &works[2]]).map(of_work).collect();
    pipeline.bus.publish(Queue::Entry, messages).await.unwrap();

    pipeline.settle(pipeline.recorder()).await;

    let batch = wait_for(PATIENCE, "the span of the batch", async || {
        let spans = received.lock().unwrap();
        spans.iter().find(|(_, span)| span.name == WAY[1]).map(|(_, span)| span.clone())
    })
    .await;
    let links: Vec<String> = batch.links.iter().map(|link| id(&link.trace_id)).collect();
    let trace = |work: &String| TraceContext::parse(work).unwrap().trace_id().to_string();
    assert_eq!((id(&batch.trace_id), links), (trace(&works[0]), vec![trace(&works[1]), trace(&works[2])]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let mut dwell = program("dwell", &folder, free_port()).env("DWELL_OTLP_ENDPOINT", nobody).start().unwrap();

    dwell.wait_for_line("session matched", PATIENCE).await.unwrap();
    dwell.wait_for_line("cannot send spans to DWELL_OTLP_ENDPOINT", PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RabbitMQ and Redis: ci/test"]
async fn a_trace_crosses_the_broker_and_the_request_to_the_ledger_from_a_file_as_from_a_gate() {
    let (folder, (address, received)) = (tempfile::tempdir().unwrap(), collector().await);
    let broker = RabbitMq::shared().await.unwrap().vhost("traces").await.unwrap();
    let redis = Redis::start().await.unwrap();
    let api = free_port();
    let service = |name: &str, port: u16| {
        program(name, &folder, port)
            .env("DWELL_OTLP_ENDPOINT", &address)
            .env("DWELL_AMQP_URL", &broker)
            .env("DWELL_REDIS_URL", redis.url())
            .env("DWELL_SUMMARY_API_URL", format!("http://127.0.0.1:{api}"))
    };
    let start = |name: &str, port: u16| service(name, port).start().unwrap();
    let mut summary_api = start("summary-api", api);
    ready(api).await;
    let _correlator = start("correlator", free_port());

    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, EVENT).unwrap();
    published(service("dwell", free_port()).args(["publish", file.to_str().unwrap()]).start().unwrap()).await;
    assert_eq!(whole_way(&received).await, ["dwell", "correlator", "correlator", "summary-api"]);

    received.lock().unwrap().clear();
    let _gates = ["entry-service", "exit-service"].map(|name| start(name, free_port()));
    let way = whole_way(&received).await;

    assert!(["entry-service", "exit-service"].contains(&way[0].as_str()), "{way:?}");
    assert_eq!(way[1..], ["correlator", "correlator", "summary-api"]);
    let recorded = summary_api.wait_for_line("recorded", PATIENCE).await.unwrap();
    assert!(recorded.contains("trace_id="), "{recorded}");
}
