//! Starts real servers and our own programs for the rows, and reads the CPU time of each.
//!
//! Settings have their default values except for addresses. The rows decide what to measure.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bus::QueueNames;
use testbed::{Postgres, Program, RabbitMq, Redis, free_port};

use crate::PROGRAM_DURATION_MAX;
use crate::generator::Truth;
use crate::measure::{self, Run, cpu_of_tree, number};

/// Limits the time until a program is ready, and until a queue is empty.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// The time between two reads of the count of recorded events.
const POLL_INTERVAL: Duration = Duration::from_millis(25);
const TOKEN: &str = "a-token-of-the-benchmarks";

/// The servers of one row.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) broker: RabbitMq,
    pub(crate) redis: Redis,
    pub(crate) postgres: Option<Postgres>,
    /// Process ids by name.
    processes: Vec<(&'static str, u32)>,
    /// `RabbitMQ 3.10.8, Redis 7.0.15`
    pub(crate) versions: String,
}

impl Servers {
    pub(crate) async fn start(with_postgres: bool) -> anyhow::Result<Self> {
        let broker = RabbitMq::start().await.context("RabbitMQ is needed: see ci/bench")?;
        let redis = Redis::start().await.context("Redis is needed: see ci/bench")?;
        // Like in docker-compose.yml: a cache writes nothing to disk.
        redis.command(&["CONFIG", "SET", "appendonly", "no"]).await?;
        let postgres = if with_postgres { Some(Postgres::start().await?) } else { None };
        let overview = broker.management().get("overview").await?.unwrap_or_default();
        let information = redis.command(&["INFO", "server"]).await?;
        let of_redis = |name: &str| {
            let value = information.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
            value.with_context(|| format!("Redis does not report its {name}"))
        };
        let version = overview["rabbitmq_version"].as_str().unwrap_or("of an unknown version");
        let mut versions = format!("RabbitMQ {version}, Redis {}", of_redis("redis_version")?);
        let pid_file = broker.log_folder().with_file_name("pid");
        let pid = std::fs::read_to_string(&pid_file).with_context(|| format!("cannot read {}", pid_file.display()))?;
        let mut processes = vec![("RabbitMQ", pid.trim().parse()?), ("Redis", of_redis("process_id")?.parse()?)];
        if let Some(postgres) = &postgres {
            let backend = postgres.query(&postgres.url(), "SELECT pg_backend_pid()").await?;
            processes.push(("PostgreSQL", measure::parent_of(backend.trim().parse()?)?));
            let version = postgres.query(&postgres.url(), "SHOW server_version").await?;
            write!(versions, ", PostgreSQL {}", version.trim())?;
        }
        Ok(Self { broker, redis, postgres, processes, versions })
    }

    /// Publishes a file of events into the two queues.
    pub(crate) fn fill(&self, events: &Path, events_per_message: u32) -> anyhow::Result<Run> {
        let mut command = program_command("dwell")?;
        command.arg("publish").arg(events).args(["--events-per-message", &events_per_message.to_string()]);
        command.env("DWELL_AMQP_URL", self.broker.amqp_url());
        measure::run(&mut command, PROGRAM_DURATION_MAX).context("cannot fill the queues")
    }

    /// Returns the address of an empty ledger.
    pub(crate) async fn ledger(&self, folder: &Path) -> anyhow::Result<String> {
        match &self.postgres {
            Some(postgres) => postgres.database().await,
            None => Ok(format!("sqlite:{}", ledger_file(folder).display())),
        }
    }

    /// Runs the yardstick, which consumes and acknowledges, with additional arguments.
    pub(crate) fn consume(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        measure::run(&mut self.consume_command(arguments)?, PROGRAM_DURATION_MAX)
    }

    pub(crate) fn consume_command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["part", "consume", "--amqp", &self.broker.amqp_url()]);
        command.args(["--prefetch", default_of(&settings::PREFETCH)?]);
        // A batch comes from two queues and is acknowledged at once.
        let batch: u64 = default_of(&settings::BATCH_EVENTS)?.parse()?;
        command.args(["--acknowledge-every", &(batch / 2).to_string()]).args(arguments);
        Ok(command)
    }

    /// Waits until both queues are empty, with no unacknowledged messages, and checks that there are no dead letters.
    pub(crate) async fn are_empty(&self) -> anyhow::Result<()> {
        let names = QueueNames::default();
        let (management, url) = (self.broker.management(), self.broker.amqp_url());
        for name in [&names.entry, &names.exit] {
            wait("the queues to be empty", async || matches!(management.queue_depth(&url, name).await, Ok(Some(0))))
                .await?;
        }
        let dead = management.queue_depth(&url, &names.dead).await?;
        ensure!(dead.unwrap_or(0) == 0, "{dead:?} events are dead letters");
        Ok(())
    }
}

/// Returns the file of the ledger in SQLite.
pub(crate) fn ledger_file(folder: &Path) -> PathBuf {
    folder.join("ledger.sqlite")
}

/// Returns a command for one of our programs, without the user's settings.
pub(crate) fn program_command(name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(testbed::binary(name)?);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DWELL_")) {
        command.env_remove(name);
    }
    Ok(command)
}

fn default_of(setting: &settings::Setting) -> anyhow::Result<&'static str> {
    setting.default.with_context(|| format!("{} has no default", setting.name))
}

/// Summary API and correlator on the servers of a row.
#[derive(Debug)]
pub(crate) struct Pipeline {
    api: Program,
    correlator: Option<Program>,
    pub(crate) page: Page,
    port: u16,
    folder: PathBuf,
    before: Vec<(&'static str, u32, Duration)>,
}

impl Pipeline {
    /// Starts the summary API; [`begin`](Self::begin) starts the correlator.
    pub(crate) async fn start(servers: &Servers, folder: &Path) -> anyhow::Result<Self> {
        servers.redis.flush().await?;
        let port = free_port();
        let api = summary_api(&servers.ledger(folder).await?, port, folder)?;
        let page = Page::new(port);
        page.ready().await?;
        let mut processes = servers.processes.clone();
        processes.push(("summary API", api.pid()));
        let before = processes.into_iter().map(|(name, pid)| (name, pid, cpu_of_tree(pid))).collect();
        Ok(Self { api, correlator: None, page, port, folder: folder.to_owned(), before })
    }

    /// Starts the correlator, which begins to consume events.
    pub(crate) fn begin(&mut self, servers: &Servers) -> anyhow::Result<()> {
        let correlator = Program::new(testbed::binary("correlator")?)
            .env("DWELL_AMQP_URL", servers.broker.amqp_url())
            .env("DWELL_REDIS_URL", servers.redis.url())
            .env("DWELL_SUMMARY_API_URL", format!("http://127.0.0.1:{}", self.port))
            .env("DWELL_INTERNAL_TOKEN", TOKEN)
            .env("DWELL_LISTEN", format!("127.0.0.1:{}", free_port()))
            .current_dir(&self.folder)
            .start()?;
        self.before.push(("correlator", correlator.pid(), Duration::ZERO));
        self.correlator = Some(correlator);
        Ok(())
    }

    /// CPU time so far, by program.
    pub(crate) fn spent(&self) -> Vec<(&'static str, Duration)> {
        self.before.iter().map(|(name, pid, before)| (*name, cpu_of_tree(*pid).saturating_sub(*before))).collect()
    }

    /// Kills the programs, whose work is measured already.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        if let Some(mut correlator) = self.correlator.take() {
            correlator.kill()?;
        }
        self.api.kill()
    }
}

/// Starts a summary API as a separate process.
pub(crate) fn summary_api(database_url: &str, port: u16, folder: &Path) -> anyhow::Result<Program> {
    summary_api_with(database_url, port, folder, &[])
}

/// Starts a summary API with additional settings.
pub(crate) fn summary_api_with(
    database_url: &str,
    port: u16,
    folder: &Path,
    settings: &[(&str, &str)],
) -> anyhow::Result<Program> {
    Program::new(testbed::binary("summary-api")?)
        .envs(settings.iter().copied())
        .env("DWELL_DATABASE_URL", database_url)
        .env("DWELL_INTERNAL_TOKEN", TOKEN)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .current_dir(folder)
        .start()
}

/// The HTTP pages of one service.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    client: reqwest::Client,
    url: String,
}

impl Page {
    pub(crate) fn new(port: u16) -> Self {
        Self { client: testbed::http(), url: format!("http://127.0.0.1:{port}") }
    }

    /// Returns the body at a path. Fails unless the status is a success.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.client.get(format!("{}{path}", self.url)).timeout(WAIT_MAX).send().await?;
        let answer = answer.error_for_status()?;
        Ok(answer.text().await?)
    }

    /// Posts JSON to a path. Fails unless the status is a success.
    pub(crate) async fn post(&self, path: &str, json: String) -> anyhow::Result<()> {
        self.ask(path, json).await?;
        Ok(())
    }

    /// Posts JSON to a path; returns the body of the answer. Fails unless the status is a success.
    pub(crate) async fn ask(&self, path: &str, json: String) -> anyhow::Result<String> {
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        Ok(request.timeout(WAIT_MAX).body(json).send().await?.error_for_status()?.text().await?)
    }

    /// Waits until the service is ready.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        wait("a service to be ready", async || self.get("/readyz").await.is_ok()).await
    }

    /// Returns the value of a counter, given by name and labels.
    pub(crate) async fn count(&self, name: &str) -> anyhow::Result<u64> {
        let text = self.get("/metrics").await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.with_context(|| format!("{}/metrics has no {name}", self.url))?;
        Ok(value.parse()?)
    }

    /// Returns the number of recorded events.
    pub(crate) async fn recorded(&self) -> anyhow::Result<u64> {
        self.count("dwell_recorded_events_total").await
    }

    /// Waits until all events are recorded, and checks the number of matched exits.
    pub(crate) async fn all_recorded(&self, truth: Truth) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            let recorded = self.recorded().await?;
            if recorded >= truth.events {
                break;
            }
            ensure!(
                begun.elapsed() < PROGRAM_DURATION_MAX,
                "{recorded} of {} events are recorded after {PROGRAM_DURATION_MAX:?}",
                truth.events
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let took = begun.elapsed();
        let matched = self.count("matched_events").await?;
        ensure!(matched == truth.matched, "{matched} exits found their entry; true are {}", truth.matched);
        Ok(took)
    }
}

/// Waits until a condition holds.
pub(crate) async fn wait(what: &str, mut condition: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !condition().await {
        ensure!(begun.elapsed() < WAIT_MAX, "waited {WAIT_MAX:?} for {what}, without success");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Formats the CPU time per event of each program: `RabbitMQ 7.1, correlator 12.0 µs`.
pub(crate) fn per_event(spent: &[(&'static str, Duration)], events: u64) -> String {
    let micros = |time: &Duration| time.as_secs_f64() * 1e6 / number(events);
    let parts: Vec<String> = spent.iter().map(|(name, time)| format!("{name} {:.1}", micros(time))).collect();
    let total: f64 = spent.iter().map(|(_, time)| micros(time)).sum();
    format!("{} = {total:.1} µs", parts.join(" + "))
}
