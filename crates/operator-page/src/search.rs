//! Search by a plate or by any part of one. The id of an event or of a session leads to the page of the session.
//!
//! The form posts what was typed, and results lead on by the ids of sessions, so that no address has a plate: addresses
//! end up in logs and histories. An older address with a plate leads to the empty form.

use api::cursor::Cursor;
use api::parameters::{Parameters as _, optional, text};
use api::questions::session_list::{self, ListPage, SessionListParameters};
use api::{Faults, Form, Kind, Problem, Scoped};
use axum::body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use sessions::{FoundVehicles, NEWEST_SEARCHED_MAX, ScopedService, SeenSession};
use uuid::Uuid;

use super::layout::{Page, Refresh, SEARCH as PATH};
use super::listing::{self, Columns};
use super::local::Local;
use super::text::number;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";
/// The largest form, bytes.
const FORM_BYTES_MAX: usize = 4_096;
const LIMIT: u32 = 50;

api::parameters! {
    pub(super) struct SearchParameters {
        plate: Option<String> = optional(text);
        cursor: Option<Cursor> = optional(Cursor::parse);
    }
}

/// The empty form. An id in the address leads to its session, and a plate there nowhere.
pub(super) async fn search(
    Scoped(service): Scoped,
    Form(SearchParameters { plate: typed, cursor }): Form<SearchParameters>,
) -> Result<Response, Problem> {
    if let Some(id) = typed.as_deref().and_then(id) {
        return of_id(&service, id).await;
    }
    if typed.is_some() || cursor.is_some() {
        return Ok(Redirect::to(PATH).into_response());
    }
    let content = html! {
        h1 { "Find a plate" }
        p.lead {
            @if service.sees_plates() {
                "Type a plate into the field above, or any part of it, two characters at least: spaces, dashes and small letters "
                "make no difference. The id of an event or of a session leads to its stay."
            } @else {
                "Plates are masked for you, so they can't be searched: the token or user lacks the scope read_plate."
            }
        }
    };
    Ok(Page::new("Find a plate", PATH, content).answer(StatusCode::OK, &service))
}

/// What a posted form finds.
pub(super) async fn found(Scoped(service): Scoped, request: Request) -> Result<Response, Problem> {
    let SearchParameters { plate: typed, cursor } = posted(request).await?;
    let Some(typed) = typed else { return Ok(Redirect::to(PATH).into_response()) };
    if let Some(id) = id(&typed) {
        return of_id(&service, id).await;
    }
    let mut faults = Faults::default();
    let plate = faults.optional("plate", Some(&*typed), session_list::plate_part);
    faults.none()?;
    let Some(plate) = plate else { return Ok(Redirect::to(PATH).into_response()) };
    let asked = SessionListParameters {
        vehicle_plate: Some(plate.clone()),
        cursor,
        limit: Some(LIMIT),
        ..SessionListParameters::default()
    };
    let ListPage { rows, next_cursor, .. } = session_list::page(&service, &asked).await?;
    // The further pages of a plate's stays are about these stays alone.
    let (like, near) = if asked.cursor.is_some() {
        (None, Vec::new())
    } else {
        let near = if rows.is_empty() { service.near_plates(&plate).await? } else { Vec::new() };
        (Some(service.vehicles_like(&plate).await?), near)
    };
    let content = html! {
        h1 { "Search for " span.plate { (plate.as_str()) } }
        @if !rows.is_empty() {
            (listing::table(&service, &format!("Stays of {}, the newest first", plate.as_str()), &rows, Columns::Dwell))
        }
        (pages(&typed, asked.cursor.is_none(), next_cursor.as_deref()))
        @if let Some(like) = &like {
            @if rows.is_empty() && like.beginning.is_empty() && like.containing.is_empty() {
                p.empty { "No stay of a plate with these characters was found. It may have been read differently at the gate." }
            }
            (vehicles(&service, "Plates that begin so, each with its newest stay", &like.beginning))
            (vehicles(&service, "Plates that contain it, each with its newest stay", &like.containing))
            (scope(&service, like))
        }
        @if !near.is_empty() {
            (vehicles(&service, "Similar plates, not equal: the newest stay of each", &near))
        }
    };
    // Its address alone does not lead back to it.
    let page = Page { plate: &typed, refresh: Refresh::Never, ..Page::new("Find a plate", PATH, content) };
    Ok(page.answer(StatusCode::OK, &service))
}

/// Reads the form in the body of a request.
async fn posted(request: Request) -> Result<SearchParameters, Problem> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(FORM) {
        let problem = format!("a form has the Content-Type {FORM}; POST /api/v1/sessions/search takes JSON");
        return Err(Problem::new(Kind::UnsupportedMediaType, problem));
    }
    let body = body::to_bytes(request.into_body(), FORM_BYTES_MAX).await.map_err(|_| {
        Problem::new(Kind::TooLarge, format!("the form is larger than {FORM_BYTES_MAX} bytes, or was cut off"))
    })?;
    SearchParameters::read_posted(&body)
}

/// Vehicles by their newest stays.
fn vehicles(service: &ScopedService, caption: &str, rows: &[SeenSession]) -> Markup {
    html! { @if !rows.is_empty() { (listing::table(service, caption, rows, Columns::Dwell)) } }
}

/// What was searched.
fn scope(service: &ScopedService, like: &FoundVehicles) -> Markup {
    html! {
        p.note #searched {
            "Beginnings of plates were searched in all stays, other parts in the vehicles inside and in "
            @match like.searched_since {
                None => "all stays.",
                // Stays of several lots stand together.
                Some(since) => {
                    "the stays since " (Local::of_utc(service).moment_in_sentence(since))
                    ", at most the newest " (number(u64::from(NEWEST_SEARCHED_MAX))) "."
                }
            }
            @if like.is_cut { " There may be more: type more of the plate." }
        }
    }
}

/// Forms for the first and for the next page of a plate's stays: the plate stays in a body.
fn pages(typed: &str, is_first: bool, next_cursor: Option<&str>) -> Markup {
    html! {
        @if !is_first || next_cursor.is_some() {
            nav.pages aria-label="Pages of this list" {
                @if !is_first { (page(typed, "", "Newest")) }
                @if let Some(next) = next_cursor { (page(typed, next, "Older")) }
            }
        }
    }
}

fn page(typed: &str, cursor: &str, name: &str) -> Markup {
    html! {
        form method="post" action=(PATH) {
            input type="hidden" name="plate" value=(typed);
            input type="hidden" name="cursor" value=(cursor);
            button { (name) }
        }
    }
}

fn id(typed: &str) -> Option<Uuid> {
    Uuid::try_parse(typed.trim()).ok()
}

/// Redirects to the session with this id, or to the session of the event with this id.
async fn of_id(service: &ScopedService, id: Uuid) -> Result<Response, Problem> {
    let session = match service.session(id).await? {
        Some(session) => Some(session.id),
        None => service.explain(id).await?.first().map(|explained| explained.explanation.session.as_uuid()),
    };
    let session = session.ok_or_else(|| {
        let nothing = format!("no session and no recorded event has the id {id}; it may not have arrived yet");
        Problem::new(Kind::NotFound, nothing)
    })?;
    Ok(Redirect::to(&format!("/sessions/{session}#why")).into_response())
}
