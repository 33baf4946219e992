//! Claims about the log lines of dead letters, on an embedded bus.

use std::sync::atomic::{AtomicUsize, Ordering};

use bus::embedded::{Embedded, Limits};
use service_kit::ServiceContext;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::arrival::{delivered, read_all};
use crate::intake::Intake;

/// Counts the log lines about dead letters.
#[derive(Debug, Default)]
struct Lines(AtomicUsize);

struct IsOfLetter(bool);

impl Visit for IsOfLetter {
    fn record_debug(&mut self, _field: &Field, value: &dyn std::fmt::Debug) {
        self.0 |= format!("{value:?}").contains("dead-letter queue");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut found = IsOfLetter(false);
        event.record(&mut found);
        self.0.fetch_add(usize::from(found.0), Ordering::Relaxed);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[tokio::test]
async fn many_dead_letters_in_a_second_are_fifty_lines_of_the_log() {
    const BAD_MESSAGES: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let context = ServiceContext::for_testing();
    let bus: Arc<dyn Bus> = Arc::new(Embedded::open(folder.path(), Limits::default(), &context).unwrap());
    let metrics = Metrics::new(&context.registry).unwrap();
    let progress = Arc::new(Progress::default());
    let intake = Intake::open(&*bus, 1, Arc::clone(&context.clock), metrics.clone(), Arc::clone(&progress));
    let acknowledgers = intake.await.unwrap().acknowledgers();
    let room = context.health.dependency("dead-letters");
    let log = Arc::clone(&context.decisions);
    let dead_letters = DeadLetters::new(Arc::clone(&bus), metrics, Arc::clone(&progress), log, room);
    let event =
        r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"A1","exit_date_time":"2024-09-24T09:00:00Z"}"#;
    let arrivals =
        read_all(Queue::Exit, &delivered(format!("[{}{event}]", "7,".repeat(BAD_MESSAGES))), context.clock.now());
    let letter = |arrival: crate::arrival::Arrival| Some(Letter::new(arrival.message, arrival.content.err()?));
    dead_letters.hand_over(arrivals.into_iter().filter_map(letter).collect());
    dead_letters.close();
    let lines = Arc::new(Lines::default());

    let _logging = tracing::subscriber::set_default(Arc::clone(&lines));
    dead_letters.run(&acknowledgers).await.unwrap();

    assert_eq!(bus.depth(Queue::Dead).await, Ok(Some(BAD_MESSAGES as u64)));
    assert_eq!(lines.0.load(Ordering::Relaxed), 50, "the others are counted in one line a second");
}
