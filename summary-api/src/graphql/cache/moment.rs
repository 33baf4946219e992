//! One moment: when it is over, and the answers that are kept in it.
//!
//! Time is tokio's, so that a test can let it pass.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{BYTES_MAX, LIFETIME};

/// What an entry takes beside its question and its answer, about.
const ENTRY_BYTES: usize = 256;

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

/// The place of one answer. Whoever comes while it is being made waits; `None` is an answer that is not kept.
pub(super) type Slot = OnceCell<Option<Bytes>>;

/// A moment, and what is kept in it.
#[derive(Debug)]
pub(super) struct Moment {
    /// How many commits of this process came before it.
    commits: u64,
    began: Instant,
    kept: Mutex<Kept>,
    /// Where the ledger stood, as [`redis`](super::redis) has it; `None` when it could not say.
    pub(super) stand: OnceCell<Option<String>>,
}

#[derive(Debug, Default)]
struct Kept {
    slots: HashMap<Question, Arc<Slot>>,
    bytes: usize,
}

impl Moment {
    /// A moment that begins now, after so many commits.
    pub(super) fn begin(commits: u64) -> Self {
        Self { commits, began: Instant::now(), kept: Mutex::default(), stand: OnceCell::new() }
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

    /// The place of the answer to a question; `None` when there is no room for another one.
    pub(super) fn slot(&self, question: &Question) -> Option<Arc<Slot>> {
        let mut kept = self.kept();
        if let Some(slot) = kept.slots.get(question) {
            return Some(Arc::clone(slot));
        }
        kept.take(size(question))?;
        let slot = Arc::default();
        kept.slots.insert(question.clone(), Arc::clone(&slot));
        Some(slot)
    }

    /// Whether there is room for an answer of so many bytes, which it has then taken.
    pub(super) fn take_room(&self, bytes: usize) -> bool {
        self.kept().take(bytes).is_some()
    }

    /// Gives up the place of a question, with its answer.
    pub(super) fn forget(&self, question: &Question) {
        let mut kept = self.kept();
        if let Some(slot) = kept.slots.remove(question) {
            let answer = slot.get().and_then(Option::as_ref).map_or(0, Bytes::len);
            kept.bytes = kept.bytes.saturating_sub(size(question) + answer);
        }
    }

    /// The bytes of all that is kept.
    pub(super) fn bytes(&self) -> usize {
        self.kept().bytes
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, bytes: usize) -> Option<()> {
        let sum = self.bytes.checked_add(bytes).filter(|sum| *sum <= BYTES_MAX)?;
        self.bytes = sum;
        Some(())
    }
}

fn size(question: &Question) -> usize {
    question.as_bytes().len() + ENTRY_BYTES
}
