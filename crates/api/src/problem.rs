//! Errors of the API: `application/problem+json` (RFC 9457), for every status from 400 on.
//!
//! A problem states what is wrong, where, and what is allowed. It never contains a plate, a secret, a path or the error
//! text of a database. Only this module maps errors to problems.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The content type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// The first part of a problem's type; `GET` of the type returns its meaning.
pub const TYPES: &str = "/problems/";
/// `Retry-After` while the ledger is unavailable, seconds: most outages are short.
const RETRY_AFTER_S: &str = "1";

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Malformed,
    Unauthorized,
    InvalidToken,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooSlow,
    TooLarge,
    UnsupportedMediaType,
    UnsupportedEncoding,
    InvalidContent,
    Internal,
    Unavailable,
    Full,
}

impl Kind {
    pub const ALL: &[Self] = &[
        Self::Malformed,
        Self::Unauthorized,
        Self::InvalidToken,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooSlow,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::UnsupportedEncoding,
        Self::InvalidContent,
        Self::Internal,
        Self::Unavailable,
        Self::Full,
    ];

    /// The last part of its type: a stable identifier for programs.
    pub const fn code(self) -> &'static str {
        self.parts().1
    }

    pub const fn status(self) -> StatusCode {
        self.parts().0
    }

    const fn title(self) -> &'static str {
        self.parts().2
    }

    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request is malformed"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "A token is missing"),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid-token", "The token is not valid"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The client may not do this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The route does not support this method")
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The request did not arrive in time"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The route does not support this content type",
            ),
            Self::UnsupportedEncoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-encoding",
                "The route does not support compressed bodies",
            ),
            Self::InvalidContent => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-content", "A value in the request is invalid")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The summary API failed"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The ledger is unavailable"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "full", "Too many concurrent clients"),
        }
    }

    /// Its meaning, and what to do.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Malformed => {
                "The body does not have the format of its content type, a query parameter is unknown, or the path is not UTF-8. \
                 Sending the request again will not help."
            }
            Self::Unauthorized => {
                "The request needs the header Authorization: Bearer with a token. dwell token create makes one; /internal/v1 \
                 also accepts the summary API's DWELL_INTERNAL_TOKEN."
            }
            Self::InvalidToken => {
                "The token is unknown, revoked, expired, or not complete. The detail states which; ask for another one."
            }
            Self::Forbidden => {
                "The token lacks the scope of the route, or does not hold for the lot. Or the summary API listens beyond \
                 loopback without DWELL_INTERNAL_TOKEN, and refuses all calls of /internal/v1."
            }
            Self::NotFound => {
                "No route has this path, or no session or event has this id. /openapi.json lists all routes."
            }
            Self::MethodNotAllowed => "The header Allow of the response lists the supported methods.",
            Self::TooSlow => {
                "The body did not arrive completely before the deadline of a request. Send the request again."
            }
            Self::TooLarge => "The detail states the maximum size in bytes.",
            Self::UnsupportedMediaType => "The detail states the required Content-Type.",
            Self::UnsupportedEncoding => "Send the body uncompressed, without the header Content-Encoding.",
            Self::InvalidContent => "errors lists each missing or invalid value, and what is allowed.",
            Self::Internal => "A fault of the program or of its database. The log of the summary API has the details.",
            Self::Unavailable => {
                "Send the request again after the seconds in the header Retry-After. It may have succeeded already; repeating it \
                 is safe."
            }
            Self::Full => {
                "A limit of concurrent clients is reached. The detail states the limit; send the request again later."
            }
        }
    }

    fn of_status(status: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.status() == status)
    }
}

/// The JSON of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// The kind of problem: a relative URI whose GET returns its meaning, or `about:blank`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid-content")]
    pub kind: String,
    /// The title of the kind; constant for a kind.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The error of this request, and what is allowed.
    pub detail: String,
    /// Each invalid value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

impl ProblemView {
    /// Parses the problem in a response; `None` if it contains none.
    pub async fn of(answer: Response) -> Option<Self> {
        /// Allows for a fault for each unknown query parameter.
        const BYTES_MAX: usize = 1024 * 1024;
        let body = axum::body::to_bytes(answer.into_body(), BYTES_MAX).await.ok()?;
        serde_json::from_slice(&body).ok()
    }
}

/// An invalid value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// The error, and what is allowed.
    pub detail: String,
    /// The position in the body: a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/exit_date_time")]
    pub pointer: Option<String>,
    /// The name of the query parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "limit")]
    pub parameter: Option<String>,
}

impl Fault {
    /// An invalid member of the body.
    pub fn member(name: &str, problem: impl std::fmt::Display) -> Self {
        Self { detail: format!("{name} {problem}"), pointer: Some(format!("/{name}")), parameter: None }
    }

    /// An invalid query parameter.
    pub fn parameter(name: &str, problem: impl std::fmt::Display) -> Self {
        Self { detail: format!("{name} {problem}"), pointer: None, parameter: Some(name.to_owned()) }
    }
}

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Fault>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new() }
    }

    /// A problem with one or more invalid values.
    pub fn with_faults(kind: Kind, errors: Vec<Fault>) -> Self {
        let details: Vec<&str> = errors.iter().map(|fault| fault.detail.as_str()).collect();
        Self { kind, detail: details.join("; "), errors }
    }

    /// Changes the kind to `Malformed`, for a route where an invalid value makes the whole request unreadable.
    #[must_use]
    pub fn malformed(self) -> Self {
        Self { kind: Kind::Malformed, ..self }
    }

    /// Says that invalid values are in the body, not in the query string.
    #[must_use]
    pub fn in_body(mut self) -> Self {
        for fault in &mut self.errors {
            fault.pointer = fault.pointer.take().or_else(|| fault.parameter.take().map(|name| format!("/{name}")));
        }
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The error text.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Each invalid value, if known.
    pub fn faults(&self) -> &[Fault] {
        &self.errors
    }

    /// The kind: a stable identifier for programs.
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { kind, detail, errors } = self;
        let view = ProblemView {
            kind: format!("{TYPES}{}", kind.code()),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail,
            errors,
        };
        let mut response = answer(kind.status(), &view);
        let headers = response.headers_mut();
        match kind {
            Kind::Unauthorized => headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Kind::InvalidToken => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
            }
            Kind::Unavailable | Kind::Full => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S))
            }
            Kind::UnsupportedEncoding => headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            Kind::Malformed
            | Kind::Forbidden
            | Kind::NotFound
            | Kind::MethodNotAllowed
            | Kind::TooSlow
            | Kind::TooLarge
            | Kind::UnsupportedMediaType
            | Kind::InvalidContent
            | Kind::Internal => None,
        };
        response
    }
}

/// The problem for an error status of the framework.
pub fn of_status(status: StatusCode) -> Response {
    if let Some(kind) = Kind::of_status(status) {
        return Problem::new(kind, kind.meaning()).into_response();
    }
    let title = status.canonical_reason().unwrap_or("Error").to_owned();
    let view = ProblemView {
        kind: "about:blank".to_owned(),
        detail: title.clone(),
        title,
        status: status.as_u16(),
        errors: Vec::new(),
    };
    answer(status, &view)
}

fn answer(status: StatusCode, view: &ProblemView) -> Response {
    let body = serde_json::to_vec(view).expect("strings and numbers are always JSON");
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

impl From<sessions::Error> for Problem {
    /// Writes the error text of the database to the log, not to the response: it may contain hosts and paths.
    fn from(error: sessions::Error) -> Self {
        match error {
            sessions::Error::Refused(problem) => Self::new(Kind::InvalidContent, problem),
            sessions::Error::Denied(denied) => Self::new(Kind::Forbidden, denied.to_string()),
            sessions::Error::Full(problem) => Self::new(Kind::Full, problem),
            sessions::Error::TooSlow => Self::new(Kind::Unavailable, error.to_string()),
            sessions::Error::Ledger(ledger::Error::Unavailable(reason) | ledger::Error::Replaced(reason)) => {
                tracing::debug!(reason, "the ledger is unavailable");
                Self::new(Kind::Unavailable, "the ledger is down or busy")
            }
            sessions::Error::Ledger(ledger::Error::Config(_) | ledger::Error::InUse(_) | ledger::Error::Corrupt(_))
            | sessions::Error::Defect => {
                tracing::error!(%error, "a request failed");
                Self::new(Kind::Internal, Kind::Internal.meaning())
            }
        }
    }
}
