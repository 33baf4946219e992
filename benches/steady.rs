//! Simulated gates that publish with confirms while the pipeline works, compared with gates and consumers without any
//! work.
//!
//! The gates have an hour of busy traffic to catch up with, so that they always publish at full speed.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use testbed::{Program, free_port};

use crate::Options;
use crate::measure::{median, number};
use crate::pipeline::{Pipeline, Servers, per_event, wait};
use crate::report::{Finding, rate, say};

/// The factor on the arrivals: one hour of traffic then lasts longer than a run.
const ARRIVALS: &str = "600";

/// Returns the warm-up and the measured time in seconds.
fn window(options: &Options) -> (u64, u64) {
    options.sized((5, 20), (2, 3))
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut spent, mut versions) = (String::new(), String::new());
    for round in 0..options.runs {
        let (events_a_second, parts) = work(options).await?;
        ours.push(events_a_second);
        spent = parts;
        let servers = Servers::start(false).await?;
        theirs.push(yardstick(options, &servers)?);
        versions = servers.versions;
        say(&format!("steady: round {} of {} is done", round + 1, options.runs));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let mut finding = Finding::default();
    finding.at_least("publish and work at once", rate(ours), rate(theirs), ours / theirs, 0.6);
    finding.note(format!("CPU an event, the gates left out (last run): {spent}"));
    finding.note(versions);
    Ok(finding)
}

/// Returns the events recorded per second while the gates publish, and the CPU time by program.
pub(crate) async fn work(options: &Options) -> anyhow::Result<(f64, String)> {
    // A broker for this row alone, so that leftover messages slow no other row.
    let servers = Servers::start(false).await?;
    let folder = options.folder()?;
    let mut pipeline = Pipeline::start(&servers, folder.path()).await?;
    let _gates = gates(&servers)?;
    pipeline.begin(&servers)?;
    let (skip, seconds) = window(options);
    wait("the first event to be recorded", async || pipeline.page.recorded().await.is_ok_and(|count| count > 0))
        .await?;
    tokio::time::sleep(Duration::from_secs(skip)).await;
    let (begun, before, spent_before) = (Instant::now(), pipeline.page.recorded().await?, pipeline.spent());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, took, spent_after) = (pipeline.page.recorded().await?, begun.elapsed(), pipeline.spent());
    pipeline.end()?;
    let between = |((name, before), (_, after)): (&(&'static str, Duration), &(&'static str, Duration))| {
        (*name, after.saturating_sub(*before))
    };
    let spent: Vec<_> = spent_before.iter().zip(&spent_after).map(between).collect();
    Ok((number(after - before) / took.as_secs_f64(), per_event(&spent, (after - before).max(1))))
}

fn yardstick(options: &Options, servers: &Servers) -> anyhow::Result<f64> {
    let (skip, seconds) = window(options);
    let _gates = gates(servers)?;
    let run = servers.consume(&["--seconds", &(skip + seconds).to_string(), "--skip", &skip.to_string()])?;
    let messages = run.output.split_whitespace().next().and_then(|word| word.parse().ok());
    Ok(number(messages.context("the yardstick printed no number of messages")?) / number(seconds))
}

fn gates(servers: &Servers) -> anyhow::Result<[Program; 2]> {
    let gate = |name: &str| {
        Program::new(testbed::binary(name)?)
            .env("DWELL_AMQP_URL", servers.broker.amqp_url())
            .env("DWELL_LISTEN", format!("127.0.0.1:{}", free_port()))
            .env("DWELL_ARRIVALS", ARRIVALS)
            .start()
    };
    Ok([gate("entry-service")?, gate("exit-service")?])
}
