//! What the gateway counts. Never a plate, never an event's id.

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge};
use service_kit::metrics::{Error, LATENCY_BUCKETS, Registry};

service_kit::metrics! {
    /// The doors, and what came through them.
    #[derive(Debug, Clone)]
    pub(crate) struct Metrics {
        /// Gate events that the bus confirmed, by door
        pub(crate) accepted: IntCounterVec = "dwell_gateway_events_accepted_total" ["door"];
        /// Gate events and messages refused for what is wrong with them, by door and member
        pub(crate) refused: IntCounterVec = "dwell_gateway_events_refused_total" ["door", "member"];
        /// Gate events that a rule dropped or sent to another lot, by rule
        pub(crate) filtered: IntCounterVec = "dwell_gateway_events_filtered_total" ["rule"];
        /// Requests and calls of senders that were turned away, by reason
        pub(crate) turned_away: IntCounterVec = "dwell_gateway_turned_away_total" ["reason"];
        /// Requests answered 503 because the bus did not confirm in time, by door
        pub(crate) unavailable: IntCounterVec = "dwell_gateway_unavailable_total" ["door"];
        /// Parts of camera messages that give no event, by format and reason
        pub(crate) skipped: IntCounterVec = "dwell_gateway_skipped_total" ["format", "reason"];
        /// Reads of cameras by format and where their time comes from
        pub(crate) times: IntCounterVec = "dwell_gateway_read_times_total" ["format", "source"];
        /// Pictures of cameras that were dropped
        pub(crate) images: IntCounter = "dwell_gateway_images_dropped_total";
        /// Seconds from handing events to the bus until it confirmed them
        pub(crate) publish_seconds: Histogram = "dwell_gateway_publish_seconds" in LATENCY_BUCKETS;
        /// Bytes of memory set aside for bodies under way
        pub(crate) bodies_bytes: IntGauge = "dwell_gateway_bodies_bytes";
    }
}

service_kit::metrics! {
    /// The list of tokens of a gateway that reads one.
    #[derive(Debug, Clone)]
    pub(crate) struct TokensMetrics {
        /// Seconds since the list of tokens was read, or confirmed by its source; since the start before that
        pub(crate) age_seconds: Gauge = "dwell_gateway_tokens_age_seconds";
        /// Tokens on the list, revoked and expired ones included
        pub(crate) known: IntGauge = "dwell_gateway_tokens";
    }
}

impl Metrics {
    /// Registers the metrics. Each door and reason has its numbers from the start, so that the first one is an increase.
    pub(crate) fn new(registry: &Registry, doors: &[&str], reasons: &[&str]) -> Result<Self, Error> {
        let metrics = Self::register(registry)?;
        for door in doors {
            metrics.accepted.with_label_values(&[door]).inc_by(0);
            metrics.unavailable.with_label_values(&[door]).inc_by(0);
        }
        for reason in reasons {
            metrics.turned_away.with_label_values(&[reason]).inc_by(0);
        }
        Ok(metrics)
    }
}
