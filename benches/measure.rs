//! Measures processes from outside: wall time, CPU time (user and system) and memory, as counted by Linux.
//!
//! The rows interpret the numbers.

use std::fs;
use std::io::{Read as _, Seek as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// The time between two checks of a running process.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Linux reports CPU time in hundredths of a second on every machine.
const CPU_TICK: Duration = Duration::from_millis(10);
/// The output of a failed program is cut to this many bytes in an error.
const SHOWN_OUTPUT_BYTES_MAX: usize = 2_000;

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) wall: Duration,
    /// CPU time of the process and all its threads and children.
    pub(crate) cpu: Duration,
    /// The peak resident memory in bytes.
    pub(crate) peak_bytes: u64,
    /// Its standard output.
    pub(crate) output: String,
}

/// Runs a program for at most `limit`. Fails if the program does.
pub(crate) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<Run> {
    let name = command.get_program().display().to_string();
    let (mut out, mut errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(errors.try_clone()?);
    let before = children_cpu()?;
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let mut peak_bytes = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_bytes = peak_bytes.max(memory(child.id(), "VmHWM").unwrap_or(0));
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("{name} still ran after {limit:?} and was stopped; give it fewer events");
        }
        std::thread::sleep(POLL_INTERVAL);
    };
    let wall = begun.elapsed();
    let cpu = children_cpu()?.saturating_sub(before);
    let (output, errors) = (text(&mut out)?, text(&mut errors)?);
    let shown = errors.get(errors.len().saturating_sub(SHOWN_OUTPUT_BYTES_MAX)..).unwrap_or(&errors);
    ensure!(status.success(), "{name} ended with {status}: {shown}");
    Ok(Run { wall, cpu, peak_bytes, output })
}

fn text(file: &mut fs::File) -> anyhow::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// CPU time of this process's ended children.
fn children_cpu() -> anyhow::Result<Duration> {
    let stat = Stat::read("self").context("this needs /proc, as Linux has it")?;
    Ok(stat.children)
}

/// CPU time so far of a process and its descendants.
pub(crate) fn cpu_of_tree(root: u32) -> Duration {
    let mut stats = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        stats.extend(entry.file_name().to_str().and_then(Stat::read));
    }
    let mut family = vec![root];
    let mut total = Duration::ZERO;
    while let Some(member) = family.pop() {
        for stat in &stats {
            if stat.process == member {
                total += stat.own + stat.children;
            } else if stat.parent == member {
                family.push(stat.process);
            }
        }
    }
    total
}

/// Returns the parent of a process.
pub(crate) fn parent_of(process: u32) -> anyhow::Result<u32> {
    Ok(Stat::read(&process.to_string()).with_context(|| format!("the process {process} has ended"))?.parent)
}

#[derive(Debug)]
struct Stat {
    process: u32,
    parent: u32,
    own: Duration,
    children: Duration,
}

impl Stat {
    fn read(process: &str) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name is in brackets and may contain anything.
        let (head, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<u32>().ok();
        Some(Self {
            process: head.split(' ').next()?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            own: CPU_TICK * (ticks(11)? + ticks(12)?),
            children: CPU_TICK * (ticks(13)? + ticks(14)?),
        })
    }
}

/// Returns a line of a process's memory in bytes: `VmRSS` is the resident memory now, `VmHWM` its peak.
pub(crate) fn memory(process: u32, line: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = text.lines().find_map(|candidate| candidate.strip_prefix(line)?.strip_prefix(':'))?;
    Some(value.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Returns the median; of an even number of values, the upper of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the value that the given share of the values does not exceed.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
    let place = (values.len() as f64 * share) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Converts a count for arithmetic with times.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
