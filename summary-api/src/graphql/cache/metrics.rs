//! The metrics of the query cache.

use prometheus::{IntCounter, IntCounterVec, IntGauge};
use service_kit::metrics::{self as kit, Registry};

/// How a key was answered.
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

/// These names are registered here only, always in one form.
const REGISTERED_HERE: &str = "a metric of the answers is registered elsewhere, too";

impl CacheMetrics {
    pub(super) fn register(registry: &Registry) -> Self {
        let requests = kit::counter_vec(
            registry,
            "dwell_answer_cache_requests_total",
            "GraphQL requests, by how the cache of answers took them: hit, miss, passed or error",
            &["result"],
        )
        .expect(REGISTERED_HERE);
        for outcome in Outcome::ALL {
            requests.with_label_values(&[outcome.as_str()]);
        }
        let help = "Bytes of the GraphQL requests and answers that are kept in this process, about";
        Self { requests, bytes: kit::gauge(registry, "dwell_answer_cache_bytes", help).expect(REGISTERED_HERE) }
    }

    /// Calls to Redis that failed.
    pub(super) fn failures(registry: &Registry) -> IntCounter {
        let help = "Calls to the Redis of the cache of answers that failed or took too long";
        kit::counter(registry, "dwell_answer_cache_errors_total", help).expect(REGISTERED_HERE)
    }

    pub(super) fn answered(&self, outcome: Outcome) {
        self.requests.with_label_values(&[outcome.as_str()]).inc();
    }

    pub(super) fn holds(&self, bytes: u64) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
