//! The one thread that writes: each transaction carries all requests that wait.

use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;

use matching::{Due, Outcome, Unit};
use parking::{Rules, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::mpsc;

use super::event_index::Unindexed;
use super::heads::{Heads, Turn};
use super::log::Log;
use super::write::Written;
use super::{due, schema, write};
use crate::ledger::merge::{Answers, Asked, Merged, Request, ask, ended};
use crate::ledger::{Error, Saved, Summary};

/// Requests that wait for the writer; above this the callers wait.
const WAITING: usize = 256;

/// The handle of the thread. When it is dropped, the thread does what is waiting and ends.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Lease = Asked<due::Call, Vec<Due>>;
type Agree = Asked<Rules, ()>;

#[derive(Debug)]
enum Job {
    Write(Request),
    Lease(Lease),
    Agree(Agree),
}

impl Writer {
    /// Starts the thread; `lock` is held until it has ended.
    pub(super) fn start(
        connection: Connection,
        log: Log,
        heads: Arc<Heads>,
        unindexed: Unindexed,
        lock: File,
    ) -> Result<Self, Error> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new().name("ledger-writer".into()).spawn(move || {
            Store { log, connection, heads, turn: Turn::default(), unindexed }.run(waiting);
            drop(lock);
        });
        let thread = thread.map_err(|error| Error::Unavailable(format!("can't start its writer: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(super) async fn record(&self, units: Vec<Unit>, now: Timestamp) -> Result<Vec<Outcome>, Error> {
        ask(self.jobs()?, (units, now), |asked| Job::Write(Request::Record(asked))).await
    }

    pub(super) async fn save(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error> {
        ask(self.jobs()?, (summary, now), |asked| Job::Write(Request::Save(asked))).await
    }

    pub(super) async fn due(&self, call: due::Call) -> Result<Vec<Due>, Error> {
        ask(self.jobs()?, call, Job::Lease).await
    }

    pub(super) async fn agree_on(&self, rules: Rules) -> Result<(), Error> {
        ask(self.jobs()?, rules, Job::Agree).await
    }

    /// Whether the thread is there.
    pub(super) fn ping(&self) -> Result<(), Error> {
        if self.jobs()?.is_closed() { Err(ended()) } else { Ok(()) }
    }

    fn jobs(&self) -> Result<&mpsc::Sender<Job>, Error> {
        self.jobs.as_ref().ok_or_else(ended)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            // It ended in good order, or by a panic that was reported when it happened.
            drop(thread.join());
        }
    }
}

/// What the thread works on.
struct Store {
    /// Before the connection, which is to be the last one that is closed.
    log: Log,
    connection: Connection,
    heads: Arc<Heads>,
    turn: Turn,
    unindexed: Unindexed,
}

impl Store {
    fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(first) = waiting.blocking_recv() {
            let (mut merged, mut leases) = (Merged::default(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Write(request) => merged.add(request),
                    Job::Lease(lease) => leases.push(lease),
                    Job::Agree(agree) => {
                        let rules = &agree.work;
                        let agreed = transact(&mut self.connection, |transaction| schema::agree_on(transaction, rules));
                        agree.answer(agreed);
                    }
                }
                next = if merged.is_enough() { None } else { waiting.try_recv().ok() };
            }
            let events = merged.events();
            self.write_all(merged);
            for lease in leases {
                let (heads, call) = (&self.heads, &lease.work);
                let found = transact(&mut self.connection, |transaction| due::lease(transaction, heads, call));
                lease.answer(found);
            }
            self.log.committed(&self.connection, events);
        }
    }

    fn write_all(&mut self, merged: Merged) {
        let mut left = vec![merged];
        while let Some(merged) = left.pop().filter(|merged| !merged.is_empty()) {
            let result = self.write(&merged);
            left.extend(merged.settle(result));
        }
    }

    fn write(&mut self, merged: &Merged) -> Result<Answers, Error> {
        let (heads, turn, unindexed) = (&self.heads, &self.turn, &self.unindexed);
        let write = |transaction: &Transaction<'_>| write::write(transaction, heads, turn, unindexed, &merged.work());
        let Written { answers, ahead, log_end, turned, indexed } = transact(&mut self.connection, write)?;
        self.unindexed.advance(indexed);
        self.heads.absorb(ahead);
        self.turn.advance(turned, &self.heads, log_end);
        Ok(answers)
    }
}

/// Does all of `work` or nothing.
fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}
