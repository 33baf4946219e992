//! The heartbeat: once a second, reads the broker's counts and reports status and dependencies to the summary API.
//!
//! It continues while the worker finishes after a stop, and then signs off. It also applies changed rules. Another
//! ledger behind the same address ends the process, because all cached data belongs to the old ledger.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bus::{Bus, Counts, Queue};
use recorder::{BrokerCounts, CorrelatorStatus, DependencyReport, LedgerInfo, QueueReport};
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

const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The timeout of the broker's counts: a problem should be reported soon, above all one of the broker.
const COUNT_TIMEOUT: Duration = Duration::from_millis(500);
/// The maximum delay of the process end by signing off.
const SIGN_OFF_TIMEOUT: Duration = Duration::from_secs(1);

/// Why this correlator can't continue with the summary API's ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The summary API has another ledger than at the start.
    #[error(
        "the summary API has another ledger now ({now}, was {was}); this process ends, so that a restart begins with the new one"
    )]
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
    /// Runs until the worker has finished.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let mut beats = tokio::time::interval(REPORT_INTERVAL);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.finished.is_cancelled() {
            tokio::select! {
                () = self.finished.cancelled() => {}
                _ = beats.tick() => {
                    let mut beat = pin!(self.beat());
                    tokio::select! {
                        beat = &mut beat => beat?,
                        // A pending report must not arrive after the sign-off.
                        () = self.finished.cancelled() => drop(tokio::time::timeout(SIGN_OFF_TIMEOUT, beat).await),
                    }
                }
            }
        }
        self.take_leave().await;
        Ok(())
    }

    /// Unacknowledged messages are redelivered, so the summary API may forget this correlator.
    async fn take_leave(&self) {
        let status = CorrelatorStatus { correlator: self.correlator, signs_off: true, ..CorrelatorStatus::default() };
        match tokio::time::timeout(SIGN_OFF_TIMEOUT, self.decider.calls.recorder.report(status)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "cannot sign off"),
            Err(_) => tracing::debug!("no answer to the sign-off in time"),
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
            signs_off: false,
        };
        self.metrics.in_flight(status.in_flight());
        if let Err(error) = self.decider.calls.recorder.report(status).await {
            tracing::debug!(%error, "cannot report the status");
        }
        match self.decider.calls.recorder.info().await {
            Ok(info) => self.take(info),
            Err(error) => {
                tracing::debug!(%error, "cannot read the rules");
                Ok(())
            }
        }
    }

    /// The report about a queue. The broker's counts come first: a message that it delivers meanwhile then counts as
    /// in flight.
    async fn consumed(&self, queue: Queue) -> QueueReport {
        let counts = self.count(queue).await;
        let own_consumers = self.acknowledgers.of(queue).consumers();
        // The broker reports a queue without a leader as empty and without consumers.
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

    /// The broker's counts of a queue, if they arrive in time.
    async fn count(&self, queue: Queue) -> Option<Counts> {
        tokio::time::timeout(COUNT_TIMEOUT, self.bus.counts(queue)).await.ok()?.ok().flatten()
    }

    fn take(&self, info: LedgerInfo) -> Result<(), Error> {
        if info.ledger != self.ledger {
            return Err(Error::AnotherLedger { was: self.ledger, now: info.ledger });
        }
        OtherNormalForm::check(&info)?;
        let mut rules = self.decider.rules.write().unwrap_or_else(PoisonError::into_inner);
        if **rules != info.rules {
            tracing::warn!("the summary API's rules have changed; they apply from now on");
            *rules = Arc::new(info.rules);
        }
        Ok(())
    }
}

fn reported(dependency: DependencyStatus) -> DependencyReport {
    let away = match dependency.status {
        Status::Up => None,
        Status::NotYet => Some("not reached yet".to_owned()),
        Status::Down(reason) => Some(reason.chars().take(DependencyReport::REASON_CHARS_MAX).collect()),
    };
    DependencyReport { name: dependency.name.to_owned(), is_optional: dependency.is_optional, away }
}

#[cfg(test)]
mod tests {
    use parking::{PLATE_NORMAL_FORM, Rules};

    use super::*;

    #[test]
    fn plates_in_a_normal_form_that_is_not_known_are_refused() {
        let info = |plate_normal_form| LedgerInfo {
            ledger: Uuid::from_u128(7),
            rules: Rules { plate_normal_form, ..Rules::default() },
        };
        assert!(OtherNormalForm::check(&info(PLATE_NORMAL_FORM)).is_ok());
        let refusal = OtherNormalForm::check(&info(PLATE_NORMAL_FORM + 1)).unwrap_err().to_string();
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
