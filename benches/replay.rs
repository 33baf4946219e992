//! `dwell replay` of a seeded log, compared with `DuckDB`'s ASOF join over the same file.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::generator::{Plan, Truth, write_file};
use crate::measure::{self, Run, median, number};
use crate::report::{Finding, rate, say};
use crate::{Options, PROGRAM_DURATION_MAX};

const DUCKDB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/yardsticks/duckdb_asof.py");
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn run(options: &Options) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let (events, sessions) = (folder.path().join("events.ndjson"), folder.path().join("sessions.csv"));
    let truth = write_file(&Plan::replay(options.events(10_000_000, 100_000)), &events)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut version = String::new();
    for round in 0..options.runs {
        ours.push(dwell(&events, &sessions, truth)?);
        let run = duckdb(options, &events, &sessions, folder.path(), truth)?;
        run.output.trim().clone_into(&mut version);
        theirs.push(run);
        say(&format!("replay: round {} of {} is done", round + 1, options.runs));
    }
    let (ours, theirs) = (Medians::of(&ours, truth), Medians::of(&theirs, truth));
    let mut finding = Finding::default();
    let ratio = ours.events_a_second / theirs.events_a_second;
    finding.at_least("replay, events a second", rate(ours.events_a_second), rate(theirs.events_a_second), ratio, 3.0);
    finding.limit("replay, CPU an event", ours.cpu_ns, 350.0, "ns");
    finding.limit("replay, peak resident", ours.peak_mib, 300.0, "MiB");
    finding.note(format!(
        "{} events in {} lines: {} matched stays, {} exits of strangers, {} entries without an exit",
        truth.events, truth.lines, truth.matched, truth.strangers, truth.strangers
    ));
    finding.note(format!(
        "DuckDB {version}, two threads: {:.0} ns of CPU an event, of which the replay takes {:.2}; {:.0} MiB at most",
        theirs.cpu_ns,
        ours.cpu_ns / theirs.cpu_ns,
        theirs.peak_mib
    ));
    Ok(finding)
}

/// Replays the file and checks the result.
pub(crate) fn dwell(events: &Path, sessions: &Path, truth: Truth) -> anyhow::Result<Run> {
    let mut command = Command::new(testbed::binary("dwell")?);
    command.arg("replay").arg(events).arg("--sessions").arg(sessions);
    let run = measure::run(&mut command, PROGRAM_DURATION_MAX)?;
    let file = std::fs::File::open(sessions)?;
    let mut rows = csv::Reader::from_reader(std::io::BufReader::new(file));
    let state = column(&mut rows, "state")?;
    let mut counts = [0; 3];
    let mut row = csv::ByteRecord::new();
    while rows.read_byte_record(&mut row)? {
        match row.get(state) {
            Some(b"matched") => counts[0] += 1,
            Some(b"unmatched_exit") => counts[1] += 1,
            Some(_) => counts[2] += 1,
            None => {}
        }
    }
    check("dwell", counts, truth)?;
    Ok(run)
}

fn duckdb(options: &Options, events: &Path, sessions: &Path, folder: &Path, truth: Truth) -> anyhow::Result<Run> {
    let mut command = Command::new(&options.python);
    command.arg(DUCKDB).arg(events).arg(sessions).arg(folder);
    let run = measure::run(&mut command, PROGRAM_DURATION_MAX)
        .context("the yardstick needs the Python package duckdb: see ci/bench")?;
    let mut rows = csv::Reader::from_path(sessions)?;
    let (entry, exit) = (column(&mut rows, "entry_id")?, column(&mut rows, "exit_id")?);
    let mut counts = [0; 3];
    let mut row = csv::ByteRecord::new();
    while rows.read_byte_record(&mut row)? {
        let has = |place: usize| row.get(place).is_some_and(|value| !value.is_empty());
        match (has(entry), has(exit)) {
            (true, true) => counts[0] += 1,
            (false, _) => counts[1] += 1,
            (true, false) => counts[2] += 1,
        }
    }
    check("DuckDB", counts, truth)?;
    Ok(run)
}

fn column<R: std::io::Read>(rows: &mut csv::Reader<R>, name: &str) -> anyhow::Result<usize> {
    let headers = rows.headers()?;
    headers.iter().position(|header| header == name).with_context(|| format!("the sessions have no column {name}"))
}

/// Checks the numbers of matched stays, lone exits and lone entries.
fn check(who: &str, counts: [u64; 3], truth: Truth) -> anyhow::Result<()> {
    let expected = [truth.matched, truth.strangers, truth.strangers];
    ensure!(counts == expected, "{who} found {counts:?} stays, exits alone and entries alone; true is {expected:?}");
    Ok(())
}

struct Medians {
    events_a_second: f64,
    cpu_ns: f64,
    peak_mib: f64,
}

impl Medians {
    fn of(runs: &[Run], truth: Truth) -> Self {
        let of = |value: &dyn Fn(&Run) -> f64| median(runs.iter().map(value).collect());
        let lines = number(truth.lines);
        Self {
            events_a_second: lines / of(&|run| run.wall.as_secs_f64()),
            cpu_ns: of(&|run| run.cpu.as_secs_f64()) * 1e9 / lines,
            peak_mib: of(&|run| number(run.peak_bytes)) / MIB,
        }
    }
}
