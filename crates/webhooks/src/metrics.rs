//! The metrics of webhooks.

use parking::Timestamp;
use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec};
use service_kit::metrics::{Error, Registry};

use crate::sender::Outcome;

/// The words of the label `result`.
const RESULTS: [&str; 4] = ["accepted", "gone", "refused", "unanswered"];
/// The words of the label `state`.
const STATES: [&str; 3] = ["active", "failing", "paused"];

service_kit::metrics! {
    /// The metrics of the deliverer of one summary API.
    #[derive(Debug)]
    pub(crate) struct Metrics {
        /// Attempts to deliver a message to the receiver of a webhook, by result
        attempts: IntCounterVec = "dwell_webhook_attempts_total" ["result"];
        /// Webhooks of the ledger, by state
        webhooks: IntGaugeVec = "dwell_webhooks" ["state"];
        /// Deliveries of all webhooks of the ledger that wait for another attempt
        waiting: IntGauge = "dwell_webhook_waiting";
        /// Age of the oldest change that a webhook of the ledger has still to deliver, unless the webhook is paused
        oldest: Gauge = "dwell_webhook_oldest_seconds";
    }
}

/// How the webhooks of the ledger stand.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Active, failing and paused ones.
    pub(crate) states: [i64; 3],
    /// Deliveries that wait.
    pub(crate) waiting: u64,
    /// When the oldest change was recorded that is to be delivered.
    pub(crate) oldest: Option<Timestamp>,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let metrics = Self::register(registry)?;
        for result in RESULTS {
            metrics.attempts.with_label_values(&[result]);
        }
        metrics.show(&Standing::default(), Timestamp::from_millis(0));
        Ok(metrics)
    }

    /// An attempt has ended.
    pub(crate) fn attempted(&self, outcome: &Outcome) {
        let result = match outcome {
            Outcome::Accepted => "accepted",
            Outcome::Gone => "gone",
            Outcome::Refused { .. } => "refused",
            Outcome::Unanswered { .. } => "unanswered",
        };
        self.attempts.with_label_values(&[result]).inc();
    }

    /// How the webhooks stand at `now`.
    pub(crate) fn show(&self, standing: &Standing, now: Timestamp) {
        for (state, count) in STATES.iter().zip(standing.states) {
            self.webhooks.with_label_values(&[*state]).set(count);
        }
        self.waiting.set(i64::try_from(standing.waiting).unwrap_or(i64::MAX));
        let age_ms = standing.oldest.map_or(0, |oldest| now.millis_since(oldest).max(0));
        // Exact up to thousands of years.
        #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds has far fewer than 53 bits")]
        self.oldest.set(age_ms as f64 / 1_000.0);
    }
}
