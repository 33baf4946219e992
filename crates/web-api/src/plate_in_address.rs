//! Plates in addresses: deprecated, and allowed only on loopback without tokens, where no proxy writes them to its log.

use api::{Kind, Problem};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use crate::access::Pass;

/// The header that marks a deprecated request (RFC 9745), and since when.
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SINCE: HeaderValue = HeaderValue::from_static("@1795996800");

/// Checks that a request may have a plate in its address.
///
/// # Errors
/// It may not; the problem names the route to use instead.
pub(crate) fn check(pass: &Pass, instead: &str) -> Result<(), Problem> {
    if pass.is_local() { Ok(()) } else { Err(refused(instead)) }
}

/// The problem of a plate in an address.
pub(crate) fn refused(instead: &str) -> Problem {
    Problem::new(
        Kind::Malformed,
        format!("addresses end up in logs and histories, so a plate does not belong there; use the body of {instead}"),
    )
}

/// Marks the response to a request with a plate in its address.
pub(crate) fn deprecate(response: &mut Response) {
    response.headers_mut().insert(DEPRECATION, SINCE);
}
