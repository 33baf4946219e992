//! The metrics of the timeline cache, equal for every adapter.

use matching::Snapshot;
use prometheus::{IntCounter, IntGauge};
use service_kit::metrics::{Error, Registry};

service_kit::metrics! {
    /// The metrics of the cache, in vehicles unless stated otherwise.
    #[derive(Debug, Clone)]
    pub(super) struct Metrics {
        /// Timelines found in the cache
        hits: IntCounter = "dwell_cache_hits_total";
        /// Timelines not found in the cache
        misses: IntCounter = "dwell_cache_misses_total";
        /// Calls to the cache that failed or timed out
        errors: IntCounter = "dwell_cache_errors_total";
        /// Timelines neither looked up nor stored because the cache was down
        bypassed: IntCounter = "dwell_cache_bypassed_total";
        /// Approximate number of timelines in the cache
        timelines: IntGauge = "dwell_cache_timelines";
    }
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        Self::register(registry)
    }

    /// Counts an answer of the cache.
    pub(super) fn answered(&self, found: &[Option<Snapshot>]) {
        let hits = found.iter().flatten().count();
        self.hits.inc_by(as_count(hits));
        self.misses.inc_by(as_count(found.len() - hits));
    }

    /// Counts a failed call.
    pub(super) fn failures(&self) -> IntCounter {
        self.errors.clone()
    }

    /// Sets the number of vehicles in the cache.
    pub(super) fn holds(&self, vehicles: u64) {
        self.timelines.set(i64::try_from(vehicles).unwrap_or(i64::MAX));
    }

    /// The number of vehicles in the cache.
    pub(super) fn timelines(&self) -> IntGauge {
        self.timelines.clone()
    }

    /// Counts vehicles for which the cache was bypassed.
    pub(super) fn bypassed(&self, vehicles: usize) {
        self.bypassed.inc_by(as_count(vehicles));
    }
}

fn as_count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
