//! Errors of a whole request. [`api::graphql`] has the errors of fields.

use api::Kind;
use api::graphql::errors::with_code;
use async_graphql::ServerError;

use super::limits::{COMPLEXITY_FIELDS_MAX, DEPTH_FIELDS_MAX};

/// The error of a request that exceeds a limit.
pub(super) fn too_much(problem: String) -> ServerError {
    with_code(ServerError::new(problem, None), Kind::InvalidContent)
}

/// The most errors of a response. Validation may find one for each word of a request.
const ERRORS_MAX: usize = 20;

/// The first errors of a response, each with a code.
pub(super) fn completed(errors: Vec<ServerError>) -> Vec<ServerError> {
    errors.into_iter().take(ERRORS_MAX).map(with_own_text).collect()
}

/// Errors of the library have no code and do not state the limit; only the text distinguishes them.
fn with_own_text(error: ServerError) -> ServerError {
    match error.message.as_str() {
        "Query is too complex." => too_much(format!(
            "the complexity of the request is more than {COMPLEXITY_FIELDS_MAX} fields, assuming that every page is full; request smaller \
             pages with first, or fewer fields"
        )),
        "Query is nested too deep." => too_much(format!("the request has more than {DEPTH_FIELDS_MAX} nested fields")),
        _ => with_code(error, Kind::Malformed),
    }
}
