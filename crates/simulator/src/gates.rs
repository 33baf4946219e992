//! Simulated gates as a service: one direction of the traffic, published to `RabbitMQ`.
//!
//! The programs `entry-service` and `exit-service` are [`main`] with their [`Gates`]; `dwell` [runs](run) both
//! directions beside its other services. [`Plan`] defines the events, [`publish`] when they are published.

use std::process::ExitCode;
use std::sync::Arc;

use bus::{Bus, BusConfig};
use parking::Direction;
use service_kit::{Build, ServiceContext, announce, http, run_service};
use settings::{Listen, Settings};

use crate::{Plan, publish};

/// The differences between the two services.
#[derive(Debug, Clone, Copy)]
pub struct Gates {
    /// The published direction.
    pub direction: Direction,
    /// The name of the service and its program.
    pub name: &'static str,
    /// The first line of the help.
    pub about: &'static str,
    /// The default metrics address.
    pub listen: &'static str,
    /// The build of the program.
    pub build: Build,
}

/// Why a direction ended before the stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings describe an impossible traffic.
    #[error("the {} gates cannot be simulated", .direction.as_str())]
    Config {
        /// The direction.
        direction: Direction,
        /// What is wrong with the settings.
        source: settings::Error,
    },
    /// Publishing failed for good.
    #[error("the {} gates have stopped", .direction.as_str())]
    Publish {
        /// The direction.
        direction: Direction,
        /// The cause.
        source: publish::Error,
    },
}

/// The main function of a gate program.
pub fn main(gates: Gates) -> ExitCode {
    let Gates { name, about, listen, .. } = gates;
    let examples = format!(
        "Examples:\n  {name} --amqp-url amqp://guest:guest@127.0.0.1:5672\n  DWELL_AMQP_URL=… {name} --arrivals 10 \
         --backfill 0s\n  {name} healthcheck"
    );
    let command = settings::command(name, about).before_help(examples);
    let command = settings::with_default(command, &settings::LISTEN, listen);
    let command = settings::reading(command, &[settings::OF_SERVICES, settings::OF_QUEUES, settings::OF_GATES]);
    run_service(command, gates.build, move |_, settings, context| start(gates, settings, context))
}

async fn start(gates: Gates, settings: Settings, context: ServiceContext) -> anyhow::Result<()> {
    let Gates { direction, name, listen, .. } = gates;
    // Without a broker the events would go into a bus of this process alone, without a consumer.
    settings.required(&settings::AMQP_URL)?;
    let bus = BusConfig::from_settings(name, &settings)?;
    let default_port = listen.parse::<Listen>().map_or(0, |listen| listen.port);
    let listen = settings.listen(&settings::LISTEN, default_port)?;
    let hosts = settings.hosts(&settings::PUBLIC_HOSTS)?;
    check(direction, &settings)?;
    announce::starting(name, &settings);
    let bus = bus::open(&bus, &context)?;
    http::start_observability(&listen, hosts, &context).await?;
    announce::when_ready(name, &context);
    run(direction, &settings, bus, &context).await?;
    Ok(())
}

/// Refuses settings that [`run`] can't use, before anything is started.
///
/// # Errors
/// The invalid setting.
pub fn check(direction: Direction, settings: &Settings) -> Result<(), Error> {
    plan(direction, settings).map(drop)
}

/// Publishes one direction of the configured traffic, until the stop.
///
/// # Errors
/// The settings are invalid, or the bus refuses its configuration.
pub async fn run(
    direction: Direction,
    settings: &Settings,
    bus: Arc<dyn Bus>,
    context: &ServiceContext,
) -> Result<(), Error> {
    let Plan { traffic, backfill } = plan(direction, settings)?;
    let published = publish::run(direction, traffic, bus, context, backfill).await;
    published.map_err(|source| Error::Publish { direction, source })
}

fn plan(direction: Direction, settings: &Settings) -> Result<Plan, Error> {
    Plan::from_settings(settings).map_err(|source| Error::Config { direction, source })
}
