//! The query cache that the processes of one ledger share, and a failing Redis.

use std::time::Instant;

use access::Principal;
use parking::{Lots, Rules, Timestamp};
use sessions::CallOptions;
use sessions::testing::{Vehicles, minute};
use settings::Redacted;
use testbed::{Postgres, Redis, wait_until};
use uuid::Uuid;

use super::super::redis::LIMITS;
use super::*;

/// How long a recovery may take on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(30);
/// A delay that no client notices.
const NEVER_A_WAIT: Duration = Duration::from_millis(500);
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A process of the summary API, reduced to its query cache.
struct Process {
    service: Service,
    answers: QueryCache,
    executed: AtomicU64,
    context: ServiceContext,
}

impl Process {
    /// A process on that ledger, connected to Redis, and patient, so that only what a test does makes a call fail.
    async fn start(ledger_url: &str, redis: &Redis) -> Self {
        let patient = redis_cache::Limits { response: Duration::from_secs(5), ..LIMITS };
        let process = Self::with(ledger_url, &redis.url(), patient).await;
        wait_until(DEADLINE, "a connection to Redis", async || process.is_connected()).await;
        process
    }

    async fn with(ledger_url: &str, redis_url: &str, limits: redis_cache::Limits) -> Self {
        let context = ServiceContext::for_testing();
        let ledger = ledger_stores::open(ledger_url, &tls::Connector::default(), NOW).await.unwrap();
        let service = Service::new(ledger, Rules::default(), Lots::default(), &context);
        let failures = CacheMetrics::failures(&context.registry);
        let shared = SharedQueryCache::start(&Redacted::url(redis_url), &service, limits, failures, &context).unwrap();
        let answers = QueryCache::new(Backend::Redis(shared), service.commits(), &context);
        Self { service, answers, executed: AtomicU64::new(0), context }
    }

    fn is_connected(&self) -> bool {
        self.context.health.report() == "[+]redis ok (optional)\n"
    }

    /// Whether an event is recorded, by a cached answer or a new one.
    async fn knows(&self, event: u128) -> bool {
        self.asks(&format!("is {event} recorded?"), event).await
    }

    async fn asks(&self, key: &str, event: u128) -> bool {
        let execute = async {
            self.executed.fetch_add(1, Ordering::SeqCst);
            let known =
                !self.service.scoped(Principal::local()).explain(Uuid::from_u128(event)).await.unwrap().is_empty();
            Computed { bytes: known.to_string().into(), is_cacheable: true }
        };
        self.answers.answer(asked(key), execute).await == "true"
    }

    fn executed(&self) -> u64 {
        self.executed.load(Ordering::SeqCst)
    }
}

async fn ledger_of_many() -> String {
    Postgres::shared().await.unwrap().database().await.unwrap()
}

#[tokio::test]
#[ignore = "needs Redis and PostgreSQL: ci/test"]
async fn an_answer_of_another_process_is_a_hit() {
    let (redis, url) = (Redis::start().await.unwrap(), ledger_of_many().await);
    let (one, other) = (Process::start(&url, &redis).await, Process::start(&url, &redis).await);

    // An answer expires with the generation of its process, maybe before the other process looks it up.
    let mut number = 0;
    wait_until(DEADLINE, "an answer to be shared", async || {
        number += 1;
        let (key, before) = (format!("key {number}"), other.executed());
        assert_eq!([one.asks(&key, 1).await, other.asks(&key, 1).await], [false, false]);
        other.executed() == before
    })
    .await;

    assert_eq!(counted(&one.context), [0, number, 0, 0]);
    assert_eq!(counted(&other.context), [1, number - 1, 0, 0]);
    let keys = redis.command(&["KEYS", &format!("dwell:a1:{}:*:*", one.service.ledger_id())]).await.unwrap();
    for key in keys.lines() {
        let left: i64 = redis.command(&["PTTL", key]).await.unwrap().parse().unwrap();
        assert!(left <= 1_000 && left != -1, "{key} stays for {left} ms");
    }
}

#[tokio::test]
#[ignore = "needs Redis and PostgreSQL: ci/test"]
async fn a_client_reads_its_own_writes_at_once_and_those_of_others_soon() {
    let (redis, url) = (Redis::start().await.unwrap(), ledger_of_many().await);
    let (writer, other) = (Process::start(&url, &redis).await, Process::start(&url, &redis).await);
    let mut vehicles = Vehicles::default();

    // A re-read is an event without a change, so the number of the newest change stays the same.
    for event in 1..=6 {
        let read = vehicles.entry("P3", "ABC123", minute(0).plus_millis(i64::try_from(event).unwrap() * 1_000));
        assert_eq!([writer.knows(event).await, other.knows(event).await], [false, false]);

        writer.service.scoped(Principal::local()).record(vec![read], CallOptions::default()).await.unwrap();

        assert!(writer.knows(event).await, "event {event}");
        wait_until(DEADLINE, "another process to see it", async || other.knows(event).await).await;
    }
    assert_eq!(writer.service.scoped(Principal::local()).last_change().await.unwrap(), 1);
    assert_eq!([&writer, &other].map(|process| counted(&process.context)[3]), [0, 0]);
}

#[tokio::test]
#[ignore = "needs Redis and PostgreSQL: ci/test"]
async fn a_client_that_saves_a_summary_again_sees_it() {
    let (redis, url) = (Redis::start().await.unwrap(), ledger_of_many().await);
    let (one, other) = (Process::start(&url, &redis).await, Process::start(&url, &redis).await);
    let summary =
        || ledger::Summary { vehicle: sessions::testing::vehicle("P3", "FIN123"), entry: minute(0), exit: minute(90) };
    let sessions = async |process: &Process| {
        let execute = async {
            let page = sessions::Page { limit: 10, after: None, order: ledger::Order::NewestFirst };
            let scoped = process.service.scoped(Principal::local());
            let rows = scoped.sessions(&ledger::SessionFilter::default(), page).await.unwrap().rows;
            Computed { bytes: rows.len().to_string().into(), is_cacheable: true }
        };
        text(&process.answers.answer(asked("how many sessions?"), execute).await)
    };
    assert_eq!([sessions(&one).await, sessions(&other).await], ["0", "0"]);

    assert!(one.service.scoped(Principal::local()).save_summary(summary(), None).await.unwrap().is_new);
    assert_eq!(sessions(&one).await, "1");
    assert!(!other.service.scoped(Principal::local()).save_summary(summary(), None).await.unwrap().is_new);
    assert_eq!(sessions(&other).await, "1");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ci/test"]
async fn a_redis_that_is_not_there_costs_nothing_but_the_cache() {
    let url = ledger_of_many().await;
    let away = format!("redis://:hidden@127.0.0.1:{}", testbed::free_port());
    let process = Process::with(&url, &away, LIMITS).await;

    for _ in 0..3 {
        assert!(!process.knows(1).await);
    }

    assert_eq!((process.executed(), counted(&process.context)), (3, [0, 0, 0, 3]));
    assert!(process.context.health.is_ready(), "the cache is optional");
    assert!(!format!("{:?} {}", process.answers, process.context.health.report()).contains("hidden"));
}

#[tokio::test]
#[ignore = "needs Redis and PostgreSQL: ci/test"]
async fn a_redis_that_hangs_delays_nothing_and_is_used_again_after_it_recovers() {
    let (redis, url) = (Redis::start().await.unwrap(), ledger_of_many().await);
    let process = Process::with(&url, &redis.url(), LIMITS).await;
    let shares = async || {
        let before = counted(&process.context)[0];
        process.knows(1).await;
        process.knows(1).await;
        counted(&process.context)[0] > before
    };
    wait_until(DEADLINE, "Redis to be used", shares).await;

    redis.pause().unwrap();
    let errors = counted(&process.context)[3];
    for _ in 0..3 {
        let begun = Instant::now();
        assert!(!process.knows(1).await);
        assert!(begun.elapsed() < NEVER_A_WAIT, "{:?}", begun.elapsed());
    }
    assert_eq!(counted(&process.context)[3], errors + 3);
    assert!(metric(&process.context, "dwell_answer_cache_errors_total") >= 1);

    redis.resume().unwrap();
    wait_until(DEADLINE, "Redis to be used again", shares).await;
}

#[tokio::test]
#[ignore = "needs Redis and PostgreSQL: ci/test"]
async fn an_invalid_value_in_redis_is_never_returned() {
    let (redis, url) = (Redis::start().await.unwrap(), ledger_of_many().await);
    let process = Process::start(&url, &redis).await;
    let nonsense = "for _, key in ipairs(redis.call('KEYS', 'dwell:a1:*')) do redis.call('SET', key, 'true') end";

    // The value in Redis expires with its generation.
    wait_until(DEADLINE, "nonsense to be found", async || {
        assert!(!process.knows(1).await);
        redis.command(&["EVAL", nonsense, "0"]).await.unwrap();
        assert!(!process.knows(1).await);
        counted(&process.context)[3] > 0
    })
    .await;
}
