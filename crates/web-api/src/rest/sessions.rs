//! `GET /api/v1/sessions`, a list in pages, `POST /api/v1/sessions/search`, the list with plates in the body, and
//! `GET /api/v1/sessions/{id}`, one session.

use api::parameters::{at_most, path_id};
use api::questions::session_list::{ListPage, SessionListParameters, SessionSearch, page};
use api::{Faults, Kind, Problem, Query, Scoped, SessionPage, SessionView};
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use sessions::{MAX_PAGE, ScopedService};

use super::session_stream;
use crate::access::Pass;
use crate::{body, plate_in_address};

/// The route that a plate belongs to.
const SEARCH: &str = "POST /api/v1/sessions/search";
/// The header with the number of the newest change that a list includes.
const SEQUENCE: HeaderName = HeaderName::from_static("dwell-sequence");

/// Lists sessions, the newest first by default. Excludes void sessions unless `state` includes them.
///
/// JSON has pages. CSV and NDJSON stream all sessions that fit the filter in one response; a response that is cut off
/// (a chunked body without its end) is incomplete.
///
/// With a condition that no index has (`reason`, `gate_id`, `last_day` and others), a page looks at a limited number of
/// sessions: it may have fewer of them than its limit, even none. The list goes on as long as there is a `next_cursor`.
///
/// Only on loopback without tokens, and deprecated: `vehicle_plate`. Search by plate with POST /api/v1/sessions/search.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    params(
        SessionListParameters,
        ("Accept" = Option<String>, Header, description = "application/json, text/csv or application/x-ndjson; the first known type wins"),
    ),
    responses((status = 200, description = "A page of sessions, or a stream of all sessions, one a line", content(
        (SessionPage = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    ))),
)]
pub(super) async fn sessions(
    Scoped(service): Scoped,
    Extension(pass): Extension<Pass>,
    Query(parameters): Query<SessionListParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let has_plate = parameters.vehicle_plate.is_some();
    if parameters.plate_prefix.is_some() || parameters.plate_contains.is_some() {
        return Err(plate_in_address::refused(SEARCH));
    }
    if has_plate {
        plate_in_address::check(&pass, SEARCH)?;
    }
    let mut response = list(&service, &parameters, &headers).await?;
    if has_plate {
        plate_in_address::deprecate(&mut response);
    }
    Ok(response)
}

/// Searches sessions: the list with its parameters in the body, and with plates, beginnings or other parts of plates.
///
/// An index finds beginnings. For other parts (`plate_contains`), and for a beginning of more than a hundred vehicles, each
/// page looks at a limited number of sessions, see the list.
///
/// Plates belong into the body, because addresses end up in logs and histories.
#[utoipa::path(
    post, path = "/api/v1/sessions/search", tag = "sessions",
    params(
        ("Accept" = Option<String>, Header, description = "application/json, text/csv or application/x-ndjson; the first known type wins"),
    ),
    request_body(content = SessionSearch, content_type = "application/json", description = "The parameters of the list"),
    responses((status = 200, description = "A page of sessions, or a stream of all sessions, one a line", content(
        (SessionPage = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    ))),
)]
pub(super) async fn search_sessions(
    Scoped(service): Scoped,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let parameters: SessionListParameters = body::parameters(&headers, body).await?;
    list(&service, &parameters, &headers).await.map_err(Problem::in_body)
}

async fn list(
    service: &ScopedService,
    parameters: &SessionListParameters,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if let Some(lines) = session_stream::lines(parameters.format, headers) {
        parameters.wait(service).await?;
        let request = parameters.stream_request(service).await?;
        return session_stream::answer(service, request, lines, parameters.columns.unwrap_or_default()).await;
    }
    let mut faults = Faults::default();
    faults.optional("limit", parameters.limit, at_most(MAX_PAGE));
    faults.none()?;
    let ListPage { rows, next_cursor, sequence } = page(service, parameters).await?;
    let page = SessionPage { sessions: rows.iter().map(SessionView::from).collect(), next_cursor };
    // Not in the body, which other sessions' changes leave as it is: so its entity tag stays.
    let headers = [(header::VARY, HeaderValue::from_static("accept")), (SEQUENCE, HeaderValue::from(sequence))];
    Ok((headers, Json(page)).into_response())
}

/// Returns a session, also a void one.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = uuid::Uuid, Path, description = "The id of the session")),
    responses((status = 200, description = "The session", body = SessionView)),
)]
pub(super) async fn session(Scoped(service): Scoped, path: RawPathParams) -> Result<Json<SessionView>, Problem> {
    let id = path_id(&path)?;
    match service.session(id).await? {
        Some(session) => Ok(Json(SessionView::from(&session))),
        None => Err(Problem::new(Kind::NotFound, format!("no session has the id {id}"))),
    }
}
