//! The binary: entry gates alone in their process, publishing to `RabbitMQ`.
//!
//! What it publishes is the library's.

use std::process::ExitCode;

use bus::BusConfig;
use entry_service::{NAME, PORT};
use service_kit::{ServiceContext, Settings, config, http, run_service};

fn main() -> ExitCode {
    let command = config::command(NAME, "Entry gates, simulated: publishes the vehicles that come in");
    let command = config::with_default(command, &config::LISTEN, "127.0.0.1:2113");
    run_service(command, |_, settings, context| start(settings, context))
}

async fn start(settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    // Without a broker the events would go into a bus of this process alone, where nobody reads them.
    settings.required(&config::AMQP_URL)?;
    let bus = bus::open(&BusConfig::from_settings(NAME, &settings)?, &context)?;
    http::start_observability(&settings.listen(&config::LISTEN, PORT)?, &context).await?;
    entry_service::run(&settings, bus, &context).await?;
    Ok(())
}
