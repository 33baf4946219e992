//! Traces: which work followed from which, over all services, for OpenTelemetry.
//!
//! A [`TraceContext`] goes with every batch, exported or not, so that the lines of several services' logs can be told
//! to belong together. Spans are made only when `DWELL_OTLP_ENDPOINT` says where they go, and never hold a plate. Sending
//! them is `export`'s; what is worth a span is left to each service.

mod context;
mod export;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{Link, Span as _, SpanBuilder, SpanKind, TraceContextExt as _, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use settings::Settings;

use crate::metrics::Registry;

pub use context::{TRACEPARENT, TraceContext};

/// The most traces that one span links to.
pub const LINKS_MAX: usize = 64;
/// How long the last spans may take to be sent when a process ends.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// Where spans go, if anywhere. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    exported: Option<(SdkTracerProvider, SdkTracer)>,
}

/// What kind of work a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It hands messages to the bus.
    Publishes,
    /// It works on messages.
    Consumes,
    /// It asks another service, and waits.
    Asks,
    /// It answers another service.
    Answers,
}

impl Kind {
    fn of_span(self) -> SpanKind {
        match self {
            Self::Publishes => SpanKind::Producer,
            Self::Consumes => SpanKind::Consumer,
            Self::Asks => SpanKind::Client,
            Self::Answers => SpanKind::Server,
        }
    }
}

impl Traces {
    /// Traces as the settings want them; without an address nothing is exported.
    pub fn from_settings(
        settings: &Settings,
        service: &'static str,
        registry: &Registry,
    ) -> Result<Self, export::Error> {
        let Some(endpoint) = settings.url(&settings::OTLP_ENDPOINT, &["http"])? else { return Ok(Self::default()) };
        let provider = export::provider(endpoint.expose(), service, registry)?;
        let tracer = provider.tracer("dwell");
        Ok(Self { exported: Some((provider, tracer)) })
    }

    /// Whether spans are exported, so that it is worth telling others where work belongs.
    pub fn is_on(&self) -> bool {
        self.exported.is_some()
    }

    /// Begins a span; it ends when it is dropped. It belongs to the trace of `after`, or else to a new one.
    pub fn begin(&self, kind: Kind, name: &'static str, after: Option<TraceContext>) -> Span {
        self.begin_linked(kind, name, after, &[])
    }

    /// The same, with links to other traces that it follows from; at most [`LINKS_MAX`] of them are kept.
    pub fn begin_linked(
        &self,
        kind: Kind,
        name: &'static str,
        after: Option<TraceContext>,
        links: &[TraceContext],
    ) -> Span {
        let Some((_, tracer)) = &self.exported else {
            return Span { context: after.map_or_else(OnceLock::new, OnceLock::from), exported: None };
        };
        let links = links.iter().take(LINKS_MAX).map(|link| Link::with_context(link.remote())).collect();
        let parent = after.map_or_else(Context::new, |after| Context::new().with_remote_span_context(after.remote()));
        let builder = SpanBuilder::from_name(name).with_kind(kind.of_span()).with_links(links);
        let span = builder.start_with_context(tracer, &parent);
        Span { context: TraceContext::of(span.span_context()).into(), exported: Some(span) }
    }

    /// Sends what is not sent yet, and ends. Waits, but not for long.
    pub(crate) async fn finish(&self) {
        let Some((provider, _)) = self.exported.clone() else { return };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_MAX)).await;
        if let Ok(Err(error)) = ended {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

/// A piece of work under way.
#[derive(Debug)]
pub struct Span {
    /// Made up when it is asked for: random numbers cost a call to the system, and nobody may want them.
    context: OnceLock<TraceContext>,
    exported: Option<opentelemetry_sdk::trace::Span>,
}

impl Span {
    /// Where what follows from it belongs.
    pub fn context(&self) -> TraceContext {
        *self.context.get_or_init(TraceContext::new)
    }

    /// Notes a count.
    pub fn note(&mut self, name: &'static str, count: usize) {
        if let Some(span) = &mut self.exported {
            span.set_attribute(KeyValue::new(name, i64::try_from(count).unwrap_or(i64::MAX)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_address_work_keeps_its_trace_and_nothing_is_exported() {
        let traces = Traces::default();
        let gate = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");

        let batch = traces.begin(Kind::Consumes, "settle", gate);
        let alone = traces.begin(Kind::Consumes, "settle", None);

        assert_eq!((Some(batch.context()), traces.is_on()), (gate, false));
        assert_eq!(alone.context(), alone.context());
        assert!(!alone.context().is_sampled());
    }
}
