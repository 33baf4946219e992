//! The receivers' side of a deliverer: what is sent, and what becomes of it.

use std::sync::Arc;

use ledger::{Trouble, WaitingDelivery, Webhook};
use parking::Timestamp;
use sessions::ScopedService;

use super::{Attempted, Deliverer};
use crate::message::{Message, kind_for};
use crate::pace::millis;
use crate::sender::Outcome;

/// The delay after the ledger could not be read.
const LEDGER_RETRY_MS: i64 = 1_000;

impl Deliverer {
    /// Begins as many requests as there may be.
    pub(super) fn send_due(&mut self) {
        let (now, pace) = (self.now(), &self.parts.pace);
        // An answer has to arrive while the lease holds.
        if self.leased_until.millis_since(now) <= millis(pace.answer_timeout) {
            return;
        }
        while self.in_flight.len() < self.breaker.requests_max(pace, now) {
            let taken = if self.breaker.is_probing() { self.queue.take_probe() } else { self.queue.take_due(now) };
            let Some(delivery) = taken else { return };
            let message = self.messages.remove(&delivery.sequence);
            let webhook = self.webhook.borrow().clone();
            let (parts, viewer) = (Arc::clone(&self.parts), self.viewer.clone());
            self.in_flight.spawn(async move {
                let message = match message {
                    Some(message) => Some(message),
                    None => read_message(&viewer, &webhook, delivery.sequence).await,
                };
                let Some(message) = message else { return (delivery, None) };
                let outcome = parts.sender.send(&webhook, &message, parts.pace.answer_timeout, viewer.now()).await;
                parts.metrics.attempted(&outcome);
                (delivery, Some(outcome))
            });
        }
    }

    pub(super) async fn attempted(&mut self, (delivery, outcome): Attempted) {
        let now = self.now();
        self.is_unsaved = true;
        match outcome {
            None => self.queue.put_back(delivery.sequence, now.plus_millis(LEDGER_RETRY_MS), false),
            Some(Outcome::Accepted) => {
                self.queue.delivered(delivery.sequence);
                self.delivered = Some(now);
                if self.breaker.succeeded() {
                    self.queue.make_all_due(now);
                }
                if self.failing.is_some() && !self.queue.has_failed() {
                    self.failing = None;
                }
            }
            Some(Outcome::Gone) => {
                self.queue.put_back(delivery.sequence, now, true);
                self.pause_for_receiver(now).await;
            }
            Some(Outcome::Refused { problem, retry_after_ms }) => {
                self.failed(&delivery, problem, retry_after_ms, now);
            }
            Some(Outcome::Unanswered { problem }) => self.failed(&delivery, problem, None, now),
        }
    }

    fn failed(&mut self, delivery: &WaitingDelivery, problem: String, retry_after_ms: Option<i64>, now: Timestamp) {
        let pace = &self.parts.pace;
        let delay = pace.delay_ms(delivery.attempts.saturating_add(1), pace.retry_max, rand::random_range(0.0..=1.0));
        let due = now.plus_millis(delay.max(retry_after_ms.unwrap_or(0)));
        self.queue.put_back(delivery.sequence, due, true);
        self.breaker.failed(pace, now, retry_after_ms, rand::random_range(0.0..=1.0));
        match &mut self.failing {
            Some(failing) => failing.reason = problem,
            None => self.failing = Some(Trouble { since: now, reason: problem }),
        }
    }

    /// Nothing more is sent until a person resumes the webhook, also if that can't be stored.
    async fn pause_for_receiver(&mut self, now: Timestamp) {
        self.is_gone = true;
        let reason = "the receiver answered 410 Gone: it asks for no further messages".to_owned();
        self.failing = Some(Trouble { since: now, reason: reason.clone() });
        if let Err(error) = self.parts.service.pause_webhook(self.id(), reason).await {
            tracing::debug!(id = %self.id(), %error, "that a webhook is paused can't be stored");
        }
    }
}

/// Reads a change again. `None` if the ledger can't be read.
async fn read_message(viewer: &ScopedService, webhook: &Webhook, sequence: u64) -> Option<Message> {
    let page = viewer.changed_sessions(sequence.saturating_sub(1), 1).await.ok()?;
    let changed = page.changes.first().filter(|changed| changed.change.sequence == sequence)?;
    Some(Message::of_change(webhook, kind_for(webhook, changed)?, changed))
}
