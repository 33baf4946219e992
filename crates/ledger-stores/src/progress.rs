//! Logs the progress of an upgrade that counts the sessions of a ledger, which takes minutes on a large one.

use std::time::Duration;

use tokio::time::Instant;

/// The time between two log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The number of sessions counted so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    sessions: usize,
    reported_at: Option<Instant>,
}

impl Progress {
    /// Adds counted sessions.
    pub(super) fn add(&mut self, sessions: usize) {
        self.sessions += sessions;
        if sessions > 0 && self.reported_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            let sessions = self.sessions;
            tracing::info!(
                sessions,
                "the ledger is being upgraded: counting its sessions by quarter hour; it opens after that"
            );
            self.reported_at = Some(Instant::now());
        }
    }

    /// Logs that all sessions are counted.
    pub(super) fn finish(&self) {
        let sessions = self.sessions;
        if sessions > 0 {
            tracing::info!(sessions, "counted the sessions of the ledger by quarter hour");
        }
    }
}
