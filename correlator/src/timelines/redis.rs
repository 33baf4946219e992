//! The cache of timelines in Redis, shared by all correlators of a ledger.
//!
//! An older timeline may be stored after a newer one by a slower correlator, and a command whose reply was lost may have
//! been run: a stale timeline loses the comparison in the ledger and is overwritten then, so no version is compared here.
//! Each vehicle has a key of its own. The connection, and what happens while there is none, is [`redis_cache`]'s.

use std::time::Duration;

use ::redis::{Cmd, Value};
use async_trait::async_trait;
use matching::Snapshot;
use parking::Vehicle;
use redis_cache::{Meters, Place, Redis, WrongAddress, set};
use service_kit::ServiceContext;
use settings::{Masked, REDIS_URL};
use uuid::Uuid;

use super::Timelines;
use super::format::{self, Keys};
use super::metrics::Metrics;

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands, and until up to a thousand commands are answered.
    pub connection: redis_cache::Limits,
    /// A timeline that was not stored anew for so long is dropped by Redis.
    pub expiry: Duration,
}

impl Default for Limits {
    /// A vehicle that stays longer than a day and a half is read from the ledger, once.
    fn default() -> Self {
        let (connect, response) = (Duration::from_secs(1), Duration::from_millis(100));
        let connection = redis_cache::Limits { connect, response };
        Self { connection, expiry: Duration::from_hours(36) }
    }
}

/// Why the cache can't be used at all. Everything that may pass is waited out instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error(transparent)]
    Address(#[from] WrongAddress),
    /// A metric's name is taken by something else: a defect of the program.
    #[error(transparent)]
    Metrics(#[from] service_kit::metrics::Error),
}

/// Keeps timelines in Redis.
#[derive(Debug)]
pub struct RedisTimelines {
    redis: Redis,
    keys: Keys,
    metrics: Metrics,
    expiry: Duration,
}

impl RedisTimelines {
    /// The cache of one ledger's timelines at `url`. It is there at once and bypassed until Redis answers.
    ///
    /// # Errors
    /// When `url` can never work.
    pub fn start(url: &Masked, ledger: Uuid, limits: Limits, context: &ServiceContext) -> Result<Self, Error> {
        let (keys, metrics) = (Keys::new(ledger), Metrics::new(&context.registry)?);
        let place = Place { url, setting: &REDIS_URL, probe: keys.probe() };
        let meters = Meters { failures: metrics.failures(), keys: Some(metrics.timelines()) };
        let redis = Redis::start(place, limits.connection, meters, context)?;
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

/// What is not a timeline of this format counts as missing, and is overwritten when the vehicle is stored.
fn snapshot(key: &str, reply: &Value) -> Option<Snapshot> {
    if let Value::BulkString(value) = reply { format::decode(key, value) } else { None }
}
