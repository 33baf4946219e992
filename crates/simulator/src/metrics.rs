//! The metrics of the publishing loop, by direction, since both may run in one process.

use std::time::Duration;

use parking::Direction;
use prometheus::{Histogram, IntCounter, IntGauge};
use service_kit::metrics::{self, Error, LATENCY_BUCKETS, Registry};

/// The metrics of the loop.
#[derive(Debug)]
pub(crate) struct Metrics {
    published: IntCounter,
    latency_seconds: Histogram,
    lag_seconds: IntGauge,
    waiting: IntGauge,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry, direction: Direction, batch_events_max: usize) -> Result<Self, Error> {
        let labels = ["direction"];
        let is = [direction.as_str()];
        metrics::gauge(registry, "dwell_publish_batch_events_max", "Simulated events published at once, at most")?
            .set(i64::try_from(batch_events_max).unwrap_or(i64::MAX));
        let published = metrics::counter_vec(
            registry,
            "dwell_published_events_total",
            "Simulated events that are safe on the bus, repeated ones included",
            &labels,
        )?;
        let latency = metrics::histogram_vec(
            registry,
            "dwell_publish_latency_seconds",
            "From handing a batch of simulated events to the bus until it is safe there",
            LATENCY_BUCKETS,
            &labels,
        )?;
        let lag = metrics::gauge_vec(
            registry,
            "dwell_publish_lag_seconds",
            "How long the oldest simulated event of the last batch had been due, whole seconds; 0 when none is due",
            &labels,
        )?;
        let waiting = metrics::gauge_vec(
            registry,
            "dwell_upcoming_events",
            "Simulated events of vehicles on their way that wait for their time",
            &labels,
        )?;
        Ok(Self {
            published: published.with_label_values(&is),
            latency_seconds: latency.with_label_values(&is),
            lag_seconds: lag.with_label_values(&is),
            waiting: waiting.with_label_values(&is),
        })
    }

    /// Counts a batch that is safe on the bus.
    pub(crate) fn published(&self, events: usize, took: Duration) {
        self.published.inc_by(u64::try_from(events).unwrap_or(u64::MAX));
        self.latency_seconds.observe(took.as_secs_f64());
    }

    /// Sets the delay of publishing, milliseconds.
    pub(crate) fn behind(&self, lag_ms: i64) {
        self.lag_seconds.set(lag_ms.max(0) / 1_000);
    }

    /// Sets the number of events that wait for their time.
    pub(crate) fn waiting(&self, events: usize) {
        self.waiting.set(i64::try_from(events).unwrap_or(i64::MAX));
    }
}
