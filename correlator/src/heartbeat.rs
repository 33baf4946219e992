//! Once a second: asks the broker how deep the queues are, and tells the summary API how this correlator stands.
//!
//! It also notices when the rules change. Another ledger behind the same address ends the process: everything that it
//! has at hand belongs to the old one.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bus::{Bus, Queue};
use matching::{CorrelatorStatus, LedgerTerms};
use uuid::Uuid;

use crate::decide::Decider;
use crate::metrics::Metrics;
use crate::progress::Progress;

const EVERY: Duration = Duration::from_secs(1);

/// The ledger is not the one that this correlator began with.
#[derive(Debug, thiserror::Error)]
#[error("the summary API has another ledger now ({now}, was {was}): starting anew")]
pub(crate) struct AnotherLedger {
    was: Uuid,
    now: Uuid,
}

pub(crate) struct Heartbeat {
    pub(crate) correlator: Uuid,
    pub(crate) ledger: Uuid,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) decider: Arc<Decider>,
    pub(crate) metrics: Metrics,
    pub(crate) progress: Arc<Progress>,
}

impl Heartbeat {
    /// Beats until the stop.
    pub(crate) async fn run(self) -> Result<(), AnotherLedger> {
        let lifecycle = self.decider.lifecycle.clone();
        while !lifecycle.is_stopping() {
            self.beat().await?;
            tokio::select! {
                () = lifecycle.stopping() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        Ok(())
    }

    async fn beat(&self) -> Result<(), AnotherLedger> {
        let entry_ready = self.depth(Queue::Entry).await;
        let exit_ready = self.depth(Queue::Exit).await;
        let in_flight = self.progress.unacknowledged(Queue::Entry) + self.progress.unacknowledged(Queue::Exit);
        self.metrics.in_flight(in_flight);
        // A correlator that does not know its queues does not report: its last word fades.
        if let (Some(entry_ready), Some(exit_ready)) = (entry_ready, exit_ready) {
            let status =
                CorrelatorStatus { correlator: self.correlator, entry_ready, exit_ready, in_flight: in_flight as u64 };
            if let Err(error) = self.decider.recorder.report(status).await {
                tracing::debug!(%error, "the status could not be reported");
            }
        }
        match self.decider.recorder.terms().await {
            Ok(terms) => self.take(terms),
            Err(error) => {
                tracing::debug!(%error, "the rules could not be read");
                Ok(())
            }
        }
    }

    async fn depth(&self, queue: Queue) -> Option<u64> {
        let ready = self.bus.depth(queue).await.ok().flatten();
        self.progress.set_ready(queue, ready);
        if let Some(ready) = ready {
            self.metrics.ready(queue, ready);
        }
        ready
    }

    fn take(&self, terms: LedgerTerms) -> Result<(), AnotherLedger> {
        if terms.ledger != self.ledger {
            return Err(AnotherLedger { was: self.ledger, now: terms.ledger });
        }
        let mut rules = self.decider.rules.write().unwrap_or_else(PoisonError::into_inner);
        if **rules != terms.rules {
            tracing::warn!("the summary API has other rules now: deciding by them from here on");
            *rules = Arc::new(terms.rules);
        }
        Ok(())
    }
}
