//! The correlator's metrics.

use bus::Queue;
use parking::wire::Dropped;
use parking::{DroppedHeaders, Receipt};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use service_kit::metrics::{Error, LATENCY_BUCKETS, Registry};

use crate::ledger_health::Call;

const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0];

service_kit::metrics! {
    /// The correlator's metrics. Cheap to clone; all clones share the same series.
    #[derive(Debug, Clone)]
    pub(crate) struct Metrics {
        /// Time of a gate event from the receipt of its delivery until its sessions are recorded
        latency: Histogram = "event_processing_latency_seconds" in LATENCY_BUCKETS;
        /// Gate events received, including refused and repeated ones
        received: IntCounterVec = "dwell_events_received_total" ["queue"];
        /// Dead letters
        dead_letters: DeadLetters;
        /// Optional members of gate events, and headers of their receipt, that were dropped because they were invalid
        dropped: IntCounterVec = "dwell_optional_members_dropped_total" ["member"];
        /// Events received that the ledger already had
        known: IntCounter = "dwell_events_known_total";
        /// Units that the ledger rejected because of a version conflict, and that were retried
        lost_units: IntCounter = "dwell_units_decided_again_total";
        /// Calls to the ledger that were retried after a failure
        retries: IntCounterVec = "dwell_ledger_retries_total" ["call"];
        /// Timelines loaded again because an event was older than the cached part
        reloads: IntCounter = "dwell_timelines_reloaded_total";
        /// Events of a batch
        batch_events: Histogram = "dwell_batch_events" in BATCH_BUCKETS;
        /// Messages ready in a queue, as reported by the broker
        ready: IntGaugeVec = "dwell_queue_ready" ["queue"];
        /// Messages received and not yet acknowledged
        in_flight: IntGauge = "dwell_in_flight_messages";
    }
}

service_kit::metrics! {
    /// Dead letters: sent, ready in their queue, and unconfirmed.
    #[derive(Debug, Clone)]
    struct DeadLetters {
        /// Events and messages sent to the dead-letter queue, by the invalid member
        sent: IntCounterVec = "dwell_dead_letters_total" ["reason"];
        /// Messages in the dead-letter queue, as reported by the broker
        waiting: IntGauge = "dwell_dead_letters_waiting";
        /// Dead letters that the broker has not confirmed yet
        held: IntGauge = "dwell_dead_letters_held";
        /// Bytes of the messages whose dead letters the broker has not confirmed yet
        held_bytes: IntGauge = "dwell_dead_letters_held_bytes";
    }
}

/// Events received, and events refused as from the future, since the process start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FutureCounts {
    pub(crate) received: u64,
    pub(crate) from_the_future: u64,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let metrics = Self::register(registry)?;
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// A series that starts with its first count shows no increase for it.
    fn begin_at_zero(&self) {
        for queue in [Queue::Entry, Queue::Exit] {
            self.received.with_label_values(&[queue.as_str()]);
            self.ready.with_label_values(&[queue.as_str()]);
        }
        for call in Call::ALL {
            self.retries.with_label_values(&[call.as_str()]);
        }
        for member in Dropped::MEMBERS.into_iter().chain(Receipt::HEADERS) {
            self.dropped.with_label_values(&[member]);
        }
        for reason in ["body", "content_encoding", "future", "timeline", "ledger"] {
            self.dead_letters.sent.with_label_values(&[reason]);
        }
    }

    pub(crate) fn received(&self, queue: Queue, events: usize) {
        self.received.with_label_values(&[queue.as_str()]).inc_by(events as u64);
    }

    pub(crate) fn batch_begins(&self, events: usize) {
        self.batch_events.observe(u32::try_from(events).map_or(f64::MAX, f64::from));
    }

    pub(crate) fn recorded_after(&self, seconds: f64) {
        self.latency.observe(seconds);
    }

    pub(crate) fn dead_letter(&self, reason: &str) {
        self.dead_letters.sent.with_label_values(&[reason]).inc();
    }

    pub(crate) fn dropped(&self, dropped: Dropped) {
        for member in dropped.members() {
            self.dropped.with_label_values(&[member]).inc();
        }
    }

    /// Counts the headers of a message that were dropped.
    pub(crate) fn dropped_headers(&self, dropped: DroppedHeaders) {
        for (header, _) in Receipt::HEADERS.into_iter().zip(dropped).filter(|(_, is_dropped)| *is_dropped) {
            self.dropped.with_label_values(&[header]).inc();
        }
    }

    /// Events received, and events refused as from the future.
    pub(crate) fn future_counts(&self) -> FutureCounts {
        let received =
            [Queue::Entry, Queue::Exit].map(|queue| self.received.with_label_values(&[queue.as_str()]).get());
        let from_the_future = self.dead_letters.sent.with_label_values(&["future"]).get();
        FutureCounts { received: received.iter().sum(), from_the_future }
    }

    pub(crate) fn known_already(&self, events: usize) {
        self.known.inc_by(events as u64);
    }

    pub(crate) fn decided_again(&self) {
        self.lost_units.inc();
    }

    pub(crate) fn tried_again(&self, call: Call) {
        self.retries.with_label_values(&[call.as_str()]).inc();
    }

    pub(crate) fn reloaded(&self) {
        self.reloads.inc();
    }

    pub(crate) fn ready(&self, queue: Queue, messages: u64) {
        self.ready.with_label_values(&[queue.as_str()]).set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    pub(crate) fn dead_letters_waiting(&self, messages: u64) {
        self.dead_letters.waiting.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    pub(crate) fn dead_letters_held(&self, letters: usize, bytes: usize) {
        self.dead_letters.held.set(i64::try_from(letters).unwrap_or(i64::MAX));
        self.dead_letters.held_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn in_flight(&self, messages: u64) {
        self.in_flight.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_were_dropped_are_counted_by_name() {
        let metrics = Metrics::new(&Registry::new()).unwrap();

        metrics.dropped(Dropped { gate_id: true, confidence: true, ..Dropped::default() });
        metrics.dropped(Dropped { confidence: true, candidates: true, ..Dropped::default() });
        metrics.dropped(Dropped::default());
        metrics.dropped_headers([true, false, true]);
        metrics.dropped_headers([false; 3]);

        let counted = Dropped::MEMBERS.map(|member| metrics.dropped.with_label_values(&[member]).get());
        assert_eq!(Dropped::MEMBERS, ["gate_id", "confidence", "character_confidences", "candidates", "supersedes"]);
        assert_eq!(counted, [1, 2, 0, 1, 0]);
        let counted = Receipt::HEADERS.map(|header| metrics.dropped.with_label_values(&[header]).get());
        assert_eq!(counted, [1, 0, 1]);
    }
}
