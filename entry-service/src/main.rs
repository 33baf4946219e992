//! The binary: entry gates alone in their process, publishing to `RabbitMQ`.
//!
//! What it publishes is the library's.

use std::process::ExitCode;

use bus::BusConfig;
use entry_service::{Error, NAME, PORT};
use service_kit::{ServiceContext, Settings, config, http, run_service};
use simulator::publish;

fn main() -> ExitCode {
    let command = config::command(NAME, "Entry gates, simulated: publishes the vehicles that come in");
    let command = config::with_default(command, &config::LISTEN, "127.0.0.1:2113");
    run_service(command, |_, settings, context| start(settings, context))
}

async fn start(settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    // Without a broker the events would go into a bus of this process alone, where nobody reads them.
    settings.required(&config::AMQP_URL)?;
    let bus = bus::open(&BusConfig::from_settings(NAME, &settings)?, &context)
        .map_err(|error| explained(publish::Error::Bus(error).into(), &settings))?;
    let listener = http::bind(&settings.listen(&config::LISTEN, PORT)?).await?;
    let routes = http::observability_routes(context.registry.clone(), context.health.clone());
    let lifecycle = context.lifecycle.clone();
    context.lifecycle.spawn("metrics", async move {
        http::serve(listener, routes, lifecycle).await;
        Ok(())
    });
    entry_service::run(&settings, bus, &context).await.map_err(|error| explained(error, &settings))
}

/// A broker that refuses us for good is named as the setting that it stands in, so that the process exits with 78.
fn explained(error: Error, settings: &Settings) -> anyhow::Error {
    match error {
        Error::Publish(publish::Error::Bus(bus::Error::Config(reason))) => {
            settings.wrong(&config::AMQP_URL, reason).into()
        }
        other @ (Error::Config(_) | Error::Publish(_)) => other.into(),
    }
}
