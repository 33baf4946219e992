//! The in-memory cache of timelines, for a pipeline in one process.
//!
//! It has a limit in bytes and evicts vehicles that were not used recently (clock algorithm). The caller loads
//! evicted timelines from the ledger. Nothing in it outlives the process.
//!
//! Modules: `table` the cache, `entry` a packed timeline, `name` a packed vehicle.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use matching::{ExpectedVersion, Snapshot};
use parking::Vehicle;
use prometheus::IntGauge;
use service_kit::metrics::{Error, Registry, gauge};

use super::Timelines;
use super::metrics::Metrics;

mod entry;
mod name;
mod table;

pub use table::{Address, Kept, Table};

/// The default limit in bytes: some 800,000 vehicles of ten events each.
pub const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The cache of timelines in memory.
pub struct Memory {
    table: Mutex<Table>,
    bytes_max: u64,
    metrics: Metrics,
    bytes: IntGauge,
}

impl Memory {
    /// A cache with a limit of about `bytes_max`.
    ///
    /// # Errors
    /// Another metric has one of its names: a defect of the program.
    pub fn new(bytes_max: u64, registry: &Registry) -> Result<Self, Error> {
        let limit = gauge(registry, "dwell_cache_memory_limit_bytes", "Memory limit of cached timelines")?;
        limit.set(i64::try_from(bytes_max).unwrap_or(i64::MAX));
        Ok(Self {
            table: Mutex::default(),
            bytes_max,
            metrics: Metrics::new(registry)?,
            bytes: gauge(registry, "dwell_cache_memory_bytes", "Approximate memory of cached timelines")?,
        })
    }

    /// One lock for all: a batch holds it for some microseconds, which is short compared with recording the batch.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_size(&self, table: &Table) {
        self.bytes.set(i64::try_from(table.bytes()).unwrap_or(i64::MAX));
        self.metrics.holds(u64::try_from(table.len()).unwrap_or(u64::MAX));
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Memory").field("vehicles", &self.table().len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Timelines for Memory {
    async fn load(&self, vehicles: &[Vehicle]) -> Option<Vec<Option<Snapshot>>> {
        let kept = {
            let mut table = self.table();
            let mut addresses: Vec<Address> = vehicles.iter().map(|vehicle| table.address(vehicle)).collect();
            table.get(&mut addresses)
        };
        let found: Vec<_> = kept.into_iter().map(|kept| kept.map(snapshot)).collect();
        self.metrics.answered(&found);
        Some(found)
    }

    async fn store(&self, snapshots: &[(Vehicle, Snapshot)]) {
        let mut table = self.table();
        for (vehicle, Snapshot { base, timeline }) in snapshots {
            let vehicle = table.address(vehicle);
            // The digest is not stored, so it must be the one of the unpacked timeline.
            if base.digest == timeline.digest() {
                table.put(&vehicle, base.version, timeline);
            } else {
                table.remove(&vehicle);
            }
            table.shrink_to(self.bytes_max);
        }
        self.show_size(&table);
    }
}

fn snapshot(kept: Kept) -> Snapshot {
    let base = ExpectedVersion { version: kept.version, digest: kept.timeline.digest() };
    Snapshot { base, timeline: kept.timeline }
}
