//! One moment: when it is over, and the answers that are kept in it.
//!
//! Time is tokio's, so that a test can let it pass.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{BYTES_MAX, LIFETIME};

/// What an entry takes beside its question and its answer, about.
const ENTRY_BYTES: usize = 256;
/// An estimate of how many entries there are. So few share one lock and the whole of the limit.
const ENTRIES: usize = 32;

/// All that an answer depends on, beside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question(Arc<[u8]>);

impl Question {
    /// The question that is written like this; two that are written differently are two.
    pub(crate) fn new(written: impl Into<Arc<[u8]>>) -> Self {
        Self(written.into())
    }

    /// As it is written.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A moment, and what is kept in it.
#[derive(Debug)]
pub(super) struct Moment {
    /// How many commits of this process came before it.
    commits: u64,
    began: Instant,
    /// The answers. While one is being made, other requests for it wait (single flight); `None` is one that is not kept.
    pub(super) kept: Cache<Question, Option<Bytes>, Weight>,
    /// Where the ledger stood, as [`redis`](super::redis) has it; `None` when it could not say.
    pub(super) stand: OnceCell<Option<String>>,
}

/// The bytes of a question and its answer.
#[derive(Debug, Clone)]
pub(super) struct Weight;

impl Weighter<Question, Option<Bytes>> for Weight {
    fn weight(&self, question: &Question, answer: &Option<Bytes>) -> u64 {
        let bytes = question.as_bytes().len() + answer.as_ref().map_or(0, Bytes::len) + ENTRY_BYTES;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Moment {
    /// A moment that begins now, after so many commits.
    pub(super) fn begin(commits: u64) -> Self {
        let kept = Cache::with_weighter(ENTRIES, BYTES_MAX, Weight);
        Self { commits, began: Instant::now(), kept, stand: OnceCell::new() }
    }

    /// Whether it is over, now that there were so many commits.
    pub(super) fn is_over(&self, commits: u64) -> bool {
        self.commits != commits || self.left().is_zero()
    }

    /// How long it lasts from now on, at most.
    pub(super) fn left(&self) -> Duration {
        LIFETIME.saturating_sub(self.began.elapsed())
    }

    /// How many commits of this process came before it.
    pub(super) fn commits(&self) -> u64 {
        self.commits
    }
}
