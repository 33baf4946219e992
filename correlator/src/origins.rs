//! Which trace the work on a batch belongs to, and each of its decisions.
//!
//! A message may say which work it came from. The batch follows the first of them and links to the others; a decision
//! belongs to the trace of the event that made it. Messages that say nothing get the batch's own.

use matching::{EventRef, SessionChange};
use service_kit::traces::{Kind, LINKS_MAX, Span, TraceContext, Traces};

use crate::schedule::Element;

/// Where a batch, or a round of deadlines, comes from; its span ends with it.
#[derive(Debug)]
pub(crate) struct Origins<'a> {
    span: Span,
    elements: &'a [Element],
}

impl<'a> Origins<'a> {
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

    /// Of all of it.
    pub(crate) fn whole(&self) -> TraceContext {
        self.span.context()
    }

    /// Of one decision. Only asked for lines that are written, so a search is quick enough.
    pub(crate) fn of(&self, change: &SessionChange) -> TraceContext {
        let of_event = |event: EventRef| {
            let is_it = |element: &&Element| (element.key.time, element.key.id) == (event.time, event.id);
            self.elements.iter().find(is_it).and_then(|element| element.message.trace)
        };
        let own = change.exit.and_then(of_event).or_else(|| change.entry.and_then(of_event));
        own.unwrap_or_else(|| self.whole())
    }
}

/// The traces that the messages of a batch name, as far as they may be linked to.
fn distinct(elements: &[Element]) -> Vec<TraceContext> {
    let mut traces: Vec<TraceContext> = Vec::new();
    for trace in elements.iter().filter_map(|element| element.message.trace) {
        // Messages that were published together come together.
        if traces.last() != Some(&trace) && traces.len() <= LINKS_MAX && !traces.contains(&trace) {
            traces.push(trace);
        }
    }
    traces
}
