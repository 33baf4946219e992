//! Topics of an MQTT broker, and what is sent on them: messages of which gates, or gate events.

use camera_formats::{Format, Gate};

use crate::gates::Gates;
use crate::topic_filter::TopicFilter;

/// All topics that the bridge subscribes to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topics {
    /// Of gates, whose cameras or their brokers send on them.
    gates: Vec<(TopicFilter, Gate)>,
    /// Of gate events in their own form.
    events: Vec<TopicFilter>,
}

impl Topics {
    pub(crate) fn new(gates: &Gates, events: Vec<TopicFilter>) -> Self {
        let gates = gates.with_topics().map(|(filter, gate)| (filter.clone(), gate.clone())).collect();
        Self { gates, events }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.gates.is_empty() && self.events.is_empty()
    }

    /// Every filter once.
    pub(crate) fn filters(&self) -> Vec<&str> {
        let of_gates = self.gates.iter().map(|(filter, _)| filter);
        let mut filters: Vec<&str> = of_gates.chain(&self.events).map(TopicFilter::as_str).collect();
        filters.sort_unstable();
        filters.dedup();
        filters
    }

    /// Whether gate events are sent on this topic.
    pub(crate) fn has_events(&self, topic: &str) -> bool {
        self.events.iter().any(|filter| filter.fits(topic))
    }

    /// The gates whose cameras send on this topic, by format.
    pub(crate) fn gates_of(&self, topic: &str) -> Vec<(Format, Vec<Gate>)> {
        let mut found: Vec<(Format, Vec<Gate>)> = Vec::new();
        for (_, gate) in self.gates.iter().filter(|(filter, _)| filter.fits(topic)) {
            match found.iter_mut().find(|(format, _)| *format == gate.format) {
                Some((_, gates)) if gates.contains(gate) => {}
                Some((_, gates)) => gates.push(gate.clone()),
                None => found.push((gate.format, vec![gate.clone()])),
            }
        }
        found
    }
}
