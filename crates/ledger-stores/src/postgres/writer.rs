//! Tasks that write, with group commit: each commits all waiting requests in one transaction.
//!
//! There are several, so that one prepares a transaction while another is written to disk. They share one queue. If two
//! transactions change the same vehicle, the second one finds another version than it read, is rolled back and starts
//! again, this time with locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::Transaction;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::find::Locking;
use super::known::Known;
use super::store::{Store, attempt};
use super::{apply, changes, find};
use crate::group::{Answers, Group, LoadedState, PendingWrites, WriteRequest};

/// Limits the concurrent transactions.
const CONCURRENT_TRANSACTIONS_MAX: usize = 3;
/// Limits the requests that wait for a writer; beyond this, callers wait.
const WAITING_REQUESTS_MAX: usize = 256;

/// The handle of the tasks. When it is dropped, they process the waiting requests and end.
#[derive(Debug)]
pub(super) struct Writer {
    requests: mpsc::Sender<WriteRequest>,
    failing: Failing,
}

/// Whether the last transaction failed.
type Failing = Arc<AtomicBool>;

/// Takes as much space in the event table as a batch does. It is rolled back, and `VACUUM` reclaims the space.
const WRITE_TEST: &str = "
    INSERT INTO event
    SELECT -place, NULL, 0, 0, 0, '00000000-0000-0000-0000-000000000000', NULL, decode(repeat('00', 1900), 'hex'), NULL,
        0, 0, 0
    FROM generate_series(1, 32) AS place";

impl Writer {
    /// Starts the tasks.
    pub(super) fn start(store: &Store) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING_REQUESTS_MAX);
        let (waiting, known) = (Arc::new(tokio::sync::Mutex::new(waiting)), Arc::new(Known::default()));
        let failing = Failing::default();
        for _ in 0..CONCURRENT_TRANSACTIONS_MAX {
            tokio::spawn(run(store.clone(), Arc::clone(&known), Arc::clone(&failing), Arc::clone(&waiting)));
        }
        Self { requests, failing }
    }

    /// Checks whether writes succeed: reports the last transaction's result, and writes a test if that one failed.
    pub(super) async fn look(&self, store: &Store) -> Result<(), Failure> {
        if !self.failing.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut connection = store.connection().await?;
        let transaction = connection.transaction().await?;
        transaction.batch_execute(WRITE_TEST).await?;
        transaction.rollback().await?;
        connection.end_well();
        self.failing.store(false, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn requests(&self) -> &mpsc::Sender<WriteRequest> {
        &self.requests
    }
}

async fn run(
    store: Store,
    known: Arc<Known>,
    failing: Failing,
    waiting: Arc<tokio::sync::Mutex<mpsc::Receiver<WriteRequest>>>,
) {
    loop {
        let mut group = Group::default();
        {
            let mut waiting = waiting.lock().await;
            let Some(first) = waiting.recv().await else { return };
            group.add(first);
            while !group.is_enough() {
                let Ok(next) = waiting.try_recv() else { break };
                group.add(next);
            }
        }
        let mut left = vec![group];
        while let Some(group) = left.pop() {
            let work = group.work();
            let result = attempt(|| carry_out(&store, &known, &work)).await;
            drop(work);
            failing.store(result.is_err(), Ordering::Relaxed);
            left.extend(group.settle(result));
        }
    }
}

/// Carries out the work: without locks, and with them if that loses against another transaction.
async fn carry_out(store: &Store, known: &Known, work: &PendingWrites<'_>) -> Result<Answers, Failure> {
    match commit(store, known, work, Locking::Optimistic).await {
        Err(Failure::Conflict(_)) => {}
        done => return done,
    }
    match commit(store, known, work, Locking::Pessimistic).await {
        // A vehicle that was new to both, or a damaged ledger.
        Err(Failure::Conflict(error)) => Err(error.into()),
        done => done,
    }
}

async fn commit(store: &Store, known: &Known, work: &PendingWrites<'_>, locking: Locking) -> Result<Answers, Failure> {
    let mut connection = store.connection().await?;
    let generation = store.generation();
    // Outside of the transaction, so that other writers see the new lots at once.
    let lots = find::lot_numbers(&*connection, known, generation, work).await?;
    let next_event = find::event_numbers(&*connection, known, generation, work).await?;
    let transaction = connection.transaction().await?;
    let found = find::find(&transaction, &lots, work, next_event, locking).await?;
    let answers = match write(&transaction, work, found).await {
        Ok(answers) => answers,
        Err(conflict @ Failure::Conflict(_)) => {
            // Behind a statement that failed among others, answers may be out of step: that connection is not used
            // again.
            if transaction.rollback().await.is_ok() {
                connection.end_well();
            }
            return Err(conflict);
        }
        Err(failure) => return Err(failure),
    };
    let sequence = if work.has_summaries() { changes::last_change(&transaction).await? } else { 0 };
    transaction.commit().await?;
    known.remember_lots(generation, lots);
    connection.end_well();
    Ok(answers.committed_at(sequence))
}

async fn write(
    transaction: &Transaction<'_>,
    work: &PendingWrites<'_>,
    found: LoadedState,
) -> Result<Answers, Failure> {
    // Without locks, what was found may be of different moments and contradict itself.
    let (answers, plan) = work.decide(found).map_err(Failure::Conflict)?;
    Box::pin(apply::apply(transaction, plan)).await?;
    Ok(answers)
}
