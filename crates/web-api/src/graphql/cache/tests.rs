//! Claims about the cache in memory: lifetime, limits, and answers that are never cached.

mod on_redis;

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join_all;
use tokio::sync::Notify;
use tokio::time::advance;

use super::*;

/// A cache in this process, and its ledger: a number of commits.
struct Kept {
    answers: QueryCache,
    commits: watch::Sender<u64>,
    executed: AtomicU64,
    context: ServiceContext,
}

impl Kept {
    fn new(backend: Backend) -> Self {
        let (commits, receiver) = watch::channel(0);
        let context = ServiceContext::for_testing();
        Self { answers: QueryCache::new(backend, receiver, &context), commits, executed: AtomicU64::new(0), context }
    }

    fn commit(&self) {
        self.commits.send_modify(|commits| *commits += 1);
    }

    /// The number of the execution that produced the answer.
    async fn ask(&self, key: &str) -> String {
        self.ask_for(key, async { true }).await
    }

    /// Like `asks`, but an answer takes as long as `work`, which returns whether it can be cached.
    async fn ask_for(&self, key: &str, work: impl Future<Output = bool> + Send) -> String {
        let execute = async {
            let number = self.executed.fetch_add(1, Ordering::SeqCst) + 1;
            let is_cacheable = work.await;
            Computed { bytes: number.to_string().into(), is_cacheable }
        };
        text(&self.answers.answer(asked(key), execute).await)
    }

    fn counted(&self) -> [u64; 4] {
        counted(&self.context)
    }
}

fn asked(key: &str) -> CacheKey {
    CacheKey::new(key.as_bytes())
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The counts of hits, misses, passed requests and errors.
fn counted(context: &ServiceContext) -> [u64; 4] {
    ["hit", "miss", "passed", "error"]
        .map(|result| metric(context, &format!("dwell_answer_cache_requests_total{{result=\"{result}\"}}")))
}

fn metric(context: &ServiceContext, series: &str) -> u64 {
    let page = service_kit::metrics::render(&context.registry);
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_cached_answer_expires_after_a_second_and_at_each_commit() {
    let kept = Kept::new(Backend::Process);

    assert_eq!([kept.ask("a").await, kept.ask("a").await, kept.ask("b").await], ["1", "1", "2"]);
    advance(Duration::from_millis(999)).await;
    assert_eq!([kept.ask("a").await, kept.ask("b").await], ["1", "2"]);
    advance(Duration::from_millis(1)).await;
    assert_eq!([kept.ask("a").await, kept.ask("a").await], ["3", "3"]);
    kept.commit();
    assert_eq!([kept.ask("a").await, kept.ask("a").await], ["4", "4"]);
    assert_eq!(kept.counted(), [5, 4, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn equal_concurrent_requests_are_executed_once() {
    let kept = Kept::new(Backend::Process);
    let may_answer = Notify::new();
    let slow = || async {
        may_answer.notified().await;
        true
    };

    let all = join_all((0..10).map(|_| kept.ask_for("a", slow())));
    let (answers, ()) = tokio::join!(all, async {
        tokio::task::yield_now().await;
        may_answer.notify_waiters();
    });

    assert_eq!(answers, vec!["1"; 10]);
    assert_eq!(kept.counted(), [9, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_after_a_commit_does_not_wait_for_an_older_execution() {
    let kept = Kept::new(Backend::Process);
    let may_answer = Notify::new();
    let old = kept.ask_for("a", async {
        may_answer.notified().await;
        true
    });

    let (old, new) = tokio::join!(old, async {
        kept.commit();
        let new = kept.ask("a").await;
        may_answer.notify_one();
        new
    });

    assert_eq!((old.as_str(), new.as_str()), ("1", "2"));
    assert_eq!(kept.ask("a").await, "2");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_client_disconnects_is_executed_for_the_next_client() {
    let kept = Kept::new(Backend::Process);
    {
        let gone = pin!(kept.ask_for("a", std::future::pending()));
        assert!(futures::poll!(gone).is_pending());
    }
    assert_eq!([kept.ask("a").await, kept.ask("a").await], ["2", "2"]);
}

#[tokio::test(start_paused = true)]
async fn volatile_and_large_answers_are_never_cached() {
    let kept = Kept::new(Backend::Process);
    let at_once = join_all((0..3).map(|_| kept.ask_for("now", async { false }))).await;
    assert_eq!(at_once, ["1", "2", "3"]);
    assert_eq!(kept.ask_for("now", async { false }).await, "4");

    let of_bytes = async |bytes: usize| {
        let made = async { Computed { bytes: vec![b'x'; bytes].into(), is_cacheable: true } };
        kept.answers.answer(asked(&bytes.to_string()), made).await.len()
    };
    for bytes in [ANSWER_BYTES_MAX, ANSWER_BYTES_MAX + 1] {
        assert_eq!([of_bytes(bytes).await, of_bytes(bytes).await], [bytes, bytes]);
    }
    assert_eq!(kept.counted(), [1, 1, 6, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_full_cache_keeps_popular_answers_and_its_limit() {
    let kept = Kept::new(Backend::Process);
    let ask = async |number: usize| {
        let made = async { Computed { bytes: vec![b'x'; ANSWER_BYTES_MAX].into(), is_cacheable: true } };
        kept.answers.answer(asked(&format!("{number:02}")), made).await;
        let bytes = metric(&kept.context, "dwell_answer_cache_bytes");
        assert!(bytes <= BYTES_MAX, "{bytes}");
    };

    for number in 1..=40 {
        ask(0).await;
        ask(number).await;
    }

    assert_eq!(kept.counted(), [39, 41, 0, 0]);
    assert!(metric(&kept.context, "dwell_answer_cache_bytes") > 14 * 1024 * 1024);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_cached_when_it_is_off() {
    let kept = Kept::new(Backend::Nowhere);
    assert_eq!([kept.ask("a").await, kept.ask("a").await], ["1", "2"]);
    assert_eq!(kept.counted(), [0, 0, 2, 0]);
}
