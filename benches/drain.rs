//! A backlog through the whole pipeline, compared with consuming and acknowledging the same queues without any work.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Options;
use crate::generator::{Plan, Truth, write_file};
use crate::measure::{median, number};
use crate::pipeline::{Pipeline, Servers, per_event};
use crate::report::{Finding, rate, say};

/// The maximum throughput of the original design on two cores, events per second: one GET, one POST and one DEL for
/// each exit.
const ORIGINAL_EVENTS_PER_SECOND: f64 = 10_250.0;
const HUNDRED_EVENTS_PER_SECOND_MIN: f64 = 150_000.0;

/// The ledger, and the number of events in a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant {
    with_postgres: bool,
    pub(crate) events_per_message: u32,
}

impl Variant {
    pub(crate) const SQLITE: Self = Self { with_postgres: false, events_per_message: 1 };
    pub(crate) const POSTGRES: Self = Self { with_postgres: true, events_per_message: 1 };
    pub(crate) const HUNDRED: Self = Self { with_postgres: false, events_per_message: 100 };
}

/// The cost of a drain.
#[derive(Debug)]
pub(crate) struct Drained {
    /// From the start of the correlator until everything is recorded.
    pub(crate) wall: Duration,
    pub(crate) spent: Vec<(&'static str, Duration)>,
}

pub(crate) async fn run(options: &Options, variant: Variant) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let events = folder.path().join("events.ndjson");
    let truth = backlog(options, &events)?;
    let servers = Servers::start(variant.with_postgres).await?;
    let (mut ours, mut theirs, mut spent) = (Vec::new(), Vec::new(), Vec::new());
    let mut yardstick = String::new();
    for round in 0..options.runs {
        servers.fill(&events, variant.events_per_message)?;
        let drained = drain(options, &servers, truth).await?;
        ours.push(number(truth.events) / drained.wall.as_secs_f64());
        spent = drained.spent;
        servers.fill(&events, variant.events_per_message)?;
        let raw = servers.consume(&[])?;
        theirs.push(number(truth.events) / raw.wall.as_secs_f64());
        yardstick = per_event(&[("lapin alone", raw.cpu)], truth.events);
        let (work, alone) = (ours.last().copied(), theirs.last().copied());
        let [work, alone] = [work, alone].map(|value| rate(value.unwrap_or(f64::NAN)));
        say(&format!("drain: round {} of {}: {work} with the work, {alone} without", round + 1, options.runs));
    }
    let mut finding = Finding::default();
    judge(&mut finding, variant, median(ours), median(theirs));
    finding.note(format!(
        "{} events of {} exits matched and {} of strangers, {} event(s) a message; {}",
        truth.events, truth.matched, truth.strangers, variant.events_per_message, servers.versions
    ));
    finding.note(format!("CPU an event (last run): {}", per_event(&spent, truth.events)));
    finding.note(format!("CPU an event of the yardstick's process, the broker's beside it: {yardstick}"));
    Ok(finding)
}

fn judge(finding: &mut Finding, variant: Variant, ours: f64, theirs: f64) {
    let shown = rate(ours);
    if variant.events_per_message > 1 {
        let reach = format!("≥ {}", rate(HUNDRED_EVENTS_PER_SECOND_MIN));
        finding.add(
            "drain, 100 events a message",
            shown.clone(),
            rate(theirs),
            shown,
            reach,
            ours >= HUNDRED_EVENTS_PER_SECOND_MIN,
        );
    } else if variant.with_postgres {
        finding.at_least("drain, PostgreSQL", shown, rate(theirs), ours / theirs, 0.4);
    } else {
        finding.at_least("drain, SQLite", shown.clone(), rate(theirs), ours / theirs, 0.5);
        finding.at_least(
            "the original design at its best",
            shown,
            rate(ORIGINAL_EVENTS_PER_SECOND),
            ours / ORIGINAL_EVENTS_PER_SECOND,
            6.0,
        );
    }
}

/// Drains full queues through the pipeline.
pub(crate) async fn drain(options: &Options, servers: &Servers, truth: Truth) -> anyhow::Result<Drained> {
    let folder = options.folder()?;
    let mut pipeline = Pipeline::start(servers, folder.path()).await?;
    let begun = Instant::now();
    pipeline.begin(servers)?;
    pipeline.page.all_recorded(truth).await?;
    let wall = begun.elapsed();
    let spent = pipeline.spent();
    // The last messages are acknowledged within one batch, which is checked rather than timed.
    servers.are_empty().await?;
    pipeline.end()?;
    Ok(Drained { wall, spent })
}

/// Writes the events of a backlog to a file.
pub(crate) fn backlog(options: &Options, file: &Path) -> anyhow::Result<Truth> {
    write_file(&Plan::backlog(options.events(2_000_000, 20_000)), file)
}
