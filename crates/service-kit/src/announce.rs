//! What a service says of its own way to its users: with which settings it starts, and that it is ready.
//!
//! Both are one line a process, so that a person who started it in a terminal keeps the rest in sight. When to say it
//! is left to the service, which alone knows when its settings are read and when all that it depends on is known.

use std::time::Duration;

use settings::Settings;

use crate::ServiceContext;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Says that the service starts, and which settings differ from their defaults; for `debug` all of them. To be called
/// when every setting has been read, so that one that is refused is all that is said.
pub fn starting(name: &str, settings: &Settings) {
    let given = settings.given();
    if given.values().is_empty() {
        tracing::info!("{name} {VERSION} starts with its defaults");
    } else {
        tracing::info!("{name} {VERSION} starts with {given}");
    }
    tracing::debug!("all settings: {}", settings.effective());
}

/// Says once that the service is ready, as soon as all that it needs is up. To be called when its dependencies are
/// known to the context's health.
pub fn when_ready(name: &'static str, context: &ServiceContext) {
    const EVERY: Duration = Duration::from_millis(20);
    let (health, lifecycle) = (context.health.clone(), context.lifecycle.clone());
    context.lifecycle.spawn("wait for readiness", async move {
        while !health.is_ready() {
            tokio::select! {
                () = lifecycle.stopping() => return Ok(()),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        tracing::info!("{name} is ready");
        Ok(())
    });
}
