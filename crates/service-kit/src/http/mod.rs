//! The HTTP server of every service: opening the port, the three routes for operators, and serving within limits.
//!
//! Each service has its own further routes and problem texts.

mod guard;
mod limits;
mod probe;
mod refusal;
mod requests;
mod server;
mod slots;
mod stream;

pub use guard::Guard;
pub use limits::Limits;
pub use probe::{PROBE_DEADLINE, ProbeError, probe_ready};
pub use server::{OverTls, RemoteNetwork, Server, serve};

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

/// The paths of [`observability_routes`]: they expose no secret, and answer also when all connections are busy.
const OBSERVABILITY: [&str; 3] = ["/metrics", "/livez", "/readyz"];

/// The content security policy of pages that load only from this server, have nothing inline, and can't be framed.
pub const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Why a port can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {remedy}")]
pub struct BindError {
    /// The requested address.
    pub address: Listen,
    /// What is wrong, and what to do.
    pub remedy: String,
    /// The system's error.
    #[source]
    pub source: std::io::Error,
}

/// Opens the port of `DWELL_LISTEN`. The error says what to do.
pub async fn bind(address: &Listen) -> Result<TcpListener, BindError> {
    bind_by("DWELL_LISTEN (--listen)", address).await
}

/// Opens a port that is given in another way than by `DWELL_LISTEN`. The error says to choose another one with
/// `given_by`.
pub async fn bind_by(given_by: &str, address: &Listen) -> Result<TcpListener, BindError> {
    let opened = TcpListener::bind((address.host.as_str(), address.port)).await;
    opened.map_err(|source| BindError { address: address.clone(), remedy: remedy(&source, address, given_by), source })
}

fn remedy(error: &std::io::Error, address: &Listen, given_by: &str) -> String {
    let port = address.port;
    // Only kinds with a remedy; the list of kinds is open-ended, so the rest can't be named.
    #[expect(clippy::wildcard_enum_match_arm, reason = "ErrorKind is non-exhaustive and has dozens of kinds")]
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} is taken by another program, perhaps by another one of this kind; stop that one, or choose \
             another port with {given_by}"
        ),
        ErrorKind::PermissionDenied => {
            format!("port {port} needs privileges that this process lacks; choose a port above 1023 with {given_by}")
        }
        ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address; choose 127.0.0.1 or 0.0.0.0 with {given_by}")
        }
        _ => format!("the host is unknown, or the system refused; see {given_by}"),
    }
}

/// `/metrics`, `/livez` and `/readyz` (503 until all required dependencies are up; `?verbose` lists what is down).
pub fn observability_routes(registry: Registry, health: Health) -> Router {
    let [metrics, ..] = OBSERVABILITY;
    health_routes(health).route(metrics, get(move || ready(page(&registry))))
}

/// `/livez` and `/readyz` alone, for a port that shows no metrics.
pub fn health_routes(health: Health) -> Router {
    let [_, livez, readyz] = OBSERVABILITY;
    Router::new()
        .route(livez, get(|| async { "ok\n" }))
        .route(readyz, get(move |RawQuery(query): RawQuery| ready(readiness(&health, query.as_deref()))))
}

/// Opens the port and serves [`observability_routes`] there until the stop, for a service without an API.
pub async fn start_observability(
    address: &Listen,
    hosts: PublicHosts,
    context: &ServiceContext,
) -> Result<(), StartError> {
    let listener = bind(address).await?;
    tracing::info!(%address, "serving metrics and health");
    let routes = observability_routes(context.registry.clone(), context.health.clone());
    let server = Server::new(Guard::new(hosts)).over(context.tls.clone()).shown_in(&context.registry)?;
    let serving = server.serve(listener, routes, context.lifecycle.clone());
    context.lifecycle.spawn("http", async move {
        serving.await;
        Ok(())
    });
    Ok(())
}

/// Why metrics and health can't be served.
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
