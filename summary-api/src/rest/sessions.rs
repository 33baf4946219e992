//! `GET /api/v1/sessions`, a list in pages, and `GET /api/v1/sessions/{id}`, one session.

use api::parameters::{at_most, path_id};
use api::questions::session_list::{SessionListParameters, page};
use api::{Faults, Kind, Problem, Query, SessionPage, SessionView};
use axum::Json;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use parking::SessionId;
use sessions::{MAX_PAGE, Service};

use super::session_stream;

/// Lists sessions, the newest first unless told otherwise. Void ones are left out unless their state is asked for.
///
/// As JSON in pages; as CSV or JSON lines all that match in one answer. One that breaks off (a chunked body without its
/// end) is not whole.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    params(
        SessionListParameters,
        ("Accept" = Option<String>, Header, description = "application/json, text/csv or application/x-ndjson; the first that is known"),
    ),
    responses((status = 200, description = "A page of sessions, or all of them line by line", content(
        (SessionPage = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    ))),
)]
pub(super) async fn sessions(
    State(service): State<Service>,
    Query(asked): Query<SessionListParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(lines) = session_stream::lines(asked.format, &headers) {
        return session_stream::answer(&service, asked.wanted()?, lines).await;
    }
    let mut faults = Faults::default();
    faults.optional("limit", asked.limit, at_most(MAX_PAGE));
    faults.none()?;
    let (rows, next_cursor) = page(&service, &asked).await?;
    let page = SessionPage { sessions: rows.iter().map(SessionView::from).collect(), next_cursor };
    Ok(([(header::VARY, "accept")], Json(page)).into_response())
}

/// One session, void or not.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = uuid::Uuid, Path, description = "The session's id")),
    responses((status = 200, description = "The session", body = SessionView)),
)]
pub(super) async fn session(State(service): State<Service>, path: RawPathParams) -> Result<Json<SessionView>, Problem> {
    let id = path_id(&path)?;
    match service.session(SessionId::from_uuid(id)).await? {
        Some(row) => Ok(Json(SessionView::from(&row))),
        None => Err(Problem::new(Kind::NotFound, format!("no session has the id {id}"))),
    }
}
