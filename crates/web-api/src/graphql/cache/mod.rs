//! The query cache of GraphQL, with single flight: equal requests at once are executed once.
//!
//! All cached answers belong to one generation. It ends with the next commit of this process, or after [`LIFETIME`]. A
//! commit is counted before the writer gets its response, so a client reads its own writes, and no answer is more than
//! a second older than the ledger.
//!
//! - [`generation`]: one generation and its answers.
//! - [`redis`]: answers that the processes of one ledger share.
//!
//! The routes compute keys and execute queries.

mod generation;
mod metrics;
mod redis;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use service_kit::ServiceContext;
use sessions::Service;
use settings::{Error, Redacted};
use tokio::sync::watch;

use self::redis::{Found, SharedQueryCache};
use generation::Generation;
use metrics::{CacheMetrics, Outcome};

pub(crate) use generation::CacheKey;

/// The longest lifetime of a cached answer.
pub(crate) const LIFETIME: Duration = Duration::from_secs(1);
/// The size limit of keys and answers in this process, bytes. Beyond it the least used answers are evicted.
pub(crate) const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The largest cached answer, bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// An answer that was just computed.
#[derive(Debug)]
pub(crate) struct Computed {
    /// The answer.
    pub(crate) bytes: Bytes,
    /// Whether it is valid until the next commit. Errors, and values that change without a commit, are not.
    pub(crate) is_cacheable: bool,
}

/// The backend of the GraphQL query cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerCache {
    /// No cache: every request is executed.
    Off,
    /// The memory of this process.
    Memory,
    /// A Redis that the processes of one ledger share.
    Redis(Redacted),
}

/// The query cache of one process. Cheap to clone; all clones share one cache.
#[derive(Debug, Clone)]
pub struct QueryCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    commits: watch::Receiver<u64>,
    generation: Mutex<Arc<Generation>>,
    metrics: CacheMetrics,
}

/// Where answers are cached.
#[derive(Debug)]
enum Backend {
    Nowhere,
    Process,
    Redis(SharedQueryCache),
}

impl QueryCache {
    /// Opens the cache of a service in the configured backend.
    ///
    /// # Errors
    /// The address of Redis can never work. A Redis that is down is no error.
    pub fn open(cache: &AnswerCache, service: &Service, context: &ServiceContext) -> Result<Self, Error> {
        let backend = match cache {
            AnswerCache::Off => Backend::Nowhere,
            AnswerCache::Memory => Backend::Process,
            AnswerCache::Redis(url) => {
                let failures = CacheMetrics::failures(&context.registry);
                let shared = SharedQueryCache::start(url, service, redis::LIMITS, failures, context);
                Backend::Redis(shared.map_err(|error| Error::Refused(error.to_string()))?)
            }
        };
        Ok(Self::new(backend, service.commits(), context))
    }

    /// A cache in this process.
    pub fn in_memory(service: &Service, context: &ServiceContext) -> Self {
        Self::new(Backend::Process, service.commits(), context)
    }

    fn new(backend: Backend, commits: watch::Receiver<u64>, context: &ServiceContext) -> Self {
        let generation = Mutex::new(Arc::new(Generation::begin(*commits.borrow())));
        let metrics = CacheMetrics::register(&context.registry);
        Self { inner: Arc::new(Inner { backend, commits, generation, metrics }) }
    }

    /// The answer for a key: the cached one, or else the result of `execute`. Requests for an answer in progress wait for
    /// it (single flight).
    pub(crate) async fn answer(&self, key: CacheKey, execute: impl Future<Output = Computed> + Send) -> Bytes {
        let inner = &*self.inner;
        // Before the execution begins: a later commit ends the generation that the answer belongs to.
        let generation = inner.generation();
        if let Backend::Nowhere = inner.backend {
            inner.metrics.answered(Outcome::Passed);
            return execute.await.bytes;
        }
        let (answer, outcome) = match generation.kept.get_value_or_guard_async(&key).await {
            Ok(Some(kept)) => (kept, Outcome::Hit),
            Ok(None) => (execute.await.bytes, Outcome::Passed),
            Err(entry) => {
                let (bytes, outcome) = inner.find_or_make(&generation, &key, execute).await;
                let is_kept = matches!(outcome, Outcome::Hit | Outcome::Miss);
                // The insertion fails only if the entry was removed meanwhile; nobody reads it then.
                drop(entry.insert(is_kept.then(|| bytes.clone())));
                inner.made(&generation, &key);
                (bytes, outcome)
            }
        };
        inner.metrics.answered(outcome);
        answer
    }
}

impl Inner {
    /// The current generation.
    fn generation(&self) -> Arc<Generation> {
        let mut generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = *self.commits.borrow();
        if generation.is_over(commits) {
            *generation = Arc::new(Generation::begin(commits));
            self.metrics.holds(0);
        }
        Arc::clone(&generation)
    }

    /// The answer of another process, or else that of an execution; a hit or a miss if it can be cached.
    async fn find_or_make(
        &self,
        generation: &Generation,
        key: &CacheKey,
        execute: impl Future<Output = Computed> + Send,
    ) -> (Bytes, Outcome) {
        let found = match &self.backend {
            Backend::Redis(shared) => Some((shared, shared.find(generation, key).await)),
            Backend::Nowhere | Backend::Process => None,
        };
        if let Some((_, Found::Answer(bytes))) = found {
            return (bytes, Outcome::Hit);
        }
        let Computed { bytes, is_cacheable } = execute.await;
        let is_cacheable = is_cacheable && bytes.len() <= ANSWER_BYTES_MAX;
        match found {
            Some((_, Found::Down)) => (bytes, Outcome::Error),
            _ if !is_cacheable => (bytes, Outcome::Passed),
            Some((shared, Found::Missing(shared_key))) => {
                shared.keep(&shared_key, key, &bytes, generation.left()).await;
                (bytes, Outcome::Miss)
            }
            Some((_, Found::Answer(_))) | None => (bytes, Outcome::Miss),
        }
    }

    /// Updates the cache after this process has computed or found an answer.
    fn made(&self, generation: &Generation, key: &CacheKey) {
        if let Backend::Redis(_) = self.backend {
            // The answer of another process may be a second old already, so the next request asks Redis again.
            generation.kept.remove(key);
        }
        self.metrics.holds(generation.kept.weight());
    }
}

/// The limits of the cache, by name.
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
