//! Checks a Redis: can we log in, does it accept a write, and will it still do so when it is full?
//!
//! The trial write is like those of its users; its key expires after a second.

use std::time::Duration;

use ::redis::RedisError;
use ::redis::aio::MultiplexedConnection;
use redis_cache::{Limits, Opener};
use settings::{Redacted, Setting};
use tls::{Connector, Failure};

use super::address::{host_and_port, unreachable};
use super::clock::{self, ServerTime};
use super::finding::Finding;

pub(super) const SUBJECT: &str = "redis";
const KEY: &str = "dwell:doctor";

/// Checks the Redis of `setting`.
pub(super) async fn check(url: &Redacted, setting: &Setting, timeout: Duration, connector: &Connector) -> Vec<Finding> {
    match look(url, timeout, connector).await {
        Ok(findings) => findings,
        Err(error) => vec![refused(url, setting, &error)],
    }
}

async fn look(url: &Redacted, timeout: Duration, connector: &Connector) -> Result<Vec<Finding>, RedisError> {
    let opened = Opener::new(url, connector)?.open(Limits { connect: timeout, response: timeout }).await?;
    let mut connection = opened.connection.clone();
    ::redis::cmd("SET").arg(KEY).arg("").arg("EX").arg(1).query_async::<()>(&mut connection).await?;
    // Questions that the user's permissions do not allow are left out: the write has succeeded.
    let told: String = ::redis::cmd("INFO").query_async(&mut connection).await.unwrap_or_default();
    let mut findings = vec![memory(url, &told)];
    findings.extend(clock_of(&mut connection).await);
    Ok(findings)
}

async fn clock_of(connection: &mut MultiplexedConnection) -> Option<Finding> {
    let before = clock::now_ms();
    let (seconds, micros): (i64, i64) = ::redis::cmd("TIME").query_async(connection).await.ok()?;
    let theirs = seconds * 1_000 + micros / 1_000;
    clock::finding(SUBJECT, ServerTime { theirs: (theirs, theirs), ours: (before, clock::now_ms()) })
}

/// What it does when its memory is full. It is a cache, so it should evict keys that were not used recently.
fn memory(url: &Redacted, info: &str) -> Finding {
    let field =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or("").trim();
    let version = field("redis_version");
    let seen = Finding::ok(SUBJECT, format!("{url} takes writes (Redis {version})"));
    let (limit, policy) = (field("maxmemory"), field("maxmemory_policy"));
    if limit.is_empty() || limit == "0" || policy != "noeviction" {
        return seen;
    }
    seen.warns(
        format!("its maxmemory is {limit} bytes and its maxmemory-policy noeviction: once it is full it refuses writes, and the cache is bypassed"),
        format!("redis-cli {} CONFIG SET maxmemory-policy allkeys-lru; and the same in redis.conf", place(url)),
    )
}

fn refused(url: &Redacted, setting: &Setting, error: &RedisError) -> Finding {
    let seen = Finding::ok(SUBJECT, url.to_string());
    let name = setting.name;
    let cli = format!("redis-cli {}", place(url));
    if let Some((cause, fix)) = Failure::in_text(&error.to_string()) {
        return seen.fails(cause, fix);
    }
    let (cause, fix) = match error.code() {
        Some("OOM") => (
            "its memory is full and it evicts nothing, so it refuses writes",
            format!("{cli} CONFIG SET maxmemory-policy allkeys-lru; or give it more: {cli} CONFIG SET maxmemory 1gb"),
        ),
        Some("READONLY" | "MASTERDOWN") => (
            "it is a read-only replica",
            format!("name the primary in {name}; which one it is: {cli} INFO replication"),
        ),
        Some("MISCONF") => (
            "it can't save its data to disk, so it refuses writes",
            format!("make room on its disk, then see its log and: {cli} INFO persistence"),
        ),
        Some("MOVED" | "CROSSSLOT" | "CLUSTERDOWN") => {
            ("it is a node of a cluster, which is not supported", format!("name a single Redis in {name}"))
        }
        Some("NOPERM") => (
            "the user has too few rights",
            format!(
                "let the user write and read keys: {cli} ACL SETUSER USER on '~dwell:*' +get +set +mget +ping +info +time"
            ),
        ),
        Some("NOAUTH" | "WRONGPASS") => wrong_login(name),
        Some("LOADING") => ("it still loads its data", "try again in a minute".to_owned()),
        _ if error.kind() == ::redis::ErrorKind::AuthenticationFailed => wrong_login(name),
        _ if error.kind() == ::redis::ErrorKind::InvalidClientConfig => {
            ("the address can't be used", format!("set {name} to {}", setting.allowed))
        }
        _ => ("it does not answer", unreachable("Redis", url.expose(), name)),
    };
    seen.fails(format!("{cause}: {error}"), fix)
}

fn wrong_login(name: &str) -> (&'static str, String) {
    let fix = format!("correct user and password in {name} (redis://USER:PASSWORD@HOST:PORT/0, or rediss:// for TLS)");
    ("it refuses user and password", fix)
}

/// The flags of `redis-cli` that lead there.
fn place(url: &Redacted) -> String {
    match host_and_port(url.expose()).split_once(' ') {
        Some((host, port)) if url.expose().starts_with("rediss:") => format!("-h {host} -p {port} --tls"),
        Some((host, port)) => format!("-h {host} -p {port}"),
        None => String::new(),
    }
}
