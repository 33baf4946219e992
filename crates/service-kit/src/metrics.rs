//! Registering metrics, and rendering their page.
//!
//! [`metrics!`](crate::metrics!) makes a struct of metrics from their doc comments. Several services in one process
//! share a [`Registry`]: registering a name twice returns the same metric. Each service defines names, labels and
//! meanings.

mod described;

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, TextEncoder,
};

use crate::Build;

pub use described::{Description, Metric};

/// The content type of [`render`]'s page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of latency histograms, seconds: fine around fifty milliseconds, which operators watch.
pub const LATENCY_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// A metric that can't be registered: a defect of the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name, a label or the buckets are invalid.
    #[error("metric {name} cannot be registered")]
    Invalid {
        /// The metric.
        name: String,
        /// The library's error.
        source: prometheus::Error,
    },
    /// The name belongs to a metric of another kind, with other labels or another help text.
    #[error("metric {name} is already registered with another kind, help or labels")]
    Different {
        /// The metric.
        name: String,
    },
}

/// The metrics of one process, or of one test pipeline. Cheap to clone; all clones share them.
#[derive(Clone, Default)]
pub struct Registry {
    registry: prometheus::Registry,
    known: Arc<Mutex<HashMap<String, Box<dyn Any + Send + Sync>>>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Registry")
    }
}

impl Registry {
    /// A registry without metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// The library's registry, for collectors of other libraries.
    pub fn inner(&self) -> &prometheus::Registry {
        &self.registry
    }

    /// Registers the metric that `make` returns, or returns the one with its name.
    fn shared<T>(&self, name: &str, make: impl FnOnce() -> prometheus::Result<T>) -> Result<T, Error>
    where
        T: Collector + Clone + 'static,
    {
        let invalid = |source| Error::Invalid { name: name.to_owned(), source };
        let collector = make().map_err(invalid)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registered) = known.get(name) {
            let same = registered.downcast_ref::<T>().filter(|registered| shape(*registered) == shape(&collector));
            return same.cloned().ok_or_else(|| Error::Different { name: name.to_owned() });
        }
        self.registry.register(Box::new(collector.clone())).map_err(invalid)?;
        known.insert(name.to_owned(), Box::new(collector.clone()));
        Ok(collector)
    }
}

/// What distinguishes two metrics of one name: their ids and a hash of help text and labels.
fn shape(collector: &impl Collector) -> Vec<(u64, u64)> {
    collector.desc().iter().map(|description| (description.id, description.dim_hash)).collect()
}

/// A counter.
pub fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, Error> {
    registry.shared(name, || IntCounter::new(name, help))
}

/// Counters with labels.
pub fn counter_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
    registry.shared(name, || IntCounterVec::new(Opts::new(name, help), labels))
}

/// A gauge of whole numbers.
pub fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, Error> {
    registry.shared(name, || IntGauge::new(name, help))
}

/// A gauge of any numbers, for instance seconds.
pub fn float_gauge(registry: &Registry, name: &str, help: &str) -> Result<Gauge, Error> {
    registry.shared(name, || Gauge::new(name, help))
}

/// Gauges of whole numbers, with labels.
pub fn gauge_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
    registry.shared(name, || IntGaugeVec::new(Opts::new(name, help), labels))
}

/// A histogram with these upper bounds.
pub fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
    registry.shared(name, || Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
}

/// Histograms with these upper bounds and labels.
pub fn histogram_vec(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> Result<HistogramVec, Error> {
    registry.shared(name, || HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
}

/// Exports effective limits: `dwell_limit{limit="…"}`; each name ends with the unit.
pub fn show_limits(registry: &Registry, limits: &[(&str, u64)]) -> Result<(), Error> {
    let gauge = gauge_vec(registry, "dwell_limit", "A limit that is in force", &["limit"])?;
    for (name, value) in limits {
        gauge.with_label_values(&[*name]).set(i64::try_from(*value).unwrap_or(i64::MAX));
    }
    Ok(())
}

/// Exports the build of a running service: `dwell_build_info{version, commit, build_time, service} 1`.
pub fn build_info(registry: &Registry, service: &str, build: Build) -> Result<(), Error> {
    let info = gauge_vec(
        registry,
        "dwell_build_info",
        "Version, commit and build time of each service in this process, always 1",
        &["version", "commit", "build_time", "service"],
    )?;
    info.with_label_values(&[build.version(), build.commit(), build.time().as_str(), service]).set(1);
    Ok(())
}

/// Exports the resources of the process, with the names of Prometheus' own libraries: processor time, memory, open
/// files, and the start time. For a process, not for a test pipeline; only on Linux.
pub fn process(registry: &Registry) -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    {
        let collector = prometheus::process_collector::ProcessCollector::for_self();
        let invalid = |source| Error::Invalid { name: "process_cpu_seconds_total".to_owned(), source };
        registry.registry.register(Box::new(collector)).map_err(invalid)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = registry;
    Ok(())
}

/// The page: all metrics in text format 0.0.4.
pub fn render(registry: &Registry) -> String {
    let encoder = TextEncoder::new();
    debug_assert!(CONTENT_TYPE.starts_with(encoder.format_type()));
    let families = registry.registry.gather();
    encoder.encode_to_string(&families).unwrap_or_else(|error| {
        tracing::error!(%error, "metrics cannot be written");
        String::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_that_is_registered_twice_is_one() {
        let registry = Registry::new();
        let [entry, exit] =
            ["entry", "exit"].map(|_| counter(&registry, "dwell_published_total", "Published").unwrap());
        entry.inc();
        exit.inc_by(2);
        assert!(render(&registry).contains("\ndwell_published_total 3\n"));
    }

    #[test]
    fn name_stands_for_one_kind_and_one_set_of_labels() {
        let registry = Registry::new();
        counter(&registry, "dwell_a_total", "A").unwrap();
        counter_vec(&registry, "dwell_b_total", "B", &["lot"]).unwrap();

        assert!(matches!(gauge(&registry, "dwell_a_total", "A"), Err(Error::Different { .. })));
        assert!(matches!(counter_vec(&registry, "dwell_b_total", "B", &["kind"]), Err(Error::Different { .. })));
        assert!(matches!(counter(&registry, "not a name", "C"), Err(Error::Invalid { .. })));
    }

    #[test]
    fn page_holds_every_kind_of_metric() {
        let registry = Registry::new();
        counter(&registry, "matched_events", "Exits that were matched").unwrap().inc();
        gauge(&registry, "dwell_inside", "Inside now").unwrap().set(-1);
        float_gauge(&registry, "dwell_lag_seconds", "Lag").unwrap().set(0.5);
        let latency = histogram(&registry, "dwell_wait_seconds", "Wait", &[0.5, 1.0]).unwrap();
        latency.observe(0.75);
        histogram_vec(&registry, "dwell_step_seconds", "Steps", &[1.0], &["step"]).unwrap();
        build_info(&registry, "correlator", Build::new("0.1.0", "0123456789ab", "1727168400")).unwrap();

        let expected = [
            "# HELP dwell_build_info Version, commit and build time of each service in this process, always 1",
            "# TYPE dwell_build_info gauge",
            concat!(
                "dwell_build_info{build_time=\"2024-09-24T09:00:00Z\",commit=\"0123456789ab\",",
                "service=\"correlator\",version=\"0.1.0\"} 1"
            ),
            "# HELP dwell_inside Inside now",
            "# TYPE dwell_inside gauge",
            "dwell_inside -1",
            "# HELP dwell_lag_seconds Lag",
            "# TYPE dwell_lag_seconds gauge",
            "dwell_lag_seconds 0.5",
            "# HELP dwell_wait_seconds Wait",
            "# TYPE dwell_wait_seconds histogram",
            "dwell_wait_seconds_bucket{le=\"0.5\"} 0",
            "dwell_wait_seconds_bucket{le=\"1\"} 1",
            "dwell_wait_seconds_bucket{le=\"+Inf\"} 1",
            "dwell_wait_seconds_sum 0.75",
            "dwell_wait_seconds_count 1",
            "# HELP matched_events Exits that were matched",
            "# TYPE matched_events counter",
            "matched_events 1",
        ];
        assert_eq!(render(&registry).lines().collect::<Vec<_>>(), expected);
    }
}
