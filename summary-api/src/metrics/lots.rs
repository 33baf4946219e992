//! The metrics of each lot: inside now, capacity, and how long stays last.
//!
//! Lots come with the events, so their number is bounded here: those beyond it share the label `other`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use parking::{Lot, LotId};
use prometheus::{Histogram, HistogramVec, IntGauge, IntGaugeVec};
use service_kit::metrics::{self as kit, Error, Registry};

/// The most lots with a label of their own.
pub(crate) const MAX_LOTS: usize = 1_000;
/// The label of all lots beyond.
const OTHER: &str = "other";
/// Upper bounds of the stay histogram, seconds: a minute to a week, fine around the hours that people pay for.
const STAY_BUCKETS: &[f64] = &[
    60.0, 300.0, 600.0, 900.0, 1_800.0, 2_700.0, 3_600.0, 5_400.0, 7_200.0, 10_800.0, 14_400.0, 21_600.0, 28_800.0,
    43_200.0, 86_400.0, 172_800.0, 604_800.0,
];

/// The metrics of the lots.
#[derive(Debug)]
pub(crate) struct LotMetrics {
    inside: IntGaugeVec,
    capacity: IntGaugeVec,
    stays: HistogramVec,
    known: Mutex<BTreeMap<LotId, Series>>,
}

/// The series of one lot, or of all beyond the bound.
#[derive(Debug, Clone)]
struct Series {
    label: String,
    inside: IntGauge,
    stays: Histogram,
}

impl LotMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            inside: kit::gauge_vec(registry, "dwell_inside", "Vehicles inside now, by lot", &["lot"])?,
            capacity: kit::gauge_vec(registry, "dwell_lot_capacity", "Vehicles that fit in, by lot", &["lot"])?,
            stays: kit::histogram_vec(
                registry,
                "dwell_stay_duration_seconds",
                "How long matched stays last, by lot; each exit counts once, when first matched",
                STAY_BUCKETS,
                &["lot"],
            )?,
            known: Mutex::default(),
        })
    }

    /// A lot that is known beforehand.
    pub(crate) fn expect(&self, lot: &Lot) {
        let series = self.series(&mut self.known(), &lot.id);
        if let Some(capacity) = lot.capacity {
            self.capacity.with_label_values(&[series.label.as_str()]).set(i64::from(capacity));
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

    /// How many vehicles are inside each lot that has any events.
    pub(super) fn inside<'a>(&self, lots: impl Iterator<Item = (&'a LotId, u64)>) {
        let mut known = self.known();
        let mut sums: BTreeMap<String, (IntGauge, i64)> = BTreeMap::new();
        for (lot, inside) in lots {
            let Series { label, inside: gauge, .. } = self.series(&mut known, lot);
            let (_, sum) = sums.entry(label).or_insert((gauge, 0));
            *sum = sum.saturating_add(i64::try_from(inside).unwrap_or(i64::MAX));
        }
        for (gauge, sum) in sums.values() {
            gauge.set(*sum);
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
            stays: self.stays.with_label_values(&[label]),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<LotId, Series>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_beyond_the_bound_share_a_label_and_their_sum() {
        let registry = Registry::new();
        let lots = LotMetrics::register(&registry).unwrap();
        let names: Vec<LotId> = (0..MAX_LOTS + 3).map(|n| LotId::parse(&format!("P{n:05}")).unwrap()).collect();

        lots.inside(names.iter().map(|lot| (lot, 2)));
        for lot in &names {
            lots.stayed(lot, 1_000);
        }

        let page = kit::render(&registry);
        assert!(page.contains("\ndwell_inside{lot=\"P00999\"} 2\n"));
        assert!(page.contains("\ndwell_inside{lot=\"other\"} 6\n"));
        assert!(page.contains("\ndwell_stay_duration_seconds_count{lot=\"other\"} 3\n"));
        assert_eq!(page.lines().filter(|line| line.starts_with("dwell_inside{")).count(), MAX_LOTS + 1);
    }
}
