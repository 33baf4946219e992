//! The size of the ledger's write-ahead log: a metric, and a warning when it grows far beyond what a backlog needs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::time::Instant;

/// A backlog needs about 200 MiB; what is far above that is pinned by a reader.
pub(crate) const LARGE_BYTES: u64 = 512 * 1024 * 1024;
/// How often a large log is warned of.
const EVERY: Duration = Duration::from_mins(1);

service_kit::metrics! {
    /// The size of the log, and when it was last warned of.
    #[derive(Debug)]
    pub(super) struct LogSize {
        /// Size of the write-ahead logs beside the file of a ledger in SQLite and its journal; 0 with PostgreSQL
        bytes: IntGauge = "dwell_ledger_log_bytes";
        /// The last warning of a log that is still large.
        warned: Mutex<Option<Instant>> = default;
    }
}

impl LogSize {
    pub(super) fn is(&self, bytes: u64) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        if self.is_to_warn(bytes) {
            tracing::warn!(
                bytes,
                "the ledger's write-ahead log is large: a program that keeps the file open prevents its restart from the \
                     beginning (find it with fuser -v on the ledger's file)"
            );
        }
    }

    fn is_to_warn(&self, bytes: u64) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes < LARGE_BYTES {
            *warned = None;
            return false;
        }
        let is_due = warned.is_none_or(|at| at.elapsed() >= EVERY);
        if is_due {
            *warned = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use service_kit::metrics::Registry;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_large_log_is_warned_of_once_a_minute() {
        let size = LogSize::register(&Registry::new()).unwrap();

        assert!(!size.is_to_warn(LARGE_BYTES - 1));
        assert!(size.is_to_warn(LARGE_BYTES));
        tokio::time::advance(EVERY / 2).await;
        assert!(!size.is_to_warn(LARGE_BYTES));
        tokio::time::advance(EVERY / 2).await;
        assert!(size.is_to_warn(LARGE_BYTES));
        assert!(!size.is_to_warn(0) && size.is_to_warn(LARGE_BYTES), "each growth is logged at once");
    }
}
