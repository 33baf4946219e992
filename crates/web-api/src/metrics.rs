//! Request metrics by route, method and status class; never by path, which clients choose.

use prometheus::HistogramVec;
use service_kit::metrics::{self as kit, LATENCY_BUCKETS, Registry};

/// The durations of requests.
#[derive(Debug, Clone)]
pub(crate) struct RequestMetrics {
    durations: HistogramVec,
}

impl RequestMetrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let durations = kit::histogram_vec(
            registry,
            "dwell_http_request_duration_seconds",
            "Duration from the head of a request to the start of its response",
            LATENCY_BUCKETS,
            &["route", "method", "status"],
        );
        Self { durations: durations.expect("this name is registered here only, always in one form") }
    }

    /// Creates the series of a route at 0, so that a rate has no gap at the first request.
    pub(crate) fn expect_route(&self, route: &str, method: &str) {
        self.durations.with_label_values(&[route, method, "2xx"]);
    }

    /// Records the response to a request.
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
