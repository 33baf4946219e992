//! Gate events at the gateway, compared with services in Python and with lapin alone.
//!
//! Over HTTP, one event a request, the yardstick is the same route in `FastAPI`, which publishes with aio-pika and
//! confirms. A stream of lines is compared with lapin that publishes the same lines with confirms, and a stream of gRPC
//! with a service in Python that pushes each event to Redis. The last line is the gateway's memory when clients send
//! without end and RabbitMQ stands still. The clients are in `senders`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use testbed::{Program, free_port};

use crate::Options;
use crate::PROGRAM_DURATION_MAX;
use crate::generator::{Plan, Truth, write_file};
use crate::measure::{self, median, memory, number};
use crate::pipeline::{Page, Servers, wait};
use crate::report::{Finding, rate, say, version_of};
use crate::senders::{self, LINES_QUEUE};
use crate::wrk::{CONNECTIONS, YARDSTICKS, load, version};

const SCRIPT: &str = "ingest.lua";
/// The queue of the yardstick over HTTP.
const FASTAPI_QUEUE: &str = "yardstick.http";
/// The gRPC messages of several events have this many.
const EVENTS_PER_MESSAGE: u64 = 100;
const MEMORY_MAX_MIB: f64 = 64.0;

/// A gateway as a process, and where it listens.
struct Gateway {
    program: Program,
    http: u16,
    grpc: u16,
}

/// The rates of all rounds, in events a second.
#[derive(Debug, Default)]
struct Rates {
    http: [Vec<f64>; 2],
    lines: [Vec<f64>; 2],
    grpc: [Vec<f64>; 2],
    grpc_hundred: Vec<f64>,
    p99_ms: [Vec<f64>; 2],
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<Finding> {
    let folder = options.folder()?;
    let file = folder.path().join("events.ndjson");
    let truth = write_file(&Plan::backlog(options.events(500_000, 20_000)), &file)?;
    let servers = Servers::start(false).await?;
    let mut rates = Rates::default();
    for round in 0..options.runs {
        http(options, &servers, folder.path(), &mut rates).await?;
        lines(&servers, folder.path(), &file, truth, &mut rates).await?;
        grpc(options, &servers, folder.path(), &mut rates).await?;
        say(&format!("ingest: round {} of {} is done", round + 1, options.runs));
    }
    let peak_mib = peak_without_broker(options, &servers, folder.path()).await?;
    Ok(finding(options, &servers, truth, rates, peak_mib))
}

fn finding(options: &Options, servers: &Servers, truth: Truth, rates: Rates, peak_mib: f64) -> Finding {
    let mut finding = Finding::default();
    let mut compare = |work: &str, [ours, theirs]: [Vec<f64>; 2], least: f64| {
        let (ours, theirs) = (median(ours), median(theirs));
        finding.at_least(work, rate(ours), rate(theirs), ours / theirs, least);
    };
    compare("events over HTTP, one a request", rates.http, 8.0);
    compare("events as a stream of lines", rates.lines, 0.8);
    compare("events over gRPC, one a message", rates.grpc, 10.0);
    finding.limit("gateway, peak resident while RabbitMQ stands still", peak_mib, MEMORY_MAX_MIB, "MiB");
    let [ours, theirs] = rates.p99_ms.map(median);
    finding.note(format!("HTTP: {CONNECTIONS} connections of {}; p99 {ours:.1} ms against {theirs:.1} ms", version()));
    let (lines, hundred) = (truth.lines, rate(median(rates.grpc_hundred)));
    finding.note(format!("lines: {lines} events; lapin has at most {} unconfirmed", senders::UNCONFIRMED_MAX));
    finding.note(format!("gRPC with {EVENTS_PER_MESSAGE} events a message: {hundred}"));
    let packages = "import fastapi, uvicorn, aio_pika, grpc, redis; print('FastAPI', fastapi.__version__ + ', uvicorn', \
                    uvicorn.__version__ + ', aio-pika', aio_pika.__version__ + ', grpcio', grpc.__version__ + ', redis', \
                    redis.__version__)";
    let python = options.python.display().to_string();
    finding.note(format!("{}; {}", version_of(&python, &["-c", packages]), servers.versions));
    finding
}

async fn gateway(servers: &Servers, folder: &Path) -> anyhow::Result<Gateway> {
    let (http, grpc) = (free_port(), free_port());
    let program = Program::new(testbed::binary("gateway")?)
        .env("DWELL_AMQP_URL", servers.broker.amqp_url())
        .env("DWELL_LISTEN", format!("127.0.0.1:{http}"))
        .env("DWELL_GRPC_LISTEN", format!("127.0.0.1:{grpc}"))
        .current_dir(folder)
        .start()?;
    Page::new(http).ready().await?;
    Ok(Gateway { program, http, grpc })
}

/// Empties queues, so that no run pays for the messages of another one.
async fn purge(servers: &Servers, queues: &[&str]) -> anyhow::Result<()> {
    for queue in queues {
        servers.broker.ctl(&["purge_queue", queue]).await?;
    }
    Ok(())
}

async fn purge_ours(servers: &Servers) -> anyhow::Result<()> {
    let names = bus::QueueNames::default();
    purge(servers, &[&names.entry, &names.exit]).await
}

async fn http(options: &Options, servers: &Servers, folder: &Path, rates: &mut Rates) -> anyhow::Result<()> {
    let mut ours = gateway(servers, folder).await?;
    let own = load(options, ours.http, SCRIPT, &[])?;
    ours.program.kill()?;
    purge_ours(servers).await?;
    let port = free_port();
    let mut theirs = python(options)?
        .args(["-m", "uvicorn", "fastapi_events:app", "--host", "127.0.0.1", "--no-access-log"])
        .args(["--port".to_owned(), port.to_string()])
        .args(["--app-dir", YARDSTICKS])
        .env("AMQP_URL", servers.broker.amqp_url())
        .env("QUEUE", FASTAPI_QUEUE)
        .start()?;
    let page = Page::new(port);
    wait("FastAPI to answer", async || page.get("/openapi.json").await.is_ok()).await?;
    let yardstick = load(options, port, SCRIPT, &[])?;
    theirs.kill()?;
    purge(servers, &[FASTAPI_QUEUE]).await?;
    for (place, load) in [own, yardstick].into_iter().enumerate() {
        rates.http[place].push(load.a_second);
        rates.p99_ms[place].push(load.p99_ms);
    }
    Ok(())
}

fn python(options: &Options) -> anyhow::Result<testbed::ProgramBuilder> {
    let python = std::path::absolute(&options.python)?;
    ensure!(python.is_file(), "{} is missing: run ci/bench, which creates it", python.display());
    Ok(Program::new(python).env("PYTHONDONTWRITEBYTECODE", "1"))
}

async fn lines(servers: &Servers, folder: &Path, file: &Path, truth: Truth, rates: &mut Rates) -> anyhow::Result<()> {
    let mut ours = gateway(servers, folder).await?;
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--request", "POST", "--header"]);
    curl.args(["Content-Type: application/x-ndjson", "--upload-file"]).arg(file);
    curl.arg(format!("http://127.0.0.1:{}/api/v1/events", ours.http));
    let own = measure::run(&mut curl, PROGRAM_DURATION_MAX).context("curl is needed: see ci/bench")?;
    let answer: serde_json::Value = serde_json::from_str(&own.output)?;
    ensure!(answer["accepted"] == truth.lines, "the gateway accepted {} of {} events", answer["accepted"], truth.lines);
    ours.program.kill()?;
    purge_ours(servers).await?;
    let mut lapin = part("lines")?;
    lapin.args(["--amqp", &servers.broker.amqp_url(), "--file"]).arg(file);
    let yardstick = measure::run(&mut lapin, PROGRAM_DURATION_MAX)?;
    purge(servers, &[LINES_QUEUE]).await?;
    for (place, run) in [own, yardstick].into_iter().enumerate() {
        rates.lines[place].push(number(truth.lines) / run.wall.as_secs_f64());
    }
    Ok(())
}

/// A part of this program, as a process.
fn part(name: &str) -> anyhow::Result<std::process::Command> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["part", name]);
    Ok(command)
}

async fn grpc(options: &Options, servers: &Servers, folder: &Path, rates: &mut Rates) -> anyhow::Result<()> {
    let events = options.sized(100_000, 5_000);
    let mut ours = gateway(servers, folder).await?;
    rates.grpc[0].push(report(ours.grpc, events, 1)?);
    rates.grpc_hundred.push(report(ours.grpc, events, EVENTS_PER_MESSAGE)?);
    ours.program.kill()?;
    purge_ours(servers).await?;
    let port = free_port();
    let mut theirs = python(options)?
        .args([PathBuf::from(YARDSTICKS).join("grpc_events.py")])
        .args([port.to_string()])
        .env("REDIS_URL", servers.redis.url())
        .env("PROTO", concat!(env!("CARGO_MANIFEST_DIR"), "/proto"))
        .current_dir(folder)
        .start()?;
    theirs.wait_for_line("ready", Duration::from_mins(1)).await?;
    rates.grpc[1].push(report(port, events, 1)?);
    theirs.kill()?;
    servers.redis.flush().await
}

/// Streams events over gRPC; returns events a second.
fn report(port: u16, events: u64, per_message: u64) -> anyhow::Result<f64> {
    let mut client = part("report")?;
    let (port, number_of_events) = (port.to_string(), events.to_string());
    client.args(["--port", &port, "--events", &number_of_events, "--per-message", &per_message.to_string()]);
    let run = measure::run(&mut client, PROGRAM_DURATION_MAX)?;
    Ok(number(events) / run.output.trim().parse::<f64>().context("the client printed no seconds")?)
}

/// Returns the gateway's peak memory while clients send without end to a RabbitMQ that stands still, in MiB.
async fn peak_without_broker(options: &Options, servers: &Servers, folder: &Path) -> anyhow::Result<f64> {
    let mut ours = gateway(servers, folder).await?;
    servers.broker.pause()?;
    senders::send_without_end(ours.http, Duration::from_secs(options.sized(30, 3))).await;
    let peak = memory(ours.program.pid(), "VmHWM");
    ours.program.kill()?;
    servers.broker.resume()?;
    Ok(number(peak.context("the gateway has ended")?) / (1024.0 * 1024.0))
}
