//! The working state: a cache of timelines, shared by all correlators of a ledger. The port.
//!
//! The ledger decides, so the cache may lose data, be stale or be down at any time: missing timelines are loaded from
//! the ledger, and a stale one fails the ledger's version check and is overwritten. So calls do not fail and do not
//! block: an adapter that can't answer at once returns `None`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use matching::Snapshot;
use parking::Vehicle;
use service_kit::ServiceContext;
use settings::Redacted;
use uuid::Uuid;

pub mod contract;
mod format;
pub mod memory;
mod metrics;
pub mod redis;

/// A cache of the recent timelines of vehicles.
#[async_trait]
pub trait Timelines: Send + Sync + fmt::Debug {
    /// The cached snapshots, in the order of `vehicles`; `None` if the cache can't answer.
    async fn load(&self, vehicles: &[Vehicle]) -> Option<Vec<Option<Snapshot>>>;

    /// Stores snapshots that were just recorded, overwriting older ones.
    async fn store(&self, snapshots: &[(Vehicle, Snapshot)]);
}

/// The cache of the timelines of `ledger`: in Redis if there is a URL, else in this process.
///
/// # Errors
/// The URL is invalid. A Redis that is down is not an error.
pub fn open(
    redis_url: Option<&Redacted>,
    ledger: Uuid,
    context: &ServiceContext,
) -> Result<Arc<dyn Timelines>, redis::Error> {
    Ok(match redis_url {
        Some(url) => Arc::new(redis::RedisTimelines::start(url, ledger, redis::Limits::default(), context)?),
        None => Arc::new(memory::Memory::new(memory::BYTES_MAX, &context.registry)?),
    })
}
