//! Webhooks, as administrators manage them. A secret is in the response that creates or replaces it, and in no other.

use access::{Lots, SigningSecret};
use ledger::{Trouble, Webhook, WebhookKind, WebhookKinds};
use parking::Timestamp;
use serde::{Deserialize, Serialize};
use sessions::{NewWebhook, WebhookStatus};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{SecretText, schemas};
use crate::parameters::{Faults, quoted};
use crate::problem::{Fault, Problem};

/// The webhooks of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookList)]
pub struct WebhookList {
    /// The webhooks, ordered by id.
    pub webhooks: Vec<WebhookView>,
}

/// A webhook without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    /// Its id.
    pub id: Uuid,
    /// What the webhook is for.
    #[schema(example = "billing")]
    pub name: String,
    /// The address of the receiver.
    #[schema(example = "https://billing.example/dwell")]
    pub url: String,
    /// The lots whose sessions it gets; `*` is all.
    pub lots: Vec<String>,
    /// The kinds of changes that it gets.
    #[schema(schema_with = schemas::webhook_kinds)]
    pub kinds: Vec<String>,
    /// Whether its messages have whole plates; otherwise plates are masked, and ids are aliases.
    pub plates: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created: String,
    /// `active`, `failing` (the last delivery failed, or some wait after a failure) or `paused`.
    #[schema(schema_with = schemas::webhook_state)]
    pub state: String,
    /// Why it is paused or failing, and since when; null for an active one.
    #[schema(required)]
    pub trouble: Option<TroubleView>,
    /// Every change up to this sequence number is delivered, does not concern the webhook, or waits.
    pub sequence: u64,
    /// The number of changes behind that one that the webhook has not looked at.
    pub behind: u64,
    /// The number of deliveries that wait for another attempt, or for an earlier delivery of their session.
    pub waiting: u64,
    /// When the oldest change that waits was recorded.
    #[schema(format = DateTime, required)]
    pub oldest_waiting: Option<String>,
    /// When the receiver accepted a message last.
    #[schema(format = DateTime, required)]
    pub delivered: Option<String>,
    /// Until when messages are signed with the secret before the last rotation, too.
    #[schema(format = DateTime, required)]
    pub old_secret_until: Option<String>,
}

/// Since when something is wrong with a webhook, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookTrouble)]
pub struct TroubleView {
    /// Since when.
    #[schema(format = DateTime)]
    pub since: String,
    /// What is wrong.
    #[schema(example = "the receiver answered 503 Service Unavailable")]
    pub reason: String,
}

/// A webhook to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub struct WebhookBody {
    /// What the webhook is for, 1 to 64 bytes.
    #[schema(example = "billing")]
    pub name: String,
    /// The address of the receiver: `https`, without user and password. It must not lead to a private address, unless
    /// `DWELL_WEBHOOK_PRIVATE_ADDRESSES` allows that.
    #[schema(example = "https://billing.example/dwell")]
    pub url: String,
    /// The kinds of changes that it gets.
    #[schema(schema_with = schemas::webhook_kinds)]
    pub kinds: Vec<String>,
    /// The lots whose sessions it gets; the default, `*`, is all.
    #[serde(default = "all")]
    pub lots: Vec<String>,
    /// Whether its messages have whole plates, which only a principal with the scope `read_plate` can ask for. Otherwise
    /// plates are masked, and ids are aliases.
    #[serde(default)]
    pub plates: bool,
    /// It gets the changes after this sequence number; without it, those that are recorded from now on.
    #[serde(default)]
    pub after: Option<u64>,
}

/// A webhook with a new secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedWebhook {
    /// The secret that its messages are signed with. No other response contains it.
    #[schema(value_type = String, example = "whsec_…")]
    pub secret: SecretText,
    /// The webhook.
    pub webhook: WebhookView,
}

/// Why a webhook is to be paused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseBody {
    /// The reason that lists show, at most 200 bytes.
    #[serde(default)]
    #[schema(max_length = 200, example = "billing moves to another machine")]
    pub reason: Option<String>,
}

/// From where on a webhook gets changes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayBody {
    /// It gets every change after this sequence number again; 0 is the beginning.
    pub after: u64,
}

/// The result of a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookTest)]
pub struct WebhookTestView {
    /// Whether the receiver accepted it.
    pub delivered: bool,
    /// What went wrong; null if it was accepted.
    #[schema(required)]
    pub problem: Option<String>,
}

impl WebhookView {
    /// The view of a webhook that has this many changes before it.
    fn new(webhook: &Webhook, behind: u64) -> Self {
        let text = |at: Timestamp| at.to_string();
        let (state, trouble) = match (&webhook.paused, &webhook.failing) {
            (Some(paused), _) => ("paused", Some(paused)),
            (None, Some(failing)) => ("failing", Some(failing)),
            (None, None) => ("active", None),
        };
        Self {
            id: webhook.id,
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            lots: webhook.lots.to_string().split(',').map(str::to_owned).collect(),
            kinds: webhook.kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
            plates: webhook.plates,
            created: text(webhook.created),
            state: state.to_owned(),
            trouble: trouble.map(TroubleView::from),
            sequence: webhook.sequence,
            behind,
            waiting: webhook.waiting,
            oldest_waiting: webhook.oldest_waiting.map(text),
            delivered: webhook.delivered.map(text),
            old_secret_until: webhook.old_secret.as_ref().map(|(_, until)| text(*until)),
        }
    }
}

impl From<&WebhookStatus> for WebhookView {
    fn from(status: &WebhookStatus) -> Self {
        Self::new(&status.webhook, status.behind)
    }
}

impl From<&Trouble> for TroubleView {
    fn from(trouble: &Trouble) -> Self {
        Self { since: trouble.since.to_string(), reason: trouble.reason.clone() }
    }
}

impl From<&Webhook> for CreatedWebhook {
    /// Of a webhook that was made or got another secret at this moment.
    fn from(webhook: &Webhook) -> Self {
        let secret = SecretText(SigningSecret::expose_text(&webhook.secret));
        Self { secret, webhook: WebhookView::new(webhook, 0) }
    }
}

impl WebhookBody {
    /// The webhook to create, with its address as `check` returns it.
    ///
    /// # Errors
    /// Each invalid member.
    pub fn read(self, check: impl FnOnce(&str) -> Result<String, String>) -> Result<NewWebhook, Problem> {
        let mut faults = Faults::default();
        let kinds = self.kinds.iter().map(|word| {
            let unknown = || format!("contains {}; allowed are {}", quoted(word), words().join(", "));
            WebhookKind::parse(word).ok_or_else(unknown)
        });
        let kinds: Result<WebhookKinds, String> = kinds.collect();
        let kinds = faults.check(kinds.map_err(|problem| Fault::member("kinds", problem)));
        let lots = faults.check(Lots::parse(&self.lots.join(",")).map_err(|problem| Fault::member("lots", problem)));
        let url = faults.check(check(&self.url).map_err(|problem| Fault::member("url", problem)));
        match (kinds, lots, url) {
            (Some(kinds), Some(lots), Some(url)) => {
                Ok(NewWebhook { name: self.name, url, lots, kinds, plates: self.plates, after: self.after })
            }
            _ => Err(faults.into_problem()),
        }
    }
}

impl PauseBody {
    const REASON_BYTES_MAX: usize = 200;

    /// The reason that lists show.
    ///
    /// # Errors
    /// It is too long, or does not fit a line.
    pub fn read(self) -> Result<String, Problem> {
        let mut faults = Faults::default();
        let reason = self.reason.unwrap_or_else(|| "paused by an administrator".to_owned());
        let is_line = parking::printable::one_line(&reason) == reason && reason.len() <= Self::REASON_BYTES_MAX;
        let checked =
            if is_line { Ok(reason) } else { Err(Fault::member("reason", "is not a line of 1 to 200 bytes")) };
        faults.check(checked).ok_or_else(|| faults.into_problem())
    }
}

fn all() -> Vec<String> {
    vec![Lots::ALL_WORD.to_owned()]
}

fn words() -> [&'static str; 5] {
    WebhookKind::ALL.map(WebhookKind::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invalid_member_is_named() {
        let body = WebhookBody {
            name: "billing".to_owned(),
            url: "ftp://billing.example".to_owned(),
            kinds: vec!["session.matched".to_owned(), "lot.overstay".to_owned()],
            lots: vec!["a b".to_owned()],
            plates: false,
            after: None,
        };
        let problem = body.read(|_| Err("is not https".to_owned())).unwrap_err();
        let pointers: Vec<_> = problem.faults().iter().filter_map(|fault| fault.pointer.as_deref()).collect();
        assert_eq!(pointers, ["/kinds", "/lots", "/url"]);
    }

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(PauseBody::default().read().unwrap(), "paused by an administrator");
        assert!(PauseBody { reason: Some("a\nb".to_owned()) }.read().is_err());
        assert!(PauseBody { reason: Some("x".repeat(201)) }.read().is_err());
    }
}
