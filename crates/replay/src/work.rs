//! The three passes of a replay (read, settle, write), each on all processors.
//!
//! `events`, `settling` and `sessions` define what happens to one event, vehicle and session. Here are the threads and
//! the order of the work.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use event_files::sequencer::Sequencer;
use event_files::session_file::{SessionFile, append_row};
use event_files::{Observer, RefusedLines};
use parking::Rules;

use super::Error;
use super::events::{EVENT_WORDS, Intake, PARTITIONS, Survey};
use super::gates::GateInterner;
use super::interner::{InternedNames, VehicleInterner};
use super::sessions::Order;
use super::settling::{Decider, SESSION_WORDS, Spans, Tally, Terms};
use super::spill_store::{Partitions, SpillStore};

/// Each thread has an open block for every partition.
const THREADS_MAX: usize = 8;
/// Each thread checks for the stop after this many events.
const STOP_CHECK_EVENTS: u64 = 4_096;

/// The threads of a replay, with their storage and stop flag.
#[derive(Debug)]
pub(super) struct Work<'a> {
    store: &'a SpillStore,
    stop: &'a AtomicBool,
    threads: usize,
}

/// All events, by vehicle.
#[derive(Debug)]
pub(super) struct ReadEvents<'a> {
    pub(super) partitions: Partitions<'a, EVENT_WORDS>,
    pub(super) names: VehicleInterner,
    pub(super) survey: Survey,
}

/// All sessions, by time.
#[derive(Debug)]
pub(super) struct SettledSessions<'a> {
    pub(super) partitions: Partitions<'a, SESSION_WORDS>,
    pub(super) names: InternedNames,
    pub(super) tally: Tally,
}

impl<'a> Work<'a> {
    pub(super) fn new(store: &'a SpillStore, stop: &'a AtomicBool) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        Self { store, stop, threads }
    }

    pub(super) fn read(
        &self,
        files: &[PathBuf],
        observer: &Arc<dyn Observer>,
        refused: &mut RefusedLines,
    ) -> Result<ReadEvents<'a>, Error> {
        let partitions = Partitions::new(self.store, PARTITIONS);
        let (names, gates) = (VehicleInterner::default(), GateInterner::default());
        let mut survey = Survey::default();
        let mut takers: Vec<_> =
            (0..self.threads).map(|_| (Intake::new(&names, &gates, &partitions), Ok(()))).collect();
        let mut collected = Ok(());
        event_files::read_in_parallel(
            files,
            observer,
            &mut takers,
            |(intake, taken): &mut (_, Result<(), Error>), seen| {
                // An error is large: it is moved only when there is one.
                let failed = intake.take(seen).map_err(|error| *taken = Err(error)).is_err();
                let is_due = intake.count().is_multiple_of(STOP_CHECK_EVENTS);
                if failed || is_due && self.is_stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
            |line| {
                collected = refused.take(line);
                let is_due = refused.count().is_multiple_of(STOP_CHECK_EVENTS);
                if collected.is_err() || is_due && self.is_stopping() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )?;
        collected?;
        for (intake, taken) in takers {
            taken?;
            intake.finish(&mut survey);
        }
        self.go_on()?;
        Ok(ReadEvents { partitions, names, survey })
    }

    pub(super) fn settle(&self, read: ReadEvents<'_>, rules: &Rules) -> Result<SettledSessions<'a>, Error> {
        let ReadEvents { partitions: events, names, mut survey } = read;
        let names = names.finish();
        let spans = Spans::of(&mut survey);
        let terms = Terms::new(rules, &names, &survey, &spans);
        let partitions = Partitions::new(self.store, spans.count());
        let tally = Mutex::new(Tally::default());
        self.on_all_threads(events.len(), |numbers| {
            let mut decider = Decider::new(&terms, &partitions);
            for partition in numbers {
                self.go_on()?;
                decider.settle(&events, partition)?;
            }
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(&decider.finish());
            Ok(())
        })?;
        let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(SettledSessions { partitions, names, tally })
    }

    pub(super) fn write(&self, settled: &SettledSessions<'_>, out: &mut SessionFile) -> Result<(), Error> {
        let sequencer = Sequencer::default();
        let out = Mutex::new(out);
        self.on_all_threads(settled.partitions.len(), |numbers| {
            let (mut by_id, mut records, mut rows) = (Order::default(), Vec::new(), Vec::new());
            for span in numbers {
                let ticket = sequencer.ticket(span as u64);
                self.go_on()?;
                settled.partitions.take(span, &mut records)?;
                rows.clear();
                by_id.for_each(&records, &settled.names, |row| append_row(row, &mut rows));
                ticket.wait();
                out.lock().unwrap_or_else(PoisonError::into_inner).write_rows(&rows)?;
            }
            Ok(())
        })
    }

    /// Each thread takes one number below `count` after the other; no number is taken twice.
    fn on_all_threads(
        &self,
        count: usize,
        work: impl Fn(&mut dyn Iterator<Item = usize>) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let take_next = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count);
        thread::scope(|scope| {
            let work = || {
                let done = work(&mut std::iter::from_fn(take_next));
                if done.is_err() {
                    next.store(count, Ordering::Relaxed);
                }
                done
            };
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            let mut ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ended.try_for_each(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn go_on(&self) -> Result<(), Error> {
        if self.is_stopping() { Err(Error::Stopped) } else { Ok(()) }
    }
}
