//! The benchmarks: each row runs some work and its yardstick in turns and says how they compare. Started by `ci/bench`.
//!
//! One file a row. What the rows share: `generator` (the traffic), `stays` (a full ledger), `measure` (processes seen from
//! outside), `wrk` (load over HTTP), `pipeline` (servers and our programs put together), `raw` (queues used without any
//! work), `report` (the tables). Programs are
//! measured as whole processes; where a part has to be a process of its own, this program starts itself.
//! Nothing here fails for being slow.

mod answers;
mod drain;
mod embedded;
mod generator;
mod growth;
mod latency;
mod measure;
mod pages;
mod pipeline;
mod raw;
mod replay;
mod report;
mod save_summary;
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

/// The longest that one program of a benchmark may run.
const LIMIT: Duration = Duration::from_mins(30);

/// Runs the benchmarks.
#[derive(Debug, Parser)]
#[command(name = "ci/bench")]
struct Arguments {
    /// Which rows; all, when none is named
    rows: Vec<Row>,
    /// Small sizes and one run each: shows that the rows work, and measures nothing
    #[arg(long)]
    quick: bool,
    /// Events of the rows that have events: 10 million to replay and 2 million to drain, unless told
    #[arg(long)]
    events: Option<u64>,
    /// Runs of the work and of its yardstick, of which the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// The document to put the tables into; none is written without it, nor by a quick run
    #[arg(long)]
    document: Option<PathBuf>,
    /// Where files are made, and removed again; up to 10 GB
    #[arg(long, default_value = "target/bench-data")]
    data: PathBuf,
    /// A Python with the packages duckdb, fastapi and uvicorn
    #[arg(long, default_value = "target/bench-venv/bin/python")]
    python: PathBuf,
    /// What cargo adds
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
    /// What an event costs as events and open vehicles grow tenfold
    Growth,
    /// A backlog through RabbitMQ, Redis and SQLite against no work at all
    Drain,
    /// The same with PostgreSQL
    Postgres,
    /// The same with 100 events a message
    Hundred,
    /// The pipeline in one process against the drain
    Embedded,
    /// Gates that publish while the pipeline works
    Steady,
    /// From publish to recorded
    Latency,
    /// `POST /save_summary` against `FastAPI`
    SaveSummary,
    /// Pages of sessions and plate search
    Pages,
    /// Hot GraphQL queries, with kept answers against none
    Answers,
    /// Start, idle CPU and memory of each service
    Startup,
}

/// What the rows are told.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    quick: bool,
    events: Option<u64>,
    /// Of work and yardstick, alternated.
    runs: u32,
    data: PathBuf,
    python: PathBuf,
}

impl Options {
    /// How many events a row takes.
    fn events(&self, usual: u64, quick: u64) -> u64 {
        self.events.unwrap_or_else(|| self.sized(usual, quick))
    }

    /// A size of a row.
    fn sized<T>(&self, usual: T, quick: T) -> T {
        if self.quick { quick } else { usual }
    }

    /// A folder for the files of a row, removed with the value.
    fn folder(&self) -> anyhow::Result<tempfile::TempDir> {
        std::fs::create_dir_all(&self.data)?;
        // Programs run in other folders than this one.
        Ok(tempfile::tempdir_in(self.data.canonicalize()?)?)
    }
}

/// What this program starts of itself, to measure it as a process.
#[derive(Debug, Parser)]
struct PartArguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Measures one table of open vehicles
    Step(step::PartArguments),
    /// Consumes and acknowledges, and does nothing else
    Consume(raw::ConsumeArguments),
    /// Publishes at an even pace
    Publish(raw::PublishArguments),
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
            // Standard output of a part is its result.
            drop(writeln!(std::io::stderr(), "{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures the rows that are asked for; the names of those that failed.
async fn measure_rows() -> anyhow::Result<Vec<String>> {
    if std::env::args().nth(1).as_deref() == Some("part") {
        match PartArguments::parse_from(std::env::args().skip(1)).part {
            Part::Step(arguments) => step::part(&arguments)?,
            Part::Consume(arguments) => raw::consume(arguments).await?,
            Part::Publish(arguments) => raw::publish(&arguments).await?,
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
            // The other rows are worth their time all the same.
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
        Row::Pages => pages::run(options).await,
        Row::Answers => answers::run(options).await,
        Row::Startup => startup::run(options).await,
    }
}
