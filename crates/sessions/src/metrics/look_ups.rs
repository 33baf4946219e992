//! What look-ups at the exit cost, and what is kept for them.

use std::time::Duration;

use prometheus::{Histogram, IntGauge};

/// From a fraction of a millisecond to the longest build that a caller waits for.
const SECONDS: &[f64] = &[0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

service_kit::metrics! {
    /// The metrics of look-ups.
    #[derive(Debug)]
    pub(crate) struct LookUpMetrics {
        /// Lots whose open sessions are indexed for look-ups at the exit
        lots: IntGauge = "dwell_lookup_lots";
        /// Open sessions in these indexes
        entries: IntGauge = "dwell_lookup_entries";
        /// Memory of these indexes, without texts
        bytes: IntGauge = "dwell_lookup_index_bytes";
        /// Time to build the index of a lot, when it is first asked for
        builds: Histogram = "dwell_lookup_build_duration_seconds" in SECONDS;
        /// Time to look up a vehicle at the exit, once its lot has an index
        look_ups: Histogram = "dwell_lookup_duration_seconds" in SECONDS;
    }
}

impl LookUpMetrics {
    /// What is kept.
    pub(crate) fn kept(&self, lots: usize, entries: usize, bytes: usize) {
        for (gauge, number) in [(&self.lots, lots), (&self.entries, entries), (&self.bytes, bytes)] {
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    /// An index was built.
    pub(crate) fn built(&self, duration: Duration) {
        self.builds.observe(duration.as_secs_f64());
    }

    /// A vehicle was looked up.
    pub(crate) fn looked_up(&self, duration: Duration) {
        self.look_ups.observe(duration.as_secs_f64());
    }
}
