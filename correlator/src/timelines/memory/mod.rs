//! The cache of timelines in this process's own memory: for a pipeline of one process.
//!
//! It holds what fits into a number of bytes and then gives up what was not used lately; finding what it gave up in
//! the ledger is left to the caller. Nothing in it outlives the process.
//!
//! `table` keeps the vehicles, each in few bytes: `entry` packs a timeline, `name` a vehicle, `index` finds them.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use matching::{Base, Snapshot};
use parking::Vehicle;
use prometheus::IntGauge;
use service_kit::metrics::{Error, Registry, gauge};

use super::Timelines;
use super::metrics::Metrics;

mod entry;
mod index;
mod name;
mod table;

pub use table::{Address, Kept, Table};

/// The most bytes of a cache unless told otherwise: some 800,000 vehicles of ten events each.
pub const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Keeps timelines in memory.
pub struct Memory {
    table: Mutex<Table>,
    bytes_max: u64,
    metrics: Metrics,
    bytes: IntGauge,
}

impl Memory {
    /// A cache that takes about `bytes_max` at most.
    ///
    /// # Errors
    /// When a metric's name is taken by something else: a defect of the program.
    pub fn new(bytes_max: u64, registry: &Registry) -> Result<Self, Error> {
        let limit = gauge(registry, "dwell_cache_memory_limit_bytes", "The most memory of cached timelines")?;
        limit.set(i64::try_from(bytes_max).unwrap_or(i64::MAX));
        Ok(Self {
            table: Mutex::default(),
            bytes_max,
            metrics: Metrics::new(registry)?,
            bytes: gauge(registry, "dwell_cache_memory_bytes", "Memory of cached timelines, about")?,
        })
    }

    /// One lock for all: a batch takes it for some microseconds, which is nothing beside recording it.
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
            // The digest is not kept, so it must be the one that comes out again.
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
    let base = Base { version: kept.version, digest: kept.timeline.digest() };
    Snapshot { base, timeline: kept.timeline }
}
