//! The macro [`metrics!`](crate::metrics!), which makes a struct of metrics with their doc comments as help texts.
//!
//! The service counts, and initialises the series.

use prometheus::{Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::{Error, Registry};

/// The macro's description of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Description<'a> {
    /// The name.
    pub name: &'a str,
    /// The help text, between blanks.
    pub help: &'a str,
    /// The names of its labels.
    pub labels: &'a [&'a str],
    /// The upper bounds of a histogram.
    pub buckets: &'a [f64],
}

/// A kind of metric that the macro can register.
pub trait Metric: Sized {
    /// Registers it, or returns the metric with its name.
    ///
    /// # Errors
    /// A defect of the program: the name is invalid, or belongs to another metric.
    fn register(registry: &Registry, description: Description<'_>) -> Result<Self, Error>;
}

impl Metric for IntCounter {
    fn register(registry: &Registry, of: Description<'_>) -> Result<Self, Error> {
        super::counter(registry, of.name, of.help.trim())
    }
}

impl Metric for IntCounterVec {
    fn register(registry: &Registry, of: Description<'_>) -> Result<Self, Error> {
        super::counter_vec(registry, of.name, of.help.trim(), of.labels)
    }
}

impl Metric for IntGauge {
    fn register(registry: &Registry, of: Description<'_>) -> Result<Self, Error> {
        super::gauge(registry, of.name, of.help.trim())
    }
}

impl Metric for IntGaugeVec {
    fn register(registry: &Registry, of: Description<'_>) -> Result<Self, Error> {
        super::gauge_vec(registry, of.name, of.help.trim(), of.labels)
    }
}

impl Metric for Gauge {
    fn register(registry: &Registry, of: Description<'_>) -> Result<Self, Error> {
        super::float_gauge(registry, of.name, of.help.trim())
    }
}

impl Metric for Histogram {
    fn register(registry: &Registry, of: Description<'_>) -> Result<Self, Error> {
        super::histogram(registry, of.name, of.help.trim(), of.buckets)
    }
}

impl Metric for HistogramVec {
    fn register(registry: &Registry, of: Description<'_>) -> Result<Self, Error> {
        super::histogram_vec(registry, of.name, of.help.trim(), of.buckets, of.labels)
    }
}

/// Makes a struct of metrics, and its function `register`. The doc comment of a field is the help text of its metric;
/// the name follows `=`, then labels in brackets, then the upper bounds of a histogram behind `in`. A field without a
/// name is another such struct; one with `= default` is no metric and begins with the default of its type.
///
/// ```
/// use prometheus::{HistogramVec, IntCounter};
///
/// service_kit::metrics! {
///     /// What a gate shows of itself.
///     #[derive(Debug, Clone)]
///     pub struct Metrics {
///         /// Vehicles that came in
///         pub entered: IntCounter = "entered_total";
///         /// How long the barrier was open, by kind of vehicle
///         open_seconds: HistogramVec = "barrier_open_seconds" ["kind"] in &[1.0, 5.0, 30.0];
///     }
/// }
///
/// let registry = service_kit::metrics::Registry::new();
/// Metrics::register(&registry)?.entered.inc();
/// let page = service_kit::metrics::render(&registry);
/// assert!(page.contains("# HELP entered_total Vehicles that came in\n"));
/// assert!(page.contains("\nentered_total 1\n"));
/// # Ok::<(), service_kit::metrics::Error>(())
/// ```
#[macro_export]
macro_rules! metrics {
    (@field $registry:ident, $kind:ty, $help:expr) => {
        <$kind>::register($registry)
    };
    (@field $registry:ident, $kind:ty, $help:expr, $default:ident) => {
        Ok::<_, $crate::metrics::Error>(<$kind>::$default())
    };
    (@field $registry:ident, $kind:ty, $help:expr, $name:literal, [$($label:literal),*], [$($buckets:expr)?]) => {
        <$kind as $crate::metrics::Metric>::register(
            $registry,
            $crate::metrics::Description {
                name: $name,
                help: $help,
                labels: &[$($label),*],
                buckets: $crate::metrics!(@buckets $($buckets)?),
            },
        )
    };
    (@buckets) => { &[] };
    (@buckets $buckets:expr) => { $buckets };
    (
        $(#[$meta:meta])*
        $vis:vis struct $metrics:ident {
            $(
                $(#[doc = $help:literal])+
                $field_vis:vis $field:ident: $kind:ty
                    $(= $default:ident)? $(= $name:literal $([$($label:literal),+])? $(in $buckets:expr)?)?;
            )+
        }
    ) => {
        $(#[$meta])*
        $vis struct $metrics {
            $(
                $(#[doc = $help])+
                $field_vis $field: $kind,
            )+
        }

        impl $metrics {
            /// Registers all of them.
            $vis fn register(registry: &$crate::metrics::Registry) -> Result<Self, $crate::metrics::Error> {
                Ok(Self {
                    $(
                        $field: $crate::metrics!(
                            @field registry, $kind, concat!($($help),+)
                            $(, $name, [$($($label),+)?], [$($buckets)?])? $(, $default)?
                        )?,
                    )+
                })
            }
        }
    };
}
