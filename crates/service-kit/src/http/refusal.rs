//! The answers of a listener that refuses a request before its routes see it: `application/problem+json` (RFC 9457).
//!
//! [`guard`](super::guard) and [`slots`](super::slots) decide which requests are refused.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    reason: &'static str,
    detail: String,
}

impl Refusal {
    /// Every reason, as in the metric.
    pub(super) const REASONS: [&'static str; 6] =
        ["bad_host", "foreign_host", "cross_site", "full", "no_tls", "no_certificate"];

    /// The request does not name its host.
    pub(super) fn bad_host(detail: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: "bad_host", detail: detail.to_owned() }
    }

    /// The request is for a host name that is not this service's.
    pub(super) fn foreign_host(host: &str) -> Self {
        let detail = format!(
            "{host:?} is not a host name of this service: use localhost or an IP address, or add the name to \
             DWELL_PUBLIC_HOSTS (--public-hosts) of the service"
        );
        Self { status: StatusCode::MISDIRECTED_REQUEST, reason: "foreign_host", detail }
    }

    /// A page of another site sent the request.
    pub(super) fn cross_site() -> Self {
        let detail = "a web page of another site sent this request (Origin, Sec-Fetch-Site); its links may lead to pages \
                      only, so enter this address yourself. If this is your own page behind a reverse proxy: the proxy \
                      has to pass Host as the browser sent it, or DWELL_PUBLIC_HOSTS has to name the public host";
        Self { status: StatusCode::FORBIDDEN, reason: "cross_site", detail: detail.to_owned() }
    }

    /// The request came without TLS to a port that has it.
    pub(super) fn no_tls() -> Self {
        let detail = "this port speaks TLS: begin the address with https://";
        Self { status: StatusCode::BAD_REQUEST, reason: "no_tls", detail: detail.to_owned() }
    }

    /// The client has no certificate, and the route needs one.
    pub(super) fn no_certificate() -> Self {
        let detail = "this service needs a certificate of its clients, of an authority in its DWELL_TLS_CLIENT_CA_FILE; only \
                      health and metrics do without";
        Self { status: StatusCode::FORBIDDEN, reason: "no_certificate", detail: detail.to_owned() }
    }

    /// The maximum of requests is being answered.
    pub(super) fn full(requests: u32) -> Self {
        let detail = format!("{requests} requests are being answered, which is the limit; try again later");
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: "full", detail }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The reason as a label of a metric.
    pub(super) fn reason(&self) -> &'static str {
        self.reason
    }

    /// The answer. The connection ends after it, since the rest of the request is not read.
    pub(super) fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let status = self.status.as_u16();
        let problem = json!({"type": "about:blank", "title": title, "status": status, "detail": self.detail});
        let mut response = Response::new(Body::from(problem.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "application/problem+json"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
            (header::CONNECTION, "close"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
