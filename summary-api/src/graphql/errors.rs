//! What is wrong with a request as a whole. What is wrong with a field is [`api::graphql`]'s.

use api::Kind;
use api::graphql::errors::with_code;
use async_graphql::ServerError;

use super::limits::{COMPLEXITY, DEPTH};

/// A request that asks for more than may be.
pub(super) fn too_much(problem: String) -> ServerError {
    with_code(ServerError::new(problem, None), Kind::InvalidContent)
}

/// The most errors of an answer. Validation may find one for each word of a request.
const MOST: usize = 20;

/// The first errors, each with a code.
pub(super) fn completed(errors: Vec<ServerError>) -> Vec<ServerError> {
    errors.into_iter().take(MOST).map(with_own_words).collect()
}

/// What the library refuses has no code, and does not say which limit it is; only its words tell one limit from another.
fn with_own_words(error: ServerError) -> ServerError {
    match error.message.as_str() {
        "Query is too complex." => too_much(format!(
            "the answer would have more than {COMPLEXITY} fields, were every page full; ask for fewer with first, or for \
             less of each"
        )),
        "Query is nested too deep." => too_much(format!("the request has more than {DEPTH} fields within one another")),
        _ => with_code(error, Kind::Malformed),
    }
}
