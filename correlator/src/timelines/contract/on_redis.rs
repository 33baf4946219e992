//! Faults of Redis: they cost time, but never give a wrong answer or block.

use testbed::{Redis, wait_until};

use super::super::redis::{Error, Limits, RedisTimelines};
use super::*;

/// The timeout of a recovery, on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(30);
/// The limit of a call that must not wait.
const NEVER_A_WAIT: Duration = Duration::from_millis(900);

/// A cache with long timeouts, so that only the fault of a test can fail a call.
pub(super) async fn connected(redis: &Redis, context: &ServiceContext) -> RedisTimelines {
    let mut patient = Limits::default();
    patient.connection.response = Duration::from_secs(5);
    connected_to(&redis.url(), LEDGER, patient, context).await
}

async fn connected_to(url: &str, ledger: Uuid, limits: Limits, context: &ServiceContext) -> RedisTimelines {
    let timelines = start(url, ledger, limits, context);
    wait_until(DEADLINE, "a connection to Redis", async || is_up(context)).await;
    timelines
}

fn start(url: &str, ledger: Uuid, limits: Limits, context: &ServiceContext) -> RedisTimelines {
    RedisTimelines::start(&Redacted::url(url), ledger, limits, context).unwrap()
}

fn is_up(context: &ServiceContext) -> bool {
    context.health.report() == "[+]redis ok (optional)\n"
}

/// Waits until stored timelines can be loaded again.
async fn recovers(timelines: &RedisTimelines) {
    wait_until(DEADLINE, "Redis to be used again", async || {
        timelines.store(&[(vehicle("P3", 99), snapshot(99))]).await;
        timelines.load(&[vehicle("P3", 99)]).await == Some(vec![Some(snapshot(99))])
    })
    .await;
}

async fn load_one(timelines: &RedisTimelines) -> Option<Snapshot> {
    timelines.load(&[vehicle("P3", 1)]).await.and_then(|mut found| found.remove(0))
}

async fn key_of_one(redis: &Redis) -> String {
    let key = format!("dwell:t1:{LEDGER}:{{P3:A1}}");
    assert_eq!(redis.command(&["EXISTS", &key]).await.unwrap(), "1", "{key}");
    key
}

#[test]
fn an_address_that_can_never_work_is_refused_without_its_password() {
    let context = ServiceContext::for_testing();
    for url in ["", "127.0.0.1:6379", "http://:hidden@host", "redisss://:hidden@host", "redis://:hidden@host/first"] {
        let refused = RedisTimelines::start(&Redacted::url(url), LEDGER, Limits::default(), &context);
        let Err(error @ Error::Address(_)) = refused else { panic!("{url} was taken") };
        let said = error.to_string();
        assert!(said.starts_with("DWELL_REDIS_URL=") && !said.contains("hidden"), "{said}");
    }
}

#[tokio::test]
async fn redis_that_is_not_there_is_bypassed_at_once() {
    let context = ServiceContext::for_testing();
    let url = format!("redis://:hidden@127.0.0.1:{}", testbed::free_port());
    let timelines = start(&url, LEDGER, Limits::default(), &context);

    let begin = Instant::now();
    timelines.store(&[(vehicle("P3", 1), snapshot(1))]).await;
    assert_eq!(timelines.load(&[vehicle("P3", 1), vehicle("P3", 2)]).await, None);
    assert!(begin.elapsed() < NEVER_A_WAIT, "{:?}", begin.elapsed());

    assert_eq!(metric(&context, "dwell_cache_bypassed_total"), 3);
    wait_until(DEADLINE, "the outage to be seen", async || context.health.report().contains("refused")).await;
    assert!(context.health.is_ready(), "the cache is optional");
    assert!(!format!("{timelines:?} {}", context.health.report()).contains("hidden"));
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn how_many_timelines_redis_has_is_shown_to_whoever_may_ask() {
    let redis = Redis::start().await.unwrap();
    redis.command(&["ACL", "SETUSER", "plain", "on", ">hidden", "~*", "+@all", "-dbsize"]).await.unwrap();
    let (context, plain_context) = (ServiceContext::for_testing(), ServiceContext::for_testing());
    let timelines = connected(&redis, &context).await;
    let url = redis.url().replace("redis://", "redis://plain:hidden@");
    let plain = connected_to(&url, LEDGER, Limits::default(), &plain_context).await;
    timelines.store(&[(vehicle("P3", 1), snapshot(1)), (vehicle("P3", 2), snapshot(2))]).await;

    wait_until(DEADLINE, "both to ask", async || {
        let asked = redis.command(&["INFO", "commandstats"]).await.unwrap();
        let refused =
            asked.lines().any(|line| line.starts_with("cmdstat_dbsize") && !line.contains("rejected_calls=0"));
        refused && metric(&context, "dwell_cache_timelines") == 2
    })
    .await;

    assert_eq!(load_one(&plain).await, Some(snapshot(1)));
    assert_eq!((is_up(&plain_context), metric(&plain_context, "dwell_cache_timelines")), (true, 0));
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn another_ledgers_timelines_are_not_seen() {
    let redis = Redis::start().await.unwrap();
    let (context, other_context) = (ServiceContext::for_testing(), ServiceContext::for_testing());
    let timelines = connected(&redis, &context).await;
    let other = connected_to(&redis.url(), Uuid::from_u128(8), Limits::default(), &other_context).await;
    timelines.store(&[(vehicle("P3", 1), snapshot(1))]).await;

    assert_eq!(load_one(&other).await, None);
    other.store(&[(vehicle("P3", 1), snapshot(2))]).await;
    assert_eq!(load_one(&timelines).await, Some(snapshot(1)));
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn two_correlators_of_a_ledger_share_their_timelines_which_expire() {
    let redis = Redis::start().await.unwrap();
    let (context, other_context) = (ServiceContext::for_testing(), ServiceContext::for_testing());
    let timelines = connected(&redis, &context).await;
    let other = connected(&redis, &other_context).await;
    timelines.store(&[(vehicle("P3", 1), snapshot(1))]).await;

    assert_eq!(load_one(&other).await, Some(snapshot(1)));
    let left: u64 = redis.command(&["TTL", &key_of_one(&redis).await]).await.unwrap().parse().unwrap();
    assert!((129_500..=129_600).contains(&left), "{left} s");
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn redis_that_hangs_is_not_waited_for_and_used_again_when_it_wakes() {
    let redis = Redis::start().await.unwrap();
    let context = ServiceContext::for_testing();
    let timelines = connected_to(&redis.url(), LEDGER, Limits::default(), &context).await;
    recovers(&timelines).await;

    redis.pause().unwrap();
    for _ in 0..3 {
        let begin = Instant::now();
        assert_eq!(load_one(&timelines).await, None);
        timelines.store(&[(vehicle("P3", 1), snapshot(1))]).await;
        assert!(begin.elapsed() < NEVER_A_WAIT, "{:?}", begin.elapsed());
    }
    assert!(context.health.report().contains("[-]redis"), "{}", context.health.report());
    assert!(metric(&context, "dwell_cache_errors_total") >= 1);

    redis.resume().unwrap();
    recovers(&timelines).await;
    assert!(is_up(&context));
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn redis_that_is_killed_and_started_again_is_used_again() {
    let mut redis = Redis::start().await.unwrap();
    let context = ServiceContext::for_testing();
    let timelines = connected(&redis, &context).await;
    timelines.store(&[(vehicle("P3", 1), snapshot(1))]).await;

    redis.kill().unwrap();
    assert_eq!(load_one(&timelines).await, None);
    wait_until(DEADLINE, "the outage to be seen", async || !is_up(&context)).await;

    redis.restart().await.unwrap();
    recovers(&timelines).await;
    assert_eq!(load_one(&timelines).await, Some(snapshot(1)), "its data outlived it");
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn an_older_redis_answers_what_it_knew_and_an_emptied_one_nothing() {
    let mut redis = Redis::start().await.unwrap();
    let context = ServiceContext::for_testing();
    let timelines = connected(&redis, &context).await;
    timelines.store(&[(vehicle("P3", 1), snapshot(1))]).await;
    let older = redis.copy().unwrap();
    timelines.store(&[(vehicle("P3", 1), snapshot(2))]).await;

    redis.replace_data(&older).await.unwrap();
    recovers(&timelines).await;
    assert_eq!(load_one(&timelines).await, Some(snapshot(1)));

    redis.flush().await.unwrap();
    assert_eq!(load_one(&timelines).await, None);
    timelines.store(&[(vehicle("P3", 1), snapshot(3))]).await;
    assert_eq!(load_one(&timelines).await, Some(snapshot(3)));
    assert!(is_up(&context));
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn what_is_no_timeline_counts_as_missing_and_is_overwritten() {
    let redis = Redis::start().await.unwrap();
    let context = ServiceContext::for_testing();
    let timelines = connected(&redis, &context).await;
    let both = [(vehicle("P3", 1), snapshot(1)), (vehicle("P3", 2), snapshot(2))];
    timelines.store(&both).await;
    let key = key_of_one(&redis).await;
    let of_another_vehicle = key.replace("A1", "A2");

    for foreign in [
        ["SET", &key, "garbage"].as_slice(),
        &["SET", &key, ""],
        &["SETRANGE", &key, "12", "damaged"],
        &["EVAL", "redis.call('DEL', KEYS[1]) return redis.call('LPUSH', KEYS[1], 'a list')", "1", &key],
        &["COPY", &of_another_vehicle, &key, "REPLACE"],
    ] {
        redis.command(foreign).await.unwrap();
        let vehicles = both.clone().map(|(vehicle, _)| vehicle);
        assert_eq!(loaded(&timelines, &vehicles).await, [None, Some(snapshot(2))], "{foreign:?}");
        timelines.store(&both).await;
        assert_eq!(loaded(&timelines, &vehicles).await, [Some(snapshot(1)), Some(snapshot(2))], "{foreign:?}");
    }
    assert!(is_up(&context));
    assert_eq!(metric(&context, "dwell_cache_errors_total"), 0);
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn redis_that_takes_no_writes_is_bypassed_until_it_does() {
    let redis = Redis::start().await.unwrap();
    let context = ServiceContext::for_testing();
    let timelines = connected(&redis, &context).await;

    let states = [
        (["REPLICAOF", "127.0.0.1", "1"].as_slice(), "replica", ["REPLICAOF", "NO", "ONE"].as_slice()),
        (&["CONFIG", "SET", "maxmemory", "1"], "maxmemory-policy", &["CONFIG", "SET", "maxmemory", "0"]),
    ];
    for (begin, advice, end) in states {
        redis.command(begin).await.unwrap();
        timelines.store(&[(vehicle("P3", 1), snapshot(1))]).await;
        let report = context.health.report();
        assert!(report.contains("[-]redis") && report.contains(advice), "{report}");
        assert_eq!(load_one(&timelines).await, None);

        redis.command(end).await.unwrap();
        recovers(&timelines).await;
    }
}

#[tokio::test]
#[ignore = "needs Redis: ci/test"]
async fn wrong_password_is_said_without_showing_it_and_tried_until_it_is_right() {
    let redis = Redis::start().await.unwrap();
    let context = ServiceContext::for_testing();
    let url = format!("redis://dwell:hidden@{}/0", redis.address());
    let timelines = start(&url, LEDGER, Limits::default(), &context);

    wait_until(DEADLINE, "the refusal to be said", async || context.health.report().contains("DWELL_REDIS_URL")).await;
    assert!(!context.health.report().contains("hidden"), "{}", context.health.report());
    assert_eq!(load_one(&timelines).await, None);

    // The minimal permissions that the cache needs in Redis.
    let user = ["ACL", "SETUSER", "dwell", "on", ">hidden", "~dwell:*", "+get", "+set"];
    redis.command(&user).await.unwrap();
    recovers(&timelines).await;
    assert!(is_up(&context));
}
