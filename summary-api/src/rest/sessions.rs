//! `GET /api/v1/sessions`, a list in pages, and `GET /api/v1/sessions/{id}`, one session.

use api::parameters::path_id;
use api::questions::session_list::{Asked, PARAMETERS, page};
use api::{Kind, Problem, Query, SessionPage, SessionView};
use axum::Json;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use parking::SessionId;
use sessions::{MAX_PAGE, Service, Wanted};

use super::session_stream::{self, Format};

/// Lists sessions, the newest first unless told otherwise. Void ones are left out unless their state is asked for.
///
/// As JSON in pages; as CSV or JSON lines all that match in one answer. One that breaks off (a chunked body without its
/// end) is not whole.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    params(
        ("lot_id" = Option<String>, Query, description = "Of this lot only"),
        ("vehicle_plate" = Option<String>, Query, description = "Of this plate only, in any spelling"),
        ("state" = Option<Vec<String>>, Query, explode = false,
            description = "In one of these states, separated by commas or repeated: open, matched, held_exit, \
                           unmatched_exit, unmatched_entry, void; without it, all but void"),
        ("from" = Option<String>, Query, format = DateTime,
            description = "Given by an event (its entry, or else its exit) of this time or later: RFC 3339 with an offset"),
        ("to" = Option<String>, Query, format = DateTime, description = "Given by an event before this time"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "The most sessions of a page; 100 without it. Of a stream: as many as wanted; all without it"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same other parameters"),
        ("order" = Option<String>, Query, description = "newest (without it) or oldest: which sessions come first"),
        ("format" = Option<String>, Query, description = "json (a page), csv or ndjson (a stream); without it, the header Accept says it"),
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
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(&uri, &PARAMETERS)?;
    let format = Format::asked(&query, &headers);
    let most = if let Ok(Format::Lines(_)) = format { u32::MAX } else { MAX_PAGE };
    let asked = Asked::read(&query, most)?;
    let format = format.map_err(|fault| Problem::with_faults(Kind::InvalidContent, vec![fault]))?;
    if let Format::Lines(lines) = format {
        let Asked { filter, order, limit, after, .. } = asked;
        return session_stream::answer(&service, Wanted { filter, order, after, most: limit }, lines).await;
    }
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
