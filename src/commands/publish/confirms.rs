//! The progress of the confirms.
//!
//! It observes the reading. The bar is in bytes of the files, since the number of events is unknown. Reading is ahead
//! of the queues, so the bar shows the bytes read times the share of confirmed events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event_files::Observer;
use parking::readable::counted;

use crate::terminal::progress::Progress;

/// Events read, and events confirmed. Cheap to clone; all clones share the counts.
#[derive(Debug, Clone)]
pub(super) struct Confirms {
    shown: Progress,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes_read: AtomicU64,
    events_read: AtomicU64,
    events_confirmed: AtomicU64,
}

impl Confirms {
    /// Nothing is confirmed yet.
    pub(super) fn shown_by(progress: &Progress) -> Self {
        progress.show("nothing confirmed yet");
        Self { shown: progress.clone(), counts: Arc::default() }
    }

    /// Counts an event that was read.
    pub(super) fn read(&self) {
        self.counts.events_read.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts confirmed events.
    pub(super) fn confirmed(&self, events: u64) {
        let confirmed = self.counts.events_confirmed.fetch_add(events, Ordering::Relaxed) + events;
        let read = self.counts.events_read.load(Ordering::Relaxed).max(confirmed);
        let bytes = u128::from(self.counts.bytes_read.load(Ordering::Relaxed)) * u128::from(confirmed)
            / u128::from(read.max(1));
        self.shown.set(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.shown.show(format!("{} confirmed", counted(confirmed, "event")));
    }
}

impl Observer for Confirms {
    fn advance(&self, bytes: u64) {
        self.counts.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The current file is not shown: its events wait for their confirms.
    fn show(&self, _: &str) {}

    fn say(&self, line: &str) {
        self.shown.say(line);
    }
}
