//! Dead letters wait outside the batches: a broker that takes none stops no good event, and loses no bad one.

use std::sync::Arc;

use async_trait::async_trait;
use bus::{Bus, Consumer, Counts, Error, HeaderValue, Message, Properties, Queue};
use parking::Rules;
use service_kit::{Lifecycle, metrics};
use settings::Settings;
use testbed::wait_until;
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::PATIENCE;
use crate::support::pipeline::Pipeline;

/// A bus that takes dead letters only while it is open, as a broker with an alarm does. Else it is the one within.
#[derive(Debug)]
struct Alarmed {
    inner: Arc<dyn Bus>,
    is_open: watch::Sender<bool>,
    lifecycle: Lifecycle,
}

impl Alarmed {
    fn around(pipeline: &Pipeline) -> Arc<Self> {
        let lifecycle = pipeline.context.lifecycle.clone();
        Arc::new(Self { inner: Arc::clone(&pipeline.bus), is_open: watch::Sender::new(false), lifecycle })
    }
}

#[async_trait]
impl Bus for Alarmed {
    async fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<(), Error> {
        if queue == Queue::Dead {
            let mut is_open = self.is_open.subscribe();
            tokio::select! {
                opened = is_open.wait_for(|is_open| *is_open) => drop(opened.map_err(|_| Error::Stopping)?),
                () = self.lifecycle.stopping() => return Err(Error::Stopping),
            }
        }
        self.inner.publish(queue, messages).await
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.inner.consume(queue, prefetch).await
    }

    async fn counts(&self, queue: Queue) -> Result<Option<Counts>, Error> {
        self.inner.counts(queue).await
    }
}

fn event(number: u128) -> String {
    let id = Uuid::from_u128(number);
    format!(r#"{{"id":"{id}","vehicle_plate":"A{number}","entry_date_time":"2024-09-24T09:00:00Z"}}"#)
}

/// A correlator with two small batches on a bus that takes no dead letters.
async fn correlator(pipeline: &Pipeline) -> Arc<Alarmed> {
    let settings = [("DWELL_BATCH_EVENTS", "5"), ("DWELL_BATCHES_IN_FLIGHT", "2"), ("DWELL_PREFETCH", "50")];
    let bus = Alarmed::around(pipeline);
    let config = correlator::Config::from_settings(&Settings::from_variables(settings).unwrap()).unwrap();
    let on_alarmed: Arc<dyn Bus> = Arc::clone(&bus) as Arc<dyn Bus>;
    correlator::start(config, on_alarmed, pipeline.recorder(), &pipeline.context).await.unwrap();
    bus
}

/// Waits until the correlator's metrics have this line.
async fn shows(pipeline: &Pipeline, series: &str) {
    wait_until(PATIENCE, series, async || {
        metrics::render(&pipeline.context.registry).lines().any(|line| line == series)
    })
    .await;
}

async fn dead(pipeline: &Pipeline, count: usize) -> Vec<bus::Delivery> {
    let mut consumer = pipeline.bus.consume(Queue::Dead, 2_000).await.unwrap();
    let mut letters = Vec::new();
    while letters.len() < count {
        letters.extend(tokio::time::timeout(PATIENCE, consumer.receive(count)).await.unwrap().unwrap());
    }
    letters
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_messages_and_a_broker_that_takes_none_of_them_stop_no_good_event() {
    let pipeline = Pipeline::new(Rules::default()).await;
    // More bad messages than batches, and more good ones than the prefetch.
    let bodies = (1..=400).map(|number| if number % 20 == 0 { b"bad".to_vec() } else { event(number).into_bytes() });
    pipeline.publish(Queue::Entry, bodies).await;

    let bus = correlator(&pipeline).await;

    shows(&pipeline, "event_processing_latency_seconds_count 380").await;
    shows(&pipeline, "dwell_dead_letters_held 20").await;
    // All good messages are acknowledged; the bad ones are not before their letters are safe.
    shows(&pipeline, "dwell_in_flight_messages 20").await;
    assert_eq!(pipeline.bus.depth(Queue::Dead).await, Ok(Some(0)));
    bus.is_open.send_replace(true);
    shows(&pipeline, "dwell_dead_letters_held 0").await;
    shows(&pipeline, "dwell_in_flight_messages 0").await;
    assert_eq!(pipeline.bus.depth(Queue::Dead).await, Ok(Some(20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_bad_element_is_acknowledged_after_its_dead_letter() {
    let pipeline = Pipeline::new(Rules::default()).await;
    let said = Properties {
        message_id: Some("m-1".to_owned()),
        headers: [("x-camera".to_owned(), HeaderValue::Int32(7))].into(),
        ..Properties::default()
    };
    let properties = Some(Arc::new(said));
    let body = format!("[{},{{\"id\": 7}},{},8]", event(1), event(2));
    let message = Message { properties: properties.clone(), ..Message::new(body) };
    pipeline.bus.publish(Queue::Entry, vec![message]).await.unwrap();

    let bus = correlator(&pipeline).await;

    shows(&pipeline, "event_processing_latency_seconds_count 2").await;
    shows(&pipeline, "dwell_dead_letters_held 2").await;
    shows(&pipeline, "dwell_in_flight_messages 1").await;
    bus.is_open.send_replace(true);
    shows(&pipeline, "dwell_in_flight_messages 0").await;
    let letters = dead(&pipeline, 2).await;
    assert_eq!(letters.iter().map(|letter| &*letter.body).collect::<Vec<_>>(), [&b"{\"id\": 7}"[..], b"8"]);
    assert!(letters.iter().all(|letter| letter.properties == properties && letter.dead_letter.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_beyond_their_bound_stop_the_intake_and_none_is_lost() {
    const BAD: usize = 10_050;
    let pipeline = Pipeline::new(Rules::default()).await;
    // Of each message three quarters are bad, so each element has a letter of its own.
    let message = |number: usize| format!("[1,2,3,{}]", event(number as u128)).into_bytes();
    pipeline.publish(Queue::Entry, (1..=BAD / 3).map(message)).await;
    let settings = [("DWELL_BATCH_EVENTS", "100")];
    let config = correlator::Config::from_settings(&Settings::from_variables(settings).unwrap()).unwrap();
    let bus = Alarmed::around(&pipeline);
    let on_alarmed: Arc<dyn Bus> = Arc::clone(&bus) as Arc<dyn Bus>;
    correlator::start(config, on_alarmed, pipeline.recorder(), &pipeline.context).await.unwrap();

    shows(&pipeline, "dwell_dependency_up{dependency=\"dead-letters\"} 0").await;
    assert!(!pipeline.context.health.is_ready());
    assert!(pipeline.context.health.report().contains("not confirmed"), "{}", pipeline.context.health.report());
    bus.is_open.send_replace(true);
    shows(&pipeline, &format!("event_processing_latency_seconds_count {}", BAD / 3)).await;
    wait_until(PATIENCE, "all dead letters", async || pipeline.bus.depth(Queue::Dead).await == Ok(Some(BAD as u64)))
        .await;
    shows(&pipeline, "dwell_dead_letters_held 0").await;
    assert!(pipeline.context.health.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_dead_letters_wait_loses_none_of_their_messages() {
    let pipeline = Pipeline::new(Rules::default()).await;
    pipeline.publish(Queue::Exit, [b"bad".to_vec(), event(1).into_bytes()]).await;
    let _bus = correlator(&pipeline).await;
    shows(&pipeline, "dwell_dead_letters_held 1").await;
    shows(&pipeline, "dwell_in_flight_messages 1").await;

    pipeline.context.lifecycle.stop();

    // What is not confirmed is not acknowledged: it is there again for the next consumer.
    wait_until(PATIENCE, "the message to be ready again", async || {
        pipeline.bus.depth(Queue::Exit).await == Ok(Some(1))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_of_garbage_is_one_dead_letter_with_the_whole_body() {
    let pipeline = Pipeline::new(Rules::default()).await;
    let garbage = format!("[{}7]", "7,".repeat(8_999)).into_bytes();
    let ahead = format!("[{0},{0}]", event(1).replace("2024", "2124")).into_bytes();
    pipeline.publish(Queue::Entry, [garbage.clone(), ahead.clone()]).await;

    let bus = correlator(&pipeline).await;
    bus.is_open.send_replace(true);

    let bodies: Vec<_> = dead(&pipeline, 2).await.into_iter().map(|letter| letter.body.to_vec()).collect();
    assert_eq!(bodies, [garbage, ahead]);
    shows(&pipeline, "dwell_dead_letters_held 0").await;
    assert_eq!(pipeline.bus.depth(Queue::Dead).await, Ok(Some(2)), "two letters, and no third");
}
