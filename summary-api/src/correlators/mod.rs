//! `/internal/v1`: what correlators use. Bodies and answers are postcard, see [`recorder::wire`].
//!
//! A body may be large, so the memory of all of them is bounded, and only a few calls are decoded and worked on at once;
//! the others wait their turn. A body is read before its call's turn, so that a slow client delays nobody else. The turn
//! ends when the ledger is done with the call, also when its client has gone or was told that it takes too long.

mod bodies;
mod schema;

use std::sync::Arc;
use std::time::Duration;

use api::{Kind, Problem};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
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

use crate::access::Access;
use crate::body::{self, caller};
use bodies::Bodies;
use schema::Postcard;

/// How many calls are processed at once.
pub(crate) const INTERNAL_CALLS_MAX: usize = 16;
/// The memory for bodies that are being read or wait for a permit, bytes: a few of the largest, thousands of the usual.
pub(crate) const INTERNAL_BODIES_BYTES_MAX: usize = 4 * wire::BODY_BYTES_MAX;
/// How long a call waits for a permit.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body of `due`, bytes.
const DUE_BODY_BYTES_MAX: usize = 1_024;
/// The largest body of `report`, bytes: some dependencies, each with a reason.
const REPORT_BODY_BYTES_MAX: usize = 16_384;

/// The routes of correlators.
pub(crate) fn routes() -> OpenApiRouter<Internal> {
    OpenApiRouter::new()
        .routes(routes!(terms))
        .routes(routes!(load))
        .routes(routes!(record))
        .routes(routes!(due))
        .routes(routes!(report))
        .routes(routes!(verify))
}

/// What these routes need.
#[derive(Debug, Clone)]
pub(super) struct Internal {
    service: Service,
    access: Arc<Access>,
    turns: Arc<Semaphore>,
    bodies: Bodies,
}

impl Internal {
    pub(super) fn new(service: Service, access: Access) -> Self {
        let turns = Arc::new(Semaphore::new(INTERNAL_CALLS_MAX));
        Self { service, access: Arc::new(access), turns, bodies: Bodies::within(INTERNAL_BODIES_BYTES_MAX) }
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = tokio::time::timeout(PERMIT_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| Problem::new(Kind::Unavailable, "too many calls are under way"))?;
        Ok(turn.expect("the semaphore is never closed"))
    }

    /// Checks and decodes a call that the ledger is not asked for.
    async fn take<T: DeserializeOwned>(&self, request: Request, limit: usize) -> Result<T, Problem> {
        self.check(request.headers())?;
        let (head, request_body) = request.into_parts();
        decode(&body::read(&head.headers, request_body, limit).await?)
    }

    /// Like `take_turn`, for a list.
    async fn take_list<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<(Vec<T>, OwnedSemaphorePermit), Problem> {
        self.take_turn(request, wire::BODY_BYTES_MAX, check_length).await
    }

    /// Checks and decodes a call that asks the ledger; it is its turn until the permit is dropped.
    async fn take_turn<T: DeserializeOwned>(
        &self,
        request: Request,
        limit: usize,
        check: fn(&[u8]) -> Result<(), Problem>,
    ) -> Result<(T, OwnedSemaphorePermit), Problem> {
        self.check(request.headers())?;
        let (bytes, held) = self.bodies.read(request, limit).await?;
        let turn = self.turn().await?;
        check(&bytes)?;
        let value = decode(&bytes)?;
        drop(held);
        Ok((value, turn))
    }

    /// The secret and the format, which are wrong before anything is read.
    fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.access.check(headers)?;
        let media_type = body::media_type(headers);
        if media_type != wire::MEDIA_TYPE {
            let told = body::told(&media_type);
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                format!(
                    "{told}, but this summary API speaks {}: correlators must be of the same version as it",
                    wire::MEDIA_TYPE
                ),
            ));
        }
        Ok(())
    }
}

/// A call whose turn ends when the ledger is done with it.
fn holding(turn: OwnedSemaphorePermit) -> CallOptions {
    CallOptions { permit: Some(turn), ..CallOptions::default() }
}

/// Refuses a list of too many elements before it is decoded: in memory an element may be dozens of times as large as in the
/// body.
fn check_length(list: &[u8]) -> Result<(), Problem> {
    match postcard::take_from_bytes::<usize>(list) {
        Ok((length, _)) if length > wire::VEHICLES_MAX => {
            let problem = format!("{length} vehicles in one call; allowed are {}", wire::VEHICLES_MAX);
            Err(Problem::new(Kind::InvalidContent, problem))
        }
        // What is no list is refused when it is decoded.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(Problem::new(Kind::Malformed, "the body is not what this call takes")),
    }
}

fn answer<T: Serialize>(value: &T) -> Result<Response, Problem> {
    match postcard::to_stdvec(value) {
        Ok(bytes) => Ok(([(header::CONTENT_TYPE, wire::MEDIA_TYPE)], bytes).into_response()),
        Err(error) => {
            tracing::error!(%error, "an answer can't be encoded");
            Err(Problem::new(Kind::Internal, Kind::Internal.meaning()))
        }
    }
}

/// Which ledger this is, and the rules to decide by.
#[utoipa::path(
    get, path = "/internal/v1/terms", tag = "internal", security(("internal_token" = [])),
    responses((status = 200, description = "LedgerInfo", body = inline(Postcard), content_type = "application/vnd.dwell.v3+postcard")),
)]
async fn terms(State(internal): State<Internal>, request: Request) -> Result<Response, Problem> {
    internal.access.check(request.headers())?;
    answer(&internal.service.info())
}

/// The snapshots of many vehicles, in the order asked for.
#[utoipa::path(
    post, path = "/internal/v1/load", tag = "internal", security(("internal_token" = [])),
    request_body(content = inline(Postcard), description = "Vec<LoadRequest>", content_type = "application/vnd.dwell.v3+postcard"),
    responses((status = 200, description = "Vec<Snapshot>", body = inline(Postcard), content_type = "application/vnd.dwell.v3+postcard")),
)]
async fn load(State(internal): State<Internal>, request: Request) -> Result<Response, Problem> {
    let (requests, turn) = internal.take_list::<LoadRequest>(request).await?;
    answer(&internal.service.load(requests, holding(turn)).await?)
}

/// Records units, each whole or not at all.
#[utoipa::path(
    post, path = "/internal/v1/record", tag = "internal", security(("internal_token" = [])),
    request_body(content = inline(Postcard), description = "Vec<Unit>", content_type = "application/vnd.dwell.v3+postcard"),
    responses((status = 200, description = "Vec<Outcome>", body = inline(Postcard), content_type = "application/vnd.dwell.v3+postcard")),
)]
async fn record(State(internal): State<Internal>, request: Request) -> Result<Response, Problem> {
    let caller = caller(request.headers());
    let (units, turn) = internal.take_list::<Unit>(request).await?;
    answer(&internal.service.record(units, CallOptions { caller, permit: Some(turn) }).await?)
}

/// Leases vehicles of which something awaited has ended.
#[utoipa::path(
    post, path = "/internal/v1/due", tag = "internal", security(("internal_token" = [])),
    request_body(content = inline(Postcard), description = "The most vehicles, u32", content_type = "application/vnd.dwell.v3+postcard"),
    responses((status = 200, description = "Vec<Due>", body = inline(Postcard), content_type = "application/vnd.dwell.v3+postcard")),
)]
async fn due(State(internal): State<Internal>, request: Request) -> Result<Response, Problem> {
    let (most, turn) = internal.take_turn::<u32>(request, DUE_BODY_BYTES_MAX, |_| Ok(())).await?;
    answer(&internal.service.due(most, holding(turn)).await?)
}

/// Compares the whole ledger with the definition of the sessions. A line of JSON after each part; the last one is `done`.
#[utoipa::path(
    get, path = "/internal/v1/verify", tag = "internal", security(("internal_token" = [])),
    responses((status = 200, description = "What was found, so far and in the end", body = String, content_type = "application/x-ndjson")),
)]
async fn verify(State(internal): State<Internal>, request: Request) -> Result<Response, Problem> {
    internal.access.check(request.headers())?;
    let parts = internal.service.verify().await?;
    let lines = parts.map_ok(|part| Bytes::from(format!("{}\n", serde_json::json!(part)))).inspect_err(|error| {
        tracing::warn!(%error, "a verification broke off");
    });
    let media_type = HeaderValue::from_static("application/x-ndjson");
    Ok(([(header::CONTENT_TYPE, media_type)], Body::from_stream(lines)).into_response())
}

/// Takes how a correlator stands.
#[utoipa::path(
    post, path = "/internal/v1/report", tag = "internal", security(("internal_token" = [])),
    request_body(content = inline(Postcard), description = "CorrelatorStatus", content_type = "application/vnd.dwell.v3+postcard"),
    responses((status = 204, description = "Taken")),
)]
async fn report(State(internal): State<Internal>, request: Request) -> Result<StatusCode, Problem> {
    let status: CorrelatorStatus = internal.take(request, REPORT_BODY_BYTES_MAX).await?;
    internal.service.report(status);
    Ok(StatusCode::NO_CONTENT)
}
