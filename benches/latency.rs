//! The latency from publish to recorded, at a quarter and at half of the steady rate, compared with publish to consume.
//!
//! The id of each event contains the time it was sent. A separate connection reads the ledger every millisecond; an
//! event counts as recorded when it appears there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rusqlite::{Connection, OpenFlags, params};
use uuid::Uuid;

use crate::measure::{median, quantile};
use crate::pipeline::{Pipeline, Servers, ledger_file};
use crate::raw::{age_ms, wall_micros};
use crate::report::{Finding, rate, say};
use crate::{Options, steady};

/// The time between two reads of the ledger.
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// The first seconds do not count, until exits arrive too and everything is connected.
const SKIPPED_SECONDS: u64 = 3;
/// The maximum ratio of p50 and p99 to the yardstick's.
const RATIO_MAX: f64 = 3.0;

/// p50 and p99, milliseconds.
type Percentiles = [f64; 2];

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let (steady_rate, _) = steady::work(options).await?;
    say(&format!("latency: the steady state is {}", rate(steady_rate)));
    let mut finding = Finding::default();
    let mut all: BTreeMap<&str, [Vec<Percentiles>; 2]> = BTreeMap::new();
    let shares = [("a quarter", 0.25), ("half", 0.5)];
    for _ in 0..options.runs {
        for (name, share) in shares {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of thousands")]
            let events_a_second = (steady_rate * share) as u64;
            let runs = all.entry(name).or_default();
            runs[0].push(work(options, events_a_second).await?);
            runs[1].push(yardstick(options, events_a_second).await?);
        }
    }
    for (name, share) in shares {
        let Some([ours, theirs]) = all.get(name) else { continue };
        for (place, percentile) in ["p50", "p99"].into_iter().enumerate() {
            let of = |runs: &[Percentiles]| median(runs.iter().map(|run| run[place]).collect());
            let (ours, theirs) = (of(ours), of(theirs));
            let work = format!("{percentile} at {name} ({})", rate(steady_rate * share));
            finding.at_most(&work, format!("{ours:.1} ms"), format!("{theirs:.1} ms"), ours / theirs, RATIO_MAX);
        }
    }
    finding.note("events are published each 10 ms; the ledger is read each millisecond".to_owned());
    Ok(finding)
}

fn seconds(options: &Options) -> u64 {
    options.sized(20, 6)
}

/// Starts a publisher with a constant rate.
fn publish(options: &Options, servers: &Servers, events_a_second: u64) -> anyhow::Result<Publisher> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["part", "publish", "--amqp", &servers.broker.amqp_url()]);
    command.args(["--rate", &events_a_second.to_string(), "--seconds", &seconds(options).to_string()]);
    Ok(Publisher(command.stdin(Stdio::null()).spawn().context("cannot start the publisher")?))
}

/// Stops the publisher when dropped.
struct Publisher(Child);

impl Publisher {
    async fn finished(&mut self) -> anyhow::Result<()> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "the publisher ended with {status}");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // The publisher has ended by itself or is no longer needed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn work(options: &Options, events_a_second: u64) -> anyhow::Result<Percentiles> {
    let servers = Servers::start(false).await?;
    let folder = options.folder()?;
    let mut pipeline = Pipeline::start(&servers, folder.path()).await?;
    pipeline.begin(&servers)?;
    let (file, is_over) = (ledger_file(folder.path()), Arc::new(AtomicBool::new(false)));
    let looking = std::thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || look(file, &is_over)
    });
    let mut publisher = publish(options, &servers, events_a_second)?;
    let all_published = publisher.finished().await;
    let emptied = servers.are_empty().await;
    is_over.store(true, Ordering::SeqCst);
    let looked = looking.join();
    all_published.and(emptied)?;
    pipeline.end()?;
    let Ok(seen) = looked else { bail!("the thread that reads the ledger panicked") };
    percentiles(seen?.into_iter())
}

/// Reads each event as soon as it appears; returns its latency and the time it was sent.
fn look(file: PathBuf, is_over: &AtomicBool) -> anyhow::Result<Vec<(f64, u64)>> {
    let ledger = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = ledger.prepare("SELECT event_no, event_id FROM event WHERE event_no > ?1 ORDER BY event_no")?;
    let (mut seen, mut last) = (Vec::new(), 0_i64);
    while !is_over.load(Ordering::SeqCst) {
        let mut rows = statement.query(params![last])?;
        while let Some(row) = rows.next()? {
            let (number, id): (i64, [u8; 16]) = (row.get(0)?, row.get(1)?);
            last = number;
            seen.push(age_ms(Uuid::from_bytes(id)));
        }
        drop(rows);
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(seen)
}

fn percentiles(seen: impl Iterator<Item = (f64, u64)>) -> anyhow::Result<Percentiles> {
    let seen: Vec<(f64, u64)> = seen.collect();
    let first = seen.iter().map(|(_, sent)| *sent).min().context("no event was recorded")?;
    let counted = seen.into_iter().filter(|(_, sent)| *sent >= first + SKIPPED_SECONDS * 1_000_000);
    let mut ages: Vec<f64> = counted.map(|(age, _)| age).collect();
    ensure!(!ages.is_empty(), "no event counts: the run was too short, at {}", wall_micros());
    Ok([quantile(&mut ages, 0.5), quantile(&mut ages, 0.99)])
}

async fn yardstick(options: &Options, events_a_second: u64) -> anyhow::Result<Percentiles> {
    let servers = Servers::start(false).await?;
    // The consumer stops before the publisher does, so that the queue never runs empty.
    let length = (seconds(options) - 1).to_string();
    let arguments = ["--seconds", &length, "--skip", &SKIPPED_SECONDS.to_string(), "--latency"];
    let mut consumer = servers.consume_command(&arguments)?;
    let consuming = std::thread::spawn(move || crate::measure::run(&mut consumer, crate::PROGRAM_DURATION_MAX));
    let published = publish(options, &servers, events_a_second)?.finished().await;
    let Ok(run) = consuming.join() else { bail!("the thread of the yardstick panicked") };
    published?;
    let output = run?.output;
    let mut words = output.split_whitespace().skip(1).map(str::parse);
    let mut next = || words.next().and_then(Result::ok).context("the yardstick printed no percentile");
    Ok([next()?, next()?])
}
