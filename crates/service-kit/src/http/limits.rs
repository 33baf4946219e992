//! What clients may take of a listener.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge};

use super::refusal::Refusal;
use crate::metrics::{self, Registry};

/// Connections open at once.
const CONNECTIONS: u32 = 1_024;
/// Of these, connections that only health checks and metrics get when all others are answering requests.
const RESERVED_CONNECTIONS: u32 = 64;
/// Requests of one remote address whose head or body has not arrived whole.
const ADDRESS_UNFINISHED_REQUESTS: u32 = 256;
/// From the first byte of a head to its last; for the first head of a connection, from its opening.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection may wait for the next request.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// From the end of a head to the last byte of its body.
const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// How long a client may read nothing of an answer; less than a stop may take, so that such a client does not delay it.
const STALLED_ANSWER_MAX: Duration = Duration::from_secs(8);

/// What clients may take of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. Beyond this, an idle connection is closed for a new one, or else the oldest unfinished
    /// request, or else the connection whose client has read nothing of its answers for the longest.
    pub connections: u32,
    /// Connections that are left to health checks and metrics while all others are answering requests.
    pub reserved: u32,
    /// Requests of one remote address (of IPv6, of one /64 network) whose head or body has not arrived whole. Beyond
    /// this, the oldest of them is closed.
    pub unfinished_per_address: u32,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long a connection may wait for the next request.
    pub idle: Duration,
    /// How long the body of a request may take.
    pub body: Duration,
    /// How long a client may read nothing of its answer.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            reserved: RESERVED_CONNECTIONS,
            unfinished_per_address: ADDRESS_UNFINISHED_REQUESTS,
            head: HEAD_DEADLINE,
            idle: IDLE_MAX,
            body: BODY_DEADLINE,
            answer: STALLED_ANSWER_MAX,
        }
    }
}

impl Limits {
    /// Requests, other than for health and metrics, that may be answered at once.
    pub(super) fn requests(&self) -> u32 {
        self.connections.saturating_sub(self.reserved)
    }

    /// The limits by name; the unit ends each name.
    fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("http_connections", self.connections.into()),
            ("http_reserved_connections", self.reserved.into()),
            ("http_address_unfinished_requests", self.unfinished_per_address.into()),
            ("http_head_seconds", self.head.as_secs()),
            ("http_idle_seconds", self.idle.as_secs()),
            ("http_body_seconds", self.body.as_secs()),
            ("http_stalled_answer_seconds", self.answer.as_secs()),
        ]
    }
}

crate::metrics! {
    /// How close a listener is to its limits.
    #[derive(Debug, Clone)]
    pub(super) struct Metrics {
        /// Connections that may be open at once
        max: IntGauge = "dwell_http_connections_max";
        /// Connections that are open
        pub(super) open: IntGauge = "dwell_http_connections";
        /// Connections closed to make room for others, by what they were doing
        pub(super) closed_early: IntCounterVec = "dwell_http_connections_closed_early_total" ["state"];
        /// Requests refused before any route saw them, by reason
        pub(super) refused: IntCounterVec = "dwell_http_requests_refused_total" ["reason"];
    }
}

impl Metrics {
    /// What connections that are closed early were doing.
    pub(super) const IDLE: &'static str = "idle";
    pub(super) const UNFINISHED: &'static str = "unfinished";
    pub(super) const STALLED: &'static str = "stalled";

    /// Registers the metrics, and shows the limits.
    pub(super) fn new(registry: &Registry, limits: &Limits) -> Result<Self, metrics::Error> {
        metrics::show_limits(registry, &limits.named())?;
        let shown = Self::register(registry)?;
        shown.max.set(limits.connections.into());
        for state in [Self::IDLE, Self::UNFINISHED, Self::STALLED] {
            shown.closed_early.with_label_values(&[state]).inc_by(0);
        }
        for reason in Refusal::REASONS {
            shown.refused.with_label_values(&[reason]).inc_by(0);
        }
        Ok(shown)
    }
}
