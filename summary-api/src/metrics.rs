//! What is measured of requests, by route, method and class of status; never by path.

use prometheus::HistogramVec;
use service_kit::metrics::{self as kit, LATENCY_BUCKETS, Registry};

/// How long requests take.
#[derive(Debug, Clone)]
pub(crate) struct RequestMetrics {
    durations: HistogramVec,
}

impl RequestMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let durations = kit::histogram_vec(
            registry,
            "dwell_http_request_duration_seconds",
            "From the head of a request until its answer begins",
            LATENCY_BUCKETS,
            &["route", "method", "status"],
        );
        Self { durations: durations.expect("this name is registered here only, always in one form") }
    }

    /// A route that will answer. Its series is there from the start, at 0, so that a rate never begins with a gap.
    pub(crate) fn expect_route(&self, route: &str, method: &str) {
        self.durations.with_label_values(&[route, method, "2xx"]);
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, method: &str, status: u16, seconds: f64) {
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.durations.with_label_values(&[route, method, class]).observe(seconds);
    }
}
