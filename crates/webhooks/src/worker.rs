//! Takes the leases of the ledger's webhooks, and starts a deliverer for each; shows how all of them stand.
//!
//! Of several summary APIs on one ledger, each takes the leases that are free. A webhook whose process died is taken up
//! when its lease has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::Principal;
use ledger::Webhook;
use parking::Timestamp;
use service_kit::ServiceContext;
use service_kit::metrics::Error as MetricsError;
use sessions::{Error, Service};
use tokio::sync::watch;
use uuid::Uuid;

use crate::deliverer::{Deliverer, Parts};
use crate::metrics::{Metrics, Standing};
use crate::pace::{Pace, millis};
use crate::sender::Sender;

/// What the names of the tasks begin with. The ledger has to be open until they have ended.
pub const TASK: &str = "webhooks";

/// Starts the delivery of webhooks, which runs until the stop.
///
/// # Errors
/// Two metrics have one name: a fault of the program.
pub fn spawn(service: &Service, sender: &Sender, pace: Pace, context: &ServiceContext) -> Result<(), MetricsError> {
    let parts = Parts {
        service: service.scoped(Principal::system(TASK)),
        sender: sender.clone(),
        pace,
        metrics: Metrics::new(&context.registry)?,
        lifecycle: context.lifecycle.clone(),
        holder: Uuid::new_v4(),
    };
    let mut worker = Worker { parts: Arc::new(parts), service: service.clone(), running: BTreeMap::new() };
    context.lifecycle.spawn(TASK, async move {
        while !worker.parts.lifecycle.is_stopping() {
            if let Err(error) = worker.look().await {
                // That the ledger is down is reported as a dependency.
                tracing::debug!(%error, "the webhooks can't be read");
            }
            tokio::select! {
                () = worker.parts.lifecycle.stopping() => {}
                () = tokio::time::sleep(worker.parts.pace.poll) => {}
            }
        }
        Ok(())
    });
    Ok(())
}

struct Worker {
    parts: Arc<Parts>,
    service: Service,
    /// The deliverers of this process, by webhook. A closed channel is that of one that has ended.
    running: BTreeMap<Uuid, watch::Sender<Webhook>>,
}

impl Worker {
    async fn look(&mut self) -> Result<(), Error> {
        let webhooks = self.parts.service.stored_webhooks().await?;
        // A deliverer ends when its channel is dropped.
        self.running.retain(|id, running| !running.is_closed() && webhooks.iter().any(|webhook| webhook.id == *id));
        for webhook in &webhooks {
            match self.running.get(&webhook.id) {
                Some(running) => drop(running.send_replace(webhook.clone())),
                None => self.take_up(webhook).await?,
            }
        }
        self.show(&webhooks).await
    }

    /// Starts a deliverer, if the lease is free.
    async fn take_up(&mut self, webhook: &Webhook) -> Result<(), Error> {
        let (id, now) = (webhook.id, self.service.now());
        let lease_ms = millis(self.parts.pace.lease);
        // Whether a lease that looks taken is one of a wrong clock, the ledger decides.
        if (1..=lease_ms).contains(&webhook.leased_until.millis_since(now)) {
            return Ok(());
        }
        let until = Some(now.plus_millis(lease_ms));
        if !self.parts.service.lease_webhook(id, self.parts.holder, until).await? {
            return Ok(());
        }
        let (sender, receiver) = watch::channel(webhook.clone());
        let deliverer = Deliverer::new(Arc::clone(&self.parts), self.service.of_webhook(webhook), receiver);
        self.running.insert(id, sender);
        self.parts.lifecycle.spawn(format!("{TASK} {id}"), async move {
            deliverer.run().await;
            Ok(())
        });
        Ok(())
    }

    async fn show(&self, webhooks: &[Webhook]) -> Result<(), Error> {
        let mut standing = Standing::default();
        for webhook in webhooks {
            let state = match (&webhook.paused, &webhook.failing) {
                (None, None) => 0,
                (None, Some(_)) => 1,
                (Some(_), _) => 2,
            };
            standing.states[state] += 1;
            standing.waiting += webhook.waiting;
            if webhook.paused.is_none() {
                let oldest = match webhook.oldest_waiting {
                    Some(oldest) => Some(oldest),
                    None => self.first_behind(webhook).await?,
                };
                standing.oldest = standing.oldest.into_iter().chain(oldest).min();
            }
        }
        self.parts.metrics.show(&standing, self.service.now());
        Ok(())
    }

    /// When the first change was recorded that the webhook has not looked at.
    async fn first_behind(&self, webhook: &Webhook) -> Result<Option<Timestamp>, Error> {
        let viewer = self.service.of_webhook(webhook);
        let page = viewer.changed_sessions(webhook.sequence, 1).await?;
        Ok(page.changes.first().map(|changed| changed.change.recorded_at))
    }
}
