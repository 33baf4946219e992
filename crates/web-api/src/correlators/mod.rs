//! `/internal/v1`: the routes of correlators, and the tokens for gateways. Request and response bodies of correlators are
//! postcard, see [`recorder::wire`].
//!
//! Bodies may be large, so the memory of all bodies is bounded, and a semaphore bounds the calls that are processed
//! concurrently. A call reads its body before it takes a permit, so a slow client delays no other. It holds the permit
//! until the ledger has finished, even after its client disconnected or got a timeout.

mod bodies;
mod schema;

use std::sync::Arc;
use std::time::Duration;

use access::Tokens;
use api::etag::TOKENS_MEDIA_TYPE;
use api::{Kind, Problem, Scoped};
use axum::body::{Body, Bytes};
use axum::extract::{FromRef, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use matching::{LoadRequest, Unit};
use recorder::{CorrelatorStatus, wire};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sessions::{CallOptions, Service};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Authenticator;
use crate::body::{self, caller};
use bodies::Bodies;
use schema::Postcard;

/// The most calls that are processed concurrently.
pub const INTERNAL_CALLS_MAX: usize = 16;
/// The memory for bodies that are being read or wait for a permit, bytes: a few of the largest, thousands of the usual.
pub(crate) const INTERNAL_BODIES_BYTES_MAX: usize = 4 * wire::BODY_BYTES_MAX;
/// The longest wait of a call for a permit.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body of `due`, bytes.
const DUE_BODY_BYTES_MAX: usize = 1_024;
/// The largest body of `report`, bytes: some dependencies, each with a reason.
const REPORT_BODY_BYTES_MAX: usize = 16_384;

/// The routes below `/internal/v1`.
pub(crate) fn routes() -> OpenApiRouter<Internal> {
    OpenApiRouter::new()
        .routes(routes!(terms))
        .routes(routes!(load))
        .routes(routes!(record))
        .routes(routes!(due))
        .routes(routes!(report))
        .routes(routes!(verify))
        .routes(routes!(tokens_of_gates))
}

/// The state of the routes.
#[derive(Debug, Clone)]
pub(super) struct Internal {
    service: Service,
    authenticator: Authenticator,
    permits: Arc<Semaphore>,
    bodies: Bodies,
}

impl FromRef<Internal> for Service {
    fn from_ref(internal: &Internal) -> Self {
        internal.service.clone()
    }
}

impl Internal {
    pub(super) fn new(service: Service, authenticator: Authenticator) -> Self {
        let permits = Arc::new(Semaphore::new(INTERNAL_CALLS_MAX));
        Self { service, authenticator, permits, bodies: Bodies::within(INTERNAL_BODIES_BYTES_MAX) }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = tokio::time::timeout(PERMIT_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| Problem::new(Kind::Unavailable, "too many concurrent calls"))?;
        Ok(permit.expect("the semaphore is never closed"))
    }

    /// Checks and decodes a call that does not use the ledger.
    async fn decoded<T: DeserializeOwned>(&self, request: Request, limit: usize) -> Result<T, Problem> {
        check_media_type(request.headers())?;
        let (head, request_body) = request.into_parts();
        decode(&body::read(&head.headers, request_body, limit).await?)
    }

    /// Like `decoded_with_permit`, for a list: refuses one of too many elements.
    async fn decoded_list<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<(Vec<T>, OwnedSemaphorePermit), Problem> {
        self.decoded_with_permit(request, wire::BODY_BYTES_MAX, check_length).await
    }

    /// Checks and decodes a call that uses the ledger; waits for a permit, which the caller holds until the ledger has
    /// finished.
    async fn decoded_with_permit<T: DeserializeOwned>(
        &self,
        request: Request,
        limit: usize,
        check: fn(&[u8]) -> Result<(), Problem>,
    ) -> Result<(T, OwnedSemaphorePermit), Problem> {
        check_media_type(request.headers())?;
        let (bytes, held) = self.bodies.read(request, limit).await?;
        let permit = self.permit().await?;
        check(&bytes)?;
        let value = decode(&bytes)?;
        drop(held);
        Ok((value, permit))
    }
}

/// Checks the content type, before the body is read.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = body::media_type(headers);
    if media_type != wire::MEDIA_TYPE {
        let described = body::described(&media_type);
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            format!(
                "{described}, but this summary API requires {}: run correlators and summary API of one version",
                wire::MEDIA_TYPE
            ),
        ));
    }
    Ok(())
}

/// The options of a call that holds its permit until the ledger has finished.
fn holding(permit: OwnedSemaphorePermit) -> CallOptions {
    CallOptions { permit: Some(permit), ..CallOptions::default() }
}

/// Refuses a list of too many elements before it is decoded: an element in memory may be dozens of times as large as in
/// the body.
fn check_length(list: &[u8]) -> Result<(), Problem> {
    match postcard::take_from_bytes::<usize>(list) {
        Ok((length, _)) if length > wire::VEHICLES_MAX => {
            let problem = format!("{length} vehicles in one call; allowed are {}", wire::VEHICLES_MAX);
            Err(Problem::new(Kind::InvalidContent, problem))
        }
        // The decoder refuses a body that is not a list.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(Problem::new(Kind::Malformed, "the body does not have the type of this call")),
    }
}

fn answer<T: Serialize>(value: &T) -> Result<Response, Problem> {
    match postcard::to_stdvec(value) {
        Ok(bytes) => Ok(([(header::CONTENT_TYPE, wire::MEDIA_TYPE)], bytes).into_response()),
        Err(error) => {
            tracing::error!(%error, "encoding a response failed");
            Err(Problem::new(Kind::Internal, Kind::Internal.meaning()))
        }
    }
}

/// Returns the id of the ledger and its matching rules.
#[utoipa::path(
    get, path = "/internal/v1/terms", tag = "internal", security(("token" = [])),
    responses((status = 200, description = "LedgerInfo", body = inline(Postcard), content_type = "application/vnd.dwell.v5+postcard")),
)]
async fn terms(Scoped(service): Scoped) -> Result<Response, Problem> {
    answer(&service.info()?)
}

/// Loads the snapshots of vehicles, in the requested order.
#[utoipa::path(
    post, path = "/internal/v1/load", tag = "internal", security(("token" = [])),
    request_body(content = inline(Postcard), description = "Vec<LoadRequest>", content_type = "application/vnd.dwell.v5+postcard"),
    responses((status = 200, description = "Vec<Snapshot>", body = inline(Postcard), content_type = "application/vnd.dwell.v5+postcard")),
)]
async fn load(
    State(internal): State<Internal>,
    Scoped(service): Scoped,
    request: Request,
) -> Result<Response, Problem> {
    let (requests, permit) = internal.decoded_list::<LoadRequest>(request).await?;
    answer(&service.load(requests, holding(permit)).await?)
}

/// Records the updates of vehicles, each atomically.
#[utoipa::path(
    post, path = "/internal/v1/record", tag = "internal", security(("token" = [])),
    request_body(content = inline(Postcard), description = "Vec<Unit>", content_type = "application/vnd.dwell.v5+postcard"),
    responses((status = 200, description = "Vec<Outcome>", body = inline(Postcard), content_type = "application/vnd.dwell.v5+postcard")),
)]
async fn record(
    State(internal): State<Internal>,
    Scoped(service): Scoped,
    request: Request,
) -> Result<Response, Problem> {
    let caller = caller(request.headers());
    let (units, permit) = internal.decoded_list::<Unit>(request).await?;
    answer(&service.record(units, CallOptions { caller, permit: Some(permit) }).await?)
}

/// Leases vehicles with a deadline that has passed: a hold or a longest stay.
#[utoipa::path(
    post, path = "/internal/v1/due", tag = "internal", security(("token" = [])),
    request_body(content = inline(Postcard), description = "The maximum number of vehicles, u32", content_type = "application/vnd.dwell.v5+postcard"),
    responses((status = 200, description = "Vec<Due>", body = inline(Postcard), content_type = "application/vnd.dwell.v5+postcard")),
)]
async fn due(State(internal): State<Internal>, Scoped(service): Scoped, request: Request) -> Result<Response, Problem> {
    let (most, permit) = internal.decoded_with_permit::<u32>(request, DUE_BODY_BYTES_MAX, |_| Ok(())).await?;
    answer(&service.due(most, holding(permit)).await?)
}

/// Verifies the whole ledger against the definition of sessions.
///
/// Streams a JSON line after each part; the last one is `done`.
#[utoipa::path(
    get, path = "/internal/v1/verify", tag = "internal", security(("token" = [])),
    responses((status = 200, description = "The progress and the result, one JSON object a line", body = String, content_type = "application/x-ndjson")),
)]
async fn verify(Scoped(service): Scoped) -> Result<Response, Problem> {
    let parts = service.verify().await?;
    let lines = parts.map_ok(|part| Bytes::from(format!("{}\n", serde_json::json!(part)))).inspect_err(|error| {
        tracing::warn!(%error, "a verification failed before its end");
    });
    let media_type = HeaderValue::from_static("application/x-ndjson");
    Ok(([(header::CONTENT_TYPE, media_type)], Body::from_stream(lines)).into_response())
}

/// Receives the status report of a correlator.
#[utoipa::path(
    post, path = "/internal/v1/report", tag = "internal", security(("token" = [])),
    request_body(content = inline(Postcard), description = "CorrelatorStatus", content_type = "application/vnd.dwell.v5+postcard"),
    responses((status = 204, description = "The report was received")),
)]
async fn report(
    State(internal): State<Internal>,
    Scoped(service): Scoped,
    request: Request,
) -> Result<StatusCode, Problem> {
    let status: CorrelatorStatus = internal.decoded(request, REPORT_BODY_BYTES_MAX).await?;
    service.report(status)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the tokens by which a gateway knows its senders: a tokens file with the hashes of those for lots and gates that
/// the token of the request holds for.
#[utoipa::path(
    get, path = "/internal/v1/tokens", tag = "internal", security(("token" = [])),
    responses(
        (status = 200, description = "The tokens, as a tokens file", body = String, content_type = "application/toml"),
        (status = 304, description = "The tokens are those of the If-None-Match header"),
    ),
)]
async fn tokens_of_gates(State(internal): State<Internal>, Scoped(service): Scoped) -> Result<Response, Problem> {
    let of_file = internal.authenticator.tokens();
    let records = service.tokens_of_gates(of_file.records())?;
    let media_type = HeaderValue::from_static(TOKENS_MEDIA_TYPE);
    Ok(([(header::CONTENT_TYPE, media_type)], Tokens::file_of(&records)).into_response())
}
