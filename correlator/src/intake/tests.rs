//! Claims about how much the intake takes at once, on a fake bus.

use std::sync::Mutex;

use async_trait::async_trait;
use bus::{Counts, Error, Message, Tag};
use parking::{ManualClock, Timestamp};
use service_kit::metrics::Registry;

use super::*;
use crate::arrival::delivered;

/// A bus whose entry queue holds these deliveries.
#[derive(Debug)]
struct Full(Mutex<VecDeque<Delivery>>);

#[async_trait]
impl Bus for Full {
    async fn publish(&self, _queue: Queue, _messages: Vec<Message>) -> Result<(), Error> {
        Err(Error::Stopping)
    }

    async fn consume(&self, queue: Queue, _prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        let waiting =
            if queue == Queue::Entry { std::mem::take(&mut *self.0.lock().unwrap()) } else { VecDeque::new() };
        Ok(Box::new(Waiting(waiting)))
    }

    async fn counts(&self, _queue: Queue) -> Result<Option<Counts>, Error> {
        Ok(Some(Counts { ready: 0, consumers: 1 }))
    }
}

#[derive(Debug)]
struct Waiting(VecDeque<Delivery>);

#[async_trait]
impl Consumer for Waiting {
    async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, Error> {
        let taken: Vec<Delivery> = self.0.drain(..most.min(self.0.len())).collect();
        if taken.is_empty() { std::future::pending().await } else { Ok(taken) }
    }

    fn acknowledger(&self) -> Arc<dyn Acknowledger> {
        Arc::new(Nothing)
    }
}

#[derive(Debug)]
struct Nothing;

#[async_trait]
impl Acknowledger for Nothing {
    async fn acknowledge(&self, _tags: &[Tag]) -> Result<(), Error> {
        Ok(())
    }

    async fn set_aside(&self, _tags: &[Tag]) -> Result<(), Error> {
        Ok(())
    }

    fn consumers(&self) -> u64 {
        1
    }
}

/// An intake over an entry queue with these bodies, a second after its events.
async fn intake(bodies: impl Iterator<Item = String>) -> (Intake, Arc<Progress>) {
    let bus = Full(Mutex::new(bodies.map(delivered).collect()));
    let progress = Arc::new(Progress::default());
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_727_168_401_000)));
    let metrics = Metrics::new(&Registry::new()).unwrap();
    (Intake::open(&bus, 8_000, clock, metrics, Arc::clone(&progress)).await.unwrap(), progress)
}

fn array(events: usize) -> String {
    let event = r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"A1","entry_date_time":"2024-09-24T09:00:00Z"}"#;
    format!("[{}]", vec![event; events].join(","))
}

/// Takes everything that may be taken while no event is done.
fn taken(intake: &mut Intake) -> usize {
    let mut taken = 0;
    while let Some(arrivals) = intake.next(4_000).now_or_never() {
        taken += arrivals.unwrap().len();
    }
    taken
}

#[tokio::test]
async fn messages_are_parsed_one_by_one_while_there_is_room_for_their_events() {
    let (mut intake, progress) = intake((0..40).map(|_| array(4_900))).await;

    let first = taken(&mut intake);

    assert_eq!((first, progress.events()), (11 * 4_900, 11 * 4_900), "one message may exceed the limit");
    progress.done(4_000);
    assert_eq!(taken(&mut intake), 4_900, "each is parsed once there is room again");
}

#[tokio::test]
async fn one_vehicle_that_is_under_way_does_not_open_the_limit() {
    let (mut intake, progress) = intake((0..300).map(|_| array(1_000))).await;
    // Each message is taken before the next one is parsed, as with a vehicle whose events wait in the schedule.
    while let Some(arrivals) = intake.next(1_000).now_or_never() {
        assert_eq!(arrivals.unwrap().len(), 1_000);
    }
    assert_eq!(progress.events(), OUTSTANDING_EVENTS_MAX);
}

#[tokio::test]
async fn received_messages_are_bounded_in_bytes() {
    let padded = format!("{}{}", array(1), " ".repeat(900_000));
    let body = padded.len();
    let (mut intake, progress) = intake((0..200).map(|_| padded.clone())).await;
    // One at a time, as the bus delivers large messages.
    while let Some(arrivals) = intake.next(1).now_or_never() {
        assert_eq!(arrivals.unwrap().len(), 1);
    }
    assert_eq!(progress.bytes(), OUTSTANDING_BYTES_MAX.div_ceil(body) * body);
}
