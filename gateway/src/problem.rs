//! Errors as `application/problem+json` (RFC 9457), and the status of an answer about several events.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking::Refusal;
use serde_json::{Value, json};

use crate::entrance::TurnedAway;

/// `Retry-After` while the bus is unavailable or full, seconds.
const RETRY_AFTER_SECONDS: u64 = 1;
/// What a sender without a valid token may send. Cameras send nothing before they are asked for it.
const CHALLENGES: [&str; 2] = ["Bearer realm=\"dwell\"", "Basic realm=\"dwell\", charset=\"UTF-8\""];

/// 202 for all, 207 for some, 422 for none, and 403 if its sender may report none. `refused` includes those `denied` for
/// their sender.
pub(crate) fn status(accepted: usize, refused: usize, denied: usize) -> StatusCode {
    match (accepted, refused) {
        (_, 0) => StatusCode::ACCEPTED,
        (0, _) if denied == refused => StatusCode::FORBIDDEN,
        (0, _) => StatusCode::UNPROCESSABLE_ENTITY,
        (_, _) => StatusCode::MULTI_STATUS,
    }
}

/// An answer that says what is wrong.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// Further members.
    more: Value,
    /// `Retry-After`.
    retry_after_seconds: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let retry_after_seconds = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS);
        Self { status, detail: detail.into(), more: Value::Null, retry_after_seconds }
    }

    /// Adds the members of an object.
    pub(crate) fn with(self, more: Value) -> Self {
        Self { more, ..self }
    }

    /// The bus did not confirm: try again.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// A sender does not get in: 401 without a valid token, 403 without the right, 429 after too many wrong tokens.
    pub(crate) fn of_turned_away(turned_away: &TurnedAway) -> Self {
        let status = match turned_away {
            TurnedAway::Missing | TurnedAway::Several | TurnedAway::Refused(_) => StatusCode::UNAUTHORIZED,
            TurnedAway::SetUp | TurnedAway::Scope => StatusCode::FORBIDDEN,
            TurnedAway::Slowed(_) => StatusCode::TOO_MANY_REQUESTS,
            TurnedAway::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut problem = Self::new(status, turned_away.to_string());
        if let TurnedAway::Slowed(wait) = turned_away {
            problem.retry_after_seconds = Some(wait.seconds);
        }
        problem
    }

    /// A whole body that can't be taken: 413 when it is too large, 400 when it is no JSON, 422 for its content.
    pub(crate) fn of_refusal(refusal: &Refusal) -> Self {
        let text = refusal.to_string();
        let status = match (refusal.member(), text.contains("allowed are")) {
            ("body", true) => StatusCode::PAYLOAD_TOO_LARGE,
            ("body", false) => StatusCode::BAD_REQUEST,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, text).with(json!({ "member": refusal.member() }))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut body = json!({
            "type": "about:blank",
            "title": title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, self.more) {
            body.extend(more);
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            for challenge in CHALLENGES {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        response
    }
}

/// The answer to a path that is no route.
pub(crate) fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no such route; events go to POST /api/v1/events, messages of cameras to POST /cameras/{format}/{gate_id}",
    )
}
