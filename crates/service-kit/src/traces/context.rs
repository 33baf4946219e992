//! The trace context of a piece of work, as W3C Trace Context: the trace and the parent span.
//!
//! It travels in the header `traceparent` of AMQP messages and HTTP requests. `tracestate`, for vendors of tracing,
//! is not passed on.

use std::collections::HashMap;
use std::fmt;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

/// The header that carries it.
pub const TRACEPARENT: &str = "traceparent";
/// The shortest text of one; only a later version may be longer.
const BYTES_MIN: usize = "00-00000000000000000000000000000000-0000000000000000-00".len();

/// A trace and a span in it. Small, because every traced message keeps one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: TraceId,
    span: SpanId,
    is_sampled: bool,
}

impl TraceContext {
    /// A new trace, not exported.
    pub fn new() -> Self {
        let random = RandomIdGenerator::default();
        Self { trace: random.new_trace_id(), span: random.new_span_id(), is_sampled: false }
    }

    /// Parses a `traceparent`; `None` if it is invalid. Later versions may have more fields.
    pub fn parse(text: &str) -> Option<Self> {
        let headers = HashMap::from([(TRACEPARENT.to_owned(), text.to_owned())]);
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        // The library takes shorter ids, too.
        (text.len() >= BYTES_MIN && context.has_active_span()).then(|| Self::of(context.span().span_context()))
    }

    /// The text of a `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, self.flags())
    }

    /// The id of the trace, as in logs and tools: 32 hexadecimal digits.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        self.trace
    }

    /// Whether the trace is sampled.
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    fn flags(self) -> TraceFlags {
        TraceFlags::default().with_sampled(self.is_sampled)
    }

    pub(super) fn of(context: &SpanContext) -> Self {
        Self { trace: context.trace_id(), span: context.span_id(), is_sampled: context.is_sampled() }
    }

    pub(super) fn remote(self) -> SpanContext {
        SpanContext::new(self.trace, self.span, self.flags(), true, TraceState::NONE)
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.traceparent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_comes_back_as_it_went() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!((context.traceparent().as_str(), context.is_sampled()), (EXAMPLE, true));
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(TraceContext::of(&context.remote()), context);
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        let zero_trace = EXAMPLE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        let zero_span = EXAMPLE.replace("b7ad6b7169203331", &"0".repeat(16));
        let (more, upper) = (format!("{EXAMPLE}-more"), EXAMPLE.to_uppercase());
        let forbidden = EXAMPLE.replacen("00", "ff", 1);
        for text in ["", "00", "00-1-2-3", "é-é-é-é", &zero_trace, &zero_span, &more, &upper, &forbidden] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_may_add_to_it() {
        let later = EXAMPLE.replacen("00", "cc", 1) + "-what-the-future-brings";
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(EXAMPLE));
    }

    #[test]
    fn a_trace_of_its_own_is_like_no_other_and_is_not_exported() {
        let (one, other) = (TraceContext::new(), TraceContext::new());
        assert_ne!(one.trace_id().to_string(), other.trace_id().to_string());
        assert_eq!((TraceContext::parse(&one.traceparent()), one.is_sampled()), (Some(one), false));
    }
}
