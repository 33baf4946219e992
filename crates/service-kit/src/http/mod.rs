//! The HTTP side of every service: opening the port, the three routes that operators ask, and serving within limits.
//!
//! Everything else that a service answers, its own routes and problem texts, is left to the service.

mod guard;
mod limits;
mod places;
mod probe;
mod refusal;
mod requests;
mod server;
mod stream;

pub use guard::Guard;
pub use limits::Limits;
pub use probe::{PROBE_DEADLINE, ProbeError, probe_ready};
pub use server::{Server, serve};

use std::io::ErrorKind;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use settings::{Listen, PublicHosts};
use std::future::ready;
use tokio::net::TcpListener;

use crate::metrics::{self, Registry};
use crate::{Health, ServiceContext};

/// The paths of [`observability_routes`]: they hold nothing secret, and answer also when everything else is busy.
const OBSERVABILITY: [&str; 3] = ["/metrics", "/livez", "/readyz"];

/// The policy of pages that load only what this server sends, have nothing inline, and stand in nobody's frame.
pub const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {remedy}")]
pub struct BindError {
    /// The address that was asked for.
    pub address: Listen,
    /// What is wrong, and what to do.
    pub remedy: String,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// Opens the port. The error says what to do.
pub async fn bind(address: &Listen) -> Result<TcpListener, BindError> {
    let opened = TcpListener::bind((address.host.as_str(), address.port)).await;
    opened.map_err(|source| BindError { address: address.clone(), remedy: remedy(&source, address), source })
}

fn remedy(error: &std::io::Error, address: &Listen) -> String {
    let port = address.port;
    // The kinds that have a remedy of their own; the list of kinds is open-ended, so the rest cannot be named.
    #[expect(clippy::wildcard_enum_match_arm, reason = "ErrorKind is non-exhaustive and has dozens of kinds")]
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} is taken by another program, perhaps by another one of this kind; stop that one, or choose \
             another port with DWELL_LISTEN (--listen)"
        ),
        ErrorKind::PermissionDenied => format!(
            "port {port} needs privileges that this process lacks; choose a port above 1023 with DWELL_LISTEN (--listen)"
        ),
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose 127.0.0.1 or 0.0.0.0 with DWELL_LISTEN (--listen)".to_owned()
        }
        _ => "the host is not known here, or the system refused; see DWELL_LISTEN (--listen)".to_owned(),
    }
}

/// `/metrics`, `/livez` and `/readyz` (503 until all that is needed is up; `?verbose` says what is not).
pub fn observability_routes(registry: Registry, health: Health) -> Router {
    let [metrics, livez, readyz] = OBSERVABILITY;
    Router::new()
        .route(metrics, get(move || ready(page(&registry))))
        .route(livez, get(|| async { "ok\n" }))
        .route(readyz, get(move |RawQuery(query): RawQuery| ready(readiness(&health, query.as_deref()))))
}

/// Opens the port and serves [`observability_routes`] there until the stop: all that a service without an API of its own shows.
pub async fn start_observability(
    address: &Listen,
    hosts: PublicHosts,
    context: &ServiceContext,
) -> Result<(), StartError> {
    let listener = bind(address).await?;
    tracing::info!(%address, "metrics and health are shown here");
    let routes = observability_routes(context.registry.clone(), context.health.clone());
    let server = Server::new(Guard::new(hosts)).shown_in(&context.registry)?;
    let serving = server.serve(listener, routes, context.lifecycle.clone());
    context.lifecycle.spawn("http", async move {
        serving.await;
        Ok(())
    });
    Ok(())
}

/// Why metrics and health can't be shown.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port can't be opened.
    #[error("cannot show metrics and health")]
    Bind(#[from] BindError),
    /// A metric can't be registered: a defect of the program.
    #[error("cannot count connections")]
    Metrics(#[from] metrics::Error),
}

fn page(registry: &Registry) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(registry)).into_response()
}

fn readiness(health: &Health, query: Option<&str>) -> Response {
    let is_ready = health.is_ready();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose =
        query.is_some_and(|query| query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose=")));
    let verdict = if is_ready { "ok\n" } else { "not ready\n" };
    let body = if verbose { health.report() + verdict } else { verdict.to_owned() };
    (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

#[cfg(test)]
mod tests;
