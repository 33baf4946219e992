//! The one thread that commits: each entry of the journal carries all requests that wait.
//!
//! Nothing is answered before it is known that the ledger's files still stand at their paths. When a commit fails, the
//! writer counts as failing until one succeeds; `look` makes such an attempt, so that this does not depend on others.

use std::fs::File;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use matching::{Outcome, Unit};
use parking::{GivenRules, Rules, Timestamp};
use tokio::sync::mpsc;

use super::backlog::Backlog;
use super::committing::{Committing, Failing, Job};
use crate::group::{WriteRequest, call, ended};
use crate::{Error, Saved, Summary};

/// Requests that wait for the writer; above this the callers wait.
const WAITING: usize = 256;

/// The handle of the thread. When it is dropped, the thread does what is waiting and ends.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    failing: Failing,
    backlog: Arc<Backlog>,
}

impl Writer {
    /// Starts the thread; `lock` is held until it and the applier have ended.
    pub(super) fn start(committing: Committing, applier: JoinHandle<bool>, lock: File) -> Result<Self, Error> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let (failing, backlog) = (Arc::clone(&committing.failing), Arc::clone(&committing.backlog));
        let thread = std::thread::Builder::new().name("ledger-writer".into()).spawn(move || {
            let closed = committing.run(waiting, applier);
            drop(lock);
            if let Some(request) = closed {
                request.answer(Ok(()));
            }
        });
        let thread = thread.map_err(|error| Error::Unavailable(format!("can't start its writer: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), failing, backlog })
    }

    pub(super) async fn record(&self, units: Vec<Unit>, now: Timestamp) -> Result<Vec<Outcome>, Error> {
        call(self.jobs()?, (units, now), |request| Job::Write(WriteRequest::Record(request))).await
    }

    pub(super) async fn save(&self, summary: Summary, now: Timestamp) -> Result<Saved, Error> {
        call(self.jobs()?, (summary, now), |request| Job::Write(WriteRequest::Save(request))).await
    }

    pub(super) async fn pin_rules(&self, given: GivenRules) -> Result<Rules, Error> {
        call(self.jobs()?, given, Job::Agree).await
    }

    pub(super) async fn note_connected(&self, quarter: i64) -> Result<(), Error> {
        call(self.jobs()?, quarter, Job::NoteConnected).await
    }

    /// Whether what is written is kept, as far as the last commit and the last bulk tell; after a commit that failed
    /// another one is tried. To be called about once a second: an idle writer then empties its journal.
    pub(super) async fn look(&self) -> Result<(), Error> {
        let jobs = self.jobs()?;
        if jobs.is_closed() {
            return Err(ended());
        }
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if failing {
            call(jobs, (), Job::TryOut).await?;
        }
        // One that has no room for this is not idle.
        drop(jobs.try_send(Job::Tick));
        self.backlog.failing().map_or(Ok(()), Err)
    }

    /// Limits the journal to its present pages and `more`; `None` lifts the limit.
    #[cfg(test)]
    pub(super) async fn limit_pages(&self, more: Option<i64>) -> Result<(), Error> {
        call(self.jobs()?, more, Job::LimitPages).await
    }

    /// Commits what is waiting, has everything applied, and ends.
    pub(super) async fn close(&self) {
        if let Ok(jobs) = self.jobs() {
            // It may have ended already.
            drop(call(jobs, (), Job::Close).await);
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
