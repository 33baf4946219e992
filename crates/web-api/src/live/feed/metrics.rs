//! The metrics of the live feed.

use prometheus::{IntCounter, IntGauge};

service_kit::metrics! {
    /// The metrics of one live feed.
    #[derive(Debug)]
    pub(super) struct LiveMetrics {
        /// Clients of the live feed
        clients: IntGauge = "dwell_live_clients";
        /// Changes sent to clients of the live feed
        sent: IntCounter = "dwell_live_sent_total";
        /// Clients of the live feed that were disconnected because they were too slow
        dropped: IntCounter = "dwell_live_dropped_total";
    }
}

impl LiveMetrics {
    pub(super) fn joined(&self) {
        self.clients.inc();
    }

    pub(super) fn left(&self) {
        self.clients.dec();
    }

    pub(super) fn sent(&self) {
        self.sent.inc();
    }

    pub(super) fn dropped(&self) {
        self.dropped.inc();
    }
}
