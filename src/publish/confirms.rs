//! How much of the files has been confirmed.
//!
//! The bar is in bytes of the files, since nobody knows beforehand how many events they hold. Reading runs ahead of the
//! queues, so the bar shows the share of what has been read whose events are confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::progress::{Progress, counted};

/// Events that were read, and those that were confirmed. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Confirms {
    shown: Progress,
    reading: Progress,
    events: Arc<Events>,
}

#[derive(Debug, Default)]
struct Events {
    read: AtomicU64,
    confirmed: AtomicU64,
}

impl Confirms {
    /// Nothing is confirmed yet.
    pub(super) fn shown_by(progress: &Progress) -> Self {
        progress.show("nothing confirmed yet");
        Self { shown: progress.clone(), reading: Progress::hidden(), events: Arc::default() }
    }

    /// What the reading of the files counts with.
    pub(super) fn reading(&self) -> &Progress {
        &self.reading
    }

    /// One event more was read.
    pub(super) fn read(&self) {
        self.events.read.fetch_add(1, Ordering::Relaxed);
    }

    /// So many events more are confirmed.
    pub(super) fn confirmed(&self, events: u64) {
        let confirmed = self.events.confirmed.fetch_add(events, Ordering::Relaxed) + events;
        let read = self.events.read.load(Ordering::Relaxed).max(confirmed);
        let bytes = u128::from(self.reading.position()) * u128::from(confirmed) / u128::from(read.max(1));
        self.shown.set(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.shown.show(format!("{} confirmed", counted(confirmed, "event")));
    }
}
