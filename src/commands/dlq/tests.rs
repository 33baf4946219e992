//! Dead letters of the embedded bus: how they are shown, and where they are requeued.

use bus::{DeadLetterReason, HeaderValue, Properties};
use bytes::Bytes;
use parking::printable;
use serde_json::Value;
use service_kit::traces::TraceContext;

use super::*;

const ENTRY: &str = r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"SECRET1","entry_date_time":"2024-09-24T09:00:00Z"}"#;
const USUAL: &str = r#""content_encoding":null,"content_type":"application/json""#;
const EXIT: &str = r#"{"id":"ea90a8f0-d66b-429e-aa8a-c4ba05805975","vehicle_plate":"SECRET1","exit_date_time":"2024-09-24T10:00:00Z"}"#;

fn dead(body: &str, queue: Option<&str>) -> Message {
    let dead_letter =
        queue.map(|queue| DeadLetterReason { reason: "it was\nwrong".to_owned(), queue: queue.to_owned() });
    Message { dead_letter, ..Message::new(Bytes::copy_from_slice(body.as_bytes())) }
}

/// A separate bus, and its folder.
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
        dead("reason names the exits", Some("exit")),
        dead("nobody knows", None),
        dead(ENTRY, None),
        dead(EXIT, Some("parking.entry")),
    ];
    queues.bus.publish(Queue::Dead, letters).await.unwrap();

    requeue(&queues, &arguments(&["requeue"])).await.unwrap();

    assert_eq!(bodies(&queues, Queue::Entry).await, [ENTRY, EXIT]);
    assert_eq!(bodies(&queues, Queue::Exit).await, ["reason names the exits"]);
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
        dead_letter: message.dead_letter,
        trace: message.trace,
        properties: message.properties,
    };
    let shown = |letters: &[Delivery], with_bodies| {
        letters.iter().map(|letter| Shown::of(letter, with_bodies)).collect::<Vec<_>>()
    };
    let letters = [delivery(dead(ENTRY, Some("entry"))), delivery(dead("x", None))];

    let bytes = ENTRY.len();
    assert_eq!(
        as_table(&shown(&letters, false)),
        format!(
            "       queue      bytes  event                                 reason\n    \
             1  entry    {bytes:>7}  9b810e76-6ec9-4286-a3ca-828dd5f4b3b2  it was␊wrong\n    \
             2  unknown        1  -                                     unknown\n"
        )
    );
    assert_eq!(
        as_json(&shown(&letters, false)),
        format!(
            "{{\"bytes\":{bytes},{USUAL},\"event_id\":\"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2\",\"header_names\":[],\
             \"property_names\":[\"content_type\"],\"queue\":\"entry\",\"reason\":\"it was\\nwrong\"}}\n\
             {{\"bytes\":1,{USUAL},\"event_id\":null,\"header_names\":[],\
             \"property_names\":[\"content_type\"],\"queue\":\"unknown\",\"reason\":\"unknown\"}}\n"
        )
    );
    let with_bodies = shown(&letters, true);
    assert!(as_table(&with_bodies).contains("SECRET1") && as_json(&with_bodies).contains("SECRET1"));
}

#[test]
fn what_a_publisher_said_is_named_and_its_values_are_shown_only_when_bodies_are() {
    let said = Properties {
        content_type: Some("text/csv".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        message_id: Some("SECRET1".to_owned()),
        headers: [(
            "x-\u{1b}[2J".to_owned(),
            HeaderValue::Array(vec![HeaderValue::text("SECRET2"), HeaderValue::Int8(-1)]),
        )]
        .into(),
        ..Properties::default()
    };
    let letter = Delivery {
        tag: Tag { generation: 0, number: 0 },
        body: Bytes::from_static(b"\x1f\x8b\x1b[2J"),
        received: tokio::time::Instant::now(),
        redelivered: false,
        dead_letter: None,
        trace: None,
        properties: Some(Arc::new(said)),
    };

    let hidden = [as_table(&[Shown::of(&letter, false)]), as_json(&[Shown::of(&letter, false)])];
    let shown = [as_table(&[Shown::of(&letter, true)]), as_json(&[Shown::of(&letter, true)])];

    let lines = "properties: content_type=text/csv, content_encoding=gzip, message_id\n       headers: x-␛[2J\n";
    assert!(hidden[0].ends_with(lines), "{}", hidden[0]);
    assert!(hidden.iter().all(|text| !text.contains("SECRET")) && shown.iter().all(|text| text.contains("SECRET1")));
    assert!(hidden.iter().chain(&shown).all(|text| !text.contains('\u{1b}')));
    assert!(shown[1].contains(r#""headers":{"x-\u001b[2J":["SECRET2",-1]}"#), "{}", shown[1]);
}

#[tokio::test]
async fn a_letter_goes_back_as_it_came() {
    let (queues, _context, _folder) = open();
    let said = Properties {
        content_encoding: Some("gzip".to_owned()),
        expiration: Some("60000".to_owned()),
        headers: [("x-death".to_owned(), HeaderValue::Array(vec![HeaderValue::Void]))].into(),
        ..Properties::default()
    };
    let properties = Some(Arc::new(said));
    let letter = Message { properties: properties.clone(), ..dead("\u{1f}not JSON", Some("exit")) };
    queues.bus.publish(Queue::Dead, vec![letter]).await.unwrap();

    requeue(&queues, &arguments(&["requeue"])).await.unwrap();

    let mut consumer = queues.bus.consume(Queue::Exit, 1).await.unwrap();
    let found = consumer.receive(1).await.unwrap().remove(0);
    assert_eq!((found.body, found.properties, found.dead_letter), (Bytes::from("\u{1f}not JSON"), properties, None));
}

#[test]
fn nothing_from_a_message_reaches_the_terminal_as_a_command() {
    let hostile = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r\nfaked";
    let dead_letter = Some(DeadLetterReason { reason: hostile.to_owned(), queue: hostile.to_owned() });
    let letter = Delivery {
        tag: Tag { generation: 0, number: 0 },
        body: Bytes::copy_from_slice(hostile.as_bytes()),
        received: tokio::time::Instant::now(),
        redelivered: false,
        dead_letter,
        trace: None,
        properties: None,
    };
    let letters = [Shown::of(&letter, true)];

    let (table, json) = (as_table(&letters), as_json(&letters));
    let shown = printable::json(&json);

    assert_eq!(table.matches("␛]0;owned␇�2J�␍␊faked").count(), 3, "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(!table.contains(|character: char| character != '\n' && character.is_control()), "{table:?}");
    assert!(shown.contains("\\u009b2J\\u202e") && !shown.trim_end().contains(char::is_control), "{shown:?}");
    let read: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!([&read["body"], &read["reason"], &read["queue"]], [hostile; 3]);
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}
