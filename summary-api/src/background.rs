//! What runs beside the routes: once a second, how things stand is shown as metrics, as health and in the log.

use std::time::Duration;

use service_kit::{Dependency, ServiceContext};

use crate::service::Service;

const SECOND: Duration = Duration::from_secs(1);

/// Starts it. `ledger` is the dependency that is up while the ledger answers.
pub(crate) fn spawn_background(service: &Service, ledger: Dependency, context: &ServiceContext) {
    let service = service.clone();
    let lifecycle = context.lifecycle.clone();
    context.lifecycle.spawn("ledger watch", async move {
        while !lifecycle.is_stopping() {
            match service.refresh().await {
                Ok(()) => ledger.up(),
                Err(error) => ledger.down(error.to_string()),
            }
            service.metrics().second.log();
            tokio::select! {
                () = lifecycle.stopping() => {}
                () = tokio::time::sleep(SECOND) => {}
            }
        }
        service.metrics().second.log();
        Ok(())
    });
}
