//! `GET /api/v1/sessions`, a list in pages, and `GET /api/v1/sessions/{id}`, one session.

use api::parameters::{at_most, path_id};
use api::questions::session_list::{ListPage, SessionListParameters, page};
use api::{Faults, Kind, Problem, Query, Scoped, SessionPage, SessionView};
use axum::Json;
use axum::extract::RawPathParams;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use sessions::MAX_PAGE;

use super::session_stream;

/// The header with the number of the newest change that a list includes.
const SEQUENCE: HeaderName = HeaderName::from_static("dwell-sequence");

/// Lists sessions, the newest first by default. Excludes void sessions unless `state` includes them.
///
/// JSON has pages. CSV and NDJSON stream all sessions that fit the filter in one response; a response that is cut off (a
/// chunked body without its end) is incomplete.
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
    Query(parameters): Query<SessionListParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(lines) = session_stream::lines(parameters.format, &headers) {
        parameters.wait(&service).await?;
        return session_stream::answer(&service, parameters.stream_request()?, lines).await;
    }
    let mut faults = Faults::default();
    faults.optional("limit", parameters.limit, at_most(MAX_PAGE));
    faults.none()?;
    let ListPage { rows, next_cursor, sequence } = page(&service, &parameters).await?;
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
