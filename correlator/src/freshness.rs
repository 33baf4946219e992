//! How fresh recorded events are: the time from the gate until their sessions are recorded, by kind of lot.
//!
//! Unlike the processing latency, which begins with the delivery of a message, this includes the gate's own network,
//! the gateway and the queue. It compares the gate's clock with this machine's, so a wrong clock shows here too.

use std::collections::HashMap;
use std::sync::Arc;

use parking::{Clock, LotId, LotKind, Lots, Vehicle};
use prometheus::{Histogram, HistogramVec};
use service_kit::metrics::{Error, Registry};

use crate::schedule::Element;

/// Upper bounds, seconds. Gates that report whole minutes are up to one minute late by themselves.
const BUCKETS: &[f64] = &[0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 21_600.0];
/// Older events come from files of the past, and say nothing about the way from the gate.
const PAST_MS: i64 = 24 * 3_600 * 1_000;
/// The class of lots that are not in the file of lots.
const OTHER: &str = "other";

service_kit::metrics! {
    /// The metric of this file.
    #[derive(Debug)]
    struct Metrics {
        /// Time from the capture of a gate event at its gate until its sessions are recorded, by kind of lot; without events of the past
        freshness: HistogramVec = "dwell_event_freshness_seconds" ["lot_class"] in BUCKETS;
    }
}

/// Measures the freshness of recorded events.
#[derive(Debug)]
pub(crate) struct Freshness {
    clock: Arc<dyn Clock>,
    of_lot: HashMap<LotId, Histogram>,
    of_others: Histogram,
}

impl Freshness {
    pub(crate) fn new(registry: &Registry, lots: &Lots, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let metrics = Metrics::register(registry)?;
        let of = |kind: LotKind| metrics.freshness.with_label_values(&[kind.as_str()]);
        Ok(Self {
            clock,
            of_lot: lots.iter().map(|lot| (lot.id.clone(), of(lot.kind))).collect(),
            of_others: metrics.freshness.with_label_values(&[OTHER]),
        })
    }

    /// Counts events whose sessions have just been recorded. `vehicles` are those of their batch.
    pub(crate) fn recorded(&self, elements: &[Element], vehicles: &[Vehicle]) {
        let now = self.clock.now().as_millis();
        for Element { key, index, .. } in elements {
            self.observe(&vehicles[*index].lot, now - key.time.as_millis());
        }
    }

    fn observe(&self, lot: &LotId, age_ms: i64) {
        if age_ms > PAST_MS {
            return;
        }
        // A gate whose clock is ahead counts as perfectly fresh.
        let age_ms = u32::try_from(age_ms.max(0)).unwrap_or(u32::MAX);
        self.of_lot.get(lot).unwrap_or(&self.of_others).observe(f64::from(age_ms) / 1_000.0);
    }
}

#[cfg(test)]
mod tests {
    use parking::{ManualClock, Timestamp};

    use super::*;

    #[test]
    fn an_event_counts_for_the_kind_of_its_lot_unless_it_is_of_the_past() {
        let lots = Lots::parse("[[lot]]\nid = \"P3\"\nkind = \"mall\"\n").unwrap();
        let (registry, clock) = (Registry::new(), ManualClock::at(Timestamp::from_millis(0)));
        let freshness = Freshness::new(&registry, &lots, Arc::new(clock)).unwrap();
        let lot = |name: &str| LotId::parse(name).unwrap();

        freshness.observe(&lot("P3"), 90_000);
        freshness.observe(&lot("P3"), 2 * PAST_MS);
        freshness.observe(&lot("P9"), 3_000);
        freshness.observe(&lot("P9"), -5_000);

        let page = service_kit::metrics::render(&registry);
        for line in [
            "dwell_event_freshness_seconds_bucket{lot_class=\"mall\",le=\"60\"} 0",
            "dwell_event_freshness_seconds_bucket{lot_class=\"mall\",le=\"120\"} 1",
            "dwell_event_freshness_seconds_sum{lot_class=\"mall\"} 90",
            "dwell_event_freshness_seconds_count{lot_class=\"mall\"} 1",
            "dwell_event_freshness_seconds_sum{lot_class=\"other\"} 3",
            "dwell_event_freshness_seconds_count{lot_class=\"other\"} 2",
        ] {
            assert!(page.lines().any(|one| one == line), "{line} is not in\n{page}");
        }
    }
}
