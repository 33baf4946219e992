//! One stay: its state and why, its entry and exit, and the other stays of the vehicle. Its history is in
//! [`story`](super::story).

use api::parameters::path_id;
use api::{Kind, Problem, Scoped};
use axum::extract::RawPathParams;
use axum::http::StatusCode;
use axum::response::Response;
use ledger::{Order, SessionFilter, SessionRow};
use maud::{Markup, html};
use parking::{GateId, SessionId, State, Timestamp};
use sessions::ScopedService;
use sessions::story::Story;
use uuid::Uuid;

use super::explanations::LocalExplanation;
use super::layout::Page;
use super::links;
use super::listing::{self, Columns};
use super::local::Local;
use super::{story, text};

/// How many other stays of the vehicle are shown.
const OTHER_STAYS_MAX: u32 = 10;

pub(super) async fn session(Scoped(service): Scoped, path: RawPathParams) -> Result<Response, Problem> {
    let id = path_id(&path)?;
    let story = service.story(SessionId::from_uuid(id)).await?;
    let story = story.ok_or_else(|| Problem::new(Kind::NotFound, format!("no session has the id {id}")))?;
    let row = &story.session;
    let others = others(&service, row).await?;
    let near = story::near(&service, &story).await?;
    let vehicle = &row.session.vehicle;
    let plate = text::plate(&vehicle.plate);
    let title = format!("{plate} at {}", vehicle.lot);
    let content = html! {
        h1 { span.plate { (plate) } " at " (vehicle.lot) }
        (verdict(&service, &story))
        (ends(&service, row))
        (story::reads(&service, &story))
        (story::changes(&service, &story))
        (near)
        (record(&service, row))
        @if !others.is_empty() {
            (listing::table(&service, "Other stays of this vehicle in this lot", &others, Columns::Dwell))
        }
    };
    Ok(Page::new(&title, "", content).answer(StatusCode::OK, &service))
}

/// The newest other stays of the vehicle in this lot; none for an unread plate.
async fn others(service: &ScopedService, row: &SessionRow) -> Result<Vec<SessionRow>, Problem> {
    let vehicle = &row.session.vehicle;
    if service.rules().is_unread(&vehicle.plate) {
        return Ok(Vec::new());
    }
    let filter = SessionFilter {
        lot: Some(vehicle.lot.clone()),
        plate: Some(vehicle.plate.clone()),
        ..SessionFilter::default()
    };
    let page = ledger::Page { limit: OTHER_STAYS_MAX + 1, after: None, order: Order::NewestFirst };
    let mut rows = service.sessions(&filter, page).await?.rows;
    rows.retain(|other| other.session.id != row.session.id);
    rows.truncate(usize::try_from(OTHER_STAYS_MAX).unwrap_or(usize::MAX));
    Ok(rows)
}

fn verdict(service: &ScopedService, story: &Story) -> Markup {
    let session = &story.session.session;
    let explanation = story.explained.as_ref().map(|explained| LocalExplanation::of(service, explained));
    // The events of a void session don't explain why it is void.
    let (why, more) = match explanation {
        Some(explanation) if session.state != State::Void => (explanation.first_sentence(), explanation.rest()),
        explanation => {
            let why = text::why(&story.session, &service.rules());
            (html! { (why) }, explanation.as_ref().and_then(LocalExplanation::whole))
        }
    };
    html! {
        p.verdict {
            (text::pill(session.state))
            @if let Some(dwell) = session.dwell_ms() { strong.dwell { (text::length(dwell)) } }
        }
        p.lead #why { (why) }
        @if let Some(more) = more { p.detail { (more) } }
        @if let Some(row) = &story.superseded_by {
            p { "Its event belongs to " a href=(links::address(row)) { "another session" } "." }
        }
        @for row in &story.supersedes {
            p { "It replaces " a href=(links::address(row)) { "a void session" } "." }
        }
    }
}

fn ends(service: &ScopedService, row: &SessionRow) -> Markup {
    let session = &row.session;
    let local = Local::of(service, &session.vehicle.lot);
    html! {
        section.ends aria-label="Entry and exit" {
            (end("Entry", local, session.entry_time, row.entry_gate.as_ref(), session.entry_event_id))
            (end("Exit", local, session.exit_time, row.exit_gate.as_ref(), session.exit_event_id))
        }
    }
}

fn end(name: &str, local: Local, time: Option<Timestamp>, gate: Option<&GateId>, event: Option<Uuid>) -> Markup {
    html! {
        div.card {
            h2 { (name) }
            @match time {
                Some(time) => {
                    p.big { (local.moment_in_full(time)) }
                    dl {
                        dt { "Gate" } dd { @if let Some(gate) = gate { (gate) } @else { "unknown" } }
                        dt { "Event" } dd { @if let Some(event) = event { code { (event) } } @else { "none: from a summary" } }
                    }
                }
                None => p.none { "Not seen." },
            }
        }
    }
}

fn record(service: &ScopedService, row: &SessionRow) -> Markup {
    let local = Local::of(service, &row.session.vehicle.lot);
    html! {
        section aria-labelledby="record" {
            h2 #record { "In the ledger" }
            dl.facts {
                dt { "Session" } dd { code { (row.session.id) } }
                dt { "Source" } dd { (row.source) }
                dt { "First recorded" } dd { (local.moment_in_full(row.recorded_at)) }
                dt { "Last changed" } dd { (local.moment_in_full(row.updated_at)) }
                dt { "As JSON" } dd { a href={ "/api/v1/sessions/" (row.session.id) "/story" } { "with its events and decisions" } }
            }
        }
    }
}
