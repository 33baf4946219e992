//! Errors as the API tells them: `application/problem+json` (RFC 9457), for every status from 400 on.
//!
//! A problem says what is wrong, where, and what is allowed. It never holds a plate, a secret, a path or what a store
//! said of itself. Which problem an error is, is decided here and nowhere else.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The content type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// The first part of a problem's type; `GET` of the whole says what it means.
pub const TYPES: &str = "/problems/";
/// When to try again after the ledger was away, seconds: it is most often back at once.
const RETRY_AFTER_S: &str = "1";

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Malformed,
    Unauthorized,
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

    /// The last part of its type: a stable word for programs.
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
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request can't be read"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "The shared secret is missing or wrong"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "This part of the API is closed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The route does not take this method")
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The request did not arrive in time"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The route does not take this content type",
            ),
            Self::UnsupportedEncoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-encoding",
                "The route takes no encoded (compressed) body",
            ),
            Self::InvalidContent => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-content", "The request can be read, but a value is wrong")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The summary API failed"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The ledger can't answer now"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "full", "Too many concurrent clients"),
        }
    }

    /// What it means and what to do, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Malformed => {
                "The body is not of the format that its content type says, a query parameter is not known, or the path is \
                 not UTF-8. Sending the same again will not help."
            }
            Self::Unauthorized => {
                "/internal/v1 needs the header Authorization: Bearer with the summary API's DWELL_INTERNAL_TOKEN."
            }
            Self::Forbidden => {
                "A summary API that listens beyond loopback without DWELL_INTERNAL_TOKEN takes nothing on /internal/v1."
            }
            Self::NotFound => {
                "No route has this path, or no session or event has this id. /openapi.json lists all routes."
            }
            Self::MethodNotAllowed => "The header Allow of the answer lists the methods that it takes.",
            Self::TooSlow => {
                "The body did not arrive whole within the time that a request may take. It may be sent again."
            }
            Self::TooLarge => "The detail says how many bytes the route takes.",
            Self::UnsupportedMediaType => "The detail says which Content-Type it takes.",
            Self::UnsupportedEncoding => "Send the body as it is, without the header Content-Encoding.",
            Self::InvalidContent => "errors names each value that is missing or wrong, and what is allowed.",
            Self::Internal => "A fault of the program or of its store. Its log says more.",
            Self::Unavailable => {
                "The same request may succeed later, after the seconds in the header Retry-After. It may have succeeded \
                 already; sending it again does no harm."
            }
            Self::Full => {
                "What has a place for a limited number of clients at once has no free one. The detail says which limit it \
                 is; the same request may succeed later."
            }
        }
    }

    fn of_status(status: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.status() == status)
    }
}

/// A problem as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// Which kind of problem: a relative URI that says more, or `about:blank`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid-content")]
    pub kind: String,
    /// The kind in words; always the same for a kind.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong with this request, and what is allowed.
    pub detail: String,
    /// Each single value that is wrong, where there are several places to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

impl ProblemView {
    /// The problem that an answer is, if it is one.
    pub async fn of(answer: Response) -> Option<Self> {
        /// Each unknown parameter of an address may be named.
        const BYTES_MAX: usize = 1024 * 1024;
        let body = axum::body::to_bytes(answer.into_body(), BYTES_MAX).await.ok()?;
        serde_json::from_slice(&body).ok()
    }
}

/// One value that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// What is wrong with it, and what is allowed.
    pub detail: String,
    /// Where it is in the body: a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "/exit_date_time")]
    pub pointer: Option<String>,
    /// Which query parameter it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "limit")]
    pub parameter: Option<String>,
}

impl Fault {
    /// A member of the body.
    pub fn member(name: &str, problem: impl std::fmt::Display) -> Self {
        Self { detail: format!("{name} {problem}"), pointer: Some(format!("/{name}")), parameter: None }
    }

    /// A query parameter.
    pub fn parameter(name: &str, problem: impl std::fmt::Display) -> Self {
        Self { detail: format!("{name} {problem}"), pointer: None, parameter: Some(name.to_owned()) }
    }
}

/// An answer that says what is wrong.
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

    /// A problem with one or more values.
    pub fn with_faults(kind: Kind, errors: Vec<Fault>) -> Self {
        let details: Vec<&str> = errors.iter().map(|fault| fault.detail.as_str()).collect();
        Self { kind, detail: details.join("; "), errors }
    }

    /// The same faults, for a route on which a wrong value makes the request unreadable as a whole.
    #[must_use]
    pub fn malformed(self) -> Self {
        Self { kind: Kind::Malformed, ..self }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// What is wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Each single value that is wrong, where these are known.
    pub fn faults(&self) -> &[Fault] {
        &self.errors
    }

    /// Which kind it is: a stable word for programs.
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

/// The problem for a status that something else than a route of this crate answered with.
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
    /// What the store said goes to the log, not to the client: it may name hosts and paths.
    fn from(error: sessions::Error) -> Self {
        match error {
            sessions::Error::Refused(problem) => Self::new(Kind::InvalidContent, problem),
            sessions::Error::Full(problem) => Self::new(Kind::Full, problem),
            sessions::Error::TooSlow => Self::new(Kind::Unavailable, error.to_string()),
            sessions::Error::Ledger(ledger::Error::Unavailable(reason) | ledger::Error::Replaced(reason)) => {
                tracing::debug!(reason, "the ledger is unavailable");
                Self::new(Kind::Unavailable, "the ledger is away or busy")
            }
            sessions::Error::Ledger(ledger::Error::Config(_) | ledger::Error::InUse(_) | ledger::Error::Corrupt(_))
            | sessions::Error::Defect => {
                tracing::error!(%error, "a request failed");
                Self::new(Kind::Internal, Kind::Internal.meaning())
            }
        }
    }
}
