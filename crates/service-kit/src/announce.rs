//! The start-up log lines of a service: its settings, and that it is ready.
//!
//! One line each, so that the rest of a terminal stays in sight. The service decides when to log them: it knows when
//! its settings are read and its dependencies are known.

use std::time::Duration;

use settings::Settings;

use crate::{Build, ServiceContext};

/// Logs that the service starts, with the settings that differ from their defaults; with all of them at `debug`. Call
/// it when every setting has been read, so that the error of an invalid one is the only output.
pub fn starting(name: &str, settings: &Settings) {
    let (build, given) = (Build::current(), settings.given());
    if given.values().is_empty() {
        tracing::info!("{name} {build} starts with its defaults");
    } else {
        tracing::info!("{name} {build} starts with {given}");
    }
    tracing::debug!("all settings: {}", settings.effective());
}

/// Logs once that the service is ready, as soon as its required dependencies are up. Call it when the context's
/// health knows the dependencies.
pub fn when_ready(name: &'static str, context: &ServiceContext) {
    const READINESS_POLL_INTERVAL: Duration = Duration::from_millis(20);
    let (health, lifecycle) = (context.health.clone(), context.lifecycle.clone());
    context.lifecycle.spawn("wait for readiness", async move {
        while !health.is_ready() {
            tokio::select! {
                () = lifecycle.stopping() => return Ok(()),
                () = tokio::time::sleep(READINESS_POLL_INTERVAL) => {}
            }
        }
        tracing::info!("{name} is ready");
        Ok(())
    });
}
