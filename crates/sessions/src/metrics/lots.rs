//! The metrics of each lot: inside now and which of these in doubt, capacity, matched and unmatched exits, and how long
//! stays last.
//!
//! Lots come with the events, so their number is bounded here: those beyond it share one label, which no lot can have.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parking::{Lot, LotId};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::gates::OTHER;

/// The most lots with a label of their own.
pub(crate) const MAX_LOTS: usize = 1_000;
/// Upper bounds of the stay histogram, seconds: a minute to a week, fine around the hours that people pay for.
const STAY_BUCKETS: &[f64] = &[
    60.0, 300.0, 600.0, 900.0, 1_800.0, 2_700.0, 3_600.0, 5_400.0, 7_200.0, 10_800.0, 14_400.0, 21_600.0, 28_800.0,
    43_200.0, 86_400.0, 172_800.0, 604_800.0,
];

service_kit::metrics! {
    /// The metrics of the lots.
    #[derive(Debug)]
    pub(crate) struct LotMetrics {
        /// Vehicles inside now, by lot
        inside: IntGaugeVec = "dwell_inside" ["lot"];
        /// Vehicles inside for longer than 99.5 of 100 stays last, by lot; 0 until enough stays are known
        doubtful: IntGaugeVec = "dwell_lot_doubtful" ["lot"];
        /// Vehicles inside for longer than their lot permits, by lot; 0 where the lots file has no permitted_stay
        overstays: IntGaugeVec = "dwell_lot_overstays" ["lot"];
        /// Exits recorded in a matched session for the first time, by lot
        matched: IntCounterVec = "dwell_lot_matched_total" ["lot"];
        /// Exits recorded as unmatched for the first time, by lot
        unmatched: IntCounterVec = "dwell_lot_unmatched_total" ["lot"];
        /// Vehicles that fit in, by lot
        capacity: IntGaugeVec = "dwell_lot_capacity" ["lot"];
        /// How long matched stays last, by lot; each exit counts once, when first matched
        stays: HistogramVec = "dwell_stay_duration_seconds" ["lot"] in STAY_BUCKETS;
        /// The series of the lots that are known.
        known: Mutex<BTreeMap<LotId, Series>> = default;
    }
}

/// The series of one lot, or of all beyond the bound.
#[derive(Debug, Clone)]
struct Series {
    label: String,
    inside: IntGauge,
    doubtful: IntGauge,
    overstays: IntGauge,
    matched: IntCounter,
    unmatched: IntCounter,
    stays: Histogram,
}

/// How many vehicles are in a lot, and how many of these for how long.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Inside {
    /// All of them.
    pub(crate) all: u64,
    /// Longer than nearly all stays there last.
    pub(crate) doubtful: u64,
    /// Longer than the lot permits.
    pub(crate) overstays: u64,
}

impl Inside {
    fn add(&mut self, other: Self) {
        self.all = self.all.saturating_add(other.all);
        self.doubtful = self.doubtful.saturating_add(other.doubtful);
        self.overstays = self.overstays.saturating_add(other.overstays);
    }
}

impl LotMetrics {
    /// Creates the series of a configured lot; called once for each.
    pub(crate) fn expect(&self, lot: &Lot) {
        let series = self.series(&mut self.known(), &lot.id);
        if let Some(capacity) = lot.capacity {
            self.capacity.with_label_values(&[series.label.as_str()]).add(i64::from(capacity));
        }
    }

    /// A stay ended.
    pub(super) fn stayed(&self, lot: &LotId, dwell_ms: i64) {
        #[expect(clippy::cast_precision_loss, reason = "a stay of more than 2^52 ms is longer than the calendar")]
        let seconds = dwell_ms as f64 / 1_000.0;
        let mut known = self.known();
        match known.get(lot) {
            Some(series) => series.stays.observe(seconds),
            None => self.series(&mut known, lot).stays.observe(seconds),
        }
    }

    /// Exits were counted for the first time.
    pub(super) fn counted(&self, lot: &LotId, matched: u64, unmatched: u64) {
        if matched + unmatched == 0 {
            return;
        }
        let mut known = self.known();
        let new = if known.contains_key(lot) { None } else { Some(self.series(&mut known, lot)) };
        if let Some(series) = known.get(lot).or(new.as_ref()) {
            series.matched.inc_by(matched);
            series.unmatched.inc_by(unmatched);
        }
    }

    /// How many vehicles are inside each lot that has any events.
    pub(super) fn inside<'a>(&self, lots: impl Iterator<Item = (&'a LotId, Inside)>) {
        let mut known = self.known();
        let mut sums: BTreeMap<String, (Series, Inside)> = BTreeMap::new();
        for (lot, inside) in lots {
            let series = self.series(&mut known, lot);
            sums.entry(series.label.clone()).or_insert_with(|| (series, Inside::default())).1.add(inside);
        }
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (series, sum) in sums.values() {
            series.inside.set(gauge(sum.all));
            series.doubtful.set(gauge(sum.doubtful));
            series.overstays.set(gauge(sum.overstays));
        }
    }

    fn series(&self, known: &mut BTreeMap<LotId, Series>, lot: &LotId) -> Series {
        if let Some(series) = known.get(lot) {
            return series.clone();
        }
        let has_room = known.len() < MAX_LOTS;
        let series = self.labelled(if has_room { lot.as_str() } else { OTHER });
        if has_room {
            known.insert(lot.clone(), series.clone());
        }
        series
    }

    fn labelled(&self, label: &str) -> Series {
        Series {
            label: label.to_owned(),
            inside: self.inside.with_label_values(&[label]),
            doubtful: self.doubtful.with_label_values(&[label]),
            overstays: self.overstays.with_label_values(&[label]),
            matched: self.matched.with_label_values(&[label]),
            unmatched: self.unmatched.with_label_values(&[label]),
            stays: self.stays.with_label_values(&[label]),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<LotId, Series>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use service_kit::metrics::{Registry, render};

    use super::*;

    #[test]
    fn lots_beyond_the_bound_share_a_label_and_their_sum() {
        let registry = Registry::new();
        let lots = LotMetrics::register(&registry).unwrap();
        let names: Vec<LotId> = (0..MAX_LOTS + 3).map(|n| LotId::parse(&format!("P{n:05}")).unwrap()).collect();

        lots.inside(names.iter().map(|lot| (lot, Inside { all: 2, doubtful: 1, overstays: 0 })));
        for lot in &names {
            lots.stayed(lot, 1_000);
            lots.counted(lot, 1, 0);
        }

        let page = render(&registry);
        assert!(page.contains("\ndwell_inside{lot=\"P00999\"} 2\n"));
        assert!(page.contains("\ndwell_inside{lot=\"(other)\"} 6\n"));
        assert!(page.contains("\ndwell_lot_doubtful{lot=\"(other)\"} 3\n"));
        assert!(page.contains("\ndwell_lot_matched_total{lot=\"(other)\"} 3\n"));
        assert!(page.contains("\ndwell_stay_duration_seconds_count{lot=\"(other)\"} 3\n"));
        assert_eq!(page.lines().filter(|line| line.starts_with("dwell_inside{")).count(), MAX_LOTS + 1);
    }

    #[test]
    fn a_lot_named_other_keeps_its_numbers_beside_those_of_the_others() {
        let registry = Registry::new();
        let lots = LotMetrics::register(&registry).unwrap();
        let name = |n: usize| LotId::parse(&format!("P{n:05}")).unwrap();
        let lot = |n| format!("[[lot]]\nid = \"{}\"\nkind = \"mall\"\ncapacity = 10\n", name(n));
        let file = (0..=MAX_LOTS).map(lot).collect::<Vec<_>>().concat();

        lots.counted(&LotId::parse("other").unwrap(), 5, 0);
        parking::Lots::parse(&file).unwrap().iter().for_each(|lot| lots.expect(lot));
        lots.counted(&name(MAX_LOTS), 3, 0);

        let page = render(&registry);
        assert!(page.contains("\ndwell_lot_matched_total{lot=\"other\"} 5\n"));
        assert!(page.contains("\ndwell_lot_matched_total{lot=\"(other)\"} 3\n"));
        assert!(page.contains("\ndwell_lot_capacity{lot=\"(other)\"} 20\n"), "capacities beyond the bound are summed");
    }
}
