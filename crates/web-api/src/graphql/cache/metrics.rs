//! The metrics of the query cache.

use prometheus::{IntCounter, IntCounterVec, IntGauge};
use service_kit::metrics::{self as kit, Registry};

/// The result of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// From the cache, or from an execution in progress (single flight).
    Hit,
    /// Executed, then cached.
    Miss,
    /// Executed, not cached.
    Passed,
    /// Executed, because Redis failed.
    Error,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::Passed, Self::Error];

    fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Passed => "passed",
            Self::Error => "error",
        }
    }
}

#[derive(Debug)]
pub(super) struct CacheMetrics {
    requests: IntCounterVec,
    bytes: IntGauge,
}

/// The panic message of a registration that can't fail.
const REGISTERED_HERE: &str = "these names are registered here only, always in one form";

impl CacheMetrics {
    pub(super) fn register(registry: &Registry) -> Self {
        let requests = kit::counter_vec(
            registry,
            "dwell_answer_cache_requests_total",
            "GraphQL requests by result of the query cache: hit, miss, passed or error",
            &["result"],
        )
        .expect(REGISTERED_HERE);
        for outcome in Outcome::ALL {
            requests.with_label_values(&[outcome.as_str()]);
        }
        let help = "Approximate bytes of cached GraphQL requests and answers in this process";
        Self { requests, bytes: kit::gauge(registry, "dwell_answer_cache_bytes", help).expect(REGISTERED_HERE) }
    }

    /// The counter of failed calls to Redis.
    pub(super) fn failures(registry: &Registry) -> IntCounter {
        let help = "Calls to the Redis of the query cache that failed or timed out";
        kit::counter(registry, "dwell_answer_cache_errors_total", help).expect(REGISTERED_HERE)
    }

    pub(super) fn answered(&self, outcome: Outcome) {
        self.requests.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(super) fn holds(&self, bytes: u64) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
