//! Managing webhooks, for administrators; and what their deliverer reads and saves.

use access::{Gates, Grant, Lots, Principal, Scope, Scopes, SigningSecret, TokenRecord, Who};
use ledger::{Trouble, WaitingDelivery, Webhook, WebhookChange, WebhookKinds, WebhookProgress};
use parking::Timestamp;
use uuid::Uuid;

use super::ScopedService;
use crate::sign_in::random;
use crate::{Error, Service, within};

/// The maximum webhooks: each has connections and memory of its own.
pub(crate) const WEBHOOKS_MAX: usize = 50;
/// How long messages are signed with the old secret too after a rotation.
pub const OLD_SECRET_LIFETIME_MS: i64 = 24 * 3_600_000;

/// A webhook to create. Its address has to be checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// What the operator calls it, 1 to 64 bytes.
    pub name: String,
    /// The address of the receiver.
    pub url: String,
    /// The lots whose sessions it gets.
    pub lots: Lots,
    /// The kinds of changes that it gets.
    pub kinds: WebhookKinds,
    /// Whether its messages have whole plates.
    pub plates: bool,
    /// The last change that it does not get; `None` for the newest change.
    pub after: Option<u64>,
}

/// A webhook, and how far it is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookStatus {
    /// The webhook.
    pub webhook: Webhook,
    /// The number of changes that it has not looked at.
    pub behind: u64,
}

impl Service {
    /// The service as the receiver of a webhook may use it.
    pub fn of_webhook(&self, webhook: &Webhook) -> ScopedService {
        let grant = grant(&webhook.lots, webhook.plates);
        self.scoped(Principal::new(Who::System("webhook"), grant))
    }
}

/// What a receiver sees.
fn grant(lots: &Lots, plates: bool) -> Grant {
    let scopes: Scopes = [Scope::Read].into_iter().chain(plates.then_some(Scope::ReadPlate)).collect();
    Grant::new(scopes, lots.clone(), Gates::All).expect("a webhook has lots, and reading needs nothing else")
}

impl ScopedService {
    /// The webhooks, by id.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be read.
    pub async fn webhooks(&self) -> Result<Vec<WebhookStatus>, Error> {
        self.principal.require(Scope::Admin)?;
        let webhooks = self.stored_webhooks().await?;
        let newest = if webhooks.is_empty() { 0 } else { self.service.last_change().await? };
        let status = |webhook: Webhook| WebhookStatus { behind: newest.saturating_sub(webhook.sequence), webhook };
        Ok(webhooks.into_iter().map(status).collect())
    }

    /// One webhook; `None` if there is no such webhook.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be read.
    pub async fn webhook(&self, id: Uuid) -> Result<Option<WebhookStatus>, Error> {
        Ok(self.webhooks().await?.into_iter().find(|status| status.webhook.id == id))
    }

    /// Makes a webhook, with a secret of its own.
    ///
    /// # Errors
    /// The principal is no administrator, or may not read what the receiver would get; a member is invalid; there are too
    /// many webhooks; or the ledger can't be written.
    pub async fn create_webhook(&self, new: NewWebhook) -> Result<Webhook, Error> {
        self.principal.require(Scope::Admin)?;
        TokenRecord::check_name(&new.name).map_err(|fault| Error::Refused(format!("the name {fault}")))?;
        if new.kinds.is_empty() || new.lots.is_empty() {
            return Err(Error::Refused("a webhook needs at least one kind of change and one lot".to_owned()));
        }
        self.principal.check_grants(&grant(&new.lots, new.plates))?;
        if self.stored_webhooks().await?.len() >= WEBHOOKS_MAX {
            return Err(Error::Refused(format!("there are {WEBHOOKS_MAX} webhooks, which is the limit; remove some")));
        }
        let newest = self.service.last_change().await?;
        let webhook = Webhook {
            id: uuid::Builder::from_random_bytes(random()?).into_uuid(),
            name: new.name,
            url: new.url,
            lots: new.lots,
            kinds: new.kinds,
            plates: new.plates,
            secret: SigningSecret::new(random()?),
            old_secret: None,
            created: self.now(),
            paused: None,
            sequence: checked_after(new.after.unwrap_or(newest), newest)?,
            generation: 0,
            failing: None,
            delivered: None,
            leased_until: Timestamp::from_millis(0),
            waiting: 0,
            oldest_waiting: None,
        };
        self.change_webhook(WebhookChange::Add(Box::new(webhook.clone()))).await?;
        tracing::info!(by = %self.principal.who(), id = %webhook.id, "a webhook was made");
        Ok(webhook)
    }

    /// Removes a webhook; returns whether there was such a webhook.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be written.
    pub async fn remove_webhook(&self, id: Uuid) -> Result<bool, Error> {
        let is_removed = self.change_webhook(WebhookChange::Remove(id)).await?;
        if is_removed {
            tracing::info!(by = %self.principal.who(), %id, "a webhook was removed");
        }
        Ok(is_removed)
    }

    /// Stops sending to a webhook, and keeps what is to be sent; returns whether there is such a webhook.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be written.
    pub async fn pause_webhook(&self, id: Uuid, reason: String) -> Result<bool, Error> {
        let trouble = Trouble { since: self.now(), reason };
        if self.change_webhook(WebhookChange::Pause { id, trouble }).await? {
            tracing::info!(by = %self.principal.who(), %id, "a webhook was paused");
        }
        self.is_known(id).await
    }

    /// Sends to a webhook again, all that waits at once; returns whether there is such a webhook.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be written.
    pub async fn resume_webhook(&self, id: Uuid) -> Result<bool, Error> {
        let is_resumed = self.change_webhook(WebhookChange::Resume(id)).await?;
        if is_resumed {
            tracing::info!(by = %self.principal.who(), %id, "a webhook was resumed");
        }
        Ok(is_resumed)
    }

    /// Sends every change after this one to a webhook again; returns whether there is such a webhook.
    ///
    /// # Errors
    /// The principal is no administrator, there is no such change, or the ledger can't be written.
    pub async fn replay_webhook(&self, id: Uuid, after: u64) -> Result<bool, Error> {
        self.principal.require(Scope::Admin)?;
        let after = checked_after(after, self.service.last_change().await?)?;
        let is_replayed = self.change_webhook(WebhookChange::Replay { id, after }).await?;
        if is_replayed {
            tracing::info!(by = %self.principal.who(), %id, after, "a webhook gets changes again");
        }
        Ok(is_replayed)
    }

    /// Replaces the secret of a webhook. Its messages are signed with the old one too for a day. `None` if there is no such
    /// webhook.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be written.
    pub async fn rotate_webhook(&self, id: Uuid) -> Result<Option<Webhook>, Error> {
        let old_until = self.now().plus_millis(OLD_SECRET_LIFETIME_MS);
        let secret = SigningSecret::new(random()?);
        self.change_webhook(WebhookChange::Rotate { id, secret: secret.clone(), old_until }).await?;
        let webhook = self.stored_webhooks().await?.into_iter().find(|webhook| webhook.id == id);
        if webhook.is_some() {
            tracing::info!(by = %self.principal.who(), %id, "the secret of a webhook was replaced");
        }
        // Of two rotations at once, the caller has to get its own secret, or none.
        if webhook.as_ref().is_some_and(|webhook| webhook.secret != secret) {
            return Err(Error::Refused(
                "another request replaced the secret at this moment; send this one again".into(),
            ));
        }
        Ok(webhook)
    }

    /// The webhooks as they are stored: for their deliverer.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be read.
    pub async fn stored_webhooks(&self) -> Result<Vec<Webhook>, Error> {
        self.principal.require(Scope::Admin)?;
        within(async { Ok(self.service.inner.ledger.webhooks().await?) }).await
    }

    /// The deliveries of a webhook that wait: for their deliverer.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be read.
    pub async fn waiting_deliveries(&self, id: Uuid) -> Result<Vec<WaitingDelivery>, Error> {
        self.principal.require(Scope::Admin)?;
        within(async { Ok(self.service.inner.ledger.waiting_deliveries(id).await?) }).await
    }

    /// Takes, extends or ends the lease of a webhook, which its deliverer needs; returns whether that was possible.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be written.
    pub async fn lease_webhook(&self, id: Uuid, holder: Uuid, until: Option<Timestamp>) -> Result<bool, Error> {
        let now = self.now();
        self.change_webhook(match until {
            Some(until) => WebhookChange::Lease { id, holder, now, until },
            None => WebhookChange::Release { id, holder },
        })
        .await
    }

    /// Saves how far the holder of a lease has come; returns whether the holder may go on.
    ///
    /// # Errors
    /// The principal is no administrator, or the ledger can't be written.
    pub async fn save_webhook_progress(&self, progress: WebhookProgress) -> Result<bool, Error> {
        self.change_webhook(WebhookChange::Progress(Box::new(progress))).await
    }

    async fn is_known(&self, id: Uuid) -> Result<bool, Error> {
        Ok(self.stored_webhooks().await?.iter().any(|webhook| webhook.id == id))
    }

    async fn change_webhook(&self, change: WebhookChange) -> Result<bool, Error> {
        self.principal.require(Scope::Admin)?;
        within(async { Ok(self.service.inner.ledger.change_webhook(change).await?) }).await
    }
}

fn checked_after(after: u64, newest: u64) -> Result<u64, Error> {
    if after > newest {
        return Err(Error::Refused(format!("after is {after}, and the newest change is {newest}")));
    }
    Ok(after)
}
