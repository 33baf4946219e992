//! One generation of the query cache: its end, and its answers.
//!
//! Uses tokio's clock, so that tests can advance it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{BYTES_MAX, LIFETIME};

/// The approximate overhead of an entry, bytes.
const ENTRY_BYTES: usize = 256;
/// The estimated number of entries. A number this small keeps the cache in one shard, which has the whole limit.
const ENTRIES: usize = 32;

/// Everything besides the ledger that an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey(Arc<[u8]>);

impl CacheKey {
    /// The key of a request with this text; requests with different texts have different keys.
    pub(crate) fn new(written: impl Into<Arc<[u8]>>) -> Self {
        Self(written.into())
    }

    /// The text of the request.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A generation and its answers.
#[derive(Debug)]
pub(super) struct Generation {
    /// The number of commits of this process before it.
    commits: u64,
    began: Instant,
    /// The answers. While one is computed, other requests for it wait (single flight); `None` is one that is not cached.
    pub(super) kept: Cache<CacheKey, Option<Bytes>, Weight>,
    /// The ledger's revision, for [`redis`](super::redis); `None` if it is unknown.
    pub(super) revision: OnceCell<Option<String>>,
}

/// The bytes of a key and its answer.
#[derive(Debug, Clone)]
pub(super) struct Weight;

impl Weighter<CacheKey, Option<Bytes>> for Weight {
    fn weight(&self, key: &CacheKey, answer: &Option<Bytes>) -> u64 {
        let bytes = key.as_bytes().len() + answer.as_ref().map_or(0, Bytes::len) + ENTRY_BYTES;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Generation {
    /// A generation that begins now, after `commits` commits.
    pub(super) fn begin(commits: u64) -> Self {
        let kept = Cache::with_weighter(ENTRIES, BYTES_MAX, Weight);
        Self { commits, began: Instant::now(), kept, revision: OnceCell::new() }
    }

    /// Whether it is over after `commits` commits.
    pub(super) fn is_over(&self, commits: u64) -> bool {
        self.commits != commits || self.left().is_zero()
    }

    /// The remaining lifetime.
    pub(super) fn left(&self) -> Duration {
        LIFETIME.saturating_sub(self.began.elapsed())
    }

    /// The number of commits of this process before it.
    pub(super) fn commits(&self) -> u64 {
        self.commits
    }
}
