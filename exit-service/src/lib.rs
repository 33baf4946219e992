//! Exit gates, simulated: publishes the vehicles that leave, one gate event each.
//!
//! The traffic and the loop are the crate `simulator`'s; the other direction is another service, and the two need not
//! talk.

use std::sync::Arc;

use bus::Bus;
use parking::Direction;
use service_kit::ServiceContext;
use settings::Settings;
use simulator::{Plan, publish};

/// The name of the service.
pub const NAME: &str = "exit-service";
/// The port of its metrics unless told otherwise.
pub const PORT: u16 = 2114;

/// Why the service ended before the stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings say a traffic that can't be made.
    #[error("the exit gates cannot be simulated")]
    Config(#[from] settings::Error),
    /// Publishing can't go on.
    #[error("the exit gates have stopped")]
    Publish(#[from] publish::Error),
}

/// Refuses settings that [`run`] could not use, before anything is started.
pub fn check(settings: &Settings) -> Result<(), Error> {
    Plan::from_settings(settings)?;
    Ok(())
}

/// Publishes all exits of the traffic that the settings say, until the stop.
pub async fn run(settings: &Settings, bus: Arc<dyn Bus>, context: &ServiceContext) -> Result<(), Error> {
    let Plan { traffic, backfill } = Plan::from_settings(settings)?;
    publish::run(Direction::Exit, traffic, bus, context, backfill).await?;
    Ok(())
}
