//! The working state: a cache of timelines, shared by all correlators of a ledger. The port.
//!
//! The ledger decides, so the cache may forget, be old or be away at any time: what it does not have is read from
//! the ledger, and a stale timeline loses the comparison there and is overwritten. Hence nothing here fails or
//! makes anybody wait: an adapter that can't answer at once says so.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use matching::Snapshot;
use parking::Vehicle;
use service_kit::ServiceContext;
use settings::Masked;
use uuid::Uuid;

pub mod contract;
mod format;
pub mod memory;
mod metrics;
pub mod redis;

/// Keeps the recent timelines of vehicles at hand.
#[async_trait]
pub trait Timelines: Send + Sync + fmt::Debug {
    /// The snapshots that are at hand, in the order of `vehicles`; `None` when the cache can't answer.
    async fn load(&self, vehicles: &[Vehicle]) -> Option<Vec<Option<Snapshot>>>;

    /// Keeps snapshots that were just recorded, in place of older ones.
    async fn store(&self, snapshots: &[(Vehicle, Snapshot)]);
}

/// The cache for the timelines of `ledger`: in Redis when there is an address, else in this process.
///
/// # Errors
/// When the address is none. A Redis that is away is no error.
pub fn open(
    redis_url: Option<&Masked>,
    ledger: Uuid,
    context: &ServiceContext,
) -> Result<Arc<dyn Timelines>, redis::Error> {
    Ok(match redis_url {
        Some(url) => Arc::new(redis::RedisTimelines::start(url, ledger, redis::Limits::default(), context)?),
        None => Arc::new(memory::Memory::new(memory::BYTES_MAX, &context.registry)?),
    })
}
