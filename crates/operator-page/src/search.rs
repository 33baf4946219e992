//! The stays of one plate in all lots; redirects the id of an event or a session to the page of the session.

use api::cursor::Cursor;
use api::parameters::{self, optional, text};
use api::questions::session_list::{self, ListPage, SessionListParameters};
use api::{Faults, Form, Kind, Problem, Scoped};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use sessions::ScopedService;
use uuid::Uuid;

use super::layout::Page;
use super::links;
use super::listing::{self, Columns};

const PATH: &str = "/search";
const LIMIT: u32 = 50;

api::parameters! {
    pub(super) struct SearchParameters {
        plate: Option<String> = optional(text);
        cursor: Option<Cursor> = optional(Cursor::parse);
    }
}

pub(super) async fn search(
    Scoped(service): Scoped,
    Form(SearchParameters { plate: typed, cursor }): Form<SearchParameters>,
) -> Result<Response, Problem> {
    let Some(typed) = typed else {
        let content = html! {
            h1 { "Find a plate" }
            p.lead {
                @if service.sees_plates() {
                    "Type a plate into the field above: spaces, dashes and small letters make no difference."
                } @else {
                    "Plates are masked for you, so they can't be searched: the token or user lacks the scope read_plate."
                }
            }
        };
        return Ok(Page::new("Find a plate", PATH, content).answer(StatusCode::OK, &service));
    };
    if let Ok(id) = Uuid::try_parse(typed.trim()) {
        return of_id(&service, id).await;
    }
    let mut faults = Faults::default();
    let vehicle_plate = faults.optional("plate", Some(&*typed), parameters::plate);
    faults.none()?;
    let asked = SessionListParameters { vehicle_plate, cursor, limit: Some(LIMIT), ..SessionListParameters::default() };
    let ListPage { rows, next_cursor, .. } = session_list::page(&service, &asked).await?;
    let plate = asked.vehicle_plate.as_ref().map_or("", |plate| plate.as_str());
    let near = match &asked.vehicle_plate {
        Some(plate) if rows.is_empty() => service.near_plates(plate).await?,
        _ => Vec::new(),
    };
    let caption = format!("Stays of {plate}, the newest first");
    let content = html! {
        h1 { "Stays of " span.plate { (plate) } }
        @if rows.is_empty() {
            p.empty { "No stay of this plate is known. It may have been read differently at the gate." }
            @if !near.is_empty() {
                p { "Similar plates, recently: " @for (place, plate) in near.iter().enumerate() {
                    @if place > 0 { ", " }
                    a.plate href=(links::link(PATH, &[("plate", plate.as_str())])) { (plate) }
                } }
            }
        } @else {
            (listing::table(&service, &caption, &rows, Columns::Dwell))
        }
        (listing::pages(PATH, &[("plate", plate)], asked.cursor.is_none(), next_cursor.as_deref()))
    };
    let page = Page { plate: &typed, ..Page::new("Find a plate", PATH, content) };
    Ok(page.answer(StatusCode::OK, &service))
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
