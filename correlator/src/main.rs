//! The correlator as a separate process: RabbitMQ, Redis and a summary API elsewhere.

use std::process::ExitCode;
use std::sync::Arc;

use build_identity::BUILD;
use correlator::{Config, DEFAULT_PORT};
use recorder::http::{HttpRecorder, Limits};
use service_kit::{ServiceContext, announce, http};
use settings::{
    AMQP_URL, API_TOKEN, BATCH_EVENTS, BATCHES_IN_FLIGHT, INTERNAL_TOKEN, LISTEN, LOTS, OF_QUEUES, OF_SERVICES,
    PREFETCH, PUBLIC_HOSTS, REDIS_URL, SUMMARY_API_URL, Setting, Settings,
};

const NAME: &str = "correlator";

const EXAMPLES: &str = "\
Examples:
  correlator --amqp-url amqp://guest:guest@127.0.0.1:5672 --summary-api-url http://127.0.0.1:5000
  DWELL_AMQP_URL=… DWELL_SUMMARY_API_URL=… correlator --redis-url redis://127.0.0.1:6379/0
  correlator healthcheck";

/// Its own settings, besides those of all services.
const OWN: &[&Setting] =
    &[&PREFETCH, &REDIS_URL, &SUMMARY_API_URL, &API_TOKEN, &INTERNAL_TOKEN, &BATCH_EVENTS, &BATCHES_IN_FLIGHT, &LOTS];

fn main() -> ExitCode {
    let command = settings::command(NAME, "Matches each exit with its entry and has the sessions recorded");
    let command = settings::with_default(command.before_help(EXAMPLES), &LISTEN, "127.0.0.1:2112");
    let command = settings::reading(command, &[OF_SERVICES, OF_QUEUES, OWN]);
    service_kit::run_service(command, BUILD, |_, settings, context| start(settings, context))
}

async fn start(settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    // A separate correlator has no embedded queues.
    settings.required(&AMQP_URL)?;
    let config = Config::from_settings(&settings)?;
    let url = settings.required_url(&SUMMARY_API_URL, &["http", "https"])?;
    let token = settings.secret(&API_TOKEN)?.or(settings.secret(&INTERNAL_TOKEN)?);
    let recorder = HttpRecorder::new(&url, token.as_ref(), Limits::default(), &context.connector)?;
    let listen = settings.listen(&LISTEN, DEFAULT_PORT)?;
    let hosts = settings.hosts(&PUBLIC_HOSTS)?;
    let bus = bus::BusConfig::from_settings(NAME, &settings)?;
    announce::starting(NAME, &settings);
    http::start_observability(&listen, hosts, &context).await?;
    let bus = bus::open(&bus, &context)?;
    correlator::start(config, bus, Arc::new(recorder), &context).await?;
    announce::when_ready(NAME, &context);
    Ok(())
}
