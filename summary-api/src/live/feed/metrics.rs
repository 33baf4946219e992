//! What the live feed counts.

use prometheus::{IntCounter, IntGauge};
use service_kit::metrics::{self as kit, Error, Registry};

#[derive(Debug)]
pub(super) struct LiveMetrics {
    clients: IntGauge,
    sent: IntCounter,
    dropped: IntCounter,
}

impl LiveMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            clients: kit::gauge(registry, "dwell_live_clients", "Clients of the live feed")?,
            sent: kit::counter(registry, "dwell_live_sent_total", "Changes handed to clients of the live feed")?,
            dropped: kit::counter(
                registry,
                "dwell_live_dropped_total",
                "Clients of the live feed that were dropped because they were too slow",
            )?,
        })
    }

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
