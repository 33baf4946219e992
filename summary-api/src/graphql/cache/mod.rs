//! Answers to hot questions, kept for a moment: what many ask at once is answered once.
//!
//! A moment begins with the first question in it and is over with the next commit of this process, or after
//! [`LIFETIME`]. All answers that are kept belong to one moment and go with it. A commit is counted before whoever wrote
//! is answered, so who wrote sees the write; and nobody is told what the ledger had more than a second ago.
//!
//! - [`moment`]: which moment it is, and what is kept in it.
//! - [`redis`]: answers that the processes of one ledger share.
//!
//! What a question is, and how it is answered, is left to the routes.

mod metrics;
mod moment;
mod redis;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use service_kit::ServiceContext;
use sessions::Service;
use settings::Error;
use tokio::sync::watch;

use self::redis::{Found, SharedAnswers};
use crate::config::AnswerCache;
use metrics::{AnswerMetrics, Outcome};
use moment::Moment;

pub(crate) use moment::Question;

/// The longest that an answer is kept.
pub(crate) const LIFETIME: Duration = Duration::from_secs(1);
/// The most bytes of questions and answers that are kept in this process. Beyond them, what is asked for least makes room.
pub(crate) const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The largest answer that is kept.
pub(crate) const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// An answer that was just made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The answer.
    pub(crate) bytes: Bytes,
    /// It is right for as long as the ledger is not changed. Not so an error, and what changes without a commit.
    pub(crate) lasts: bool,
}

/// The answers of one process. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    commits: watch::Receiver<u64>,
    moment: Mutex<Arc<Moment>>,
    metrics: AnswerMetrics,
}

/// Where answers are kept.
#[derive(Debug)]
enum Place {
    Nowhere,
    Process,
    Redis(SharedAnswers),
}

impl Answers {
    /// The answers of a service, kept where `cache` says.
    ///
    /// # Errors
    /// The address of Redis can never work. A Redis that is away is no error.
    pub(crate) fn open(cache: &AnswerCache, service: &Service, context: &ServiceContext) -> Result<Self, Error> {
        let place = match cache {
            AnswerCache::Off => Place::Nowhere,
            AnswerCache::Memory => Place::Process,
            AnswerCache::Redis(url) => {
                let failures = AnswerMetrics::failures(&context.registry);
                let shared = SharedAnswers::start(url, service, redis::LIMITS, failures, context);
                Place::Redis(shared.map_err(|error| Error::Refused(error.to_string()))?)
            }
        };
        Ok(Self::new(place, service.commits(), context))
    }

    /// Answers that are kept in this process.
    pub(crate) fn in_memory(service: &Service, context: &ServiceContext) -> Self {
        Self::new(Place::Process, service.commits(), context)
    }

    fn new(place: Place, commits: watch::Receiver<u64>, context: &ServiceContext) -> Self {
        let moment = Mutex::new(Arc::new(Moment::begin(*commits.borrow())));
        let metrics = AnswerMetrics::register(&context.registry);
        Self { inner: Arc::new(Inner { place, commits, moment, metrics }) }
    }

    /// The answer to a question: one that is kept, or else the one that `execute` makes. Who asks what is being answered
    /// waits for that answer.
    pub(crate) async fn answer(&self, question: Question, execute: impl Future<Output = Made> + Send) -> Bytes {
        let inner = &*self.inner;
        // Before the execution begins: what is committed from here on ends the moment that its answer belongs to.
        let moment = inner.moment();
        if let Place::Nowhere = inner.place {
            inner.metrics.answered(Outcome::Passed);
            return execute.await.bytes;
        }
        let (answer, outcome) = match moment.kept.get_value_or_guard_async(&question).await {
            Ok(Some(kept)) => (kept, Outcome::Hit),
            Ok(None) => (execute.await.bytes, Outcome::Passed),
            Err(entry) => {
                let (bytes, outcome) = inner.find_or_make(&moment, &question, execute).await;
                let is_kept = matches!(outcome, Outcome::Hit | Outcome::Miss);
                // An entry that is gone has no readers to come.
                drop(entry.insert(is_kept.then(|| bytes.clone())));
                inner.made(&moment, &question);
                (bytes, outcome)
            }
        };
        inner.metrics.answered(outcome);
        answer
    }
}

impl Inner {
    /// The moment that it is now.
    fn moment(&self) -> Arc<Moment> {
        let mut moment = self.moment.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = *self.commits.borrow();
        if moment.is_over(commits) {
            *moment = Arc::new(Moment::begin(commits));
            self.metrics.holds(0);
        }
        Arc::clone(&moment)
    }

    /// The answer that other processes have made, or else a new one; a hit or a miss when it may be kept.
    async fn find_or_make(
        &self,
        moment: &Moment,
        question: &Question,
        execute: impl Future<Output = Made> + Send,
    ) -> (Bytes, Outcome) {
        let found = match &self.place {
            Place::Redis(shared) => Some((shared, shared.find(moment, question).await)),
            Place::Nowhere | Place::Process => None,
        };
        if let Some((_, Found::Answer(bytes))) = found {
            return (bytes, Outcome::Hit);
        }
        let Made { bytes, lasts } = execute.await;
        let lasts = lasts && bytes.len() <= ANSWER_BYTES_MAX;
        match found {
            Some((_, Found::Away)) => (bytes, Outcome::Error),
            _ if !lasts => (bytes, Outcome::Passed),
            Some((shared, Found::Missing(key))) => {
                shared.keep(&key, question, &bytes, moment.left()).await;
                (bytes, Outcome::Miss)
            }
            Some((_, Found::Answer(_))) | None => (bytes, Outcome::Miss),
        }
    }

    /// This process has made or found an answer.
    fn made(&self, moment: &Moment, question: &Question) {
        if let Place::Redis(_) = self.place {
            // What another process has made may be a second old already, so it is asked for anew.
            moment.kept.remove(question);
        }
        self.metrics.holds(moment.kept.weight());
    }
}

/// The limits of what is kept, by name.
pub(crate) fn limits() -> [(&'static str, u64); 3] {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    [
        ("answer_cache_seconds", LIFETIME.as_secs()),
        ("answer_cache_bytes", BYTES_MAX),
        ("answer_cache_answer_bytes", count(ANSWER_BYTES_MAX)),
    ]
}

#[cfg(test)]
mod tests;
