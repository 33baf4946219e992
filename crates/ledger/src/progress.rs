//! Reports in the log how far counting the sessions of a ledger has come. An upgrade of a large ledger takes minutes.

use std::time::Duration;

use tokio::time::Instant;

/// The time between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// How many sessions are counted so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    sessions: usize,
    reported_at: Option<Instant>,
}

impl Progress {
    /// Counts some more sessions.
    pub(super) fn add(&mut self, sessions: usize) {
        self.sessions += sessions;
        if sessions > 0 && self.reported_at.is_none_or(|at| at.elapsed() >= INTERVAL) {
            let sessions = self.sessions;
            tracing::info!(sessions, "counting the quarter hours of the ledger from its sessions; it opens after that");
            self.reported_at = Some(Instant::now());
        }
    }

    /// All sessions are counted.
    pub(super) fn finish(&self) {
        let sessions = self.sessions;
        if sessions > 0 {
            tracing::info!(sessions, "the quarter hours of the ledger are counted");
        }
    }
}
