//! Traces for OpenTelemetry, over all services.
//!
//! Every batch has a [`TraceContext`], exported or not, so that the log lines of several services can be related.
//! Spans are only created if `DWELL_OTLP_ENDPOINT` is set, and never contain a plate. `export` sends them; each
//! service decides what is worth a span.

mod context;
mod export;

use std::sync::OnceLock;
use std::time::Duration;

use ::tls::Connector;
use opentelemetry::trace::{Link, Span as _, SpanBuilder, SpanKind, TraceContextExt as _, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use settings::Settings;

use crate::metrics::Registry;

pub use context::{TRACEPARENT, TraceContext};

/// The maximum of links of one span.
pub const LINKS_MAX: usize = 64;
/// The timeout of sending the last spans when a process ends.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// The exporter of spans, if there is one. Cheap to clone; all clones share it.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    exported: Option<(SdkTracerProvider, SdkTracer)>,
}

/// The kind of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Publishes messages.
    Publishes,
    /// Processes messages.
    Consumes,
    /// Calls another service.
    Asks,
    /// Answers another service.
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
    /// The configured traces; without an address nothing is exported.
    pub fn from_settings(
        settings: &Settings,
        service: &'static str,
        registry: &Registry,
        connector: &Connector,
    ) -> Result<Self, export::Error> {
        let Some(endpoint) = settings.url(&settings::OTLP_ENDPOINT, &["http", "https"])? else {
            return Ok(Self::default());
        };
        let provider = export::provider(endpoint.expose(), service, registry, connector)?;
        let tracer = provider.tracer("dwell");
        Ok(Self { exported: Some((provider, tracer)) })
    }

    /// Whether spans are exported, so that passing the context on is useful.
    pub fn is_on(&self) -> bool {
        self.exported.is_some()
    }

    /// Begins a span; dropping it ends it. It belongs to the trace of `after`, or else to a new one.
    pub fn begin(&self, kind: Kind, name: &'static str, after: Option<TraceContext>) -> Span {
        self.begin_linked(kind, name, after, &[])
    }

    /// Like `begin`, with links to further traces; at most [`LINKS_MAX`] of them are kept.
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

    /// Sends the remaining spans and ends, with a short timeout.
    pub(crate) async fn finish(&self) {
        let Some((provider, _)) = self.exported.clone() else { return };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_MAX)).await;
        if let Ok(Err(error)) = ended {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

/// A span of work in progress.
#[derive(Debug)]
pub struct Span {
    /// Created on demand: random numbers cost a system call, and may not be needed.
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
