//! Errors as a page, for people whose browser asked for one. What is wrong is decided in [`problem`](api::problem).

use api::ProblemView;
use axum::http::header;
use axum::response::Response;
use maud::html;
use service_kit::Health;
use sessions::ScopedService;

use super::layout::{Page, Refresh};

/// The page that shows the problem in an answer, with the same status. The header of the page shows how `service` does,
/// once there is one.
pub async fn of_problem(answer: Response, health: &Health, service: Option<&ScopedService>) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let problem = ProblemView::of(answer).await;
    let reason = status.canonical_reason().unwrap_or("Error");
    let title = problem.as_ref().map_or(reason, |problem| problem.title.as_str());
    let content = html! {
        section.notice aria-labelledby="what" {
            p.code { (status.as_u16()) }
            h1 #what { (title) }
            @if let Some(problem) = &problem { p { (sentence(&problem.detail)) } }
            p { a href="/" { "Back to the overview" } }
        }
    };
    // A client error stays; a server error may be temporary.
    let refresh = if status.is_client_error() { Refresh::Never } else { Refresh::Always };
    let mut response = Page { refresh, ..Page::new(title, "", content) }.answer_of(status, health, service);
    for name in [header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
        if let Some(value) = headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// A detail with a capital at its beginning and a full stop at its end.
fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let begin: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if detail.ends_with('.') { "" } else { "." };
    format!("{begin}{}{stop}", letters.as_str())
}
