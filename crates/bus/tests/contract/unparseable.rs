//! Messages with texts that are not UTF-8, published by another program through a real broker. The library can't parse
//! them: unchanged, one of them would stop every consumer of its queue.

use bus::{Queue, QueueType};
use service_kit::ServiceContext;
use testbed::RabbitMq;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::numbered::{messages, number, received, sorted, within};
use crate::rabbitmq::VirtualHost;

/// A publisher of any bytes: frames by hand, since libraries send only UTF-8.
struct Publisher(TcpStream);

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes(), text].concat()
}

impl Publisher {
    async fn connect(address: &str, virtual_host: &str) -> Self {
        let mut it = Self(TcpStream::connect(address).await.unwrap());
        it.0.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        it.answer().await;
        let login = [long(b""), short(b"PLAIN"), long(b"\0guest\0guest"), short(b"en_US")].concat();
        it.send(METHOD, 0, &[&[0, 10, 0, 11], &login[..]].concat()).await;
        it.answer().await;
        it.send(METHOD, 0, &[0, 10, 0, 31, 0, 9, 0, 2, 0, 0, 0, 0]).await;
        it.call(0, &[&[0, 10, 0, 40], &short(virtual_host.as_bytes())[..], &[0, 0]].concat()).await;
        it.call(1, &[0, 20, 0, 10, 0]).await;
        let binding = [short(b"parking.entry"), short(b"amq.fanout"), short(b""), vec![0], long(b"")].concat();
        it.call(1, &[&[0, 50, 0, 20, 0, 0], &binding[..]].concat()).await;
        it
    }

    async fn send(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&[kind, 0, channel], &length[..], payload, &[0xce]].concat()).await.unwrap();
    }

    async fn call(&mut self, channel: u8, payload: &[u8]) {
        self.send(METHOD, channel, payload).await;
        self.answer().await;
    }

    async fn answer(&mut self) {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).await.unwrap();
        let length = usize::try_from(u32::from_be_bytes([head[3], head[4], head[5], head[6]])).unwrap();
        self.0.read_exact(&mut vec![0; length + 1]).await.unwrap();
    }

    /// Publishes a number with these property flags and properties.
    async fn publish(&mut self, number: u32, routing_key: &[u8], flags: u16, properties: &[u8]) {
        let target = [short(b"amq.fanout"), short(routing_key), vec![0]].concat();
        self.send(METHOD, 1, &[&[0, 60, 0, 40, 0, 0], &target[..]].concat()).await;
        let body = number.to_string();
        let size = u64::try_from(body.len()).unwrap().to_be_bytes();
        self.send(HEADER, 1, &[&[0, 60, 0, 0], &size[..], &flags.to_be_bytes(), properties].concat()).await;
        self.send(BODY, 1, body.as_bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs RabbitMQ: ci/test"]
async fn texts_that_are_not_utf_8_cost_neither_the_message_nor_the_consumer() {
    const CONTENT_TYPE: u16 = 1 << 15;
    const HEADERS: u16 = 1 << 13;
    const MESSAGE_ID: u16 = 1 << 7;
    let host = VirtualHost::new(QueueType::Quorum).await;
    let bus = bus::open(&host.config(), &ServiceContext::for_testing()).unwrap();
    within(bus.publish(Queue::Entry, messages(0..1))).await.unwrap();
    let address = RabbitMq::shared().await.unwrap().address();
    let mut publisher = within(Publisher::connect(address, host.url.rsplit_once('/').unwrap().1)).await;
    let headers = long(b"\x02\xff\xfeS\0\0\0\x02\xff\xfe\x01tF\0\0\0\x04\x01\xc3t\x01");
    within(async {
        publisher.publish(1, b"", CONTENT_TYPE, &short(b"text/\xff\xfe")).await;
        publisher.publish(2, b"", HEADERS, &headers).await;
        publisher.publish(3, b"", MESSAGE_ID, &short(&[0x80; 255])).await;
        publisher.publish(4, b"\xff\xfe\x80", 0, b"").await;
        // The answer to this call comes once all of them are published.
        publisher.call(1, &[0, 20, 0, 40, 0, 200, 0, 0, 0, 0, 0]).await;
    })
    .await;
    within(bus.publish(Queue::Entry, messages(5..6))).await.unwrap();

    let mut consumer = bus.consume(Queue::Entry, 10).await.unwrap();
    let found = received(&mut *consumer, 6).await;

    assert_eq!(sorted(&found), [0, 1, 2, 3, 4, 5]);
    let properties = |wanted| found.iter().find(|it| number(it) == wanted).unwrap().properties.clone();
    assert_eq!(properties(1).unwrap().content_type.as_deref(), Some("text/??"));
    let names: Vec<String> = properties(2).unwrap().headers.keys().cloned().collect();
    assert_eq!(names, ["??", "t"]);
    assert_eq!(properties(3).unwrap().message_id, Some("?".repeat(255)));
}
