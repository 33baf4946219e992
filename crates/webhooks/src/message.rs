//! The messages: what a receiver gets about a change, as Standard Webhooks defines it.

use access::SigningSecret;
use api::ChangeView;
use ledger::{Webhook, WebhookKind};
use parking::Timestamp;
use serde::Serialize;
use sessions::Changed;

/// The `type` of a test message.
const TEST: &str = "webhook.test";

/// A message to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Equal in all attempts, so that a receiver knows a repeated message.
    pub(crate) id: String,
    /// JSON.
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Body<T> {
    r#type: &'static str,
    timestamp: String,
    data: T,
}

/// The data of a test message.
#[derive(Debug, Serialize)]
struct TestData<'a> {
    webhook: &'a str,
}

impl Message {
    /// The message about a change.
    pub(crate) fn of_change(webhook: &Webhook, kind: WebhookKind, changed: &Changed) -> Self {
        let view = ChangeView::from(changed);
        let (sequence, recorded) = (changed.change.sequence, changed.change.recorded_at);
        // With the time, an id is not used again by a ledger that was restored from a copy.
        let id = format!("{}_{sequence}_{}", webhook.id.simple(), recorded.as_millis());
        Self::new(id, &Body { r#type: kind.as_str(), timestamp: view.recorded_at.clone(), data: view })
    }

    /// A test message.
    pub(crate) fn of_test(webhook: &Webhook, now: Timestamp) -> Self {
        let id = format!("{}_test_{}", webhook.id.simple(), now.as_millis());
        let data = TestData { webhook: &webhook.name };
        Self::new(id, &Body { r#type: TEST, timestamp: now.to_string(), data })
    }

    fn new(id: String, body: &impl Serialize) -> Self {
        Self { id, body: serde_json::to_vec(body).expect("a message is always valid JSON") }
    }
}

/// The kind of a change, if the webhook gets it.
pub(crate) fn kind_for(webhook: &Webhook, changed: &Changed) -> Option<WebhookKind> {
    let kind = WebhookKind::of(changed.change.from, changed.change.to)?;
    webhook.kinds.contains(kind).then_some(kind)
}

/// The header `webhook-signature`: one signature, or two for some time after a rotation.
pub(crate) fn signatures(webhook: &Webhook, message: &Message, now: Timestamp) -> String {
    let seconds = now.as_millis().div_euclid(1_000);
    let sign = |secret: &SigningSecret| secret.sign(&message.id, seconds, &message.body);
    match &webhook.old_secret {
        Some((old, until)) if *until > now => format!("{} {}", sign(&webhook.secret), sign(old)),
        _ => sign(&webhook.secret),
    }
}
