//! The ledger's side of a deliverer: its lease, what it takes up, reads and saves.

use std::time::Duration;

use ledger::{WaitingDelivery, WebhookProgress};
use parking::Timestamp;
use tokio::time::Instant;

use super::{Deliverer, End, next_attempted};
use crate::breaker::Breaker;
use crate::message::{Message, kind_for};
use crate::pace::millis;
use crate::queue::Queue;

/// The most changes of one read, and the shortest time between two reads, so that recording has priority.
const PAGE_CHANGES: u32 = 250;
pub(super) const READ_INTERVAL: Duration = Duration::from_millis(20);
/// The messages that are kept from reading a page until they are sent; others are read again.
const MESSAGES_MAX: usize = 500;

impl Deliverer {
    /// Takes up what the ledger has. The lease has to be this process's.
    pub(super) async fn load(&mut self) -> Result<(), End> {
        self.extend_lease().await?;
        let id = self.id();
        let webhooks = self.parts.service.stored_webhooks().await?;
        let webhook = webhooks.into_iter().find(|webhook| webhook.id == id).ok_or(End::Regular)?;
        self.queue = Queue::of_stored(self.parts.service.waiting_deliveries(id).await?);
        self.messages.clear();
        self.generation = webhook.generation;
        self.sequence = webhook.sequence;
        self.failing = webhook.failing;
        self.delivered = webhook.delivered;
        self.breaker = Breaker::default();
        (self.is_unsaved, self.is_behind, self.is_gone) = (false, true, false);
        Ok(())
    }

    pub(super) async fn extend_lease(&mut self) -> Result<(), End> {
        let (now, lease_ms) = (self.now(), millis(self.parts.pace.lease));
        if self.leased_until.millis_since(now) > lease_ms - lease_ms / 3 {
            return Ok(());
        }
        let until = now.plus_millis(lease_ms);
        let extended = self.parts.service.lease_webhook(self.id(), self.parts.holder, Some(until)).await;
        match extended {
            Ok(true) => self.leased_until = until,
            Ok(false) => return Err(End::Regular),
            // It holds for some time yet.
            Err(_) if self.leased_until > now => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) fn may_read(&self, now: Timestamp) -> bool {
        let page = usize::try_from(PAGE_CHANGES).unwrap_or(usize::MAX);
        let has_room = self.queue.len() < self.parts.pace.waiting_max && !self.queue.has_due(now, page / 2);
        // A session that always fails must not keep others from being tried.
        self.is_behind && has_room && !(self.breaker.is_probing() && self.queue.has_untried())
    }

    /// Reads further changes, if there is room for their deliveries.
    pub(super) async fn read_changes(&mut self) -> Result<(), End> {
        let now = self.now();
        let is_due = self.is_behind || self.read_at.elapsed() >= self.parts.pace.poll;
        self.is_behind = is_due;
        if !self.may_read(now) || self.read_at.elapsed() < READ_INTERVAL {
            return Ok(());
        }
        let page = self.viewer.changed_sessions(self.sequence, PAGE_CHANGES).await?;
        self.read_at = Instant::now();
        self.is_behind = page.looked_until > self.sequence;
        self.is_unsaved |= self.is_behind;
        self.sequence = page.looked_until;
        let webhook = self.webhook.borrow();
        for changed in &page.changes {
            let Some(kind) = kind_for(&webhook, changed) else { continue };
            let change = &changed.change;
            self.queue.add(WaitingDelivery {
                sequence: change.sequence,
                session: change.session,
                recorded_at: change.recorded_at,
                attempts: 0,
                due: now,
            });
            if self.messages.len() < MESSAGES_MAX {
                self.messages.insert(change.sequence, Message::of_change(&webhook, kind, changed));
            }
        }
        Ok(())
    }

    pub(super) async fn save(&mut self) -> Result<(), End> {
        self.saved_at = Instant::now();
        if self.parts.service.save_webhook_progress(self.progress()).await? {
            self.queue.saved();
            self.is_unsaved = false;
            return Ok(());
        }
        // A replay, or another holder. Which one, the next round finds out.
        while let Some(attempted) = next_attempted(&mut self.in_flight).await {
            self.attempted(attempted).await;
        }
        self.leased_until = Timestamp::from_millis(0);
        self.load().await
    }

    /// Waits a little for answers, saves what they changed, and gives the lease back.
    pub(super) async fn finish(&mut self) {
        let until = Instant::now() + self.parts.pace.stop;
        while let Ok(Some(attempted)) = tokio::time::timeout_at(until, next_attempted(&mut self.in_flight)).await {
            self.attempted(attempted).await;
        }
        let progress = self.is_unsaved.then(|| self.progress());
        let saved = match progress {
            Some(progress) => self.parts.service.save_webhook_progress(progress).await,
            None => Ok(true),
        };
        let released = self.parts.service.lease_webhook(self.id(), self.parts.holder, None).await;
        if let Err(error) = saved.and(released) {
            tracing::debug!(id = %self.id(), %error, "progress is not saved: what was sent since then is sent again");
        }
    }

    fn progress(&self) -> WebhookProgress {
        let (waiting, done) = self.queue.unsaved();
        WebhookProgress {
            id: self.id(),
            holder: self.parts.holder,
            generation: self.generation,
            sequence: self.sequence,
            failing: self.failing.clone(),
            delivered: self.delivered,
            waiting,
            done,
        }
    }
}
