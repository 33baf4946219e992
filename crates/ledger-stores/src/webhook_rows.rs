//! The columns of webhooks and of their waiting deliveries, and how they are decoded. Both adapters store equal texts
//! and numbers.
//!
//! Lots and kinds are stored as texts, so that an operator can read them. No error contains a stored text.

use access::{Lots, SigningSecret};
use parking::Timestamp;
use uuid::Uuid;

use crate::encoding::{column, count};
use crate::{Error, Trouble, WaitingDelivery, Webhook, WebhookKinds};

/// The columns that a webhook is made with.
pub(super) struct NewWebhookColumns {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) lots: String,
    pub(super) kinds: String,
    pub(super) secret: Vec<u8>,
    pub(super) sequence: i64,
    pub(super) created_ms: i64,
}

impl NewWebhookColumns {
    pub(super) fn of(webhook: &Webhook) -> Self {
        Self {
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            lots: webhook.lots.to_string(),
            kinds: webhook.kinds.to_string(),
            secret: webhook.secret.expose().to_vec(),
            sequence: column(webhook.sequence),
            created_ms: webhook.created.as_millis(),
        }
    }
}

/// The columns of a webhook.
pub(super) struct WebhookColumns {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) lots: String,
    pub(super) kinds: String,
    pub(super) plates: bool,
    pub(super) secret: Vec<u8>,
    pub(super) old_secret: Option<Vec<u8>>,
    pub(super) old_until_ms: Option<i64>,
    pub(super) created_ms: i64,
    pub(super) paused: TroubleColumns,
    pub(super) generation: i64,
    pub(super) sequence: i64,
    pub(super) failing: TroubleColumns,
    pub(super) delivered_ms: Option<i64>,
    pub(super) leased_until_ms: i64,
    pub(super) waiting: i64,
    pub(super) oldest_ms: Option<i64>,
}

/// The time and the text of a trouble; both are null without one.
pub(super) struct TroubleColumns {
    pub(super) since_ms: Option<i64>,
    pub(super) reason: Option<String>,
}

impl TroubleColumns {
    pub(super) fn of(trouble: Option<&Trouble>) -> Self {
        Self {
            since_ms: trouble.map(|trouble| trouble.since.as_millis()),
            reason: trouble.map(|trouble| trouble.reason.clone()),
        }
    }

    fn trouble(self) -> Option<Trouble> {
        let since = Timestamp::from_millis(self.since_ms?);
        Some(Trouble { since, reason: self.reason.unwrap_or_default() })
    }
}

impl WebhookColumns {
    pub(super) fn webhook(self) -> Result<Webhook, Error> {
        let old_secret = match (self.old_secret, self.old_until_ms) {
            (Some(bytes), Some(until)) => Some((secret(&bytes)?, Timestamp::from_millis(until))),
            _ => None,
        };
        let unknown = |what: &str| Error::Corrupt(format!("{what} of a webhook is not known to this program"));
        Ok(Webhook {
            id: self.id,
            name: self.name,
            url: self.url,
            lots: Lots::parse(&self.lots).map_err(|_| unknown("a lot"))?,
            kinds: WebhookKinds::parse(&self.kinds).map_err(|_| unknown("a kind"))?,
            plates: self.plates,
            secret: secret(&self.secret)?,
            old_secret,
            created: Timestamp::from_millis(self.created_ms),
            paused: self.paused.trouble(),
            sequence: count(self.sequence)?,
            generation: count(self.generation)?,
            failing: self.failing.trouble(),
            delivered: self.delivered_ms.map(Timestamp::from_millis),
            leased_until: Timestamp::from_millis(self.leased_until_ms),
            waiting: count(self.waiting)?,
            oldest_waiting: self.oldest_ms.map(Timestamp::from_millis),
        })
    }
}

fn secret(bytes: &[u8]) -> Result<SigningSecret, Error> {
    let bytes = bytes.try_into();
    let wrong = |_| Error::Corrupt(format!("the secret of a webhook is not {} bytes", SigningSecret::BYTES));
    bytes.map(SigningSecret::new).map_err(wrong)
}

/// The columns of a waiting delivery.
pub(super) struct WaitingColumns {
    pub(super) sequence: i64,
    pub(super) session: Uuid,
    pub(super) recorded_ms: i64,
    pub(super) attempts: i64,
    pub(super) due_ms: i64,
}

impl WaitingColumns {
    pub(super) fn of(delivery: &WaitingDelivery) -> Self {
        Self {
            sequence: column(delivery.sequence),
            session: delivery.session,
            recorded_ms: delivery.recorded_at.as_millis(),
            attempts: i64::from(delivery.attempts),
            due_ms: delivery.due.as_millis(),
        }
    }

    pub(super) fn delivery(self) -> Result<WaitingDelivery, Error> {
        Ok(WaitingDelivery {
            sequence: count(self.sequence)?,
            session: self.session,
            recorded_at: Timestamp::from_millis(self.recorded_ms),
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            due: Timestamp::from_millis(self.due_ms),
        })
    }
}
