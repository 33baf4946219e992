//! Exports spans to an OpenTelemetry collector, over HTTP as protobuf, from a separate thread.
//!
//! Spans that the collector does not accept are dropped after a while and counted; no work ever waits for it. The
//! library reads OpenTelemetry's own variables (`OTEL_TRACES_SAMPLER`, `OTEL_BSP_MAX_QUEUE_SIZE`, …).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::tls::{ClientConfig, Connector, Failure};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use prometheus::IntCounterVec;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;

use crate::metrics::{self, Registry};

/// The path of traces under the collector's address.
const PATH: &str = "v1/traces";
/// The timeout of a request to the collector.
const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Why traces can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is invalid.
    #[error("traces can't be exported")]
    Config(#[from] settings::Error),
    /// The library refuses its configuration.
    #[error("traces can't be exported to DWELL_OTLP_ENDPOINT")]
    Exporter(#[from] ExporterBuildError),
    /// The authorities of the system, or a file of the settings, can't be used.
    #[error("traces can't be exported to DWELL_OTLP_ENDPOINT")]
    Tls(#[from] Failure),
    /// The HTTP client can't be created.
    #[error("traces can't be exported to DWELL_OTLP_ENDPOINT")]
    Client(#[source] reqwest::Error),
    /// A metric can't be registered: a defect of the program.
    #[error("the export of traces can't be counted")]
    Metrics(#[from] metrics::Error),
}

/// Creates the spans of this service, and sends them to the collector at `endpoint`.
pub(super) fn provider(
    endpoint: &str,
    service: &'static str,
    registry: &Registry,
    connector: &Connector,
) -> Result<SdkTracerProvider, Error> {
    let spans = metrics::counter_vec(
        registry,
        "dwell_trace_spans_total",
        "Spans handed to the OpenTelemetry collector: sent, or failed and dropped",
        &["outcome"],
    )?;
    for outcome in [SENT, FAILED] {
        spans.with_label_values(&[outcome]);
    }
    let otlp = OtlpExporter::builder()
        .with_http()
        .with_http_client(client(connector.config_of_http(endpoint)?)?)
        .with_endpoint(format!("{}/{PATH}", endpoint.trim_end_matches('/')))
        .with_timeout(REQUEST_MAX)
        .build()?;
    let exporter = Counted { otlp, spans, failing: AtomicBool::new(false) };
    let resource = Resource::builder().with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// A client without a runtime, which has to be made where none is.
fn client(tls: ClientConfig) -> Result<Client, Error> {
    let making = std::thread::spawn(|| {
        Client::builder().timeout(REQUEST_MAX).redirect(Policy::none()).tls_backend_preconfigured(tls).build()
    });
    let made = making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    made.map_err(Error::Client)
}

const SENT: &str = "sent";
const FAILED: &str = "failed";

/// Counts exported spans, and logs once when the export fails, and once when it works again.
#[derive(Debug)]
struct Counted {
    otlp: OtlpExporter,
    spans: IntCounterVec,
    failing: AtomicBool,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let sent = self.otlp.export(batch).await;
        let outcome = if sent.is_ok() { SENT } else { FAILED };
        self.spans.with_label_values(&[outcome]).inc_by(count);
        let was_failing = self.failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !was_failing => {
                tracing::warn!(%error, "cannot send spans to DWELL_OTLP_ENDPOINT; they are dropped; dwell doctor checks the connection");
            }
            Ok(()) if was_failing => tracing::info!("spans are sent again"),
            Ok(()) | Err(_) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}
