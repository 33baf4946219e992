//! The frame of a `main`: flags, settings, log, runtime, signals, errors and exit codes.
//!
//! The service passes one async function, which runs inside.
//!
//! | exit code | meaning |
//! | --- | --- |
//! | 0 | done, or stopped by a signal, with all work finished |
//! | 1 | failed: the last lines say why |
//! | 2 | an unknown flag or subcommand |
//! | 69 | a server is unavailable, or a port, a data folder or an embedded bus is in use: waiting would not help |
//! | 78 | the configuration is wrong: nothing was started |

use std::error::Error as StdError;
use std::future::Future;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ::tls::Connector;
use clap::{ArgMatches, Command};
use parking::{SystemClock, printable};
use settings::{HEALTHCHECK, Settings};

use crate::http::BindError;
use crate::lifecycle::Error as LifecycleError;
use crate::logs::{self, Output};
use crate::traces::Traces;
use crate::{Build, ServiceContext, causes, http, metrics, tls};

const FAILED: u8 = 1;
const UNAVAILABLE: u8 = 69;
const WRONG_CONFIGURATION: u8 = 78;
/// Blocking work gets this time at the very end.
const BLOCKING_MAX: Duration = Duration::from_secs(1);

/// A server that is down or wrongly configured, or a file that another process uses, where waiting would not help:
/// the process exits with 69.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is unavailable: {reason}")]
pub struct Unavailable {
    /// The server or the file, for instance `rabbitmq` or `the data folder`.
    pub name: &'static str,
    /// What is wrong and what to do, without secrets.
    pub reason: String,
}

/// The exit code of an error: 78 if a [`settings::Error`] is among its causes, 69 if an [`Unavailable`] or a taken
/// port is, else 1.
///
/// Causes are found by `source()`, so an error type must keep them as `#[source]` or `#[from]`;
/// `#[error(transparent)]` hides its inner error.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if error.chain().any(<dyn StdError>::is::<settings::Error>) {
        WRONG_CONFIGURATION
    } else if error.chain().any(is_unavailable) {
        UNAVAILABLE
    } else {
        FAILED
    }
}

fn is_unavailable(cause: &(dyn StdError + 'static)) -> bool {
    let is_taken_port = |error: &BindError| error.source.kind() == ErrorKind::AddrInUse;
    cause.is::<Unavailable>() || cause.downcast_ref().is_some_and(is_taken_port)
}

/// The appearance of a program, and when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// The output of its log.
    pub output: Output,
    /// Whether its stop and its end are logged at `info`; else at `debug`. (For its start see [`crate::announce`].)
    pub announced: bool,
    /// Whether it ends when its function ends; else it runs until the stop.
    pub ends_by_itself: bool,
}

impl Role {
    /// A service: runs until it is stopped, and logs to standard output.
    pub fn service() -> Self {
        Self { output: Output::Stdout, announced: true, ends_by_itself: false }
    }

    /// A command: does one thing and ends; standard output is for its result.
    pub fn command() -> Self {
        Self { output: Output::Stderr, announced: false, ends_by_itself: true }
    }
}

/// Runs a service from its [`settings::command`] to its end, and reports errors on standard error.
///
/// `start` may return as soon as its tasks are [spawned](crate::Lifecycle::spawn): the process then runs until SIGINT
/// or SIGTERM, until [`Lifecycle::stop`](crate::Lifecycle::stop), or until a task fails. It may also do the work
/// itself and then call `stop`. The `healthcheck` subcommand is built in. The program has the name of the command.
pub fn run_service<S, F>(command: Command, build: Build, start: S) -> ExitCode
where
    S: FnOnce(ArgMatches, Settings, ServiceContext) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let name = service_name(&command);
    match parsed(command, build) {
        Ok(matches) => run_program(name, Role::service(), matches, start),
        Err(code) => code,
    }
}

/// Parses the command line of this process, whose program is of this build: `--version` and everything after this call
/// show it.
///
/// # Errors
/// Help, the version or an error has been printed, and the process should end with this code.
pub fn parsed(command: Command, build: Build) -> Result<ArgMatches, ExitCode> {
    build.announce();
    command.version(build.to_string()).try_get_matches().map_err(|error| said_by_clap(&error))
}

/// Like [`run_service`], for a command line that is [`parsed`] already, for instance because the role depends on it.
/// `name` is in each line of its log.
pub fn run_program<S, F>(name: &'static str, role: Role, matches: ArgMatches, start: S) -> ExitCode
where
    S: FnOnce(ArgMatches, Settings, ServiceContext) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let ran = Settings::read(&matches, std::env::vars_os()).map_err(anyhow::Error::from).and_then(|settings| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ran = runtime.block_on(Box::pin(run(name, role, matches, settings, start)));
        runtime.shutdown_timeout(BLOCKING_MAX);
        ran
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(name, &error);
            exit_code(&error)
        }
    }
}

async fn run<S, F>(
    name: &'static str,
    role: Role,
    matches: ArgMatches,
    settings: Settings,
    start: S,
) -> anyhow::Result<()>
where
    S: FnOnce(ArgMatches, Settings, ServiceContext) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    if matches.subcommand_name() == Some(HEALTHCHECK) {
        return healthcheck(&settings).await;
    }
    logs::init_on(role.output, &settings, name)?;
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let drain = settings.duration(&settings::DRAIN)?;
    let mut context = ServiceContext::new(Arc::new(SystemClock));
    context.connector = Connector::from_settings(&settings)?;
    context.traces = Traces::from_settings(&settings, name, &context.registry, &context.connector)?;
    metrics::build_info(&context.registry, name, Build::current())?;
    metrics::process(&context.registry)?;
    if !role.ends_by_itself {
        context.tls = tls::Listener::start(&settings, &context.clock, &context.registry, &context.lifecycle)?;
    }
    context.lifecycle.watch_signals(role.announced)?;
    context.spawn_background();
    let lifecycle = context.lifecycle.clone();
    let work = start(matches, settings, context.clone());
    let work = async move {
        let ended = work.await;
        if role.ends_by_itself {
            lifecycle.stop();
        }
        ended
    };
    let ended = supervise(work, &context, drain).await;
    context.decisions.flush();
    context.traces.finish().await;
    // A service with invalid settings had not started.
    let had_started = ended.as_ref().err().is_none_or(|error| code(error) != WRONG_CONFIGURATION);
    if role.announced && had_started {
        tracing::info!("{name} has stopped");
    }
    ended
}

/// Asks the service on the configured address; an error if it is not ready.
async fn healthcheck(settings: &Settings) -> anyhow::Result<()> {
    // Without a default address, port 0: the error then names the setting.
    let address = settings.listen(&settings::LISTEN, 0)?;
    if address.port == 0 {
        return Err(settings.wrong(&settings::LISTEN, "a health check needs to know the port").into());
    }
    Ok(http::probe_ready(&address, ::tls::Listener::is_configured(settings)).await?)
}

/// Runs `start` and its tasks, to the end of the drain.
async fn supervise<F>(start: F, context: &ServiceContext, drain: Duration) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let lifecycle = &context.lifecycle;
    let finished = async {
        lifecycle.stopping().await;
        context.health.draining();
        lifecycle.finished(drain).await
    };
    let started = async {
        let ended = lifecycle.run_here("start", start).await.unwrap_or(Ok(()));
        ended.inspect_err(|_| lifecycle.stop())
    };
    let (started, finished) = tokio::join!(started, finished);
    // The first cause is reported: a start that failed explains why tasks were cut off, not the other way round.
    started?;
    finished.map_err(|error: LifecycleError| error.into())
}

fn service_name(command: &Command) -> &'static str {
    // A command is made once per process, and its name is in every line of the log.
    Box::leak(command.get_name().to_owned().into_boxed_str())
}

fn said_by_clap(error: &clap::Error) -> ExitCode {
    if let Err(error) = error.print() {
        tracing::debug!(%error, "nobody reads the help");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAILED))
}

/// One block on standard error: the error and its causes, one per line.
fn report(name: &str, error: &anyhow::Error) {
    let block = causes::texts(error.as_ref()).join("\n  because ");
    let block = format!("{name}: {block}\n");
    if let Err(error) = std::io::stderr().write_all(printable::lines(&block).as_bytes()) {
        tracing::error!(%error, "standard error is closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(10);

    #[derive(Debug, thiserror::Error)]
    #[error("the correlator cannot start")]
    struct Wrapped(#[source] settings::Error);

    #[test]
    fn exit_code_tells_wrong_configuration_from_what_is_unavailable_or_taken_and_from_the_rest() {
        let missing = || settings::Error::missing(&settings::AMQP_URL);
        let not_bound = |kind: ErrorKind| BindError {
            address: settings::Listen::loopback(5000),
            remedy: "choose another port".to_owned(),
            source: kind.into(),
        };
        let unavailable = Unavailable { name: "rabbitmq", reason: "the queue has other arguments".to_owned() };

        let codes = [
            code(&missing().into()),
            code(&Wrapped(missing()).into()),
            code(&anyhow::Error::from(missing()).context("starting")),
            code(&unavailable.into()),
            code(&not_bound(ErrorKind::AddrInUse).into()),
            code(&anyhow::Error::from(http::StartError::from(not_bound(ErrorKind::AddrInUse)))),
            code(&not_bound(ErrorKind::PermissionDenied).into()),
            code(&anyhow::anyhow!("disk is full")),
        ];

        assert_eq!(codes, [78, 78, 78, 69, 69, 69, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn start_that_fails_stops_what_it_spawned_and_is_the_error() {
        let context = ServiceContext::for_testing();
        let inside = context.clone();
        let start = async move {
            inside.lifecycle.spawn("stuck", std::future::pending());
            Err(settings::Error::missing(&settings::AMQP_URL).into())
        };

        let error = supervise(start, &context, DRAIN).await.unwrap_err();

        assert_eq!(code(&error), 78);
        assert!(context.lifecycle.is_aborted());
    }

    #[tokio::test(start_paused = true)]
    async fn start_that_ignores_the_stop_is_cut_off_after_the_drain() {
        let context = ServiceContext::for_testing();
        let begun = tokio::time::Instant::now();
        context.lifecycle.stop();

        let ended = supervise(std::future::pending(), &context, DRAIN).await;

        assert!(ended.unwrap_err().to_string().contains("in: start;"));
        assert_eq!(begun.elapsed(), DRAIN);
        assert!(!context.health.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn start_that_does_the_work_itself_ends_the_process() {
        let context = ServiceContext::for_testing();
        let lifecycle = context.lifecycle.clone();
        let start = async move {
            tokio::time::sleep(DRAIN * 100).await;
            lifecycle.stop();
            Ok(())
        };
        assert!(supervise(start, &context, DRAIN).await.is_ok());
    }
}
