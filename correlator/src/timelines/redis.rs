//! The cache of timelines in Redis, shared by all correlators of a ledger.
//!
//! A slower correlator may overwrite a newer timeline by an older one, and a command whose reply was lost may have
//! been executed. A stale timeline fails the ledger's version check and is overwritten then, so no versions are
//! compared here. Each vehicle has its own key. [`redis_cache`] handles the connection and outages.

use std::time::Duration;

use ::redis::{Cmd, Value};
use async_trait::async_trait;
use matching::Snapshot;
use parking::Vehicle;
use redis_cache::{Meters, Redis, RedisTarget, WrongAddress, set};
use service_kit::ServiceContext;
use settings::{REDIS_URL, Redacted};
use uuid::Uuid;

use super::Timelines;
use super::format::{self, Keys};
use super::metrics::Metrics;

/// The timeouts and the expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The timeout of a connection attempt, and of the replies to up to a thousand commands.
    pub connection: redis_cache::Limits,
    /// Redis drops a timeline this long after it was last stored.
    pub expiry: Duration,
}

impl Default for Limits {
    /// A stay of more than a day and a half costs one read from the ledger.
    fn default() -> Self {
        let (connect, response) = (Duration::from_secs(1), Duration::from_millis(100));
        let connection = redis_cache::Limits { connect, response };
        Self { connection, expiry: Duration::from_hours(36) }
    }
}

/// A permanent error of the cache. Temporary ones are retried instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is invalid.
    #[error(transparent)]
    Address(#[from] WrongAddress),
    /// Another metric has one of its names: a defect of the program.
    #[error(transparent)]
    Metrics(#[from] service_kit::metrics::Error),
}

/// The cache of timelines in Redis.
#[derive(Debug)]
pub struct RedisTimelines {
    redis: Redis,
    keys: Keys,
    metrics: Metrics,
    expiry: Duration,
}

impl RedisTimelines {
    /// The cache of one ledger's timelines at `url`. Returns at once; the cache is bypassed until Redis answers.
    ///
    /// # Errors
    /// `url` can never work.
    pub fn start(url: &Redacted, ledger: Uuid, limits: Limits, context: &ServiceContext) -> Result<Self, Error> {
        let (keys, metrics) = (Keys::new(ledger), Metrics::new(&context.registry)?);
        let target = RedisTarget { url, setting: &REDIS_URL, probe: keys.probe() };
        let meters = Meters { failures: metrics.failures(), keys: Some(metrics.timelines()) };
        let redis = Redis::start(target, limits.connection, meters, context)?;
        Ok(Self { redis, keys, metrics, expiry: limits.expiry })
    }

    async fn run(&self, commands: impl ExactSizeIterator<Item = Cmd> + Send) -> Option<Vec<Value>> {
        let count = commands.len();
        let replies = self.redis.run(commands).await;
        if replies.is_none() {
            self.metrics.bypassed(count);
        }
        replies
    }
}

#[async_trait]
impl Timelines for RedisTimelines {
    async fn load(&self, vehicles: &[Vehicle]) -> Option<Vec<Option<Snapshot>>> {
        let keys: Vec<String> = vehicles.iter().map(|vehicle| self.keys.of(vehicle)).collect();
        let replies = self.run(keys.iter().map(Cmd::get)).await?;
        let found: Vec<_> = keys.iter().zip(&replies).map(|(key, reply)| snapshot(key, reply)).collect();
        self.metrics.answered(&found);
        Some(found)
    }

    async fn store(&self, snapshots: &[(Vehicle, Snapshot)]) {
        let commands = snapshots.iter().map(|(vehicle, snapshot)| {
            let key = self.keys.of(vehicle);
            let value = format::encode(&key, snapshot);
            set(&key, &value, self.expiry)
        });
        self.run(commands).await;
    }
}

/// A value of another format counts as missing, and is overwritten when the vehicle is stored.
fn snapshot(key: &str, reply: &Value) -> Option<Snapshot> {
    if let Value::BulkString(value) = reply { format::decode(key, value) } else { None }
}
