//! `testbed run -- COMMAND…`: runs a command with one `RabbitMQ` and one `PostgreSQL` for all the tests in it.
//!
//! The environment variables `TESTBED_AMQP_URL`, `TESTBED_MANAGEMENT_URL` and `TESTBED_POSTGRES_URL` contain their
//! addresses. They are stopped at the end, also if the command fails or is interrupted. The exit code is that of the
//! command.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use testbed::{Postgres, RabbitMq};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// The time that an interrupted command has to end.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// Wrong usage, as in sysexits.h.
const EX_USAGE: u8 = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [run, dashes, program, rest @ ..] = arguments.as_slice() else { return usage() };
    if run != "run" || dashes != "--" {
        return usage();
    }
    match with_servers(program, rest).await {
        Ok(status) => exit_code(status),
        Err(error) => {
            say(&format!("testbed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn with_servers(program: &OsString, arguments: &[OsString]) -> anyhow::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let start = Instant::now();
    let servers = async { tokio::try_join!(RabbitMq::start(), Postgres::start()) };
    // An interruption drops the servers that are starting, which stops them.
    let (rabbitmq, postgres) = tokio::select! {
        servers = servers => servers?,
        _ = interrupt.recv() => anyhow::bail!("interrupted before the servers were up"),
        _ = terminate.recv() => anyhow::bail!("terminated before the servers were up"),
    };
    say(&format!("testbed: RabbitMQ and PostgreSQL are up after {:.1} s", start.elapsed().as_secs_f64()));

    let mut child = Command::new(program)
        .args(arguments)
        .env("TESTBED_AMQP_URL", rabbitmq.amqp_url())
        .env("TESTBED_MANAGEMENT_URL", rabbitmq.management_url())
        .env("TESTBED_POSTGRES_URL", postgres.url())
        // A separate process group, so that an interruption also reaches the command's children.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let group = child.id().context("the command has ended before it was waited for")?;
    tokio::select! {
        status = child.wait() => status.context("cannot wait for the command"),
        _ = interrupt.recv() => end(&mut child, group, testbed::Signal::INT).await,
        _ = terminate.recv() => end(&mut child, group, testbed::Signal::TERM).await,
    }
}

/// Passes a signal on to the command, and kills it if it does not end.
async fn end(child: &mut Child, group: u32, signal: testbed::Signal) -> anyhow::Result<ExitStatus> {
    send(group, signal);
    let ended = tokio::time::timeout(END_PATIENCE, child.wait()).await;
    // Remaining processes of the command must not outlive the servers.
    send(group, testbed::Signal::KILL);
    match ended {
        Ok(status) => status.context("cannot wait for the command"),
        Err(_) => child.wait().await.context("cannot wait for the killed command"),
    }
}

fn send(group: u32, signal: testbed::Signal) {
    let group = i32::try_from(group).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // An error means that the group has no process left, which is fine.
        rustix::process::kill_process_group(group, signal).ok();
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    // As in a shell: 128 plus the signal's number.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn usage() -> ExitCode {
    say("usage: testbed run -- COMMAND [ARGUMENT…]");
    ExitCode::from(EX_USAGE)
}

fn say(line: &str) {
    // If standard error is closed, there is no place to report it.
    drop(writeln!(std::io::stderr(), "{line}"));
}
