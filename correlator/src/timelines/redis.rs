//! The cache of timelines in Redis, shared by all correlators of a ledger.
//!
//! Redis may be empty, older, foreign, slow or away: that costs time, never a session and never a wait. A call that
//! fails or gets no answer soon has no answer, and from then on Redis is bypassed at once until a task in the
//! background has a connection that takes a write again. A reply that never came leaves open whether a command was
//! run; that is harmless, as is an older timeline that is stored after a newer one by a slower correlator: a stale
//! timeline loses the comparison in the ledger and is overwritten then, so no version is compared here.
//!
//! Each vehicle has a key of its own and each command names one key, so that the keys can be spread over a cluster.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo as _, Pipeline, RedisError, SetExpiry, SetOptions, Value,
};
use async_trait::async_trait;
use matching::Snapshot;
use parking::Vehicle;
use service_kit::config::Masked;
use service_kit::{Backoff, Dependency, Lifecycle, ServiceContext};
use tokio::sync::Notify;
use uuid::Uuid;

use super::Timelines;
use super::format::{self, Keys};
use super::metrics::Metrics;

/// The most commands that are sent before their replies are awaited.
const COMMANDS_MAX: usize = 1_000;
/// How often an idle connection is tried, so that a Redis that went away is seen before it is needed.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the trace of a trial stays.
const PROBE_EXPIRY: Duration = Duration::from_mins(1);
/// The bounds of the waits between two attempts to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands, user and password checked.
    pub connect: Duration,
    /// Until up to a thousand commands are answered.
    pub response: Duration,
    /// A timeline that was not stored anew for so long is dropped by Redis; whole seconds.
    pub expiry: Duration,
}

impl Default for Limits {
    /// A vehicle that stays longer than a day and a half is read from the ledger, once.
    fn default() -> Self {
        let (connect, response) = (Duration::from_secs(1), Duration::from_millis(100));
        Self { connect, response, expiry: Duration::from_hours(36) }
    }
}

/// Why the cache can't be used at all. Everything that may pass is waited out instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error(
        "DWELL_REDIS_URL={url} is not an address of Redis ({reason}); \
         allowed is for example redis://:password@host:6379/0"
    )]
    Address {
        /// The address, its password masked.
        url: Masked,
        /// What is wrong with it.
        reason: String,
    },
    /// A metric's name is taken by something else: a defect of the program.
    #[error(transparent)]
    Metrics(#[from] service_kit::metrics::Error),
}

/// Keeps timelines in Redis.
#[derive(Debug)]
pub struct RedisTimelines {
    shared: Arc<Shared>,
    expiry: Duration,
}

#[derive(Debug)]
struct Shared {
    keys: Keys,
    metrics: Metrics,
    /// `None` while Redis is bypassed.
    link: RwLock<Option<Link>>,
    broken: Notify,
    dependency: Dependency,
}

/// A connection, numbered so that a late failure of an old one does not end its successor.
#[derive(Debug, Clone)]
struct Link {
    number: u64,
    connection: MultiplexedConnection,
}

impl RedisTimelines {
    /// The cache of one ledger's timelines at `url`. It is there at once and bypassed until Redis answers; connecting,
    /// again and again, runs in the background until the soft stop.
    ///
    /// # Errors
    /// When `url` can never work.
    pub fn start(url: &Masked, ledger: Uuid, limits: Limits, context: &ServiceContext) -> Result<Self, Error> {
        let client = client(url)?;
        let shared = Arc::new(Shared {
            keys: Keys::new(ledger),
            metrics: Metrics::new(&context.registry)?,
            link: RwLock::new(None),
            broken: Notify::new(),
            dependency: context.health.optional("redis"),
        });
        let (lifecycle, kept) = (context.lifecycle.clone(), Arc::clone(&shared));
        context.lifecycle.spawn("redis", async move {
            keep_connected(&kept, &client, limits, &lifecycle).await;
            Ok(())
        });
        Ok(Self { shared, expiry: limits.expiry })
    }
}

#[async_trait]
impl Timelines for RedisTimelines {
    async fn load(&self, vehicles: &[Vehicle]) -> Option<Vec<Option<Snapshot>>> {
        let keys: Vec<String> = vehicles.iter().map(|vehicle| self.shared.keys.of(vehicle)).collect();
        let replies = self.shared.run(keys.iter().map(Cmd::get)).await?;
        let found: Vec<_> = keys.iter().zip(&replies).map(|(key, reply)| snapshot(key, reply)).collect();
        self.shared.metrics.answered(&found);
        Some(found)
    }

    async fn store(&self, snapshots: &[(Vehicle, Snapshot)]) {
        let commands = snapshots.iter().map(|(vehicle, snapshot)| {
            let key = self.shared.keys.of(vehicle);
            let value = format::encode(&key, snapshot);
            set(&key, &value, self.expiry)
        });
        self.shared.run(commands).await;
    }
}

fn set(key: &str, value: &[u8], expiry: Duration) -> Cmd {
    Cmd::set_options(key, value, SetOptions::default().with_expiration(SetExpiry::EX(expiry.as_secs())))
}

/// What is not a timeline of this format counts as missing, and is overwritten when the vehicle is stored.
fn snapshot(key: &str, reply: &Value) -> Option<Snapshot> {
    if let Value::BulkString(value) = reply { format::decode(key, value) } else { None }
}

impl Shared {
    /// Runs commands and gives their replies in order; `None` when Redis is bypassed or fails.
    async fn run(&self, commands: impl ExactSizeIterator<Item = Cmd> + Send) -> Option<Vec<Value>> {
        let count = commands.len();
        let Some(mut link) = self.link() else {
            self.metrics.bypassed(count);
            return None;
        };
        let mut commands = commands;
        let mut replies = Vec::with_capacity(count);
        while replies.len() < count {
            let mut pipeline = Pipeline::with_capacity(COMMANDS_MAX.min(count - replies.len()));
            for command in commands.by_ref().take(COMMANDS_MAX) {
                pipeline.add_command(command);
            }
            match link.run(&pipeline).await {
                Ok(answered) => replies.extend(answered),
                Err(error) => {
                    self.fail(link.number, &error);
                    self.metrics.failed();
                    self.metrics.bypassed(count);
                    return None;
                }
            }
        }
        Some(replies)
    }

    fn link(&self) -> Option<Link> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stand(&self, link: Link) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Some(link);
        self.dependency.up();
    }

    /// From now on Redis is bypassed, unless connection `number` has been replaced already.
    fn fail(&self, number: u64, error: &RedisError) {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        if link.take_if(|link| link.number == number).is_some() {
            self.dependency.down(reason(error));
            self.broken.notify_one();
        }
    }
}

impl Link {
    /// Runs up to [`COMMANDS_MAX`] commands, bounded by the connection's own deadline: the library's futures are not
    /// to be dropped in the middle.
    async fn run(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let replies = self.connection.send_packed_commands(pipeline, 0, pipeline.len()).await?;
        for reply in &replies {
            if let Value::ServerError(error) = reply {
                // A value of another type under our key is not a timeline; any other error is Redis's own state.
                if error.code() != "WRONGTYPE" {
                    return Err(error.clone().into());
                }
            }
        }
        Ok(replies)
    }

    /// Redis takes writes here: it is no replica, not loading, not full, and the user may write our keys.
    async fn probe(&mut self, keys: &Keys) -> Result<(), RedisError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(set(&keys.probe(), b"", PROBE_EXPIRY));
        self.run(&pipeline).await.map(drop)
    }
}

/// Connects, and connects again after each failure, until the soft stop.
async fn keep_connected(shared: &Shared, client: &Client, limits: Limits, lifecycle: &Lifecycle) {
    let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
    for number in 0.. {
        match connect(shared, client, limits, number).await {
            Ok(link) => {
                shared.stand(link.clone());
                watch(shared, link, &mut backoff, lifecycle).await;
            }
            Err(error) => shared.dependency.down(reason(&error)),
        }
        if lifecycle.is_stopping() || !backoff.wait(lifecycle).await {
            return;
        }
    }
}

async fn connect(shared: &Shared, client: &Client, limits: Limits, number: u64) -> Result<Link, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limits.connect))
        .set_response_timeout(Some(limits.response));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut link = Link { number, connection };
    link.probe(&shared.keys).await?;
    Ok(link)
}

/// Returns when the connection has failed, or at the soft stop.
async fn watch(shared: &Shared, mut link: Link, backoff: &mut Backoff, lifecycle: &Lifecycle) {
    loop {
        tokio::select! {
            () = lifecycle.stopping() => return,
            () = shared.broken.notified() => return,
            () = tokio::time::sleep(PROBE_INTERVAL) => {}
        }
        match link.probe(&shared.keys).await {
            // Only a connection that lasts begins the waits anew: a Redis that comes and goes is left alone longer.
            Ok(()) => backoff.reset(),
            Err(error) => {
                shared.metrics.failed();
                shared.fail(link.number, &error);
            }
        }
    }
}

fn client(url: &Masked) -> Result<Client, Error> {
    const KEEPALIVE: Duration = Duration::from_secs(10);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
    let connection = url.expose().into_connection_info().map(|info| info.set_tcp_settings(tcp));
    connection.and_then(Client::open).map_err(|error| {
        let reason = error.detail().map_or_else(|| error.to_string(), str::to_owned);
        Error::Address { url: url.clone(), reason }
    })
}

/// What an operator reads in `/readyz` and in the log, with what to do where it is known.
fn reason(error: &RedisError) -> String {
    let advice = match error.code() {
        Some("OOM") => ": set its maxmemory-policy to allkeys-lru, or give it more memory",
        Some("READONLY" | "MASTERDOWN") => ": it is a replica; DWELL_REDIS_URL must name the primary",
        Some("MOVED" | "CROSSSLOT") => ": it is a node of a cluster, which is not spoken here",
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => ": check user and password in DWELL_REDIS_URL",
        _ if error.kind() == ::redis::ErrorKind::AuthenticationFailed => ": check user and password in DWELL_REDIS_URL",
        _ if error.is_timeout() => " (no answer in time)",
        _ => "",
    };
    format!("{error}{advice}")
}
