//! The worker: takes batches from the intake, settles several at once, acknowledges last.
//!
//! A crash at any point only costs a redelivery: the ledger has an event before its message is acknowledged, and a
//! dead letter is confirmed before its message is acknowledged. `dead_letters` waits for that confirm.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bus::{Queue, Tag};
use bytes::Bytes;
use parking::wire::write_event;
use parking::{GateEvent, Vehicle};
use tokio::task::JoinSet;

use crate::arrival::{Received, Refused, Sources};
use crate::batch_trace::BatchTrace;
use crate::calls::ShutDown;
use crate::dead_letters::{DeadLetters, Letter};
use crate::decide::{Decider, Evidence, Unrecorded};
use crate::freshness::Freshness;
use crate::intake::{Acknowledgers, Intake};
use crate::metrics::Metrics;
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

/// Shared by all batches.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) dead_letters: Arc<DeadLetters>,
    pub(crate) decider: Arc<Decider>,
    pub(crate) metrics: Metrics,
    pub(crate) freshness: Freshness,
    pub(crate) progress: Arc<Progress>,
    pub(crate) batch_events: usize,
    pub(crate) batches_in_flight: usize,
}

type Done = (Vec<Vehicle>, Result<(), Error>);

impl Worker {
    /// Works until the stop, then finishes what is in flight.
    pub(crate) async fn run(self: Arc<Self>, mut intake: Intake) -> Result<(), Error> {
        let lifecycle = self.decider.lifecycle.clone();
        let acknowledgers = intake.acknowledgers();
        let mut dead_lettering = self.dead_letter(acknowledgers.clone());
        let mut schedule = Schedule::default();
        let mut batches: JoinSet<Done> = JoinSet::new();
        while !lifecycle.is_stopping() {
            let has_slot = batches.len() < self.batches_in_flight;
            let has_room = !self.dead_letters.is_full();
            let arrivals = tokio::select! {
                biased;
                () = lifecycle.stopping() => break,
                Some(ended) = batches.join_next() => {
                    finish(&mut schedule, ended)?;
                    continue;
                }
                Some(ended) = dead_lettering.join_next() => {
                    stopped(ended?)?;
                    continue;
                }
                () = self.dead_letters.room(), if !has_room => continue,
                ready = std::future::ready(()), if has_slot && schedule.has_ready() => {
                    let () = ready;
                    schedule.take_ready(self.batch_events)
                }
                arrivals = intake.next(self.batch_events), if has_slot && has_room => match arrivals {
                    Err(bus::Error::Stopping) => break,
                    arrivals => arrivals?,
                },
            };
            let mut letters = Vec::new();
            let batch = schedule.batch(arrivals, &mut letters);
            self.hand_over(letters);
            if let Some(batch) = batch {
                let (worker, acknowledgers) = (Arc::clone(&self), acknowledgers.clone());
                batches.spawn(async move { worker.settle(batch, &acknowledgers).await });
            }
        }
        while let Some(ended) = batches.join_next().await {
            finish(&mut schedule, ended)?;
        }
        self.dead_letters.close();
        while let Some(ended) = dead_lettering.join_next().await {
            stopped(ended?)?;
        }
        Ok(())
    }

    /// Starts to publish dead letters, concurrently with the batches.
    fn dead_letter(&self, acknowledgers: Acknowledgers) -> JoinSet<Result<(), bus::Error>> {
        let dead_letters = Arc::clone(&self.dead_letters);
        let mut dead_lettering = JoinSet::new();
        dead_lettering.spawn(async move { dead_letters.run(&acknowledgers).await });
        dead_lettering
    }

    async fn settle(&self, batch: Batch, acknowledgers: &Acknowledgers) -> Done {
        self.metrics.batch_begins(batch.elements.len());
        let vehicles: Vec<Vehicle> = batch.vehicles.iter().map(|work| work.vehicle.clone()).collect();
        let settled = self.settle_all(batch, &vehicles, acknowledgers).await;
        (vehicles, settled)
    }

    async fn settle_all(&self, batch: Batch, vehicles: &[Vehicle], acknowledgers: &Acknowledgers) -> Result<(), Error> {
        let Batch { vehicles: work, elements } = batch;
        let evidence = work.into_iter().map(|work| Evidence {
            vehicle: work.vehicle,
            events: work.events,
            ended: Vec::new(),
            snapshot: None,
        });
        let trace = BatchTrace::of_batch(&self.decider.traces, &elements);
        let unrecorded = match self.decider.settle(evidence.collect(), &trace).await {
            Ok(unrecorded) => unrecorded,
            Err(ShutDown) => return Ok(()),
        };
        drop(trace);
        let (recorded, letters) = part(elements, vehicles, &unrecorded);
        self.hand_over(letters);
        self.freshness.recorded(&recorded, vehicles);
        self.acknowledge(&recorded, acknowledgers).await
    }

    /// Hands over refused events. Their messages are acknowledged once the letters are confirmed.
    fn hand_over(&self, letters: Vec<Letter>) {
        self.decided(letters.iter().map(Letter::received));
        self.dead_letters.hand_over(letters);
    }

    /// Acknowledges the messages all of whose events are done.
    async fn acknowledge(&self, recorded: &[Element], acknowledgers: &Acknowledgers) -> Result<(), Error> {
        let mut done: BTreeMap<Queue, Vec<Tag>> = BTreeMap::new();
        for Element { message, key, .. } in recorded {
            self.metrics.recorded_after(message.at.elapsed().as_secs_f64());
            if key.direction == parking::Direction::Entry {
                self.progress.entry_recorded(key.time);
            }
            if message.one_finished() {
                done.entry(message.queue).or_default().push(message.tag);
            }
        }
        for (queue, tags) in done {
            acknowledgers.of(queue).acknowledge(&tags).await?;
            self.progress.acknowledged(queue, tags.len());
        }
        self.decided(recorded.iter().map(|element| &*element.message));
        Ok(())
    }

    /// Counts elements that are recorded or handed to the dead letters.
    fn decided<'a>(&self, elements: impl Iterator<Item = &'a Received>) {
        let mut events = 0;
        for message in elements {
            events += 1;
            if message.one_decided() {
                self.progress.decided(message.queue, 1, message.bytes());
            }
        }
        self.progress.done(events);
    }
}

/// Splits the elements into recorded ones and dead letters.
fn part(elements: Vec<Element>, vehicles: &[Vehicle], unrecorded: &[Unrecorded]) -> (Vec<Element>, Vec<Letter>) {
    if unrecorded.is_empty() {
        return (elements, Vec::new());
    }
    let identity = |event: &GateEvent| (event.key, event.vehicle.clone());
    let unrecorded: HashMap<_, _> =
        unrecorded.iter().map(|Unrecorded { event, refusal }| (identity(event), (event, refusal))).collect();
    // Elements of one message are adjacent, so each message is parsed again only once.
    let mut sources: Option<(Arc<Received>, Sources)> = None;
    let (mut recorded, mut letters) = (Vec::new(), Vec::new());
    for element in elements {
        let identity = (element.key, vehicles[element.index].clone());
        let Some((event, refusal)) = unrecorded.get(&identity) else {
            recorded.push(element);
            continue;
        };
        let message = element.message;
        let known = sources.take().filter(|(of, _)| Arc::ptr_eq(of, &message)).map(|(_, sources)| sources);
        let found = known.unwrap_or_else(|| message.sources());
        let body = found.get(&identity).cloned().unwrap_or_else(|| written(event));
        sources = Some((Arc::clone(&message), found));
        letters.push(Letter::new(message, Refused { body, refusal: (*refusal).clone() }));
    }
    (recorded, letters)
}

/// The event as a message, in case the original can't be found when it is parsed again.
fn written(event: &GateEvent) -> Bytes {
    let mut body = Vec::new();
    write_event(event, &mut body);
    body.into()
}

fn finish(schedule: &mut Schedule, ended: Result<Done, tokio::task::JoinError>) -> Result<(), Error> {
    let (vehicles, result) = ended?;
    schedule.done(&vehicles);
    match result {
        Err(Error::Bus(error)) => stopped(Err(error)),
        result => result,
    }
}

/// A stop is not a failure: unacknowledged messages are redelivered.
fn stopped(result: Result<(), bus::Error>) -> Result<(), Error> {
    match result {
        Err(bus::Error::Stopping) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
