//! Claims about properties, headers, and messages that are large or slow. `claims` lists them all.

use std::sync::Arc;

use bus::{DeadLetterReason, Delivery, HeaderValue, Message, Properties, Queue};
use service_kit::traces::TraceContext;

use crate::claims::{House, fresh};
use crate::numbered::{messages, numbers, received, sorted, within};

pub(crate) async fn what_a_publisher_said_survives_the_way(house: &impl House) {
    let messages = [Some(Arc::new(said())), None, Some(Arc::default())]
        .map(|properties| Message { properties, ..Message::new("an event") });
    let bus = fresh(house).await;
    bus.publish(Queue::Entry, messages.to_vec()).await.unwrap();
    drop(bus);

    let bus = fresh(house).await;
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let found = received(&mut *consumer, 3).await;

    assert_eq!(found.into_iter().map(again).collect::<Vec<_>>(), messages);
}

pub(crate) async fn the_text_of_a_header_is_read_and_any_other_value_is_empty(house: &impl House) {
    let headers = [("x-dwell-door", "http".to_owned()), ("x-dwell-received", "x".repeat(50_000))];
    let mut properties = Properties::of_json(headers);
    let others = [HeaderValue::Int64(7), HeaderValue::Void, HeaderValue::Timestamp(1), HeaderValue::Bytes(vec![1])];
    for (number, value) in others.into_iter().enumerate() {
        properties.headers.insert(format!("other-{number}"), value);
    }
    let bus = fresh(house).await;
    let message = Message { properties: Some(Arc::new(properties)), ..Message::new("an event") };
    bus.publish(Queue::Entry, vec![message]).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let found = received(&mut *consumer, 1).await.remove(0).properties.unwrap();

    let text = |name: &str| found.header_text(name).map(<[u8]>::to_vec);
    assert_eq!(text("x-dwell-door"), Some(b"http".to_vec()));
    assert_eq!(text("x-dwell-received"), Some(vec![b'x'; 50_000]));
    assert_eq!(text("x-dwell-format"), None);
    for number in 0..4 {
        assert_eq!(text(&format!("other-{number}")), Some(Vec::new()));
    }
}

pub(crate) async fn a_dead_letter_keeps_what_its_publisher_said_and_does_not_expire(house: &impl House) {
    let dead_letter =
        Some(DeadLetterReason { reason: "body is not JSON".to_owned(), queue: "parking.entry".to_owned() });
    let mut properties = Properties { expiration: Some("1".to_owned()), ..said() };
    properties.headers.remove("traceparent");
    let properties = Some(Arc::new(properties));
    let letter = Message { dead_letter, properties, trace: Some(TraceContext::new()), ..Message::new("no event") };
    let bus = fresh(house).await;
    bus.publish(Queue::Dead, vec![letter.clone()]).await.unwrap();
    drop(bus);

    let bus = fresh(house).await;
    let mut consumer = bus.consume(Queue::Dead, 10).await.unwrap();
    let found = received(&mut *consumer, 1).await.remove(0);
    assert_eq!(again(found), letter);
}

pub(crate) async fn what_is_done_behind_one_that_is_set_aside_is_acknowledged_at_once(house: &impl House) {
    let bus = fresh(house).await;
    bus.publish(Queue::Entry, messages(0..20)).await.unwrap();
    let mut consumer = bus.consume(Queue::Entry, 5).await.unwrap();
    let acknowledger = consumer.acknowledger();
    let held = received(&mut *consumer, 5).await;

    acknowledger.acknowledge(&[held[1].tag, held[3].tag]).await.unwrap();
    acknowledger.set_aside(&[held[0].tag, held[2].tag]).await.unwrap();
    acknowledger.acknowledge(&[held[4].tag]).await.unwrap();

    assert_eq!(sorted(&received(&mut *consumer, 3).await), numbers([5, 6, 7]));
    acknowledger.acknowledge(&[held[2].tag, held[0].tag]).await.unwrap();
    assert_eq!(sorted(&received(&mut *consumer, 2).await), numbers([8, 9]));
    drop(consumer);
    let mut consumer = bus.consume(Queue::Entry, 20).await.unwrap();
    assert_eq!(sorted(&received(&mut *consumer, 15).await), numbers(5..20));
}

pub(crate) async fn large_messages_are_handed_out_some_megabytes_at_a_time(house: &impl House) {
    const MIB: usize = 1024 * 1024;
    let bus = fresh(house).await;
    for _ in 0..10 {
        bus.publish(Queue::Entry, vec![Message::new(vec![b'x'; MIB]); 4]).await.unwrap();
    }
    let mut consumer = bus.consume(Queue::Entry, 1_000).await.unwrap();

    let mut count = 0;
    while count < 40 {
        let deliveries = within(consumer.receive(1_000)).await.unwrap();
        assert!(deliveries.len() <= 5, "{} MiB at once", deliveries.len());
        count += deliveries.len();
    }
}

/// Every property that a publisher may set.
fn said() -> Properties {
    let some = |text: &str| Some(text.to_owned());
    let table = [("deep".to_owned(), HeaderValue::Array(vec![HeaderValue::Void, HeaderValue::text("é")]))];
    let headers = [
        ("bool", HeaderValue::Boolean(true)),
        ("i8", HeaderValue::Int8(-8)),
        ("u8", HeaderValue::UInt8(200)),
        ("i16", HeaderValue::Int16(-1_600)),
        ("u16", HeaderValue::UInt16(60_000)),
        ("i32", HeaderValue::Int32(-32)),
        ("u32", HeaderValue::UInt32(4_000_000_000)),
        ("i64", HeaderValue::Int64(-64)),
        ("float", HeaderValue::Float(0.5)),
        ("double", HeaderValue::Double(-0.25)),
        ("decimal", HeaderValue::Decimal { scale: 2, value: 314 }),
        ("text", HeaderValue::Text(b"not UTF-8: \xff".to_vec())),
        ("bytes", HeaderValue::Bytes(vec![0, 1, 255])),
        ("time", HeaderValue::Timestamp(1_727_168_400)),
        ("void", HeaderValue::Void),
        ("table", HeaderValue::Table(table.into())),
        ("x-death", HeaderValue::Array(vec![HeaderValue::Table([("count".to_owned(), HeaderValue::Int64(3))].into())])),
        ("traceparent", HeaderValue::text("in a form of its own")),
        // The broker would send copies to these queues.
        ("CC", HeaderValue::Array(vec![HeaderValue::text("parking.exit")])),
    ];
    Properties {
        content_type: some("text/csv"),
        content_encoding: some("gzip"),
        priority: Some(3),
        correlation_id: some("c-1"),
        reply_to: some("amq.rabbitmq.reply-to"),
        expiration: some("3600000"),
        message_id: some("m-1"),
        timestamp: Some(1_727_168_400),
        kind: some("gate.event"),
        user_id: some("somebody else"),
        app_id: some("camera"),
        cluster_id: some("cluster"),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}

/// The message whose publication results in this delivery.
fn again(delivery: Delivery) -> Message {
    let Delivery { body, dead_letter, trace, properties, .. } = delivery;
    Message { body, dead_letter, trace, properties }
}
