//! Once a second: asks the broker what it counts, and tells the summary API how this correlator stands and what it lacks.
//!
//! It goes on while the worker finishes what is under way after a stop, and then takes leave. It also notices when the
//! rules change. Another ledger behind the same address ends the process: everything that it has at hand belongs to the
//! old one.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bus::{Bus, Counts, Queue};
use recorder::{BrokerCounts, CorrelatorStatus, DependencyReport, LedgerTerms, QueueReport};
use service_kit::Health;
use service_kit::health::{DependencyStatus, Status};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::OtherNormalForm;
use crate::decide::Decider;
use crate::intake::Acknowledgers;
use crate::metrics::Metrics;
use crate::progress::Progress;

const EVERY: Duration = Duration::from_secs(1);
/// How long the broker may take to count a queue: what is wrong is to be reported soon, above all when that is the broker.
const COUNT_PATIENCE: Duration = Duration::from_millis(500);
/// How long taking leave may hold up the end of the process.
const LEAVE_PATIENCE: Duration = Duration::from_secs(1);

/// Why this correlator can't go on with what the summary API says of its ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The ledger is not the one that this correlator began with.
    #[error("the summary API has another ledger now ({now}, was {was}): starting anew")]
    AnotherLedger { was: Uuid, now: Uuid },
    #[error(transparent)]
    OtherNormalForm(#[from] OtherNormalForm),
}

pub(crate) struct Heartbeat {
    pub(crate) correlator: Uuid,
    pub(crate) ledger: Uuid,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) decider: Arc<Decider>,
    pub(crate) metrics: Metrics,
    pub(crate) progress: Arc<Progress>,
    pub(crate) acknowledgers: Acknowledgers,
    pub(crate) health: Health,
    /// Cancelled when the worker has finished.
    pub(crate) finished: CancellationToken,
}

impl Heartbeat {
    /// Beats until the worker has finished.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let mut beats = tokio::time::interval(EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.finished.is_cancelled() {
            tokio::select! {
                () = self.finished.cancelled() => {}
                _ = beats.tick() => {
                    let mut beat = pin!(self.beat());
                    tokio::select! {
                        beat = &mut beat => beat?,
                        // A report that is under way must not arrive after the leave.
                        () = self.finished.cancelled() => drop(tokio::time::timeout(LEAVE_PATIENCE, beat).await),
                    }
                }
            }
        }
        self.take_leave().await;
        Ok(())
    }

    /// Whatever was not acknowledged is delivered again, so the summary API may forget this correlator.
    async fn take_leave(&self) {
        let status = CorrelatorStatus { correlator: self.correlator, takes_leave: true, ..CorrelatorStatus::default() };
        match tokio::time::timeout(LEAVE_PATIENCE, self.decider.calls.recorder.report(status)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "taking leave failed"),
            Err(_) => tracing::debug!("taking leave was not answered in time"),
        }
    }

    async fn beat(&self) -> Result<(), Error> {
        let (dead, entry, exit) =
            tokio::join!(self.count(Queue::Dead), self.consumed(Queue::Entry), self.consumed(Queue::Exit));
        if let Some(counts) = dead {
            self.metrics.dead_letters_waiting(counts.ready);
        }
        let status = CorrelatorStatus {
            correlator: self.correlator,
            entry,
            exit,
            entry_watermark: self.progress.entry_watermark(),
            dependencies: self.health.dependencies().into_iter().map(reported).collect(),
            takes_leave: false,
        };
        self.metrics.in_flight(status.in_flight());
        if let Err(error) = self.decider.calls.recorder.report(status).await {
            tracing::debug!(%error, "the status could not be reported");
        }
        match self.decider.calls.recorder.terms().await {
            Ok(terms) => self.take(terms),
            Err(error) => {
                tracing::debug!(%error, "the rules could not be read");
                Ok(())
            }
        }
    }

    /// How this correlator stands with a queue. What the broker counts comes first: a message that it has just delivered
    /// is then in flight.
    async fn consumed(&self, queue: Queue) -> QueueReport {
        let counts = self.count(queue).await;
        let own_consumers = self.acknowledgers.of(queue).consumers();
        // A queue without a leader is counted as empty, without consumers.
        let counts = counts.filter(|counts| counts.consumers > 0 || own_consumers == 0);
        let ready = counts.map(|counts| counts.ready);
        self.progress.set_ready(queue, ready);
        if let Some(ready) = ready {
            self.metrics.ready(queue, ready);
        }
        let broker = counts.map(|Counts { ready, consumers }| BrokerCounts { ready, consumers });
        let (in_flight, undecided) = (self.progress.unacknowledged(queue), self.progress.undecided(queue));
        QueueReport { broker, own_consumers, in_flight: in_flight as u64, undecided: undecided as u64 }
    }

    /// What the broker counts of a queue, when it says so soon.
    async fn count(&self, queue: Queue) -> Option<Counts> {
        tokio::time::timeout(COUNT_PATIENCE, self.bus.counts(queue)).await.ok()?.ok().flatten()
    }

    fn take(&self, terms: LedgerTerms) -> Result<(), Error> {
        if terms.ledger != self.ledger {
            return Err(Error::AnotherLedger { was: self.ledger, now: terms.ledger });
        }
        OtherNormalForm::check(&terms)?;
        let mut rules = self.decider.rules.write().unwrap_or_else(PoisonError::into_inner);
        if **rules != terms.rules {
            tracing::warn!("the summary API has other rules now: deciding by them from here on");
            *rules = Arc::new(terms.rules);
        }
        Ok(())
    }
}

fn reported(dependency: DependencyStatus) -> DependencyReport {
    let away = match dependency.status {
        Status::Up => None,
        Status::NotYet => Some("not reached yet".to_owned()),
        Status::Down(reason) => Some(reason.chars().take(DependencyReport::REASON_MAX).collect()),
    };
    DependencyReport { name: dependency.name.to_owned(), is_optional: dependency.is_optional, away }
}

#[cfg(test)]
mod tests {
    use parking::{PLATE_NORMAL_FORM, Rules};

    use super::*;

    #[test]
    fn plates_in_a_normal_form_that_is_not_known_are_refused() {
        let terms = |plate_normal_form| LedgerTerms {
            ledger: Uuid::from_u128(7),
            rules: Rules { plate_normal_form, ..Rules::default() },
        };
        assert!(OtherNormalForm::check(&terms(PLATE_NORMAL_FORM)).is_ok());
        let refusal = OtherNormalForm::check(&terms(PLATE_NORMAL_FORM + 1)).unwrap_err().to_string();
        assert!(
            refusal.contains("in version 2 of their normal form, and this correlator knows version 1"),
            "{refusal}"
        );
    }

    #[test]
    fn a_reason_is_reported_as_far_as_there_is_room() {
        let status = |status| reported(DependencyStatus { name: "redis", is_optional: true, status }).away;
        assert_eq!(status(Status::Up), None);
        assert_eq!(status(Status::NotYet).as_deref(), Some("not reached yet"));
        assert_eq!(status(Status::Down("é".repeat(301))), Some("é".repeat(300)));
    }
}
