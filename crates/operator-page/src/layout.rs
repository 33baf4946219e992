//! The frame of every page: head, header with navigation and search, health, footer, and the response headers.

use api::Scoped;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};
use parking::printable;
use service_kit::health::Status;
use service_kit::http::CONTENT_SECURITY_POLICY;
use service_kit::{Build, Health};
use sessions::ScopedService;

use super::assets::ASSETS;
use super::dependencies;
use super::text::Mark;

/// The content type of every page.
pub const MEDIA_TYPE: &str = "text/html; charset=utf-8";

/// The headers of every page, and of a part of one.
pub(super) const FRAGMENT_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The path to which the search of every page is posted.
pub(super) const SEARCH: &str = "/search";

/// The live feed on which the script fetches the page again.
const FEED: &str = "/api/v1/live";

/// The pages of the navigation.
const PAGES: [(&str, &str); 5] = [
    ("/", "Now"),
    ("/timeline", "Timeline"),
    ("/stays", "Stays"),
    ("/unmatched", "Unmatched"),
    ("/lookup", "At the exit"),
];

/// When the script fetches a page again. It always fetches the health in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresh {
    /// Every second, because it shows more than sessions.
    Always,
    /// When a session changes, and every few seconds, because open stays grow.
    OnChange,
    /// Never: it changes only with late events, or reports an error in its address.
    Never,
}

impl Refresh {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnChange => "on-change",
            Self::Never => "never",
        }
    }
}

/// Only the health in the header: for pages that are not fetched again.
pub(super) async fn header(Scoped(service): Scoped) -> Response {
    let health = health(&health_line(service.health(), Some(&service)));
    std::future::ready((FRAGMENT_HEADERS, text(health)).into_response()).await
}

/// The body of the response. Text from outside, such as plates as read, may contain control characters: they become
/// visible ones.
fn text(markup: Markup) -> String {
    printable::lines(&markup.into_string()).into_owned()
}

fn health(line: &Markup) -> Markup {
    html! { div.health #health data-live { (line) } }
}

/// A page without its frame.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// The first part of the title.
    pub(super) title: &'a str,
    /// The path of the page in the navigation.
    pub(super) path: &'a str,
    /// The text of the search field.
    pub(super) plate: &'a str,
    /// The main part.
    pub(super) content: Markup,
    /// When the script fetches it again.
    pub(super) refresh: Refresh,
}

impl<'a> Page<'a> {
    /// A page with an empty search field, refreshed when sessions change.
    pub(super) fn new(title: &'a str, path: &'a str, content: Markup) -> Self {
        Self { title, path, plate: "", content, refresh: Refresh::OnChange }
    }

    /// The response with this page.
    pub(super) fn answer(&self, status: StatusCode, service: &ScopedService) -> Response {
        self.answer_of(status, service.health(), Some(service))
    }

    /// Like `answer`, but also for a process that has not opened its ledger yet.
    pub(super) fn answer_of(&self, status: StatusCode, health: &Health, service: Option<&ScopedService>) -> Response {
        (status, FRAGMENT_HEADERS, text(self.document(&health_line(health, service), service))).into_response()
    }

    fn document(&self, line: &Markup, service: Option<&ScopedService>) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    (head(self.title))
                    script src=(ASSETS.script.path) {}
                    script src=(ASSETS.notices.path) {}
                }
                body data-feed=(FEED) {
                    a.skip href="#main" { "Skip to the content" }
                    header {
                        (self.top(service))
                        div.strip {
                            (health(line))
                            (live_tools())
                        }
                        @if service.is_some() { (notices()) }
                    }
                    main #main tabindex="-1" data-live data-refresh=(self.refresh.as_str()) { (self.content) }
                    (footer())
                }
            }
        }
    }

    fn top(&self, service: Option<&ScopedService>) -> Markup {
        let sees_plates = service.is_none_or(ScopedService::sees_plates);
        html! {
            div.top {
                (brand())
                nav aria-label="Pages" {
                    ul {
                        @for (path, name) in PAGES {
                            li { a href=(path) aria-current=[(path == self.path).then_some("page")] { (name) } }
                        }
                    }
                }
                @if sees_plates { (self.search()) } @else {
                    p.search title="The token or user lacks the scope read_plate, so plates can't be searched" { "Plates are masked" }
                }
                @if let Some(person) = service.and_then(ScopedService::person) { (signed_in(person)) }
            }
        }
    }

    fn search(&self) -> Markup {
        html! {
            form.search role="search" method="post" action=(SEARCH) {
                label for="plate" { "Plate" }
                input #plate name="plate" type="search" value=(self.plate) maxlength="64" title="A plate, any part of one (two characters at least), or the id of an event or of a session" autocomplete="off"
                    autocapitalize="characters" spellcheck="false" placeholder="ABC-123";
                button { "Find" }
            }
        }
    }
}

/// A page without navigation, health and script.
pub(super) fn bare(status: StatusCode, title: &str, content: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(title)) }
            body {
                header { div.top { (brand()) } }
                main #main { (content) }
            }
        }
    };
    (status, FRAGMENT_HEADERS, text(document)).into_response()
}

fn head(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) " · Dwell" }
        link rel="icon" type="image/svg+xml" href=(ASSETS.icon.path);
        link rel="stylesheet" href=(ASSETS.style.path);
    }
}

fn brand() -> Markup {
    html! {
        a.brand href="/" {
            svg viewBox="0 0 24 24" aria-hidden="true" {
                path.post d="M3 4h3v16H3z" {}
                path.stay d="M8 7h13v4H8z" {}
                path.stay.later d="M12 14h9v4h-9z" {}
            }
            "Dwell"
        }
    }
}

/// Who is signed in, and the way out.
fn signed_in(person: &str) -> Markup {
    html! {
        form.person #person method="post" action="/logout" {
            span { span.hidden { "Signed in as " } (person) }
            button { "Sign out" }
        }
    }
}

/// The health of this process and of the correlators as text, on every page.
fn health_line(health: &Health, service: Option<&ScopedService>) -> Markup {
    let dependencies = health.dependencies();
    let is_down = |needed: bool| {
        let down = dependencies.iter().filter(move |one| one.is_optional != needed && one.status != Status::Up);
        down.map(|one| one.name.to_owned()).collect::<Vec<_>>()
    };
    let needed = is_down(true).join(", ");
    let of_correlators =
        service.map(|service| dependencies::matters(&service.correlators(), &service.waits_for(), service.now()));
    let degraded = [is_down(false), of_correlators.unwrap_or_default()].concat().join(", ");
    html! {
        @if health.is_draining() {
            span.chip.bad { (Mark::Bad) "Stopping" }
        } @else if !needed.is_empty() {
            a.chip.bad href="/#dependencies" { (Mark::Bad) "Not ready: " (needed) }
        } @else if degraded.is_empty() {
            a.chip.good href="/#dependencies" { (Mark::Good) "All dependencies up" }
        }
        @if !degraded.is_empty() {
            a.chip.warn href="/#dependencies" { (Mark::Warn) "Degraded: " (degraded) }
        }
    }
}

/// Controls that only work with the script, and are hidden without it.
fn live_tools() -> Markup {
    html! {
        div.live #live hidden {
            span.when #live-when {}
            span #live-mode role="status" {}
            button #live-pause type="button" aria-pressed="false" { "Pause" }
            button #theme type="button" { "Theme: auto" }
        }
        noscript { span.when { "Reload the page for current numbers" } }
    }
}

/// The list that the script of notices fills, hidden while it is empty.
fn notices() -> Markup {
    html! {
        details.notices #notices hidden {
            summary { "Notices: " b #notices-count {} }
            ul #notices-list {}
            button #notices-dismiss type="button" { "Dismiss all" }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            ul {
                li { a href="/api/v1/sessions" { "Sessions as JSON" } }
                li { a href="/api/docs/" { "API description" } }
                li { a href="/graphql" { "GraphQL" } }
                li { a href="/metrics" { "Metrics" } }
                li { a href="/readyz?verbose" { "Readiness" } }
            }
            p { "Dwell " (Build::current()) ": parking entries and exits, matched" }
        }
    }
}
