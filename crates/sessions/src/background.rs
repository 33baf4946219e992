//! What runs beside the calls: once a second, how things stand is shown as metrics, as health and in the log, and the
//! indexes of look-ups follow the ledger. When another ledger has taken the place of this one, or its files are gone,
//! the process ends.

use std::time::Duration;

use service_kit::{Dependency, Lifecycle, ServiceContext};

use crate::{Error, Service};

const SECOND: Duration = Duration::from_secs(1);
/// How often the indexes of look-ups are kept up: a look-up catches up with the rest by itself.
const LOOK_UPS_INTERVAL: Duration = Duration::from_millis(200);
/// So often in a second the ledger's place is looked at, which costs next to nothing.
const LOOKS: u32 = 4;

/// Starts it. `ledger` is the dependency that is up while the ledger answers.
pub fn spawn_background(service: &Service, ledger: Dependency, context: &ServiceContext) {
    spawn_accounts(service, context);
    spawn_look_ups(service, context);
    spawn_superseding(service, context);
    let service = service.clone();
    let lifecycle = context.lifecycle.clone();
    context.lifecycle.spawn("ledger watch", async move {
        while !lifecycle.is_stopping() {
            let stands = async {
                service.refresh().await?;
                ledger.up();
                service.inner.metrics.second.log();
                a_second(&service, &lifecycle).await
            };
            if let Err(error) = stands.await
                // The ledger ends with the stop.
                && !lifecycle.is_stopping()
            {
                ledger.down(error.to_string());
                // Which rules and events the new one has is found out by a start, and by nothing less.
                if let Error::Ledger(ledger::Error::Replaced(_)) = error {
                    return Err(error.into());
                }
                service.inner.metrics.second.log();
                pause(SECOND, &lifecycle).await;
            }
        }
        service.inner.metrics.second.log();
        Ok(())
    });
}

/// Reads the accounts once a second, whatever else takes long, so that a revocation by another process holds soon.
fn spawn_accounts(service: &Service, context: &ServiceContext) {
    let (service, lifecycle) = (service.clone(), context.lifecycle.clone());
    context.lifecycle.spawn("accounts", async move {
        while !lifecycle.is_stopping() {
            pause(SECOND, &lifecycle).await;
            if let Err(error) = service.refresh_accounts().await {
                // That the ledger is down is reported as a dependency.
                tracing::debug!(%error, "the accounts can't be read; those read before stay valid");
            }
        }
        Ok(())
    });
}

/// Keeps up what look-ups at the exit need, as long as they are used.
fn spawn_look_ups(service: &Service, context: &ServiceContext) {
    let (service, lifecycle) = (service.clone(), context.lifecycle.clone());
    context.lifecycle.spawn("look-ups", async move {
        while !lifecycle.is_stopping() {
            pause(LOOK_UPS_INTERVAL, &lifecycle).await;
            if let Err(error) = service.keep_look_ups().await {
                tracing::debug!(%error, "the indexes of look-ups can't follow the ledger; the next look-up tries again");
            }
        }
        Ok(())
    });
}

/// Takes out superseded reads: when an event that supersedes another one is recorded here, and once a second what else
/// is due. That may be of a process that ended before it got to it, or of an event that was named before it arrived.
fn spawn_superseding(service: &Service, context: &ServiceContext) {
    let (service, lifecycle) = (service.clone(), context.lifecycle.clone());
    context.lifecycle.spawn("superseded reads", async move {
        while !lifecycle.is_stopping() {
            match service.supersede_due().await {
                Ok(true) => continue,
                Ok(false) => {}
                // That the ledger is down is reported as a dependency.
                Err(error) => tracing::debug!(%error, "superseded reads can't be taken out; it is tried again"),
            }
            tokio::select! {
                () = service.inner.superseding.notified() => {}
                () = pause(SECOND, &lifecycle) => {}
            }
        }
        Ok(())
    });
}

/// Lets a second pass, and ends early when the ledger is no longer in its place.
async fn a_second(service: &Service, lifecycle: &Lifecycle) -> Result<(), Error> {
    for _ in 0..LOOKS {
        pause(SECOND / LOOKS, lifecycle).await;
        service.check_place()?;
    }
    Ok(())
}

async fn pause(length: Duration, lifecycle: &Lifecycle) {
    tokio::select! {
        () = lifecycle.stopping() => {}
        () = tokio::time::sleep(length) => {}
    }
}
