//! Formats the results of the rows: as tables for the terminal, and as the measured parts of
//! `docs/performance-notes.md`.
//!
//! The document is written by hand except for its blocks between `<!-- bench ROW -->` and `<!-- end ROW -->`. Each run
//! replaces the blocks of the rows it measured, with the machine, the time and the load.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use parking::{Clock as _, SystemClock};

/// The document before any measurement.
const TEMPLATE: &str = include_str!("performance.template.md");

/// One line of a row's table.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) work: String,
    pub(crate) measured: String,
    pub(crate) yardstick: String,
    /// The value that is compared with `reach`.
    pub(crate) result: String,
    /// The target; empty if there is none.
    pub(crate) reach: String,
    pub(crate) is_reached: bool,
}

/// The result of a row.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    pub(crate) lines: Vec<Line>,
    /// Sentences, for instance on versions, sizes and CPU times.
    pub(crate) notes: Vec<String>,
}

impl Finding {
    /// Adds a line whose ratio must reach at least `least`.
    pub(crate) fn at_least(&mut self, work: &str, measured: String, yardstick: String, ratio: f64, least: f64) {
        self.add(work, measured, yardstick, format!("{ratio:.2} ×"), format!("≥ {least} ×"), ratio >= least);
    }

    /// Adds a line whose ratio may be at most `most`.
    pub(crate) fn at_most(&mut self, work: &str, measured: String, yardstick: String, ratio: f64, most: f64) {
        self.add(work, measured, yardstick, format!("{ratio:.2} ×"), format!("≤ {most} ×"), ratio <= most);
    }

    /// Adds a line with an absolute limit instead of a yardstick.
    pub(crate) fn limit(&mut self, work: &str, measured: f64, most: f64, unit: &str) {
        let shown = format!("{measured:.1} {unit}");
        self.add(work, shown.clone(), "-".into(), shown, format!("≤ {most} {unit}"), measured <= most);
    }

    /// Adds a line whose ratio has no target.
    pub(crate) fn shows(&mut self, work: &str, measured: String, yardstick: String, ratio: f64) {
        self.add(work, measured, yardstick, format!("{ratio:.2} ×"), String::new(), true);
    }

    /// Adds a line of any kind.
    pub(crate) fn add(
        &mut self,
        work: &str,
        measured: String,
        yardstick: String,
        result: String,
        reach: String,
        is_reached: bool,
    ) {
        self.lines.push(Line { work: work.to_owned(), measured, yardstick, result, reach, is_reached });
    }

    /// Adds a sentence beside the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn table(&self) -> String {
        let heading =
            "| work | measured | yardstick | result | to reach | reached |\n| --- | --- | --- | --- | --- | --- |\n";
        let line = |line: &Line| {
            let Line { work, measured, yardstick, result, reach, is_reached } = line;
            let reached = match (reach.as_str(), is_reached) {
                ("", _) => "",
                (_, true) => "yes",
                (_, false) => "NO",
            };
            format!("| {work} | {measured} | {yardstick} | {result} | {reach} | {reached} |\n")
        };
        let lines: String = self.lines.iter().map(line).collect();
        let notes: String = self.notes.iter().flat_map(|note| ["- ", note, "\n"]).collect();
        format!("{heading}{lines}\n{notes}")
    }
}

/// The machine and the time of a run.
#[derive(Debug)]
pub(crate) struct Circumstances {
    machine: String,
    load_before: f64,
    is_quick: bool,
}

impl Circumstances {
    /// Reads the current circumstances. Call it before the first row loads the machine.
    pub(crate) fn now(is_quick: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let machine = format!(
            "{cores} cores of {}, Linux {}, {}",
            processor.unwrap_or_else(|| "an unknown processor".into()),
            kernel.trim(),
            version_of("rustc", &["--version"]),
        );
        Self { machine, load_before: load(), is_quick }
    }

    fn sentence(&self) -> String {
        let when = SystemClock.now().to_datetime().format("%Y-%m-%d %H:%M UTC");
        let quick = if self.is_quick { " A QUICK RUN ON SMALL SIZES: NOT A MEASUREMENT." } else { "" };
        let busy =
            if self.load_before > 0.5 { " THE MACHINE WAS BUSY WITH OTHER WORK: ONLY FOR DEBUGGING." } else { "" };
        let Self { machine, load_before, .. } = self;
        format!("Measured {when} on {machine}; load before the run {load_before:.2}.{quick}{busy}")
    }

    /// Prints a row.
    pub(crate) fn show(&self, row: &str, finding: &Finding) {
        say(&format!("\n== {row}\n{}\n\n{}", self.sentence(), finding.table()));
    }

    /// Writes a row into the document.
    pub(crate) fn put(&self, document: &Path, row: &str, finding: &Finding) -> anyhow::Result<()> {
        let text = fs::read_to_string(document).unwrap_or_else(|_| TEMPLATE.to_owned());
        let (begin, end) = (format!("<!-- bench {row} -->\n"), format!("<!-- end {row} -->"));
        let place = text.split_once(&begin).and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
        let (head, tail) = place.with_context(|| {
            format!("{} has no block from {begin:?} to {end:?}: put it back, or remove the file", document.display())
        })?;
        let text = format!("{head}{begin}{}\n\n{}{end}{tail}", self.sentence(), finding.table());
        fs::write(document, text).with_context(|| format!("cannot write {}", document.display()))
    }
}

/// Returns the load average of the last minute.
fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|one| one.parse().ok()).unwrap_or(f64::NAN)
}

/// Returns the first line of a program's version output.
pub(crate) fn version_of(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).args(arguments).output().map(|output| [output.stdout, output.stderr].concat());
    let said = said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    said.lines().next().unwrap_or("of an unknown version").to_owned()
}

/// Prints a line for the operator.
pub(crate) fn say(text: &str) {
    // Ignores a closed standard output.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Formats a rate: `12,345/s`.
pub(crate) fn rate(per_second: f64) -> String {
    let digits = format!("{per_second:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}/s")
}
