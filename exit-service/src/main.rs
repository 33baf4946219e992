//! The binary: exit gates alone in their process, publishing to `RabbitMQ`.
//!
//! What it publishes is the library's.

use std::process::ExitCode;

use bus::BusConfig;
use exit_service::{NAME, PORT};
use service_kit::{ServiceContext, announce, http, run_service};
use settings::Settings;

const EXAMPLES: &str = "\
Examples:
  exit-service --amqp-url amqp://guest:guest@127.0.0.1:5672
  DWELL_AMQP_URL=… exit-service --arrivals 10 --backfill 0s
  exit-service healthcheck";

fn main() -> ExitCode {
    let command = settings::command(NAME, "Exit gates, simulated: publishes the vehicles that leave");
    let command = settings::with_default(command.before_help(EXAMPLES), &settings::LISTEN, "127.0.0.1:2114");
    let command = settings::reading(command, &[settings::OF_SERVICES, settings::OF_QUEUES, settings::OF_GATES]);
    run_service(command, |_, settings, context| start(settings, context))
}

async fn start(settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    // Without a broker the events would go into a bus of this process alone, where nobody reads them.
    settings.required(&settings::AMQP_URL)?;
    let bus = BusConfig::from_settings(NAME, &settings)?;
    let listen = settings.listen(&settings::LISTEN, PORT)?;
    let hosts = settings.hosts(&settings::PUBLIC_HOSTS)?;
    exit_service::check(&settings)?;
    announce::starting(NAME, &settings);
    let bus = bus::open(&bus, &context)?;
    http::start_observability(&listen, hosts, &context).await?;
    announce::when_ready(NAME, &context);
    exit_service::run(&settings, bus, &context).await?;
    Ok(())
}
