//! The writer's thread: group commit. It looks up what a group needs, decides it, appends it to the journal, and only
//! then answers; the changes stay in memory until the applier has applied them.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use parking::{GivenRules, Rules};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::mpsc;

use super::backlog::Backlog;
use super::find::{self, Numbers};
use super::journal::{self, Journal};
use super::place::Place;
use super::{quarters, schema};
use crate::Error;
use crate::group::{Answers, Group, PendingWrites, Request, WriteRequest};

/// Why the last transaction failed; `None` when it did not.
pub(super) type Failing = Arc<Mutex<Option<Error>>>;

pub(super) type Agree = Request<GivenRules, Rules>;
/// Work that has no parameters.
pub(super) type Plain = Request<(), ()>;
pub(super) type Note = Request<i64, ()>;

#[derive(Debug)]
pub(super) enum Job {
    Write(WriteRequest),
    Agree(Agree),
    TryOut(Plain),
    Tick,
    Close(Plain),
    #[cfg(test)]
    LimitPages(Request<Option<i64>, ()>),
    NoteConnected(Note),
}

/// What the thread works on.
pub(super) struct Committing {
    /// A connection for look-ups and the few rows that bypass the journal.
    tables: Connection,
    journal: Journal,
    place: Arc<Place>,
    pub(super) failing: Failing,
    pub(super) backlog: Arc<Backlog>,
    numbers: Numbers,
    /// The newest entry of the journal.
    newest: i64,
    /// What it was at the last tick.
    newest_before: i64,
    /// The journal was trimmed up to this entry in an idle moment.
    trimmed: i64,
}

impl Committing {
    /// Replays the journal's entries after `applied_entry` into memory.
    pub(super) fn new(
        tables: Connection,
        journal: Journal,
        place: Arc<Place>,
        backlog: Arc<Backlog>,
        applied_entry: i64,
    ) -> Result<Self, Error> {
        let mut numbers = Numbers::of(&tables)?;
        let newest = journal.replay(applied_entry, |entry| {
            let work = PendingWrites::of(&entry.records, &entry.summaries);
            let (found, lots) = find::find(&tables, &backlog.overlay, &numbers, &work)?;
            let (answers, plan) = work.decide(found)?;
            if !answers.is_all_accepted() {
                let number = entry.number;
                return Err(Error::Corrupt(format!(
                    "the entry {number} of its journal does not follow from its tables"
                )));
            }
            let events = numbers.commit(plan, entry.number, lots, &backlog);
            backlog.committed(entry.number, events);
            Ok(())
        })?;
        if newest > applied_entry {
            tracing::info!(
                entries = newest - applied_entry,
                "replaying the entries of the journal that the tables of the ledger lack"
            );
        }
        let failing = Failing::default();
        Ok(Self {
            tables,
            journal,
            place,
            failing,
            backlog,
            numbers,
            newest,
            newest_before: newest,
            trimmed: applied_entry,
        })
    }

    /// Commits until all handles are dropped or one of them closes the writer.
    pub(super) fn run(mut self, mut waiting: mpsc::Receiver<Job>, applier: JoinHandle<bool>) -> Option<Plain> {
        let mut closed = None;
        while let Some(first) = waiting.blocking_recv() {
            let mut group = Group::default();
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Write(request) => group.add(request),
                    Job::Agree(agree) => {
                        // After all that waits: a lot that has events by then keeps its rules.
                        self.commit_all(std::mem::take(&mut group));
                        let pinned = self.pin_rules(&agree.work);
                        agree.answer(pinned);
                    }
                    Job::NoteConnected(note) => {
                        let quarter = note.work;
                        let noted = self.transact(|transaction| quarters::note_connected(transaction, quarter));
                        note.answer(noted);
                    }
                    Job::TryOut(request) => {
                        let tried = self.journal.try_out();
                        request.answer(self.in_place(tried));
                    }
                    Job::Tick => self.tick(),
                    Job::Close(request) => closed = Some(request),
                    #[cfg(test)]
                    Job::LimitPages(request) => {
                        let limited = self.journal.limit_pages(request.work);
                        request.answer(limited);
                    }
                }
                next = if group.is_enough() || closed.is_some() { None } else { waiting.try_recv().ok() };
            }
            self.commit_all(group);
            if closed.is_some() {
                break;
            }
        }
        drop(waiting);
        self.finish(applier);
        closed
    }

    fn commit_all(&mut self, group: Group) {
        let mut left = vec![group];
        while let Some(group) = left.pop().filter(|group| !group.is_empty()) {
            let result = self.commit(&group.work());
            left.extend(group.settle(result));
        }
    }

    fn commit(&mut self, work: &PendingWrites<'_>) -> Result<Answers, Error> {
        let committed = self.append(work);
        self.in_place(committed)
    }

    /// Decides the work, appends what it changes to the journal, and adds it to the overlay.
    fn append(&mut self, work: &PendingWrites<'_>) -> Result<Answers, Error> {
        self.place.check()?;
        self.backlog.wait_for_room()?;
        let (found, lots) = {
            let moment = self.tables.unchecked_transaction()?;
            find::find(&moment, &self.backlog.overlay, &self.numbers, work)?
        };
        let (answers, plan) = work.decide(found)?;
        let accepted = work.accepted(&answers);
        if accepted.0.is_empty() && accepted.1.is_empty() {
            return Ok(answers.committed_at(self.numbers.last_change()));
        }
        let entry = self.newest + 1;
        self.journal.append(entry, &journal::encode(&accepted), self.backlog.checkpointed())?;
        self.newest = entry;
        let events = self.numbers.commit(plan, entry, lots, &self.backlog);
        self.backlog.committed(entry, events);
        Ok(answers.committed_at(self.numbers.last_change()))
    }

    fn pin_rules(&mut self, given: &GivenRules) -> Result<Rules, Error> {
        self.backlog.wait_until_empty()?;
        self.transact(|transaction| schema::pin_rules(transaction, given))
    }

    /// An idle journal is trimmed, and its log emptied.
    fn tick(&mut self) {
        let is_idle = self.newest == std::mem::replace(&mut self.newest_before, self.newest);
        let checkpointed = self.backlog.checkpointed();
        if is_idle && checkpointed > self.trimmed && self.place.check().is_ok() {
            match self.journal.trim(checkpointed) {
                Ok(()) => self.trimmed = checkpointed,
                Err(error) => tracing::warn!(%error, "the journal of the ledger can't be trimmed"),
            }
        }
    }

    /// Waits until everything is applied, and leaves an empty journal.
    fn finish(mut self, applier: JoinHandle<bool>) {
        self.backlog.close();
        // A panic was reported when it happened.
        let is_alone = applier.join().unwrap_or(false);
        if self.place.is_overwritten() {
            // SQLite would write the log into the copy that stands in the file now.
            drop(self.tables.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
        }
        if is_alone
            && self.place.check().is_ok()
            && let Err(error) = self.journal.finish(self.newest)
        {
            tracing::warn!(%error, "the journal of the ledger can't be emptied; the next start does it");
        }
        if !is_alone && !self.place.is_overwritten() {
            tracing::warn!("the tables of the ledger lack entries of its journal: the next start applies them");
        }
    }

    fn transact<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let result = self.place.check().and_then(|()| {
            let transaction = self.tables.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        });
        self.in_place(result)
    }

    /// What became of a commit: it did not succeed if the files no longer stand at their paths. Notes a failure.
    fn in_place<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let result = result.and_then(|done| self.place.check().map(|()| done));
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = result.as_ref().err().cloned();
        result
    }
}
