//! How the cost of an event grows when the events, or the vehicles inside, become ten times as many.

use crate::generator::{Plan, write_file};
use crate::measure::{median, number};
use crate::report::Finding;
use crate::step::{Table, measured};
use crate::{Options, replay};

/// Larger files than this are replayed only once.
const REPEATED_EVENTS_MAX: u64 = 10_000_000;
/// The maximum growth of an event's cost with each factor of ten.
const GROWTH_MAX: f64 = 1.25;

pub(crate) fn run(options: &Options) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut costs = Vec::new();
    for events in options.sized([1_000_000, 10_000_000, 50_000_000], [10_000, 100_000, 500_000]) {
        costs.push((events, replay_ns(options, events)?));
    }
    compare(&mut finding, "replay, CPU an event", "events", &costs);
    let mut costs = Vec::new();
    for open in options.sized([10_000, 1_000_000, 10_000_000], [1_000, 10_000, 100_000]) {
        let runs = (0..options.runs).map(|_| Ok(measured(options, Table::Timelines, open)?.nanos));
        costs.push((open, median(runs.collect::<anyhow::Result<_>>()?)));
    }
    compare(&mut finding, "step, an event", "open vehicles", &costs);
    Ok(finding)
}

fn replay_ns(options: &Options, events: u64) -> anyhow::Result<f64> {
    let folder = options.folder()?;
    let (file, sessions) = (folder.path().join("events.ndjson"), folder.path().join("sessions.csv"));
    let truth = write_file(&Plan::replay(events), &file)?;
    let runs = if events > REPEATED_EVENTS_MAX { 1 } else { options.runs };
    let costs = (0..runs).map(|_| Ok(replay::dwell(&file, &sessions, truth)?.cpu.as_secs_f64()));
    Ok(median(costs.collect::<anyhow::Result<_>>()?) * 1e9 / number(truth.lines))
}

fn compare(finding: &mut Finding, work: &str, of_what: &str, costs: &[(u64, f64)]) {
    for pair in costs.windows(2) {
        let [(few, cheap), (many, dear)] = pair else { continue };
        let tenfolds = (number(*many) / number(*few)).log10();
        let growth = (dear / cheap).powf(1.0 / tenfolds);
        let work = format!("{work}, {few} to {many} {of_what}");
        finding.add(
            &work,
            format!("{dear:.0} ns"),
            format!("{cheap:.0} ns"),
            format!("{growth:.2} × a tenfold"),
            format!("≤ {GROWTH_MAX} × a tenfold"),
            growth <= GROWTH_MAX,
        );
    }
}
