//! The trace context of a piece of work, as W3C Trace Context: the trace and the parent span.
//!
//! It travels in the header `traceparent` of AMQP messages and HTTP requests. `tracestate`, for vendors of tracing,
//! is not passed on.

use std::fmt;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header that carries it.
pub const TRACEPARENT: &str = "traceparent";
const SAMPLED: u8 = 1;

/// A trace and a span in it. Small, because every traced message keeps one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl TraceContext {
    /// A new trace, not exported.
    pub fn new() -> Self {
        // The fixed bits of version 4 make sure that no half is all zeros, which would be invalid.
        let (trace, span) = (uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().as_u64_pair().1);
        Self { trace, span: span.to_be_bytes(), flags: 0 }
    }

    /// Parses a `traceparent`; `None` if it is invalid. Later versions may have more fields.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = bytes::<1>(parts.next()?)?;
        let (trace, span, flags) = (bytes(parts.next()?)?, bytes(parts.next()?)?, bytes::<1>(parts.next()?)?);
        let is_known = version == [0] && parts.next().is_none();
        let is_later = version != [0] && version != [0xff];
        let is_one = (is_known || is_later) && trace != [0; 16] && span != [0; 8];
        is_one.then_some(Self { trace, span, flags: flags[0] & SAMPLED })
    }

    /// The text of a `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id(), Hex(&self.span), self.flags)
    }

    /// The id of the trace, as in logs and tools: 32 hexadecimal digits.
    pub fn trace_id(&self) -> impl fmt::Display + use<'_> {
        Hex(&self.trace)
    }

    /// Whether the trace is sampled.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED == SAMPLED
    }

    pub(super) fn of(context: &SpanContext) -> Self {
        Self {
            trace: context.trace_id().to_bytes(),
            span: context.span_id().to_bytes(),
            flags: context.trace_flags().to_u8() & SAMPLED,
        }
    }

    pub(super) fn remote(self) -> SpanContext {
        let (trace, span) = (TraceId::from_bytes(self.trace), SpanId::from_bytes(self.span));
        SpanContext::new(trace, span, TraceFlags::new(self.flags), true, TraceState::NONE)
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

/// Bytes as lower-case hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Parses `N` bytes from exactly that many lower-case hexadecimal digits.
fn bytes<const COUNT: usize>(text: &str) -> Option<[u8; COUNT]> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f').then(|| (byte as char).to_digit(16)).flatten();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; COUNT];
    if pairs.len() != COUNT || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(bytes)
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
