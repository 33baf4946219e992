//! Addresses of pages.
//!
//! What stands on a page is left to it.

use sessions::SeenSession;
use url::form_urlencoded;

/// Where the page of a session is.
pub(super) fn address(session: &SeenSession) -> String {
    format!("/sessions/{}", session.id)
}

/// The list behind a number, in one lot or, without its name, in all.
pub(super) fn list(lot: &str, filter: &[(&str, &str)]) -> String {
    link("/list", &[&[("lot_id", lot)][..], filter].concat())
}

/// An address with these parameters; those without a value are left out.
pub(super) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
