//! The metrics of each gate: when it last told of a vehicle, how many, how many late, how its clock stands.
//!
//! How many gates there are is bounded where they are known, in [`Gates`](crate::gates).

use prometheus::{IntCounterVec, IntGaugeVec};
use service_kit::metrics::{self as kit, Error, Registry};

use crate::gates::GateStatus;

const LABELS: &[&str] = &["lot", "gate"];

/// The metrics of the gates.
#[derive(Debug)]
pub(super) struct GateMetrics {
    last_event: IntGaugeVec,
    clock_difference: IntGaugeVec,
    reads: IntCounterVec,
    late: IntCounterVec,
}

impl GateMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            last_event: kit::gauge_vec(
                registry,
                "dwell_gate_last_event_timestamp_seconds",
                "When the vehicle was seen that the gate saw last, seconds since 1970",
                LABELS,
            )?,
            clock_difference: kit::gauge_vec(
                registry,
                "dwell_gate_clock_difference_seconds",
                "From when a vehicle was seen until its event was received, whole seconds, the median of the last reads",
                LABELS,
            )?,
            reads: kit::counter_vec(
                registry,
                "dwell_gate_reads_total",
                "Gate events recorded, each once, of the events that name their gate",
                LABELS,
            )?,
            late: kit::counter_vec(
                registry,
                "dwell_gate_late_total",
                "Of the reads of a gate those received more than a minute after the vehicle was seen",
                LABELS,
            )?,
        })
    }

    /// Shows how the gates do.
    pub(super) fn show(&self, gates: &[GateStatus]) {
        for gate in gates {
            let labels = [gate.lot_name(), gate.gate_name()];
            self.last_event.with_label_values(&labels).set(gate.last_event.as_millis().div_euclid(1_000));
            let difference = (gate.clock_difference_ms + 500).div_euclid(1_000);
            self.clock_difference.with_label_values(&labels).set(difference);
            for (counter, count) in [(&self.reads, gate.reads), (&self.late, gate.late)] {
                let counter = counter.with_label_values(&labels);
                counter.inc_by(count.saturating_sub(counter.get()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use parking::{GateId, LotId, Timestamp};

    use super::*;

    #[test]
    fn a_gate_named_other_has_a_series_of_its_own_beside_that_of_the_others() {
        let registry = Registry::new();
        let metrics = GateMetrics::register(&registry).unwrap();
        let named_other = (LotId::parse("other").unwrap(), GateId::parse("other").unwrap());
        let gate = |place, reads| GateStatus {
            place,
            last_event: Timestamp::default(),
            last_received: Timestamp::default(),
            reads_last_hour: 0,
            late_last_hour: 0,
            re_reads_last_hour: 0,
            confidence: None,
            clock_difference_ms: 0,
            reads,
            late: 0,
        };

        metrics.show(&[gate(Some(named_other), 5), gate(None, 3)]);

        let page = kit::render(&registry);
        assert!(page.contains("\ndwell_gate_reads_total{gate=\"other\",lot=\"other\"} 5\n"), "{page}");
        assert!(page.contains("\ndwell_gate_reads_total{gate=\"(other)\",lot=\"(other)\"} 3\n"), "{page}");
    }
}
