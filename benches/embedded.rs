//! The pipeline in one process, embedded and durable, compared with the drain through the servers.

use std::path::Path;
use std::time::{Duration, Instant};

use testbed::{Program, free_port};

use crate::generator::Truth;
use crate::measure::{self, median, number};
use crate::pipeline::{Page, Servers, program_command};
use crate::report::{Finding, rate, say};
use crate::{Options, PROGRAM_DURATION_MAX, drain};

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let events = folder.path().join("events.ndjson");
    let truth = drain::backlog(options, &events)?;
    let servers = Servers::start(false).await?;
    let (mut ours, mut theirs, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..options.runs {
        let (wall, spent) = drain_embedded(options, &events, truth).await?;
        ours.push(number(truth.events) / wall.as_secs_f64());
        cpu.push(spent.as_secs_f64() * 1e6 / number(truth.events));
        servers.fill(&events, 1)?;
        let drained = drain::drain(options, &servers, truth).await?;
        theirs.push(number(truth.events) / drained.wall.as_secs_f64());
        say(&format!("embedded: round {} of {} is done", round + 1, options.runs));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let mut finding = Finding::default();
    finding.at_least("embedded drain against the drain", rate(ours), rate(theirs), ours / theirs, 1.3);
    finding.note(format!("{} events; {:.1} µs of CPU an event in the one process", truth.events, median(cpu)));
    finding.note(format!("the drain: {}", servers.versions));
    Ok(finding)
}

async fn drain_embedded(options: &Options, events: &Path, truth: Truth) -> anyhow::Result<(Duration, Duration)> {
    let folder = options.folder()?;
    let data = folder.path().join("data");
    let mut publish = program_command("dwell")?;
    publish.arg("publish").arg(events).env("DWELL_DATA_DIR", &data);
    measure::run(&mut publish, PROGRAM_DURATION_MAX)?;
    let port = free_port();
    let page = Page::new(port);
    let begun = Instant::now();
    let mut program = Program::new(testbed::binary("dwell")?)
        .env("DWELL_DATA_DIR", &data)
        .env("DWELL_LISTEN", format!("127.0.0.1:{port}"))
        .env("DWELL_ARRIVALS", "0")
        .current_dir(folder.path())
        .start()?;
    page.ready().await?;
    page.all_recorded(truth).await?;
    let wall = begun.elapsed();
    let cpu = measure::cpu_of_tree(program.pid());
    program.kill()?;
    Ok((wall, cpu))
}
