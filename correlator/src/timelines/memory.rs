//! The cache of timelines in this process's own memory: for a pipeline of one process.
//!
//! It holds what fits into a number of bytes and then gives up what was not used lately; finding what it gave up in
//! the ledger is left to the caller. Nothing in it outlives the process.

use std::fmt;

use async_trait::async_trait;
use matching::{Snapshot, TimelineEvent};
use parking::Vehicle;
use prometheus::IntGauge;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use service_kit::metrics::{Error, Registry, gauge};

use super::Timelines;
use super::metrics::Metrics;

/// The most bytes of a cache unless told otherwise: some 400,000 vehicles of ten events each.
pub const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a vehicle takes beside its events: key, base, and the cache's own entry.
const VEHICLE_BYTES: usize = size_of::<Vehicle>() + size_of::<Snapshot>() + 100;

/// Keeps timelines in memory.
pub struct Memory {
    cache: Cache<Vehicle, Snapshot, Bytes>,
    metrics: Metrics,
    bytes: IntGauge,
}

/// Weighs an entry by the memory that it takes.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Vehicle, Snapshot> for Bytes {
    fn weight(&self, _: &Vehicle, snapshot: &Snapshot) -> u64 {
        let events = size_of_val::<[TimelineEvent]>(snapshot.timeline.events());
        as_bytes(VEHICLE_BYTES + events)
    }
}

impl Memory {
    /// A cache that takes about `bytes_max` at most.
    ///
    /// # Errors
    /// When a metric's name is taken by something else: a defect of the program.
    pub fn new(bytes_max: u64, registry: &Registry) -> Result<Self, Error> {
        let few_events = as_bytes(VEHICLE_BYTES + 4 * size_of::<TimelineEvent>());
        let vehicles = usize::try_from(bytes_max / few_events).unwrap_or(usize::MAX);
        let limit = gauge(registry, "dwell_cache_memory_limit_bytes", "The most memory of cached timelines")?;
        limit.set(i64::try_from(bytes_max).unwrap_or(i64::MAX));
        Ok(Self {
            cache: Cache::with_weighter(vehicles, bytes_max, Bytes),
            metrics: Metrics::new(registry)?,
            bytes: gauge(registry, "dwell_cache_memory_bytes", "Memory of cached timelines, about")?,
        })
    }

    fn show_size(&self) {
        self.bytes.set(i64::try_from(self.cache.weight()).unwrap_or(i64::MAX));
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Memory").field("vehicles", &self.cache.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Timelines for Memory {
    async fn load(&self, vehicles: &[Vehicle]) -> Vec<Option<Snapshot>> {
        let found: Vec<_> = vehicles.iter().map(|vehicle| self.cache.get(vehicle)).collect();
        self.metrics.answered(&found);
        found
    }

    async fn store(&self, snapshots: &[(Vehicle, Snapshot)]) {
        for (vehicle, snapshot) in snapshots {
            self.cache.insert(vehicle.clone(), snapshot.clone());
        }
        self.show_size();
    }

    async fn forget(&self, vehicles: &[Vehicle]) {
        for vehicle in vehicles {
            self.cache.remove(vehicle);
        }
        self.show_size();
    }
}

fn as_bytes(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
