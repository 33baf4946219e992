//! The operator's page: HTML made here, readable without JavaScript, kept up to date by a small script.
//!
//! All numbers come from [`sessions::ScopedService`], like those of `/api/v1`. Each page has its own file; `layout` is
//! the frame of all pages, `listing` the table of stays, `list` the list behind a number, `chart` the drawing of the
//! timeline. The address determines what a page shows. Nothing is loaded from other servers, and nothing is inline: the
//! content security policy forbids both.

mod aggregated;
mod assets;
mod axis;
mod bars;
mod chart;
mod choice;
mod compared;
mod data_table;
mod days;
mod dependencies;
mod error;
mod explanations;
mod gates;
mod headline;
mod heat;
mod histogram;
mod lanes;
mod layout;
mod links;
mod list;
mod list_table;
mod listing;
mod local;
mod lookup;
mod lots;
mod notices;
mod now;
mod period;
mod search;
mod session;
mod sign_in;
mod stays;
mod story;
mod text;
mod timeline;
mod unmatched;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::routing::get;
use sessions::Service;

pub use assets::routes as assets;
pub use error::of_problem;
pub use layout::MEDIA_TYPE;
pub use sign_in::{SignIn, sign_in};
pub use timeline::BARS as TIMELINE_BARS;

/// The paths of the pages, and of the header and the notices, which the scripts fetch again.
pub const ROUTES: [&str; 10] = [
    "/",
    "/timeline",
    "/stays",
    "/unmatched",
    "/list",
    "/search",
    "/sessions/{id}",
    "/header",
    "/notices",
    lookup::PATH,
];

/// The paths to which pages post forms.
pub const POSTED: [&str; 2] = [layout::SEARCH, lookup::PATH];

/// Whether a path is the path of a page.
pub fn is_page(path: &str) -> bool {
    let [now, timeline, stays, unmatched, list, search, ..] = ROUTES;
    let is_session = |id: &str| !id.is_empty() && !id.contains('/');
    [now, timeline, stays, unmatched, list, search, lookup::PATH].contains(&path)
        || path.strip_prefix("/sessions/").is_some_and(is_session)
}

/// The routes of pages.
pub fn routes(service: &Service) -> Router {
    let [now, timeline, stays, unmatched, list, search, session, header, notices, look_up] = ROUTES;
    Router::new()
        .route(now, get(now::now))
        .route(timeline, get(timeline::timeline))
        .route(stays, get(stays::stays))
        .route(unmatched, get(unmatched::unmatched))
        .route(list, get(list::list))
        .route(search, get(search::search).post(search::found))
        .route(session, get(session::session))
        .route(header, get(layout::header))
        .route(notices, get(notices::notices))
        .route(look_up, get(lookup::form).post(lookup::look_up))
        .with_state(service.clone())
}

/// Whether an error is rendered as a page: for a browser outside the API.
pub fn is_wanted(request: &Request) -> bool {
    let path = request.uri().path();
    accepts_pages(request.headers()) && !path.starts_with("/api/") && !path.starts_with("/internal/")
}

/// Whether the client accepts a page, as browsers do.
pub fn accepts_pages(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("text/html")
}
