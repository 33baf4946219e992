//! What the cache of timelines counts, alike for every adapter.

use matching::Snapshot;
use prometheus::{IntCounter, IntGauge};
use service_kit::metrics::{Error, Registry};

service_kit::metrics! {
    /// What is shown of the cache, in vehicles unless said otherwise.
    #[derive(Debug, Clone)]
    pub(super) struct Metrics {
        /// Timelines that were asked of the cache and found there
        hits: IntCounter = "dwell_cache_hits_total";
        /// Timelines that were asked of the cache and not found there
        misses: IntCounter = "dwell_cache_misses_total";
        /// Calls to the cache that failed or took too long
        errors: IntCounter = "dwell_cache_errors_total";
        /// Timelines that were neither asked of nor given to the cache because it was away
        bypassed: IntCounter = "dwell_cache_bypassed_total";
        /// Timelines that the cache has, about
        timelines: IntGauge = "dwell_cache_timelines";
    }
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        Self::register(registry)
    }

    /// The cache answered.
    pub(super) fn answered(&self, found: &[Option<Snapshot>]) {
        let hits = found.iter().flatten().count();
        self.hits.inc_by(as_count(hits));
        self.misses.inc_by(as_count(found.len() - hits));
    }

    /// Calls that failed.
    pub(super) fn failures(&self) -> IntCounter {
        self.errors.clone()
    }

    /// The cache has timelines of so many vehicles.
    pub(super) fn holds(&self, vehicles: u64) {
        self.timelines.set(i64::try_from(vehicles).unwrap_or(i64::MAX));
    }

    /// How many timelines the cache has.
    pub(super) fn timelines(&self) -> IntGauge {
        self.timelines.clone()
    }

    /// So many vehicles went without the cache.
    pub(super) fn bypassed(&self, vehicles: usize) {
        self.bypassed.inc_by(as_count(vehicles));
    }
}

fn as_count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
