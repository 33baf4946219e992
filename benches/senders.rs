//! The clients of the row `ingest`: lapin that publishes lines, a stream over gRPC, and connections that never end.
//!
//! The first two are separate processes, as real clients are.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::stream;
use gateway::grpc::proto::events_client::EventsClient;
use gateway::grpc::proto::{Event, ReportRequest, event::Time};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;
use uuid::Uuid;

use crate::generator::plate;
use crate::report::say;

/// The queue of the lines that lapin publishes.
pub(crate) const LINES_QUEUE: &str = "yardstick.lines";
/// The most messages of lapin that wait for their confirms.
pub(crate) const UNCONFIRMED_MAX: usize = 1_000;
/// AMQP's delivery mode of messages that outlive the broker.
const PERSISTENT: u8 = 2;
/// 2024-03-01T00:00:00Z.
const BEGIN_SECONDS: i64 = 1_709_251_200;
/// The connections that never end.
const ENDLESS_CONNECTIONS: usize = 64;
/// The time between two connections of an endless client.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(20);

/// Which lines to publish.
#[derive(Debug, clap::Args)]
pub(crate) struct LinesArguments {
    #[arg(long)]
    amqp: String,
    #[arg(long)]
    file: PathBuf,
}

/// Publishes each line of a file as a persistent message, with confirms.
pub(crate) async fn publish_lines(arguments: &LinesArguments) -> anyhow::Result<()> {
    let lines = std::fs::read(&arguments.file)?;
    let connection = Connection::connect(&arguments.amqp, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(LINES_QUEUE.into(), durable, quorum).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut unconfirmed = VecDeque::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let properties = properties.with_delivery_mode(PERSISTENT);
        let sent = channel.basic_publish("".into(), LINES_QUEUE.into(), options, line, properties).await?;
        unconfirmed.push_back(sent);
        if unconfirmed.len() >= UNCONFIRMED_MAX
            && let Some(oldest) = unconfirmed.pop_front()
        {
            ensure!(matches!(oldest.await?, Confirmation::Ack(_)), "RabbitMQ refused a message");
        }
    }
    for sent in unconfirmed {
        ensure!(matches!(sent.await?, Confirmation::Ack(_)), "RabbitMQ refused a message");
    }
    connection.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into()).await?;
    Ok(())
}

/// How to stream events.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArguments {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    events: u64,
    #[arg(long)]
    per_message: u64,
}

/// Streams entries in one call of `Report`; prints the seconds that the call took.
pub(crate) async fn report(arguments: &ReportArguments) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", arguments.port))?;
    let mut client = EventsClient::new(endpoint.connect().await?);
    let (events, per_message) = (arguments.events, arguments.per_message);
    let message =
        move |begin: u64| ReportRequest { events: (begin..events.min(begin + per_message)).map(entry).collect() };
    let begins = (0..events).step_by(usize::try_from(per_message)?);
    let begun = Instant::now();
    let answer = client.report(stream::iter(begins.map(message))).await?.into_inner();
    let took = begun.elapsed();
    ensure!(answer.accepted == events, "{} of {events} events were accepted", answer.accepted);
    say(&took.as_secs_f64().to_string());
    Ok(())
}

fn entry(number: u64) -> Event {
    let seconds = BEGIN_SECONDS + i64::try_from(number).unwrap_or_default();
    Event {
        id: Uuid::from_u64_pair(0x9b81_0e76_6ec9_4286, 0xa3ca_0000_0000_0000 + number).to_string(),
        vehicle_plate: plate(number),
        time: Some(Time::EntryTime(prost_types::Timestamp { seconds, nanos: 0 })),
        ..Event::default()
    }
}

/// Sends streams of lines on many connections, without end and without reading answers. A connection that the gateway
/// ends is followed by another one.
pub(crate) async fn send_without_end(port: u16, length: Duration) {
    let mut senders = JoinSet::new();
    for number in 0..ENDLESS_CONNECTIONS {
        senders.spawn(tokio::time::timeout(length, async move {
            loop {
                if endless(port, number).await.is_err() {
                    tokio::time::sleep(RECONNECT_INTERVAL).await;
                }
            }
        }));
    }
    senders.join_all().await;
}

/// Sends one stream until the gateway ends its connection.
async fn endless(port: u16, number: usize) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await?;
    loop {
        let id = Uuid::new_v4();
        let line = format!(
            "{{\"id\":\"{id}\",\"vehicle_plate\":\"E{number}\",\"entry_date_time\":\"2024-03-01T09:00:00Z\"}}\n"
        );
        connection.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await?;
    }
}
