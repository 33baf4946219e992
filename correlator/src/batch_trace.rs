//! The trace of a batch, and of each of its decisions.
//!
//! A message may carry a trace context. The batch's span continues the first one and links to the others. A decision
//! belongs to the trace of the event that caused it, or to the batch's trace if the message has none.

use matching::{EventRef, SessionChange};
use service_kit::traces::{Kind, LINKS_MAX, Span, TraceContext, Traces};

use crate::schedule::Element;

/// The span of a batch, or of a round of deadlines. Dropping it ends the span.
#[derive(Debug)]
pub(crate) struct BatchTrace<'a> {
    span: Span,
    elements: &'a [Element],
}

impl<'a> BatchTrace<'a> {
    pub(crate) fn of_batch(traces: &Traces, elements: &'a [Element]) -> Self {
        let came_from = distinct(elements);
        let first = came_from.iter().position(TraceContext::is_sampled).unwrap_or_default();
        let after = came_from.get(first).copied();
        let others: Vec<TraceContext> = came_from.into_iter().filter(|trace| Some(*trace) != after).collect();
        let mut span = traces.begin_linked(Kind::Consumes, "settle gate events", after, &others);
        span.note("dwell.events", elements.len());
        Self { span, elements }
    }

    pub(crate) fn of_deadlines(traces: &Traces, vehicles: usize) -> Self {
        let mut span = traces.begin(Kind::Consumes, "end what is due", None);
        span.note("dwell.vehicles", vehicles);
        Self { span, elements: &[] }
    }

    /// The context of the whole batch.
    pub(crate) fn whole(&self) -> TraceContext {
        self.span.context()
    }

    /// The context of one decision. Only called for log lines that are written, so a linear search is fast enough.
    pub(crate) fn of(&self, change: &SessionChange) -> TraceContext {
        let of_event = |event: EventRef| {
            let is_it = |element: &&Element| (element.key.time, element.key.id) == (event.time, event.id);
            self.elements.iter().find(is_it).and_then(|element| element.message.trace)
        };
        let own = change.exit.and_then(of_event).or_else(|| change.entry.and_then(of_event));
        own.unwrap_or_else(|| self.whole())
    }
}

/// The distinct traces of a batch's messages, up to the limit of links.
fn distinct(elements: &[Element]) -> Vec<TraceContext> {
    let mut traces: Vec<TraceContext> = Vec::new();
    for trace in elements.iter().filter_map(|element| element.message.trace) {
        // Messages of one publish arrive together, so the last one is the most likely duplicate.
        if traces.last() != Some(&trace) && traces.len() <= LINKS_MAX && !traces.contains(&trace) {
            traces.push(trace);
        }
    }
    traces
}
