//! Whether a page of this service sent a request, which protects requests with a cookie against other sites (CSRF).
//!
//! A browser sends `Origin` or `Sec-Fetch-Site` with every request that changes something, and no page can choose them.
//! The guard of the listener refuses requests whose values are those of another site; here one of them has to be
//! present, so a request without both gets no rights from a cookie. The cookie is `SameSite=Lax` besides.

use axum::http::{HeaderMap, Method, header};

/// Whether a method changes nothing.
pub(super) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Whether the browser reports that a page of this service sent the request. The guard has compared the value.
pub(super) fn is_proven(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin")
}

/// Why a request is refused.
pub(super) const REFUSAL: &str = "a request with a login cookie that changes something has to come from a page of this service: the \
                                  headers Origin and Sec-Fetch-Site are missing; programs send a token instead";
