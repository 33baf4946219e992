//! Redis as a cache: a connection that is kept up in the background, and bypassed while Redis is down.
//!
//! Redis may be empty, stale, foreign, slow or down: that costs time, but never gives a wrong answer and never
//! blocks. A call that fails or times out returns no answer; from then on Redis is bypassed until a background task
//! has a connection that accepts a write. A lost reply leaves open whether a command was executed, so only idempotent
//! commands belong here.
//!
//! Start reading at [`Redis`]. Deliberately not here: the values, their keys, and hit rates.

mod opener;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use redis::{Cmd, Pipeline, RedisError, SetExpiry, SetOptions, Value};
use service_kit::{Backoff, Dependency, Lifecycle, ServiceContext};
use settings::{Redacted, Setting};
use tokio::sync::Notify;

pub use opener::{Opened, Opener, SCHEMES};

/// The maximum of commands that are sent before their replies are read.
const COMMANDS_MAX: usize = 1_000;
/// The interval of probes on an idle connection, so that an outage is noticed before Redis is needed.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The expiry of the probe's key.
const PROBE_EXPIRY: Duration = Duration::from_mins(1);
/// The bounds of the backoff between two attempts to connect.
const RECONNECT_DELAYS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The timeout of connecting and authenticating.
    pub connect: Duration,
    /// The timeout of the replies to up to a thousand commands.
    pub response: Duration,
}

/// A Redis, and our use of it.
#[derive(Debug, Clone)]
pub struct RedisTarget<'a> {
    /// Its URL.
    pub url: &'a Redacted,
    /// The setting with the URL, for error messages.
    pub setting: &'static Setting,
    /// The key that probes write to.
    pub probe: String,
}

/// The metrics of a Redis.
#[derive(Debug, Clone)]
pub struct Meters {
    /// Calls that failed or timed out, with probes.
    pub failures: IntCounter,
    /// The number of keys besides that of the probe, also of other users of the same database. Unchanged while Redis
    /// does not report it, for instance because the user lacks the permission.
    pub keys: Option<IntGauge>,
}

/// The URL can never work. Temporary errors are retried instead.
#[derive(Debug, thiserror::Error)]
#[error("{}={url} is not an address of Redis ({reason}); allowed is {}", setting.name, setting.allowed)]
pub struct WrongAddress {
    setting: &'static Setting,
    url: Redacted,
    reason: String,
}

/// A Redis that may be down. Cheap to clone; all clones share the connection.
#[derive(Debug, Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    setting: &'static Setting,
    probe: String,
    /// `None` while Redis is bypassed.
    link: RwLock<Option<Link>>,
    broken: Notify,
    dependency: Dependency,
    meters: Meters,
}

/// A connection, numbered so that a late failure of an old one does not end its successor.
#[derive(Debug, Clone)]
struct Link {
    number: u64,
    opened: Opened,
}

impl Redis {
    /// The Redis at `target`. Returns at once; Redis is bypassed until it answers. A background task connects and
    /// reconnects until the soft stop. Health shows it as the optional dependency `redis`.
    ///
    /// # Errors
    /// The URL can never work.
    pub fn start(
        target: RedisTarget<'_>,
        limits: Limits,
        meters: Meters,
        context: &ServiceContext,
    ) -> Result<Self, WrongAddress> {
        let opener = opener(&target, context)?;
        let shared = Arc::new(Shared {
            setting: target.setting,
            probe: target.probe,
            link: RwLock::new(None),
            broken: Notify::new(),
            dependency: context.health.optional("redis"),
            meters,
        });
        let (lifecycle, kept) = (context.lifecycle.clone(), Arc::clone(&shared));
        context.lifecycle.spawn("redis", async move {
            keep_connected(&kept, &opener, limits, &lifecycle).await;
            Ok(())
        });
        Ok(Self { shared })
    }

    /// Runs commands and returns their replies in order; `None` if Redis is bypassed or fails. Each command must name
    /// one key, so that the keys can be spread over a cluster.
    pub async fn run(&self, commands: impl ExactSizeIterator<Item = Cmd> + Send) -> Option<Vec<Value>> {
        let mut link = self.shared.link()?;
        let count = commands.len();
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
                    self.shared.fail(link.number, &error);
                    return None;
                }
            }
        }
        Some(replies)
    }
}

impl Shared {
    fn link(&self) -> Option<Link> {
        self.link.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stand(&self, link: Link) {
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Some(link);
        self.dependency.up();
    }

    /// Bypasses Redis from now on, unless connection `number` has been replaced already.
    fn fail(&self, number: u64, error: &RedisError) {
        self.meters.failures.inc();
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        if link.take_if(|link| link.number == number).is_some() {
            self.dependency.down(self.reason(error));
            self.broken.notify_one();
        }
    }

    /// The reason in `/readyz` and in the log, with what to do if it is known.
    fn reason(&self, error: &RedisError) -> String {
        let name = self.setting.name;
        let advice = match error.code() {
            Some("OOM") => ": set its maxmemory-policy to allkeys-lru, or give it more memory".to_owned(),
            Some("READONLY" | "MASTERDOWN") => format!(": it is a replica; {name} must name the primary"),
            Some("MOVED" | "CROSSSLOT") => ": it is a node of a cluster, which is not supported".to_owned(),
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => format!(": check user and password in {name}"),
            _ if error.kind() == redis::ErrorKind::AuthenticationFailed => {
                format!(": check user and password in {name}")
            }
            _ if error.is_timeout() => " (no answer in time)".to_owned(),
            _ => String::new(),
        };
        format!("{error}{advice}")
    }
}

impl Link {
    /// Runs up to [`COMMANDS_MAX`] commands within the connection's own timeout: the library's futures must not be
    /// dropped before they are ready.
    async fn run(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let replies = self.opened.connection.send_packed_commands(pipeline, 0, pipeline.len()).await?;
        for reply in &replies {
            if let Value::ServerError(error) = reply {
                // A value of another type under our key is a foreign one; any other error is Redis's own state.
                if error.code() != "WRONGTYPE" {
                    return Err(error.clone().into());
                }
            }
        }
        Ok(replies)
    }

    /// Checks that Redis accepts writes: it is not a replica, not loading, not full, and the user may write our keys.
    async fn probe(&mut self, key: &str) -> Result<(), RedisError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(set(key, b"", PROBE_EXPIRY));
        self.run(&pipeline).await.map(drop)
    }

    /// Reads the number of keys for the metric; a failure does not matter.
    async fn count_keys(&mut self, shown: &IntGauge) {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("DBSIZE");
        if let Ok(replies) = self.run(&pipeline).await
            && let Some(Value::Int(keys)) = replies.first()
        {
            shown.set(keys.saturating_sub(1));
        }
    }
}

/// The command that stores a value with this expiry, in milliseconds.
pub fn set(key: &str, value: &[u8], expiry: Duration) -> Cmd {
    let millis = u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX).max(1);
    Cmd::set_options(key, value, SetOptions::default().with_expiration(SetExpiry::PX(millis)))
}

/// Connects, and reconnects after each failure, until the soft stop.
async fn keep_connected(shared: &Shared, opener: &Opener, limits: Limits, lifecycle: &Lifecycle) {
    let mut backoff = Backoff::new(RECONNECT_DELAYS.0, RECONNECT_DELAYS.1);
    for number in 0.. {
        match connect(shared, opener, limits, number).await {
            Ok(link) => {
                shared.stand(link.clone());
                watch(shared, link, &mut backoff, lifecycle).await;
            }
            Err(error) => shared.dependency.down(shared.reason(&error)),
        }
        if lifecycle.is_stopping() || !backoff.wait(lifecycle).await {
            return;
        }
    }
}

async fn connect(shared: &Shared, opener: &Opener, limits: Limits, number: u64) -> Result<Link, RedisError> {
    let mut link = Link { number, opened: opener.open(limits).await? };
    link.probe(&shared.probe).await?;
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
        match link.probe(&shared.probe).await {
            // Only a connection that lasts resets the backoff, so that a flapping Redis is retried less often.
            Ok(()) => {
                backoff.reset();
                if let Some(keys) = &shared.meters.keys {
                    link.count_keys(keys).await;
                }
            }
            Err(error) => shared.fail(link.number, &error),
        }
    }
}

fn opener(target: &RedisTarget<'_>, context: &ServiceContext) -> Result<Opener, WrongAddress> {
    Opener::new(target.url, &context.connector).map_err(|error| {
        let reason = error.detail().map_or_else(|| error.to_string(), str::to_owned);
        WrongAddress { setting: target.setting, url: target.url.clone(), reason }
    })
}
