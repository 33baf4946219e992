//! The correlator as a process of its own: RabbitMQ, Redis and a summary API elsewhere.

use std::process::ExitCode;
use std::sync::Arc;

use correlator::recorder::http::{HttpRecorder, Limits};
use correlator::{Config, DEFAULT_PORT};
use service_kit::config::{self, AMQP_URL, INTERNAL_TOKEN, LISTEN, SUMMARY_API_URL};
use service_kit::{ServiceContext, Settings, http};

fn main() -> ExitCode {
    let command = config::command("correlator", "Matches each exit with its entry and has the sessions recorded");
    let command = config::with_default(command, &LISTEN, "127.0.0.1:2112");
    service_kit::run_service(command, |_, settings, context| start(settings, context))
}

async fn start(settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    // A lone correlator has no embedded queues to fall back on.
    settings.required(&AMQP_URL)?;
    let config = Config::from_settings(&settings)?;
    let url = settings.required_url(&SUMMARY_API_URL, &["http"])?;
    let token = settings.secret(&INTERNAL_TOKEN)?;
    let recorder = HttpRecorder::new(&url, token.as_ref(), Limits::default())?;
    http::start_observability(&settings.listen(&LISTEN, DEFAULT_PORT)?, &context).await?;
    let bus = bus::open(&bus::BusConfig::from_settings("correlator", &settings)?, &context)?;
    correlator::start(config, bus, Arc::new(recorder), &context).await?;
    Ok(())
}
