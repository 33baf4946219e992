//! The query cache in Redis, shared by the processes of one ledger.
//!
//! A Redis key contains the ledger's id and its revision at the start of the execution, so an answer of another process
//! is used only if it includes all commits that this process knows. It expires with the generation of the process that
//! computed it. [`redis_cache`] handles the connection and its outages.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::redis::{Cmd, Value};
use access::Principal;
use axum::body::Bytes;
use prometheus::IntCounter;
use redis_cache::{Limits, Meters, Redis, RedisTarget, WrongAddress, set};
use service_kit::ServiceContext;
use sessions::{ScopedService, Service};
use settings::{ANSWER_CACHE, Redacted};
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::generation::{CacheKey, Generation};

/// Increment it with every change to the layout of a value, or to the answers for a key.
const FORMAT: u8 = 1;
/// A value begins with the format number, a checksum of all that follows it, and the length of its key.
const HEADER: usize = 1 + size_of::<u64>() + size_of::<u32>();
/// A request that would wait longer is executed without Redis.
pub(super) const LIMITS: Limits = Limits { connect: Duration::from_secs(1), response: Duration::from_millis(50) };

/// The result of a lookup in Redis.
#[derive(Debug)]
pub(super) enum Found {
    /// The answer.
    Answer(Bytes),
    /// Nothing; the answer can be cached under this Redis key.
    Missing(String),
    /// Redis failed, or the value is invalid.
    Down,
}

/// The answers of one ledger in Redis.
#[derive(Debug)]
pub(super) struct SharedQueryCache {
    redis: Redis,
    service: ScopedService,
    prefix: String,
    /// Distinguishes this process's keys from those of the others.
    process: Uuid,
    revision: Mutex<LedgerRevision>,
}

/// The revision of the ledger when it was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct LedgerRevision {
    /// The commits of this process that it is known to include.
    commits: u64,
    /// Its newest change.
    change: Option<u64>,
    /// The commits of this process that the number of the newest change does not cover: a re-read, for instance, commits
    /// without a change. An answer of another process may lack them until there is a newer change.
    uncovered: Option<u64>,
}

impl LedgerRevision {
    fn then(self, commits: u64, change: u64) -> Self {
        let is_newer = self.change.is_some_and(|known| known < change);
        let is_same = self.commits == commits && self.change.is_none_or(|known| known == change);
        let uncovered = match (is_newer, is_same) {
            (true, _) => None,
            (false, true) => self.uncovered,
            (false, false) => Some(commits),
        };
        Self { commits, change: Some(change), uncovered }
    }
}

impl SharedQueryCache {
    /// Starts the cache of the service's ledger at `url`; every lookup misses until Redis is connected.
    pub(super) fn start(
        url: &Redacted,
        service: &Service,
        limits: Limits,
        failures: IntCounter,
        context: &ServiceContext,
    ) -> Result<Self, WrongAddress> {
        let prefix = format!("dwell:a{FORMAT}:{}:", service.ledger_id());
        let target = RedisTarget { url, setting: &ANSWER_CACHE, probe: format!("{prefix}probe") };
        let redis = Redis::start(target, limits, Meters { failures, keys: None }, context)?;
        let service = service.scoped(Principal::system("answer cache"));
        Ok(Self { redis, service, prefix, process: Uuid::new_v4(), revision: Mutex::default() })
    }

    /// The answer to a key, in a generation.
    pub(super) async fn find(&self, generation: &Generation, key: &CacheKey) -> Found {
        let Some(revision) = generation.revision.get_or_init(|| self.revision(generation.commits())).await else {
            return Found::Down;
        };
        let redis_key = format!("{}{revision}:{:032x}", self.prefix, xxh3_128(key.as_bytes()));
        let reply = self.redis.run([Cmd::get(&redis_key)].into_iter()).await.and_then(|mut replies| replies.pop());
        match reply {
            Some(Value::Nil) => Found::Missing(redis_key),
            Some(Value::BulkString(value)) => decode(&value.into(), key).map_or(Found::Down, Found::Answer),
            Some(_) | None => Found::Down,
        }
    }

    /// Caches an answer for the time `left`.
    pub(super) async fn keep(&self, redis_key: &str, key: &CacheKey, answer: &Bytes, left: Duration) {
        if left >= Duration::from_millis(1) {
            let command = set(redis_key, &encode(key, answer), left);
            // If this fails, the next request computes the answer again.
            drop(self.redis.run([command].into_iter()).await);
        }
    }

    /// The ledger's revision, as a part of keys; `None` if it is unknown.
    async fn revision(&self, commits: u64) -> Option<String> {
        let change = self.service.last_change().await.ok()?;
        let mut revision = self.revision.lock().unwrap_or_else(PoisonError::into_inner);
        *revision = revision.then(commits, change);
        Some(match revision.uncovered {
            Some(uncovered) => format!("{change}:{}.{uncovered}", self.process),
            None => change.to_string(),
        })
    }
}

/// Encodes the value of an answer. It contains the key, because two keys may have one hash.
fn encode(key: &CacheKey, answer: &[u8]) -> Vec<u8> {
    let key = key.as_bytes();
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let body = [&length.to_le_bytes(), key, answer].concat();
    [&[FORMAT], xxh3_64(&body).to_le_bytes().as_slice(), &body].concat()
}

/// The answer that [`encode`] wrote for this key; `None` for anything else.
fn decode(value: &Bytes, key: &CacheKey) -> Option<Bytes> {
    let (&format, rest) = value.split_first()?;
    let (checksum, body) = rest.split_first_chunk()?;
    let (length, rest) = body.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let is_ours = format == FORMAT && u64::from_le_bytes(*checksum) == xxh3_64(body);
    let is_this = rest.get(..length) == Some(key.as_bytes());
    (is_ours && is_this).then(|| value.slice(HEADER + length..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_value_of_its_own_key_is_accepted() {
        let (key, other) = (CacheKey::new(*b"{ lots }"), CacheKey::new(*b"{ lot }"));
        let value = encode(&key, b"the answer");
        assert_eq!(decode(&value.clone().into(), &key).as_deref(), Some(b"the answer".as_slice()));
        assert_eq!(decode(&value.clone().into(), &other), None);
        for length in 0..value.len() {
            assert_eq!(decode(&Bytes::copy_from_slice(&value[..length]), &key), None, "cut to {length}");
        }
        for index in 0..value.len() {
            let mut damaged = value.clone();
            damaged[index] ^= 0x10;
            assert_eq!(decode(&damaged.into(), &key), None, "damaged at {index}");
        }
    }

    #[test]
    fn a_commit_without_a_change_has_keys_of_its_process_until_there_is_a_newer_change() {
        let uncovered = |seen: &[(u64, u64)]| {
            seen.iter()
                .fold(LedgerRevision::default(), |revision, (commits, change)| revision.then(*commits, *change))
                .uncovered
        };
        assert_eq!(uncovered(&[(0, 7)]), None);
        assert_eq!(uncovered(&[(3, 7)]), Some(3), "what was committed before the first request");
        assert_eq!(uncovered(&[(0, 7), (0, 7), (0, 8)]), None);
        assert_eq!(uncovered(&[(0, 7), (1, 8)]), None);
        assert_eq!(uncovered(&[(0, 7), (1, 7), (1, 7)]), Some(1));
        assert_eq!(uncovered(&[(0, 7), (1, 7), (1, 8)]), None);
        assert_eq!(uncovered(&[(0, 7), (1, 8), (0, 7)]), Some(0), "of a generation that is over");
    }
}
