//! The limits of a listener for its clients.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge};

use super::refusal::Refusal;
use crate::metrics::{self, Registry};

/// The maximum of open connections.
const CONNECTIONS_MAX: u32 = 1_024;
/// Of these, the connections reserved for health checks and metrics while all others are answering requests.
const RESERVED_CONNECTIONS: u32 = 64;
/// The maximum of incomplete requests of one remote address.
const ADDRESS_UNFINISHED_REQUESTS: u32 = 256;
/// The timeout from the first byte of a head to its last; for the first head of a connection, from its opening.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// The maximum idle time of a connection.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// The timeout from the end of a head to the last byte of its body.
const BODY_DEADLINE: Duration = Duration::from_secs(15);
/// The maximum time in which a client reads nothing of an answer; shorter than a stop may take, so that it does not
/// delay it.
const STALLED_ANSWER_MAX: Duration = Duration::from_secs(8);
/// The age from which a connection with a certificate of its client ends with its next answer. The certificate is
/// verified when a connection begins, and may have expired since.
const CERTIFIED_MAX: Duration = Duration::from_mins(15);

/// The limits of a listener for its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum of connections. Beyond it, a new connection replaces an idle one, or else the oldest incomplete
    /// request, or else the connection whose client has not read its answer for the longest time.
    pub connections: u32,
    /// The connections reserved for health checks and metrics while all others are answering requests.
    pub reserved: u32,
    /// The maximum of incomplete requests of one remote address (of IPv6: one /64 network). Beyond it, the oldest of
    /// them is closed.
    pub unfinished_per_address: u32,
    /// The timeout of a request's head.
    pub head: Duration,
    /// The maximum idle time of a connection.
    pub idle: Duration,
    /// The timeout of a request's body.
    pub body: Duration,
    /// The maximum time in which a client reads nothing of its answer.
    pub answer: Duration,
    /// The age from which a connection with a certificate of its client ends with its next answer.
    pub certified: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            reserved: RESERVED_CONNECTIONS,
            unfinished_per_address: ADDRESS_UNFINISHED_REQUESTS,
            head: HEAD_DEADLINE,
            idle: IDLE_MAX,
            body: BODY_DEADLINE,
            answer: STALLED_ANSWER_MAX,
            certified: CERTIFIED_MAX,
        }
    }
}

impl Limits {
    /// The maximum of requests, other than for health and metrics, that are answered at once.
    pub(super) fn requests(&self) -> u32 {
        self.connections.saturating_sub(self.reserved)
    }

    /// The limits by name; each name ends with the unit.
    fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("http_connections", self.connections.into()),
            ("http_reserved_connections", self.reserved.into()),
            ("http_address_unfinished_requests", self.unfinished_per_address.into()),
            ("http_head_seconds", self.head.as_secs()),
            ("http_idle_seconds", self.idle.as_secs()),
            ("http_body_seconds", self.body.as_secs()),
            ("http_stalled_answer_seconds", self.answer.as_secs()),
            ("http_certified_connection_seconds", self.certified.as_secs()),
        ]
    }
}

crate::metrics! {
    /// The use of a listener's limits.
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
    /// The phases of connections that are closed early.
    pub(super) const IDLE: &'static str = "idle";
    pub(super) const UNFINISHED: &'static str = "unfinished";
    pub(super) const STALLED: &'static str = "stalled";

    /// Registers the metrics, and sets the limits.
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
