//! Headers that are nested deeper than the AMQP library can parse, published by another program through a real broker.
//! Parsing them unchanged would crash this process.

use bus::{DeadLetterReason, Delivery, HeaderValue, Message, Queue, QueueType};
use service_kit::ServiceContext;
use testbed::RabbitMq;

use crate::numbered::{messages, number, received, sorted, within};
use crate::rabbitmq::VirtualHost;

/// The only header of a message whose headers were nested too deep.
const REPLACED: &str = "x-dwell-nested-too-deep";
/// The bytes of each level: the type and the length of an array.
const LEVEL_BYTES: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn headers_nested_too_deep_cost_the_headers_and_neither_the_message_nor_the_consumer() {
    const ORDINARY: usize = 60;
    const DEEP: [usize; 3] = [64, 3_000, 20_000];
    let host = VirtualHost::new(QueueType::Quorum).await;
    let bus = bus::open(&host.config(), &ServiceContext::for_testing()).unwrap();
    within(bus.publish(Queue::Entry, messages(0..1))).await.unwrap();
    let management = RabbitMq::shared().await.unwrap().management();
    for (body, levels) in (1..).zip([ORDINARY].into_iter().chain(DEEP)) {
        let headers = format!(r#"{{"camera":"P3-in","deep":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        management.publish(&host.url, "parking.entry", &format!("{body}"), &headers).await.unwrap();
    }
    within(bus.publish(Queue::Entry, messages(5..6))).await.unwrap();

    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let found = received(&mut *consumer, 6).await;

    assert_eq!(sorted(&found), [0, 1, 2, 3, 4, 5]);
    let ordinary = found.iter().find(|delivery| number(delivery) == 1).unwrap();
    assert_eq!(names(ordinary), ["camera", "deep"]);
    for (body, levels) in (2..).zip(DEEP) {
        let delivery = found.iter().find(|delivery| number(delivery) == body).unwrap();
        assert_eq!(names(delivery), [REPLACED], "{levels}");
        // The name of the header takes the place of some levels.
        assert!(replaced_bytes(delivery) > (levels - 10) * LEVEL_BYTES, "{levels}: {}", replaced_bytes(delivery));
    }
    let deepest = found.into_iter().find(|delivery| number(delivery) == 4).unwrap();
    its_dead_letter_keeps_what_is_left(&*bus, deepest).await;
}

async fn its_dead_letter_keeps_what_is_left(bus: &dyn bus::Bus, delivery: Delivery) {
    let bytes = replaced_bytes(&delivery);
    let dead_letter = Some(DeadLetterReason { reason: "no event".to_owned(), queue: "parking.entry".to_owned() });
    let letter = Message { dead_letter, properties: delivery.properties, ..Message::new(delivery.body) };
    within(bus.publish(Queue::Dead, vec![letter])).await.unwrap();
    let letters = received(&mut *bus.consume(Queue::Dead, 10).await.unwrap(), 1).await;
    assert_eq!((number(&letters[0]), names(&letters[0]).as_slice()), (4, [REPLACED.to_owned()].as_slice()));
    assert_eq!(replaced_bytes(&letters[0]), bytes);
}

fn names(delivery: &Delivery) -> Vec<String> {
    delivery.properties.iter().flat_map(|properties| properties.headers.keys().cloned()).collect()
}

fn replaced_bytes(delivery: &Delivery) -> usize {
    let header = delivery.properties.as_ref().and_then(|properties| properties.headers.get(REPLACED));
    match header {
        Some(HeaderValue::Bytes(bytes)) => bytes.len(),
        other => panic!("it is {other:?}"),
    }
}
