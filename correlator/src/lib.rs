//! Matches each exit with its entry: load, decide, record, cache, acknowledge. Always in this order.
//!
//! | file | what it does |
//! | --- | --- |
//! | `intake` | two queues in, one stream of arrivals in order of event time out |
//! | `schedule` | which arrivals go into which batch; a vehicle is in one at a time |
//! | `worker` | settles several batches at once, acknowledges last |
//! | `dead_letters` | refused events, until the broker confirms them as dead letters |
//! | `decide` | for the vehicles of a batch: load, decide (crate `matching`), record, cache; retry version conflicts |
//! | `calls` | calls to the ledger: retries during outages, bisection of rejected calls |
//! | `freshness` | the time from the gate until the sessions are recorded: a metric |
//! | `deadlines` | ends of holds and of the longest stays |
//! | `batch_trace` | the trace of a batch and of its decisions |
//! | `heartbeat` | queue depths, the status and health for the summary API, changed rules |
//! | [`timelines`] | the working state: a cache of the ledger, in memory or in Redis |
//!
//! No state lives only here: any number of correlators may compete for the same queues, and a crash costs a
//! redelivery. The crate `matching` decides which exit belongs to which entry, and the ledger owns the durable state.

use std::sync::{Arc, RwLock};

use bus::Bus;
use parking::PLATE_NORMAL_FORM;
use recorder::{LedgerInfo, Recorder};
use service_kit::metrics::show_limits;
use service_kit::{Backoff, ServiceContext};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

mod arrival;
mod batch_trace;
mod calls;
mod clock_watch;
mod config;
mod dead_letters;
mod deadlines;
mod decide;
mod decisions;
mod freshness;
mod heartbeat;
mod intake;
mod ledger_health;
mod metrics;
mod new_event;
mod progress;
mod schedule;
pub mod timelines;
mod worker;

pub use config::Config;

use calls::Calls;
use dead_letters::DeadLetters;
use decide::Decider;
use decisions::DecisionLogger;
use freshness::Freshness;
use heartbeat::Heartbeat;
use intake::Intake;
use ledger_health::LedgerHealth;
use metrics::Metrics;
use progress::Progress;
use worker::Worker;

/// The metrics port of a separate correlator process.
pub const DEFAULT_PORT: u16 = 2112;

/// Why a correlator could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server refuses the configuration.
    #[error("the correlator can't start")]
    Config(#[from] settings::Error),
    /// The process is stopping already.
    #[error("the correlator did not start: the process is stopping")]
    Stopping,
    /// A metric can't be registered: a defect of the program.
    #[error("the correlator can't count")]
    Metrics(#[from] service_kit::metrics::Error),
}

/// The ledger's plates have another normal form than this program computes, so it would confuse vehicles.
#[derive(Debug, thiserror::Error)]
#[error(
    "the ledger of the summary API has plates in version {0} of their normal form, and this correlator knows version \
     {PLATE_NORMAL_FORM}: correlators must be of the same version as the summary API"
)]
struct OtherNormalForm(u16);

impl OtherNormalForm {
    fn check(info: &LedgerInfo) -> Result<(), Self> {
        let of_ledger = info.rules.plate_normal_form;
        if of_ledger == PLATE_NORMAL_FORM { Ok(()) } else { Err(Self(of_ledger)) }
    }
}

impl From<timelines::redis::Error> for Error {
    fn from(error: timelines::redis::Error) -> Self {
        match error {
            timelines::redis::Error::Address(error) => Self::Config(settings::Error::Refused(error.to_string())),
            timelines::redis::Error::Metrics(error) => Self::Metrics(error),
        }
    }
}

impl From<bus::Error> for Error {
    fn from(error: bus::Error) -> Self {
        match error {
            bus::Error::Config(refusal) => Self::Config(refusal),
            bus::Error::Stopping => Self::Stopping,
        }
    }
}

/// Starts a correlator on the context's lifecycle. It works until the stop, and then finishes what is in flight.
///
/// Waits until the ledger answers; a stop ends the wait.
///
/// # Errors
/// A permanent error: a server refuses the settings.
pub async fn start(
    config: Config,
    bus: Arc<dyn Bus>,
    recorder: Arc<dyn Recorder>,
    context: &ServiceContext,
) -> Result<(), Error> {
    let metrics = Metrics::new(&context.registry)?;
    let freshness = Freshness::new(&context.registry, &config.lots, Arc::clone(&context.clock))?;
    show_limits(&context.registry, &limits(&config))?;
    let ledger = context.health.dependency("summary-api");
    let Some(info) = info(recorder.as_ref(), &ledger, context).await? else { return Ok(()) };
    let decider = Arc::new(Decider {
        timelines: timelines::open(config.redis_url.as_ref(), info.ledger, context)?,
        calls: Calls {
            recorder,
            health: LedgerHealth::new(&context.health),
            metrics: metrics.clone(),
            lifecycle: context.lifecycle.clone(),
        },
        rules: RwLock::new(Arc::new(info.rules)),
        metrics: metrics.clone(),
        decision_logger: DecisionLogger::new(Arc::clone(&context.decisions)),
        lifecycle: context.lifecycle.clone(),
        traces: context.traces.clone(),
    });
    let progress = Arc::new(Progress::default());
    let intake =
        Intake::open(bus.as_ref(), config.prefetch, Arc::clone(&context.clock), metrics.clone(), Arc::clone(&progress))
            .await?;
    spawn(&config, bus, decider, metrics, freshness, progress, intake, info.ledger, context);
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the parts of one correlator, named once each")]
fn spawn(
    config: &Config,
    bus: Arc<dyn Bus>,
    decider: Arc<Decider>,
    metrics: Metrics,
    freshness: Freshness,
    progress: Arc<Progress>,
    intake: Intake,
    ledger: Uuid,
    context: &ServiceContext,
) {
    let dead_letters = DeadLetters::new(
        Arc::clone(&bus),
        metrics.clone(),
        Arc::clone(&progress),
        Arc::clone(&context.decisions),
        context.health.dependency("dead-letters"),
    );
    let worker = Arc::new(Worker {
        dead_letters: Arc::new(dead_letters),
        decider: Arc::clone(&decider),
        metrics: metrics.clone(),
        freshness,
        progress: Arc::clone(&progress),
        batch_events: config.batch_events,
        batches_in_flight: config.batches_in_flight,
    });
    let finished = CancellationToken::new();
    let heartbeat = Heartbeat {
        correlator: Uuid::new_v4(),
        ledger,
        bus,
        decider: Arc::clone(&decider),
        metrics,
        progress: Arc::clone(&progress),
        acknowledgers: intake.acknowledgers(),
        health: context.health.clone(),
        finished: finished.clone(),
    };
    let working = finished.drop_guard();
    context.lifecycle.spawn("correlator", async move {
        let _working = working;
        Ok(worker.run(intake).await?)
    });
    let (counts, health, lifecycle) = (heartbeat.metrics.clone(), context.health.clone(), context.lifecycle.clone());
    context.lifecycle.spawn("clock watch", async move {
        clock_watch::run(counts, health, lifecycle).await;
        Ok(())
    });
    let clock = Arc::clone(&context.clock);
    context.lifecycle.spawn("deadlines", async move {
        deadlines::run(decider, progress, clock).await;
        Ok(())
    });
    context.lifecycle.spawn("heartbeat", async move { Ok(heartbeat.run().await?) });
}

/// The effective limits, by name; each name ends with the unit.
fn limits(config: &Config) -> [(&'static str, u64); 9] {
    [
        ("batch_events", config.batch_events as u64),
        ("in_flight_batches", config.batches_in_flight as u64),
        ("prefetch_messages", config.prefetch.into()),
        ("outstanding_events", intake::OUTSTANDING_EVENTS_MAX as u64),
        ("outstanding_bytes", intake::OUTSTANDING_BYTES_MAX as u64),
        ("held_dead_letters", dead_letters::LETTERS_MAX as u64),
        ("held_dead_letter_bytes", dead_letters::BYTES_MAX as u64),
        ("timeline_events", matching::timeline::MAX_EVENTS as u64),
        ("trace_links", service_kit::traces::LINKS_MAX as u64),
    ]
}

/// The ledger's info once it answers; `None` if the stop comes first.
async fn info(
    recorder: &dyn Recorder,
    ledger: &service_kit::Dependency,
    context: &ServiceContext,
) -> Result<Option<LedgerInfo>, Error> {
    let mut backoff = Backoff::default();
    loop {
        match recorder.info().await {
            Ok(info) => {
                let known = OtherNormalForm::check(&info);
                known.map_err(|other| settings::Error::Refused(other.to_string()))?;
                ledger.up();
                return Ok(Some(info));
            }
            Err(error @ (recorder::Error::Refused(_) | recorder::Error::Rejected(_))) => {
                return Err(settings::Error::Refused(error.to_string()).into());
            }
            Err(error @ recorder::Error::Unavailable(_)) => ledger.down(error.to_string()),
        }
        if !backoff.wait(&context.lifecycle).await {
            return Ok(None);
        }
    }
}
