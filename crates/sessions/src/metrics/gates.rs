//! The metrics of each gate: when it last told of a vehicle, how many, how many late, how its clock stands.
//!
//! How many gates there are is bounded where they are known, in [`Gates`](crate::gates).

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::gates::GateStatus;

service_kit::metrics! {
    /// The metrics of the gates.
    #[derive(Debug)]
    pub(super) struct GateMetrics {
        /// When the vehicle was seen that the gate saw last, seconds since 1970
        last_event: IntGaugeVec = "dwell_gate_last_event_timestamp_seconds" ["lot", "gate"];
        /// From when a vehicle was seen until its event was received, whole seconds, the median of the last reads
        clock_difference: IntGaugeVec = "dwell_gate_clock_difference_seconds" ["lot", "gate"];
        /// Gate events recorded, each once, of the events that name their gate
        reads: IntCounterVec = "dwell_gate_reads_total" ["lot", "gate"];
        /// Of the reads of a gate those received more than a minute after the vehicle was seen
        late: IntCounterVec = "dwell_gate_late_total" ["lot", "gate"];
    }
}

impl GateMetrics {
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
    use service_kit::metrics::{Registry, render};

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

        let page = render(&registry);
        assert!(page.contains("\ndwell_gate_reads_total{gate=\"other\",lot=\"other\"} 5\n"), "{page}");
        assert!(page.contains("\ndwell_gate_reads_total{gate=\"(other)\",lot=\"(other)\"} 3\n"), "{page}");
    }
}
