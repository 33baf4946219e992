//! One stay: its state and why, its entry and exit, and the other stays of the vehicle. Its history is in
//! [`story`](super::story).

use api::parameters::path_id;
use api::{Kind, Problem, Scoped};
use axum::extract::RawPathParams;
use axum::http::StatusCode;
use axum::response::Response;
use ledger::{Order, SessionFilter};
use maud::{Markup, html};
use parking::{GateId, State, Timestamp};
use sessions::story::Story;
use sessions::{ScopedService, SeenSession};
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
    let story = service.story(id).await?;
    let story = story.ok_or_else(|| Problem::new(Kind::NotFound, format!("no session has the id {id}")))?;
    let row = &story.session;
    let others = others(&service, row).await?;
    let near = story::near(&service, &story).await?;
    let plate = text::plate(&row.plate);
    let title = format!("{plate} at {}", row.lot);
    let content = html! {
        h1 { span.plate { (plate) } " at " (row.lot) }
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

/// The newest other stays of the vehicle in this lot; none for an unread plate, and for a masked one, which can't be
/// searched.
async fn others(service: &ScopedService, row: &SeenSession) -> Result<Vec<SeenSession>, Problem> {
    let Some(plate) = row.plate.whole().filter(|plate| !service.rules().is_unread(plate)) else {
        return Ok(Vec::new());
    };
    let filter = SessionFilter { lot: Some(row.lot.clone()), plate: Some(plate.clone()), ..SessionFilter::default() };
    let page = sessions::Page { limit: OTHER_STAYS_MAX + 1, after: None, order: Order::NewestFirst };
    let mut rows = service.sessions(&filter, page).await?.rows;
    rows.retain(|other| other.id != row.id);
    rows.truncate(usize::try_from(OTHER_STAYS_MAX).unwrap_or(usize::MAX));
    Ok(rows)
}

fn verdict(service: &ScopedService, story: &Story) -> Markup {
    let session = &story.session;
    let explanation = story.explained.as_ref().map(|explained| LocalExplanation::of(service, explained));
    // The events of a void session don't explain why it is void.
    let (why, more) = match explanation {
        Some(explanation) if session.state != State::Void => (explanation.first_sentence(), explanation.rest()),
        explanation => {
            let why = text::why(session, &service.rules());
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

fn ends(service: &ScopedService, row: &SeenSession) -> Markup {
    let local = Local::of(service, &row.lot);
    html! {
        section.ends aria-label="Entry and exit" {
            (end("Entry", local, row.entry_time, row.entry_gate.as_ref(), row.entry_event_id))
            (end("Exit", local, row.exit_time, row.exit_gate.as_ref(), row.exit_event_id))
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

fn record(service: &ScopedService, row: &SeenSession) -> Markup {
    let local = Local::of(service, &row.lot);
    html! {
        section aria-labelledby="record" {
            h2 #record { "In the ledger" }
            dl.facts {
                dt { "Session" } dd { code { (row.id) } }
                dt { "Source" } dd { (row.source) }
                dt { "First recorded" } dd { (local.moment_in_full(row.recorded_at)) }
                dt { "Last changed" } dd { (local.moment_in_full(row.updated_at)) }
                dt { "As JSON" } dd { a href={ "/api/v1/sessions/" (row.id) "/story" } { "with its events and decisions" } }
            }
        }
    }
}
