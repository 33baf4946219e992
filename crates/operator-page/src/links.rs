//! Addresses of pages.
//!
//! What stands on a page is left to it.

use ledger::SessionRow;
use url::form_urlencoded;

/// Where the page of a session is.
pub(super) fn address(row: &SessionRow) -> String {
    format!("/sessions/{}", row.session.id)
}

/// An address with these parameters; those without a value are left out.
pub(super) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
