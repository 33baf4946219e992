//! The one thread that writes: each transaction carries all requests that wait.
//!
//! Nothing is answered before it is known that the ledger's files still stand at their paths. When a transaction fails,
//! the writer counts as failing until one succeeds; `look` makes such an attempt, so that this does not depend on others.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use matching::{Due, Outcome, Unit};
use parking::{GivenRules, Rules, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::mpsc;

use super::event_index::Unindexed;
use super::heads::{Heads, Turn};
use super::log::Log;
use super::place::Place;
use super::write::Written;
use super::{due, heads, quarters, schema, write};
use crate::merge::{Answers, Asked, Merged, Request, ask, ended};
use crate::{Error, Saved, Summary};

/// Requests that wait for the writer; above this the callers wait.
const WAITING: usize = 256;

/// The handle of the thread. When it is dropped, the thread does what is waiting and ends.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    failing: Failing,
}

/// Why the last transaction failed; `None` when it did not.
type Failing = Arc<Mutex<Option<Error>>>;

type Lease = Asked<due::Call, Vec<Due>>;
type Agree = Asked<GivenRules, Rules>;
/// Work that has no parameters.
type Plain = Asked<(), ()>;
type Note = Asked<i64, ()>;

#[derive(Debug)]
enum Job {
    Write(Request),
    Lease(Lease),
    Agree(Agree),
    TryOut(Plain),
    Tick,
    Close(Plain),
    #[cfg(test)]
    LimitPages(Asked<Option<i64>, ()>),
    NoteConnected(Note),
}

impl Writer {
    /// Starts the thread; `lock` is held until it has ended.
    pub(super) fn start(
        connection: Connection,
        log: Log,
        place: Arc<Place>,
        heads: Arc<Heads>,
        unindexed: Unindexed,
        lock: File,
    ) -> Result<Self, Error> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let failing = Failing::default();
        let store =
            Store { log, connection, place, failing: Arc::clone(&failing), heads, turn: Turn::default(), unindexed };
        let thread = std::thread::Builder::new().name("ledger-writer".into()).spawn(move || {
            let closed = store.run(waiting);
            drop(lock);
            if let Some(asked) = closed {
                asked.answer(Ok(()));
            }
        });
        let thread = thread.map_err(|error| Error::Unavailable(format!("can't start its writer: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), failing })
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

    pub(super) async fn pin_rules(&self, given: GivenRules) -> Result<Rules, Error> {
        ask(self.jobs()?, given, Job::Agree).await
    }

    pub(super) async fn note_connected(&self, quarter: i64) -> Result<(), Error> {
        ask(self.jobs()?, quarter, Job::NoteConnected).await
    }

    /// Whether what is written is kept, as far as the last transaction tells; after one that failed another one is tried.
    /// To be called about once a second: an idle writer then empties its log.
    pub(super) async fn look(&self) -> Result<(), Error> {
        let jobs = self.jobs()?;
        if jobs.is_closed() {
            return Err(ended());
        }
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if failing {
            return ask(jobs, (), Job::TryOut).await;
        }
        // One that has no room for this is not idle.
        drop(jobs.try_send(Job::Tick));
        Ok(())
    }

    /// Limits the file to its present pages and `more`; `None` lifts the limit.
    #[cfg(test)]
    pub(super) async fn limit_pages(&self, more: Option<i64>) -> Result<(), Error> {
        ask(self.jobs()?, more, Job::LimitPages).await
    }

    /// Does what is waiting, takes the log into the file and ends.
    pub(super) async fn close(&self) {
        if let Ok(jobs) = self.jobs() {
            // It may have ended already.
            drop(ask(jobs, (), Job::Close).await);
        }
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
    place: Arc<Place>,
    failing: Failing,
    heads: Arc<Heads>,
    turn: Turn,
    unindexed: Unindexed,
}

impl Store {
    /// Works until the end, which is that of all handles or is asked for.
    fn run(mut self, mut waiting: mpsc::Receiver<Job>) -> Option<Plain> {
        let mut closed = None;
        while let Some(first) = waiting.blocking_recv() {
            let (mut merged, mut leases) = (Merged::default(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Write(request) => merged.add(request),
                    Job::Lease(lease) => leases.push(lease),
                    Job::Agree(agree) => {
                        let agreed = self.transact(|transaction| schema::pin_rules(transaction, &agree.work));
                        agree.answer(agreed);
                    }
                    Job::NoteConnected(note) => {
                        let quarter = note.work;
                        let noted = self.transact(|transaction| quarters::note_connected(transaction, quarter));
                        note.answer(noted);
                    }
                    Job::TryOut(asked) => {
                        let tried = self.try_out();
                        asked.answer(tried);
                    }
                    Job::Tick => self.log.tick(&self.connection),
                    Job::Close(asked) => closed = Some(asked),
                    #[cfg(test)]
                    Job::LimitPages(asked) => {
                        let limited = self.limit_pages(asked.work);
                        asked.answer(limited);
                    }
                }
                next = if merged.is_enough() || closed.is_some() { None } else { waiting.try_recv().ok() };
            }
            let events = merged.events();
            self.write_all(merged);
            for lease in leases {
                let (heads, call) = (Arc::clone(&self.heads), &lease.work);
                let found = self.transact(|transaction| due::lease(transaction, &heads, call));
                lease.answer(found);
            }
            if closed.is_some() {
                break;
            }
            self.log.committed(&self.connection, events);
        }
        drop(waiting);
        self.finish();
        closed
    }

    #[cfg(test)]
    fn limit_pages(&self, more: Option<i64>) -> Result<(), Error> {
        let pages: i64 = self.connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let most = more.map_or(1_i64 << 31, |more| pages + more);
        Ok(self.connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?)
    }

    /// Takes the log into the file and closes everything.
    fn finish(mut self) {
        let is_whole = self.log.finish(&self.connection);
        if self.place.is_overwritten() {
            // SQLite would write the log into the copy that stands in the file now.
            drop(self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
        } else if !is_whole {
            tracing::warn!(
                "the write-ahead log is not all in the ledger's file, because another program reads it or the disk is \
                 full: copy the file together with the one ending in -wal"
            );
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
        let written = transact(&mut self.connection, &self.place, write).map(|written| {
            // What is committed is taken in whether or not it may be answered.
            let Written { answers, ahead, log_end, turned, indexed } = written;
            self.unindexed.advance(indexed);
            self.heads.absorb(ahead);
            self.turn.advance(turned, &self.heads, log_end);
            answers
        });
        self.in_place(written)
    }

    /// Writes something that needs about as much room as a batch, and takes it away again.
    fn try_out(&mut self) -> Result<(), Error> {
        self.transact(|transaction| heads::fill(transaction))?;
        self.transact(|transaction| heads::clear(transaction))
    }

    fn transact<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let result = transact(&mut self.connection, &self.place, work);
        self.in_place(result)
    }

    /// What became of a transaction: it did not succeed if the files no longer stand at their paths. Notes a failure.
    fn in_place<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let result = result.and_then(|done| self.place.check().map(|()| done));
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = result.as_ref().err().cloned();
        result
    }
}

/// Does all of `work` or nothing.
fn transact<T>(
    connection: &mut Connection,
    place: &Place,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    place.check()?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}
