//! What breaks under load costs time, never a session: each fault ends in the comparison with the canonical sessions
//! and in `dwell verify`. The figures of docs/guarantees.md are those that these tests print, on SQLite and, with
//! `FAULTS_LEDGER=postgres` in the environment, on PostgreSQL.

mod killing;
mod messages;
mod storage;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testbed::{Postgres, Program, ProgramBuilder, RabbitMq, Redis, Signal, binary, free_port, wait_until};

use crate::support::{PATIENCE, TOKEN, correlator, dwell, metric, published, publishing, ready, replayed, settled};

/// Stays of a load: some thousand events are recorded when the fault comes, and more are still to come.
const STAYS: u64 = 6_000;
/// Exits that are recorded when the fault comes.
const UNDER_WAY: f64 = 2_000.0;
/// The first moment of a load, in milliseconds since 1970.
const BEGINS_MS: i64 = 1_727_168_400_000;

/// The engine of a run's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
    /// With the data on a disk that the test can fill.
    PostgresOnOwnDisk,
}

impl Engine {
    /// Reads the engine from the environment.
    fn asked_for() -> Self {
        let asked = std::env::var("FAULTS_LEDGER").unwrap_or_default();
        match asked.as_str() {
            "" | "sqlite" => Self::Sqlite,
            "postgres" => Self::Postgres,
            other => panic!("FAULTS_LEDGER is {other}; allowed: sqlite, postgres"),
        }
    }
}

/// The pipeline on real servers, under a load.
struct Site {
    folder: tempfile::TempDir,
    database_url: String,
    postgres: Option<Postgres>,
    events: PathBuf,
    expected: String,
    amqp_url: String,
    /// Where the fault is the broker's; otherwise the tests share one.
    own_broker: Option<RabbitMq>,
    redis: Redis,
    api: Program,
    correlators: Vec<Program>,
    port: u16,
    publisher: Option<Program>,
    fault_at: Option<Instant>,
}

impl Site {
    /// Starts everything and waits until the load is under way.
    async fn under_load() -> Self {
        Self::under_load_on(Engine::asked_for()).await
    }

    async fn under_load_on(engine: Engine) -> Self {
        Self::idle(engine, &[], None).await.loaded().await
    }

    /// Like `under_load`, on a broker that no other test uses.
    async fn under_load_on_own_broker() -> Self {
        let broker = RabbitMq::start().await.unwrap();
        Self::idle(Engine::asked_for(), &[], Some(broker)).await.loaded().await
    }

    async fn loaded(mut self) -> Self {
        self.publish();
        self.reached(UNDER_WAY).await;
        self
    }

    /// Starts everything, the summary API through another program when there are `words`.
    async fn idle(engine: Engine, words: &[&str], own_broker: Option<RabbitMq>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events.ndjson");
        std::fs::write(&events, load()).unwrap();
        let expected = replayed(&events);
        let amqp_url = match &own_broker {
            Some(broker) => broker.amqp_url(),
            None => RabbitMq::shared().await.unwrap().vhost("faults").await.unwrap(),
        };
        let redis = Redis::start().await.unwrap();
        let ledger = folder.path().join("ledger");
        let (postgres, database_url) = match engine {
            Engine::Sqlite => (None, format!("sqlite:{}", ledger.join("ledger.sqlite").display())),
            Engine::Postgres => {
                let postgres = Postgres::start().await.unwrap();
                let url = postgres.database().await.unwrap();
                (Some(postgres), url)
            }
            Engine::PostgresOnOwnDisk => {
                let postgres = Postgres::start_on_own_disk().await.unwrap().expect("a right to mount");
                let url = postgres.database().await.unwrap();
                (Some(postgres), url)
            }
        };
        let port = free_port();
        let api = summary_api(words, &ledger, &database_url, port).start().unwrap();
        let (correlators, publisher, fault_at) = (Vec::new(), None, None);
        let mut site = Self {
            folder,
            database_url,
            postgres,
            events,
            expected,
            amqp_url,
            own_broker,
            redis,
            api,
            correlators,
            port,
            publisher,
            fault_at,
        };
        ready(port).await;
        for _ in 0..2 {
            site.add_correlator();
        }
        site
    }

    fn add_correlator(&mut self) {
        self.correlators.push(correlator(&self.amqp_url, &self.redis.url(), self.port, self.folder.path()));
    }

    fn restart_api(&mut self) {
        self.api = self.summary_api().start().unwrap();
    }

    /// The summary API as it was started first.
    fn summary_api(&self) -> ProgramBuilder {
        summary_api(&[], &self.ledger(), &self.database_url, self.port)
    }

    fn broker(&self) -> &RabbitMq {
        self.own_broker.as_ref().expect("a broker of the test's own")
    }

    /// The folder of the ledger, when it is in SQLite.
    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    fn publish(&mut self) {
        self.publisher = Some(publishing(&self.events, &self.amqp_url));
    }

    /// Waits until this many exits are matched since the summary API was started.
    async fn reached(&self, exits: f64) {
        let page = format!("http://127.0.0.1:{}/metrics", self.port);
        wait_until(PATIENCE, "exits to be matched", async || {
            metric(&page, "matched_events").await.is_some_and(|count| count >= exits)
        })
        .await;
    }

    /// From here on time counts until everything is recorded.
    fn fault(&mut self) {
        self.fault_at = Some(Instant::now());
    }

    /// Waits until all is published and recorded, compares, and prints a line of the table of guarantees.
    async fn ends_exact(mut self, fault: &str) {
        if let Some(publisher) = self.publisher.take() {
            published(publisher).await;
        }
        let api = format!("http://127.0.0.1:{}", self.port);
        let actual = tokio::task::block_in_place(|| settled(&api));
        let took = self.fault_at.expect("a fault came").elapsed();
        let difference = Difference::of(&actual, &self.expected);
        let events = load().lines().count();
        let row = format!("| {fault} | {events} | {:.0} s | {difference} |", took.as_secs_f64());
        #[expect(clippy::print_stderr, reason = "the table of guarantees is made of these lines")]
        {
            eprintln!("FAULT on {}: {row}", self.database_url.split(':').next().unwrap_or_default());
        }
        assert!(difference.is_none(), "{row}");
        let verdict = dwell(&["verify", "--api", &api, "--internal-token", TOKEN], &[]);
        assert!(verdict.contains("every event is accounted for, exactly once"), "{verdict}");
    }
}

/// A summary API in a folder of its own.
fn summary_api(words: &[&str], folder: &Path, database_url: &str, port: u16) -> ProgramBuilder {
    std::fs::create_dir_all(folder).unwrap();
    Program::through(words, binary("summary-api").unwrap())
        .env("DWELL_DATABASE_URL", database_url)
        .env("DWELL_INTERNAL_TOKEN", TOKEN)
        .env("DWELL_HOLD", "1s")
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder)
}

/// How many sessions differ from the canonical ones.
struct Difference {
    missing: usize,
    extra: usize,
    wrong: usize,
}

impl Difference {
    fn of(actual: &str, expected: &str) -> Self {
        let rows = |text: &str| -> BTreeMap<String, String> {
            let row = |line: &str| line.split_once(',').map(|(id, rest)| (id.to_owned(), rest.to_owned()));
            text.lines().skip(1).filter_map(row).collect()
        };
        let (actual, expected) = (rows(actual), rows(expected));
        Self {
            missing: expected.keys().filter(|id| !actual.contains_key(*id)).count(),
            extra: actual.keys().filter(|id| !expected.contains_key(*id)).count(),
            wrong: actual.iter().filter(|(id, row)| expected.get(*id).is_some_and(|right| right != *row)).count(),
        }
    }

    fn is_none(&self) -> bool {
        (self.missing, self.extra, self.wrong) == (0, 0, 0)
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} | {} | {}", self.missing, self.extra, self.wrong)
    }
}

/// Stays of many vehicles at four lots: lost entries and exits, repeated and late events among them. Always the same.
pub(crate) fn load() -> String {
    let mut lines: Vec<(i64, String)> = Vec::new();
    for stay in 0..STAYS {
        let (lot, plate) = (stay % 4, stay * 7_919 % 4_001);
        let entered = BEGINS_MS + i64::try_from(stay).unwrap() * 7_000;
        let left = entered + i64::try_from(stay * 37 % 240 + 2).unwrap() * 60_000;
        for (direction, time, id) in [("entry", entered, stay * 2 + 1), ("exit", left, stay * 2 + 2)] {
            if (stay + id) % 29 == 0 {
                continue;
            }
            let time_text = parking::Timestamp::from_millis(time);
            let line = format!(
                r#"{{"id":"00000000-0000-4000-8000-{id:012x}","vehicle_plate":"CAR{plate}","{direction}_date_time":"{time_text}","lot_id":"F{lot}"}}"#
            );
            let arrives = time + if id % 17 == 0 { 20_000 } else { 0 };
            if id % 83 == 0 {
                lines.push((arrives + 1_000, line.clone()));
            }
            lines.push((arrives, line));
        }
    }
    lines.sort();
    let mut text = String::new();
    for (_, line) in lines {
        writeln!(text, "{line}").unwrap();
    }
    text
}

/// Stops a process for this duration, then resumes it.
async fn pause(program: &Program, length: Duration) {
    program.signal(Signal::STOP).unwrap();
    tokio::time::sleep(length).await;
    program.signal(Signal::CONT).unwrap();
}
