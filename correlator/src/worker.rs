//! The worker: takes batches from the intake, settles several at once, acknowledges last.
//!
//! A crash at any point costs a redelivery and nothing else: the ledger has an event before its message is acknowledged,
//! and a dead letter is confirmed before the message that it came in.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{Bus, DeathNote, Message, Queue, Tag};
use parking::wire::write_event;
use parking::{GateEvent, Refusal, Vehicle};
use tokio::task::JoinSet;

use crate::arrival::Refused;
use crate::decide::{Decider, Evidence, GivenUp};
use crate::intake::{Acknowledgers, Intake};
use crate::metrics::Metrics;
use crate::origins::Origins;
use crate::progress::Progress;
use crate::schedule::{Batch, Element, Schedule};

/// Why the worker ended before the stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the queues can't be used")]
    Bus(#[from] bus::Error),
    #[error("a batch panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

/// What every batch needs.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) decider: Arc<Decider>,
    pub(crate) metrics: Metrics,
    pub(crate) progress: Arc<Progress>,
    pub(crate) batch_events: usize,
    pub(crate) batches_in_flight: usize,
}

type Done = (Vec<Vehicle>, Result<(), Error>);

impl Worker {
    /// Works until the stop, then finishes what is under way.
    pub(crate) async fn run(self: Arc<Self>, mut intake: Intake) -> Result<(), Error> {
        let lifecycle = self.decider.lifecycle.clone();
        let acknowledgers = intake.acknowledgers();
        let mut schedule = Schedule::default();
        let mut batches: JoinSet<Done> = JoinSet::new();
        while !lifecycle.is_stopping() {
            let has_slot = batches.len() < self.batches_in_flight;
            let arrivals = tokio::select! {
                biased;
                () = lifecycle.stopping() => break,
                Some(ended) = batches.join_next() => {
                    finish(&mut schedule, ended)?;
                    continue;
                }
                ready = std::future::ready(()), if has_slot && schedule.has_ready() => {
                    let () = ready;
                    schedule.take_ready(self.batch_events)
                }
                arrivals = intake.next(self.batch_events), if has_slot => match arrivals {
                    Err(bus::Error::Stopping) => break,
                    arrivals => arrivals?,
                },
            };
            if let Some(batch) = schedule.batch(arrivals) {
                let (worker, acknowledgers) = (Arc::clone(&self), acknowledgers.clone());
                batches.spawn(async move { worker.settle(batch, &acknowledgers).await });
            }
        }
        while let Some(ended) = batches.join_next().await {
            finish(&mut schedule, ended)?;
        }
        Ok(())
    }

    async fn settle(&self, batch: Batch, acknowledgers: &Acknowledgers) -> Done {
        self.metrics.batch_begins(batch.elements.len());
        let vehicles = batch.vehicles.iter().map(|work| work.vehicle.clone()).collect();
        (vehicles, self.settle_all(batch, acknowledgers).await)
    }

    async fn settle_all(&self, batch: Batch, acknowledgers: &Acknowledgers) -> Result<(), Error> {
        let Batch { vehicles, refused, elements } = batch;
        let evidence = vehicles.into_iter().map(|work| Evidence {
            vehicle: work.vehicle,
            events: work.events,
            ended: Vec::new(),
            snapshot: None,
        });
        let origins = Origins::of_batch(&self.decider.traces, &elements);
        let full = match self.decider.settle(evidence.collect(), &origins).await {
            Ok(full) => full,
            Err(GivenUp) => return Ok(()),
        };
        self.observe(&elements, &full);
        self.bury(&refused, &full, &origins).await?;
        self.acknowledge(&elements, acknowledgers).await?;
        self.progress.done(elements.len());
        Ok(())
    }

    fn observe(&self, elements: &[Element], full: &[GateEvent]) {
        for (message, key) in elements {
            if let Some(key) = key
                && full.iter().all(|event| event.key != *key)
            {
                self.metrics.recorded_after(message.at.elapsed().as_secs_f64());
                if key.direction == parking::Direction::Entry {
                    self.progress.entry_recorded(key.time);
                }
            }
        }
    }

    /// Sends what can't be taken to the dead-letter queue, and returns once it is safe there.
    async fn bury(&self, refused: &[(Queue, Refused)], full: &[GateEvent], origins: &Origins<'_>) -> Result<(), Error> {
        let trace = origins.whole();
        let letter = |queue, refused: &Refused| {
            let trace = self.decider.traces.is_on().then_some(trace);
            Message { trace, ..dead_letter(queue, refused) }
        };
        let mut letters: Vec<Message> = refused.iter().map(|(queue, refused)| letter(*queue, refused)).collect();
        letters.extend(full.iter().map(|event| letter(queue_of(event), &no_room(event))));
        if letters.is_empty() {
            return Ok(());
        }
        let trace_id = trace.trace_id();
        for (queue, refused) in refused {
            self.metrics.dead_letter(refused.refusal.member());
            tracing::warn!(queue = queue.as_str(), reason = %refused.refusal, %trace_id, "sent to the dead-letter queue");
        }
        for event in full {
            self.metrics.dead_letter("timeline");
            tracing::warn!(event = %event.key.id, %trace_id, "sent to the dead-letter queue: the vehicle's timeline is full");
        }
        self.bus.publish(Queue::Dead, letters).await?;
        Ok(())
    }

    async fn acknowledge(&self, elements: &[Element], acknowledgers: &Acknowledgers) -> Result<(), Error> {
        let mut done: BTreeMap<Queue, Vec<Tag>> = BTreeMap::new();
        for (message, _) in elements.iter().filter(|(message, _)| message.one_done()) {
            done.entry(message.queue).or_default().push(message.tag);
        }
        for (queue, tags) in done {
            acknowledgers.of(queue).acknowledge(&tags).await?;
            self.progress.acknowledged(queue, tags.len());
        }
        Ok(())
    }
}

fn finish(schedule: &mut Schedule, ended: Result<Done, tokio::task::JoinError>) -> Result<(), Error> {
    let (vehicles, result) = ended?;
    schedule.done(&vehicles);
    match result {
        Err(Error::Bus(bus::Error::Stopping)) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

fn dead_letter(queue: Queue, refused: &Refused) -> Message {
    let note = DeathNote { reason: refused.refusal.to_string(), queue: queue.as_str().to_owned() };
    Message { death: Some(note), ..Message::new(refused.body.clone()) }
}

fn queue_of(event: &GateEvent) -> Queue {
    match event.key.direction {
        parking::Direction::Entry => Queue::Entry,
        parking::Direction::Exit => Queue::Exit,
    }
}

fn no_room(event: &GateEvent) -> Refused {
    let mut body = Vec::new();
    write_event(event, &mut body);
    let limit = matching::timeline::MAX_EVENTS;
    let refusal = Refusal::new(
        "timeline",
        format!(
            "of the vehicle has {limit} events that can't be parted, the most allowed: is it parked before a camera?"
        ),
    );
    Refused { body: body.into(), refusal }
}
