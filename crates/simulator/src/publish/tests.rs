//! Claims about the loop, on a bus that records what is published, with a manual clock.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use bus::Consumer;
use parking::{Clock as _, EventKey, Lots, ManualClock};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::*;
use crate::TrafficConfig;

const HOUR: Duration = Duration::from_hours(1);
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A bus that keeps published messages. It can be closed for a while, like a broker that is down.
#[derive(Debug)]
struct Recorder {
    batches: Mutex<Vec<Vec<GateEvent>>>,
    asked: watch::Sender<usize>,
    count: watch::Sender<usize>,
    open: Semaphore,
    refuses: bool,
}

impl Recorder {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            batches: Mutex::default(),
            asked: watch::Sender::new(0),
            count: watch::Sender::new(0),
            open: Semaphore::new(1),
            refuses: false,
        })
    }

    fn events(&self) -> Vec<GateEvent> {
        self.batches.lock().unwrap().concat()
    }

    fn keys(&self) -> Vec<EventKey> {
        self.events().iter().map(|event| event.key).collect()
    }
}

#[async_trait]
impl Bus for Recorder {
    async fn publish(&self, queue: Queue, messages: Vec<Message>) -> Result<(), bus::Error> {
        if self.refuses {
            return Err(settings::Error::Refused("wrong password".into()).into());
        }
        self.asked.send_modify(|times| *times += 1);
        let open = self.open.acquire().await.unwrap();
        let events: Vec<GateEvent> =
            messages.iter().map(|message| wire::parse_event(&message.body).expect("a gate event").event).collect();
        assert!(events.iter().all(|event| event.key.direction.as_str() == queue.as_str()));
        drop(open);
        self.count.send_modify(|count| *count += events.len());
        self.batches.lock().unwrap().push(events);
        Ok(())
    }

    async fn consume(&self, _: Queue, _: u16) -> Result<Box<dyn Consumer>, bus::Error> {
        Err(bus::Error::Stopping)
    }

    async fn counts(&self, _: Queue) -> Result<Option<bus::Counts>, bus::Error> {
        Ok(None)
    }
}

struct Service {
    clock: Arc<ManualClock>,
    context: ServiceContext,
    traffic: Traffic,
    recorder: Arc<Recorder>,
    running: JoinHandle<Result<(), Error>>,
}

impl Service {
    fn start(direction: Direction, recorder: Arc<Recorder>) -> Self {
        let clock = Arc::new(ManualClock::at(now()));
        let context = ServiceContext::new(Arc::clone(&clock) as Arc<dyn parking::Clock>);
        let traffic = Traffic::new(TrafficConfig::default(), &Lots::default()).unwrap();
        let running = tokio::spawn({
            let (traffic, bus, context) = (traffic.clone(), Arc::clone(&recorder), context.clone());
            async move { run(direction, traffic, bus, &context, HOUR).await }
        });
        Self { clock, context, traffic, recorder, running }
    }

    fn due(&self, direction: Direction, from: Timestamp) -> Vec<EventKey> {
        keys(self.traffic.events(direction, from, self.clock.now()).into_iter().map(|publication| publication.event))
    }

    async fn published(&self, events: usize) {
        let mut count = self.recorder.count.subscribe();
        let reached = count.wait_for(|count| *count >= events);
        tokio::time::timeout(Duration::from_mins(1), reached).await.expect("this many are due").unwrap();
    }

    async fn stop(self) -> Vec<EventKey> {
        self.context.lifecycle.stop();
        self.running.await.unwrap().unwrap();
        self.recorder.keys()
    }
}

/// A time within a minute.
fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2024-09-24T09:00:30Z").unwrap()
}

fn hour_ago() -> Timestamp {
    Timestamp::parse_rfc3339("2024-09-24T08:00:00Z").unwrap()
}

fn keys(events: impl IntoIterator<Item = GateEvent>) -> Vec<EventKey> {
    events.into_iter().map(|event| event.key).collect()
}

#[tokio::test(start_paused = true)]
async fn entry_service_first_publishes_who_was_inside_and_then_the_last_hour_in_batches() {
    let service = Service::start(Direction::Entry, Recorder::new());
    let mut expected = keys(service.traffic.inside_at(hour_ago()));
    assert!(!expected.is_empty());
    expected.extend(service.due(Direction::Entry, hour_ago()));
    assert!(expected.len() > 2 * BATCH_EVENTS_MAX);

    service.published(expected.len()).await;

    let batches = service.recorder.batches.lock().unwrap().iter().map(Vec::len).max();
    assert_eq!(batches, Some(BATCH_EVENTS_MAX));
    assert_eq!(service.stop().await, expected);
}

#[tokio::test(start_paused = true)]
async fn exit_service_publishes_the_last_hour_and_then_each_event_when_its_time_has_come() {
    let service = Service::start(Direction::Exit, Recorder::new());
    service.published(service.due(Direction::Exit, hour_ago()).len()).await;
    assert_eq!(service.recorder.keys(), service.due(Direction::Exit, hour_ago()));

    for _ in 0..20 {
        service.clock.advance_millis(3_000);
        service.published(service.due(Direction::Exit, hour_ago()).len()).await;
        assert!(service.recorder.events().iter().all(|event| event.key.time < service.clock.now()));
    }

    let expected = service.due(Direction::Exit, hour_ago());
    assert_eq!(service.stop().await, expected);
}

#[tokio::test(start_paused = true)]
async fn outage_of_the_bus_is_waited_out_and_caught_up() {
    let service = Service::start(Direction::Exit, Recorder::new());
    service.published(service.due(Direction::Exit, hour_ago()).len()).await;

    let away = service.recorder.open.acquire().await.unwrap();
    let mut asked = service.recorder.asked.subscribe();
    asked.mark_unchanged();
    service.clock.advance_millis(MINUTE_MS);
    asked.changed().await.unwrap();
    service.clock.advance_millis(3 * HOUR_MS);
    drop(away);
    service.published(service.due(Direction::Exit, hour_ago()).len()).await;

    let expected = service.due(Direction::Exit, hour_ago());
    assert_eq!(service.stop().await, expected);
}

#[tokio::test(start_paused = true)]
async fn clock_that_jumps_by_less_than_the_backfill_loses_nothing() {
    let service = Service::start(Direction::Entry, Recorder::new());
    let inside = service.traffic.inside_at(hour_ago()).len();
    service.published(inside + service.due(Direction::Entry, hour_ago()).len()).await;

    service.clock.advance_millis(HOUR_MS);
    service.published(inside + service.due(Direction::Entry, hour_ago()).len()).await;

    let expected = service.due(Direction::Entry, hour_ago());
    assert_eq!(service.stop().await[inside..], expected);
}

#[tokio::test(start_paused = true)]
async fn clock_that_jumps_by_a_year_begins_anew_with_its_last_hour() {
    let service = Service::start(Direction::Exit, Recorder::new());
    let before = service.due(Direction::Exit, hour_ago());
    service.published(before.len()).await;

    service.clock.advance_millis(365 * 24 * HOUR_MS);
    let after = service.due(Direction::Exit, hour_ago().plus_millis(365 * 24 * HOUR_MS));
    service.published(before.len() + after.len()).await;

    assert_eq!(service.stop().await, [before, after].concat());
}

#[tokio::test(start_paused = true)]
async fn clock_that_is_set_back_only_repeats_known_events() {
    let service = Service::start(Direction::Exit, Recorder::new());
    let first = service.due(Direction::Exit, hour_ago());
    service.published(first.len()).await;

    service.clock.advance_millis(-MINUTE_MS);
    // The loop must have read the clock before it continues.
    tokio::time::sleep(2 * POLL_INTERVAL).await;
    service.clock.advance_millis(MINUTE_MS);
    let repeated = service.due(Direction::Exit, now().plus_millis(-MINUTE_MS));
    service.published(first.len() + repeated.len()).await;

    assert_eq!(service.stop().await, [first, repeated].concat());
}

#[tokio::test(start_paused = true)]
async fn service_that_starts_again_only_repeats_known_events() {
    let runs = [1, 2].map(|_| Service::start(Direction::Entry, Recorder::new()));
    let mut published = Vec::new();
    for service in runs {
        service.published(service.due(Direction::Entry, hour_ago()).len() + 1).await;
        published.push(service.stop().await.into_iter().collect::<BTreeSet<_>>());
    }
    assert_eq!(published[0], published[1]);
}

#[tokio::test(start_paused = true)]
async fn bus_that_refuses_its_configuration_ends_the_service() {
    let mut recorder = Recorder::new();
    Arc::get_mut(&mut recorder).unwrap().refuses = true;

    let error = Service::start(Direction::Exit, recorder).running.await.unwrap().unwrap_err();

    assert!(matches!(error, Error::Bus(bus::Error::Config(reason)) if reason.to_string() == "wrong password"));
}

#[tokio::test(start_paused = true)]
async fn metrics_say_what_was_published_and_how_far_it_is_behind() {
    let service = Service::start(Direction::Exit, Recorder::new());
    let due = service.due(Direction::Exit, hour_ago()).len();
    service.published(due).await;
    tokio::time::sleep(POLL_INTERVAL).await;

    let page = metrics::render(&service.context.registry);

    assert!(page.contains(&format!("dwell_published_events_total{{direction=\"exit\"}} {due}\n")), "{page}");
    assert!(page.contains("dwell_publish_latency_seconds_bucket{direction=\"exit\",le=\"0.0005\"}"), "{page}");
    assert!(page.contains("dwell_publish_lag_seconds{direction=\"exit\"} 0\n"), "{page}");
    assert!(page.contains("dwell_publish_batch_events_max 500\n"), "{page}");
}
