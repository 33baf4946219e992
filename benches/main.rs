//! The benchmarks. Each row alternates some work and its yardstick, and reports how they compare. Started by
//! `ci/bench`.
//!
//! Each row has a file. The rows share `generator` (the traffic), `stays` (a full ledger), `measure` (processes
//! measured from outside), `wrk` (load over HTTP), `pipeline` (servers and our programs), `raw` (queues used without
//! any work) and `report` (the tables). Programs are measured as whole processes; if a part must be a process of its
//! own, this program starts itself. A slow result is never an error.

mod answers;
mod drain;
mod embedded;
mod generator;
mod growth;
mod ingest;
mod latency;
mod lookup;
mod measure;
mod pages;
mod pipeline;
mod raw;
mod replay;
mod report;
mod save_summary;
mod senders;
mod startup;
mod stays;
mod steady;
mod step;
mod wrk;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use report::{Circumstances, Finding, say};

/// The maximum run time of one program of a benchmark.
const PROGRAM_DURATION_MAX: Duration = Duration::from_mins(30);

/// Runs the benchmarks.
#[derive(Debug, Parser)]
#[command(name = "ci/bench")]
struct Arguments {
    /// The rows to run; all of them if none is named
    rows: Vec<Row>,
    /// Small sizes and one run each: checks that the rows work, and measures nothing
    #[arg(long)]
    quick: bool,
    /// Events of the rows that have events; by default 10 million to replay and 2 million to drain
    #[arg(long)]
    events: Option<u64>,
    /// Runs of the work and of its yardstick; the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// The document to put the tables into; none is written without it, nor by a quick run
    #[arg(long)]
    document: Option<PathBuf>,
    /// The folder for temporary files, up to 10 GB
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// A Python with the packages that `ci/bench` names
    #[arg(long, default_value = "target/bench-venv/bin/python")]
    python: PathBuf,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// The rows, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Row {
    /// `dwell replay` against `DuckDB`
    Replay,
    /// The pure matching step against a hashbrown table
    Step,
    /// The cost of an event as events and open vehicles grow tenfold
    Growth,
    /// A backlog through RabbitMQ, Redis and SQLite against consuming without any work
    Drain,
    /// The drain with PostgreSQL
    Postgres,
    /// The drain with 100 events in each message
    Hundred,
    /// The pipeline in one process against the drain
    Embedded,
    /// Gates that publish while the pipeline works
    Steady,
    /// The latency from publish to recorded
    Latency,
    /// `POST /save_summary` against `FastAPI`
    SaveSummary,
    /// Events at the gateway, over HTTP and gRPC, against services in Python and lapin alone
    Ingest,
    /// Pages of sessions and plate search
    Pages,
    /// Look-ups at the exit with 10,000 vehicles inside
    Lookup,
    /// Hot GraphQL queries with the query cache against none
    Answers,
    /// Start time, idle CPU and memory of each service
    Startup,
}

/// The options of the rows.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    quick: bool,
    events: Option<u64>,
    /// Runs of work and yardstick, which alternate.
    runs: u32,
    data: PathBuf,
    python: PathBuf,
}

impl Options {
    /// Returns the number of events of a row.
    fn events(&self, usual: u64, quick: u64) -> u64 {
        self.events.unwrap_or_else(|| self.sized(usual, quick))
    }

    /// Chooses between a row's usual and quick size.
    fn sized<T>(&self, usual: T, quick: T) -> T {
        if self.quick { quick } else { usual }
    }

    /// Creates a temporary folder for a row, removed when dropped.
    fn folder(&self) -> anyhow::Result<tempfile::TempDir> {
        std::fs::create_dir_all(&self.data)?;
        // Absolute, because programs run in other working directories.
        Ok(tempfile::tempdir_in(self.data.canonicalize()?)?)
    }
}

/// A part that runs as a separate process, so that it can be measured.
#[derive(Debug, Parser)]
struct PartArguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Measures one table of open vehicles
    Step(step::PartArguments),
    /// Consumes and acknowledges without any work
    Consume(raw::ConsumeArguments),
    /// Publishes at a constant rate
    Publish(raw::PublishArguments),
    /// Publishes the lines of a file with confirms
    Lines(senders::LinesArguments),
    /// Streams events over gRPC
    Report(senders::ReportArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    match measure_rows().await {
        Ok(failed) if failed.is_empty() => ExitCode::SUCCESS,
        Ok(failed) => {
            say(&format!("these rows failed: {}", failed.join(", ")));
            ExitCode::FAILURE
        }
        Err(error) => {
            // The standard output of a part is its result.
            drop(writeln!(std::io::stderr(), "{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures the requested rows; returns the names of those that failed.
async fn measure_rows() -> anyhow::Result<Vec<String>> {
    if std::env::args().nth(1).as_deref() == Some("part") {
        match PartArguments::parse_from(std::env::args().skip(1)).part {
            Part::Step(arguments) => step::part(&arguments)?,
            Part::Consume(arguments) => raw::consume(arguments).await?,
            Part::Publish(arguments) => raw::publish(&arguments).await?,
            Part::Lines(arguments) => senders::publish_lines(&arguments).await?,
            Part::Report(arguments) => senders::report(&arguments).await?,
        }
        return Ok(Vec::new());
    }
    let arguments = Arguments::parse();
    let options = Options {
        quick: arguments.quick,
        events: arguments.events,
        runs: if arguments.quick { 1 } else { arguments.runs },
        data: arguments.data,
        python: arguments.python,
    };
    let rows = if arguments.rows.is_empty() { Row::value_variants().to_vec() } else { arguments.rows };
    let circumstances = Circumstances::now(options.quick);
    let mut failed = Vec::new();
    for row in rows {
        let name = row.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        say(&format!("{name}: running"));
        match Box::pin(run(row, &options)).await {
            Ok(finding) => {
                circumstances.show(&name, &finding);
                if let Some(document) = arguments.document.as_deref().filter(|_| !options.quick) {
                    circumstances.put(document, &name, &finding)?;
                }
            }
            // A failure does not stop the other rows.
            Err(error) => {
                say(&format!("{name}: FAILED: {error:#}"));
                failed.push(name);
            }
        }
    }
    Ok(failed)
}

async fn run(row: Row, options: &Options) -> anyhow::Result<Finding> {
    match row {
        Row::Replay => replay::run(options),
        Row::Step => step::run(options),
        Row::Growth => growth::run(options),
        Row::Drain => drain::run(options, drain::Variant::SQLITE).await,
        Row::Postgres => drain::run(options, drain::Variant::POSTGRES).await,
        Row::Hundred => drain::run(options, drain::Variant::HUNDRED).await,
        Row::Embedded => embedded::run(options).await,
        Row::Steady => steady::run(options).await,
        Row::Latency => latency::run(options).await,
        Row::SaveSummary => save_summary::run(options).await,
        Row::Ingest => ingest::run(options).await,
        Row::Pages => pages::run(options).await,
        Row::Lookup => lookup::run(options).await,
        Row::Answers => answers::run(options).await,
        Row::Startup => startup::run(options).await,
    }
}
