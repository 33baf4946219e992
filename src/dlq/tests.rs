//! Dead letters of the embedded bus: what is shown of them, and where they go.

use bus::DeathNote;
use bytes::Bytes;
use service_kit::traces::TraceContext;

use super::*;

const ENTRY: &str = r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"SECRET1","entry_date_time":"2024-09-24T09:00:00Z"}"#;
const EXIT: &str = r#"{"id":"ea90a8f0-d66b-429e-aa8a-c4ba05805975","vehicle_plate":"SECRET1","exit_date_time":"2024-09-24T10:00:00Z"}"#;

fn dead(body: &str, queue: Option<&str>) -> Message {
    let death = queue.map(|queue| DeathNote { reason: "it was\nwrong".to_owned(), queue: queue.to_owned() });
    Message { death, ..Message::new(Bytes::copy_from_slice(body.as_bytes())) }
}

/// A bus of its own, and the folder that it lives in.
fn open() -> (Queues, ServiceContext, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::from_variables([("DWELL_DATA_DIR", folder.path().to_str().unwrap())]).unwrap();
    let context = ServiceContext::for_testing();
    (Queues::open(&settings, &context).unwrap(), context, folder)
}

async fn bodies(queues: &Queues, queue: Queue) -> Vec<String> {
    let depth = usize::try_from(queues.depth(queue).await.unwrap()).unwrap();
    let mut consumer = queues.bus.consume(queue, 100).await.unwrap();
    let mut bodies = Vec::new();
    while bodies.len() < depth {
        let received = consumer.receive(100).await.unwrap();
        bodies.extend(received.iter().map(|delivery| String::from_utf8(delivery.body.to_vec()).unwrap()));
    }
    bodies
}

fn arguments(words: &[&str]) -> ArgMatches {
    let matches = command().try_get_matches_from([&["dlq"], words].concat()).unwrap();
    matches.subcommand().unwrap().1.clone()
}

#[tokio::test]
async fn letters_go_back_to_the_queue_they_came_from_and_the_others_stay() {
    let (queues, _context, _folder) = open();
    let letters = vec![
        dead("noted for the exits", Some("exit")),
        dead("nobody knows", None),
        dead(ENTRY, None),
        dead(EXIT, Some("parking.entry")),
    ];
    queues.bus.publish(Queue::Dead, letters).await.unwrap();

    requeue(&queues, &arguments(&["requeue"])).await.unwrap();

    assert_eq!(bodies(&queues, Queue::Entry).await, [ENTRY, EXIT]);
    assert_eq!(bodies(&queues, Queue::Exit).await, ["noted for the exits"]);
    assert_eq!(bodies(&queues, Queue::Dead).await, ["nobody knows"]);
}

#[tokio::test]
async fn a_letter_goes_back_with_its_trace() {
    let (queues, _context, _folder) = open();
    let trace = Some(TraceContext::new());
    queues.bus.publish(Queue::Dead, vec![Message { trace, ..dead(ENTRY, None) }]).await.unwrap();

    requeue(&queues, &arguments(&["requeue"])).await.unwrap();

    let mut consumer = queues.bus.consume(Queue::Entry, 1).await.unwrap();
    assert_eq!(consumer.receive(1).await.unwrap()[0].trace, trace);
}

#[tokio::test]
async fn a_limit_takes_the_oldest() {
    let (queues, _context, _folder) = open();
    let letters = ["first", "second", "third"].map(|body| dead(body, Some("entry"))).to_vec();
    queues.bus.publish(Queue::Dead, letters).await.unwrap();

    requeue(&queues, &arguments(&["requeue", "--limit", "2"])).await.unwrap();

    assert_eq!(bodies(&queues, Queue::Entry).await, ["first", "second"]);
    assert_eq!(bodies(&queues, Queue::Dead).await, ["third"]);
}

#[tokio::test]
async fn a_list_leaves_every_letter_where_it_is() {
    let (queues, _context, _folder) = open();
    queues.bus.publish(Queue::Dead, vec![dead(ENTRY, Some("entry")), dead("x", None)]).await.unwrap();

    for _ in 0..2 {
        list(&queues, &arguments(&["list", "--json"])).await.unwrap();
    }

    assert_eq!(bodies(&queues, Queue::Dead).await, [ENTRY, "x"]);
}

#[test]
fn a_plate_is_shown_only_when_bodies_are_asked_for() {
    let tag = Tag { generation: 0, number: 0 };
    let delivery = |message: Message| Delivery {
        tag,
        body: message.body,
        received: tokio::time::Instant::now(),
        redelivered: false,
        death: message.death,
        trace: message.trace,
    };
    let letters = [delivery(dead(ENTRY, Some("entry"))), delivery(dead("x", None))];

    let bytes = ENTRY.len();
    assert_eq!(
        as_table(&letters, false),
        format!(
            "       queue      bytes  event                                 reason\n    \
             1  entry    {bytes:>7}  9b810e76-6ec9-4286-a3ca-828dd5f4b3b2  it was wrong\n    \
             2  unknown        1  -                                     unknown\n"
        )
    );
    assert_eq!(
        as_json(&letters, false),
        format!(
            "{{\"bytes\":{bytes},\"event_id\":\"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2\",\"queue\":\"entry\",\
             \"reason\":\"it was wrong\"}}\n\
             {{\"bytes\":1,\"event_id\":null,\"queue\":\"unknown\",\"reason\":\"unknown\"}}\n"
        )
    );
    assert!(as_table(&letters, true).contains("SECRET1") && as_json(&letters, true).contains("SECRET1"));
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}
