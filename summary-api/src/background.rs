//! What runs beside the routes: once a second, how things stand is shown as metrics, as health and in the log. When
//! another ledger has taken the place of this one, the process ends.

use std::time::Duration;

use service_kit::{Dependency, ServiceContext};

use crate::ledger;
use crate::service::{Error, Service};

const SECOND: Duration = Duration::from_secs(1);

/// Starts it. `ledger` is the dependency that is up while the ledger answers.
pub(crate) fn spawn_background(service: &Service, ledger: Dependency, context: &ServiceContext) {
    let service = service.clone();
    let lifecycle = context.lifecycle.clone();
    context.lifecycle.spawn("ledger watch", async move {
        while !lifecycle.is_stopping() {
            match service.refresh().await {
                Ok(()) => ledger.up(),
                Err(error) => {
                    ledger.down(error.to_string());
                    // Which rules and events the new one has is found out by a start, and by nothing less.
                    if let Error::Ledger(ledger::Error::Replaced(_)) = error {
                        return Err(error.into());
                    }
                }
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
