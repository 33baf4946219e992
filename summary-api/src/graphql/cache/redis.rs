//! Answers in Redis, shared by the processes of one ledger.
//!
//! A key says which ledger it is about and where that stood when the answer was begun, so an answer of another process is
//! taken only when it has at least what this one knows to be committed. It is gone when the moment of the process that
//! made it is over. The connection, and what happens while there is none, is [`redis_cache`]'s.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::redis::{Cmd, Value};
use axum::body::Bytes;
use prometheus::IntCounter;
use redis_cache::{Limits, Meters, Redis, RedisTarget, WrongAddress, set};
use service_kit::ServiceContext;
use sessions::Service;
use settings::{ANSWER_CACHE, Redacted};
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::moment::{Moment, Question};

/// Raised with every change to the layout of a value, or to what the answers to the same question look like.
const FORMAT: u8 = 1;
/// A value begins with the format number, a checksum of all that follows it, and the length of its question.
const HEADER: usize = 1 + size_of::<u64>() + size_of::<u32>();
/// A question that would wait longer is answered sooner without Redis.
pub(super) const LIMITS: Limits = Limits { connect: Duration::from_secs(1), response: Duration::from_millis(50) };

/// What Redis has of an answer.
#[derive(Debug)]
pub(super) enum Found {
    /// All of it.
    Answer(Bytes),
    /// Nothing; it may be kept under this key.
    Missing(String),
    /// It could not be asked, or what it said was no answer of ours.
    Away,
}

/// The answers of one ledger in Redis.
#[derive(Debug)]
pub(super) struct SharedAnswers {
    redis: Redis,
    service: Service,
    prefix: String,
    /// Tells this process's keys from those of the others.
    process: Uuid,
    stand: Mutex<Stand>,
}

/// How the ledger stood when it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stand {
    /// How many commits of this process were known to be in it.
    commits: u64,
    /// Its newest change.
    change: Option<u64>,
    /// The commits of this process that the number of the newest change does not tell of, for there are commits without a
    /// change: of a re-read, for instance. An answer of another process may lack them until there is a newer change.
    untold: Option<u64>,
}

impl Stand {
    fn then(self, commits: u64, change: u64) -> Self {
        let is_newer = self.change.is_some_and(|known| known < change);
        let is_same = self.commits == commits && self.change.is_none_or(|known| known == change);
        let untold = match (is_newer, is_same) {
            (true, _) => None,
            (false, true) => self.untold,
            (false, false) => Some(commits),
        };
        Self { commits, change: Some(change), untold }
    }
}

impl SharedAnswers {
    /// The answers of the service's ledger at `url`; there is none until Redis answers.
    pub(super) fn start(
        url: &Redacted,
        service: &Service,
        limits: Limits,
        failures: IntCounter,
        context: &ServiceContext,
    ) -> Result<Self, WrongAddress> {
        let prefix = format!("dwell:a{FORMAT}:{}:", service.info().ledger);
        let target = RedisTarget { url, setting: &ANSWER_CACHE, probe: format!("{prefix}probe") };
        let redis = Redis::start(target, limits, Meters { failures, keys: None }, context)?;
        Ok(Self { redis, service: service.clone(), prefix, process: Uuid::new_v4(), stand: Mutex::default() })
    }

    /// The answer to a question, in a moment.
    pub(super) async fn find(&self, moment: &Moment, question: &Question) -> Found {
        let Some(stand) = moment.stand.get_or_init(|| self.stand(moment.commits())).await else { return Found::Away };
        let key = format!("{}{stand}:{:032x}", self.prefix, xxh3_128(question.as_bytes()));
        let reply = self.redis.run([Cmd::get(&key)].into_iter()).await.and_then(|mut replies| replies.pop());
        match reply {
            Some(Value::Nil) => Found::Missing(key),
            Some(Value::BulkString(value)) => decode(&value.into(), question).map_or(Found::Away, Found::Answer),
            Some(_) | None => Found::Away,
        }
    }

    /// Keeps an answer for so long.
    pub(super) async fn keep(&self, key: &str, question: &Question, answer: &Bytes, left: Duration) {
        if left >= Duration::from_millis(1) {
            let command = set(key, &encode(question, answer), left);
            // When this fails, the next one makes the answer anew.
            drop(self.redis.run([command].into_iter()).await);
        }
    }

    /// Where the ledger stands, as a part of keys; `None` when it does not say.
    async fn stand(&self, commits: u64) -> Option<String> {
        let change = self.service.last_change().await.ok()?;
        let mut stand = self.stand.lock().unwrap_or_else(PoisonError::into_inner);
        *stand = stand.then(commits, change);
        Some(match stand.untold {
            Some(untold) => format!("{change}:{}.{untold}", self.process),
            None => change.to_string(),
        })
    }
}

/// The value of an answer. It has the question in it, since two may have the same hash.
fn encode(question: &Question, answer: &[u8]) -> Vec<u8> {
    let question = question.as_bytes();
    let length = u32::try_from(question.len()).unwrap_or(u32::MAX);
    let body = [&length.to_le_bytes(), question, answer].concat();
    [&[FORMAT], xxh3_64(&body).to_le_bytes().as_slice(), &body].concat()
}

/// The answer that [`encode`] wrote for this question; `None` for anything else.
fn decode(value: &Bytes, question: &Question) -> Option<Bytes> {
    let (&format, rest) = value.split_first()?;
    let (checksum, body) = rest.split_first_chunk()?;
    let (length, rest) = body.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let is_ours = format == FORMAT && u64::from_le_bytes(*checksum) == xxh3_64(body);
    let is_this = rest.get(..length) == Some(question.as_bytes());
    (is_ours && is_this).then(|| value.slice(HEADER + length..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_value_of_its_own_question_is_taken() {
        let (question, other) = (Question::new(*b"{ lots }"), Question::new(*b"{ lot }"));
        let value = encode(&question, b"the answer");
        assert_eq!(decode(&value.clone().into(), &question).as_deref(), Some(b"the answer".as_slice()));
        assert_eq!(decode(&value.clone().into(), &other), None);
        for length in 0..value.len() {
            assert_eq!(decode(&Bytes::copy_from_slice(&value[..length]), &question), None, "cut to {length}");
        }
        for place in 0..value.len() {
            let mut damaged = value.clone();
            damaged[place] ^= 0x10;
            assert_eq!(decode(&damaged.into(), &question), None, "damaged at {place}");
        }
    }

    #[test]
    fn a_commit_that_no_change_tells_of_is_this_processs_own_until_there_is_a_newer_change() {
        let untold = |seen: &[(u64, u64)]| {
            seen.iter().fold(Stand::default(), |stand, (commits, change)| stand.then(*commits, *change)).untold
        };
        assert_eq!(untold(&[(0, 7)]), None);
        assert_eq!(untold(&[(3, 7)]), Some(3), "what was committed before the first question");
        assert_eq!(untold(&[(0, 7), (0, 7), (0, 8)]), None);
        assert_eq!(untold(&[(0, 7), (1, 8)]), None);
        assert_eq!(untold(&[(0, 7), (1, 7), (1, 7)]), Some(1));
        assert_eq!(untold(&[(0, 7), (1, 7), (1, 8)]), None);
        assert_eq!(untold(&[(0, 7), (1, 8), (0, 7)]), Some(0), "of a moment that is over");
    }
}
