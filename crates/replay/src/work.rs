//! The three passes of a replay (read, settle, write), each on all processors.
//!
//! What happens to one event, one vehicle and one session is said elsewhere; here is only who does it when.

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
use super::depot::{Depot, Shelves};
use super::events::{EVENT_WORDS, Intake, SHELVES, Survey};
use super::names::{KnownNames, Names};
use super::sessions::Order;
use super::settling::{Decider, SESSION_WORDS, Spans, Tally, Terms};

/// Each thread has blocks under way for every shelf.
const THREADS_MAX: usize = 8;
/// A thread looks for the stop once in so many events.
const STOP_INTERVAL: u64 = 4_096;

/// A replay's means.
#[derive(Debug)]
pub(super) struct Work<'a> {
    depot: &'a Depot,
    stop: &'a AtomicBool,
    threads: usize,
}

/// All events, by vehicle.
#[derive(Debug)]
pub(super) struct ReadEvents<'a> {
    pub(super) shelves: Shelves<'a, EVENT_WORDS>,
    pub(super) names: Names,
    pub(super) survey: Survey,
}

/// All sessions, by time.
#[derive(Debug)]
pub(super) struct SettledSessions<'a> {
    pub(super) shelves: Shelves<'a, SESSION_WORDS>,
    pub(super) names: KnownNames,
    pub(super) tally: Tally,
}

impl<'a> Work<'a> {
    pub(super) fn new(depot: &'a Depot, stop: &'a AtomicBool) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        Self { depot, stop, threads }
    }

    pub(super) fn read(
        &self,
        files: &[PathBuf],
        observer: &Arc<dyn Observer>,
        refused: &mut RefusedLines,
    ) -> Result<ReadEvents<'a>, Error> {
        let shelves = Shelves::new(self.depot, SHELVES);
        let names = Names::default();
        let mut survey = Survey::default();
        let mut takers: Vec<_> = (0..self.threads).map(|_| (Intake::new(&names, &shelves), Ok(()))).collect();
        let mut collected = Ok(());
        event_files::read_in_parallel(
            files,
            observer,
            &mut takers,
            |(intake, taken): &mut (_, Result<(), Error>), seen| {
                // An error is large: it is moved only when there is one.
                let failed = intake.take(seen.lot, seen.plate, seen.key).map_err(|error| *taken = Err(error)).is_err();
                let is_due = intake.count().is_multiple_of(STOP_INTERVAL);
                if failed || is_due && self.is_stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
            |line| {
                collected = refused.take(line);
                let is_due = refused.count().is_multiple_of(STOP_INTERVAL);
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
        Ok(ReadEvents { shelves, names, survey })
    }

    pub(super) fn settle(&self, read: ReadEvents<'_>, rules: &Rules) -> Result<SettledSessions<'a>, Error> {
        let ReadEvents { shelves: events, names, mut survey } = read;
        let names = names.finish();
        let spans = Spans::of(&mut survey);
        let terms = Terms::new(rules, &names, &survey, &spans);
        let shelves = Shelves::new(self.depot, spans.count());
        let tally = Mutex::new(Tally::default());
        self.on_all_threads(events.len(), |numbers| {
            let mut decider = Decider::new(&terms, &shelves);
            for shelf in numbers {
                self.go_on()?;
                decider.settle(&events, shelf)?;
            }
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(&decider.finish());
            Ok(())
        })?;
        let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(SettledSessions { shelves, names, tally })
    }

    pub(super) fn write(&self, settled: &SettledSessions<'_>, out: &mut SessionFile) -> Result<(), Error> {
        let sequencer = Sequencer::default();
        let out = Mutex::new(out);
        self.on_all_threads(settled.shelves.len(), |numbers| {
            let (mut by_id, mut records, mut rows) = (Order::default(), Vec::new(), Vec::new());
            for span in numbers {
                let ticket = sequencer.ticket(span as u64);
                self.go_on()?;
                settled.shelves.take(span, &mut records)?;
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
