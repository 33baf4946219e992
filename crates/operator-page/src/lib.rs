//! The operator's page: HTML made here, readable without JavaScript, kept up to date by a small script.
//!
//! All numbers come from [`Service`], as those of `/api/v1` do. Each page has a file of its own; `layout` is what they
//! share, `listing` the table of stays, `chart` the picture of the timeline. Everything that a page shows is in its
//! address. Nothing is loaded from elsewhere, and nothing is inline: the content security policy forbids both.

mod assets;
mod axis;
mod bars;
mod behind;
mod chart;
mod choice;
mod dependencies;
mod error;
mod gates;
mod heat;
mod histogram;
mod lanes;
mod layout;
mod links;
mod listing;
mod local;
mod lots;
mod now;
mod period;
mod search;
mod session;
mod stays;
mod story;
mod timeline;
mod unmatched;
mod why;
mod words;

use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::routing::get;
use sessions::Service;

pub use assets::routes as assets;
pub use error::of_problem;
pub use timeline::BARS as TIMELINE_BARS;

/// The addresses of pages, and of the part of them that is always asked for again.
pub const ROUTES: [&str; 7] = ["/", "/timeline", "/stays", "/unmatched", "/search", "/sessions/{id}", "/header"];

/// Whether a path is that of a page as a whole.
pub fn is_page(path: &str) -> bool {
    let [now, timeline, stays, unmatched, search, ..] = ROUTES;
    let is_session = |id: &str| !id.is_empty() && !id.contains('/');
    [now, timeline, stays, unmatched, search].contains(&path) || path.strip_prefix("/sessions/").is_some_and(is_session)
}

/// The routes of pages.
pub fn routes(service: &Service) -> Router {
    let [now, timeline, stays, unmatched, search, session, header] = ROUTES;
    Router::new()
        .route(now, get(now::now))
        .route(timeline, get(timeline::timeline))
        .route(stays, get(stays::stays))
        .route(unmatched, get(unmatched::unmatched))
        .route(search, get(search::search))
        .route(session, get(session::session))
        .route(header, get(layout::header))
        .with_state(service.clone())
}

/// Whether an error is to be told as a page: to a browser that was not sent to the API.
pub fn is_wanted(request: &Request) -> bool {
    let path = request.uri().path();
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("text/html") && !path.starts_with("/api/") && !path.starts_with("/internal/")
}
