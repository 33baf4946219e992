//! The limits of the HTTP side, as the metric `dwell_limit` shows them. The service shows its own.

use recorder::wire;

use crate::{answers, live, routes};

/// The limits of all parts, by name; the unit ends each name.
pub(crate) fn all() -> Vec<(&'static str, u64)> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut limits = vec![
        ("internal_body_bytes", count(wire::MAX_BODY_BYTES)),
        ("internal_bodies_bytes", count(routes::INTERNAL_BODIES_BYTES)),
        ("internal_calls", count(routes::INTERNAL_CALLS)),
        ("timeline_bars", u64::from(operator_page::TIMELINE_BARS)),
        ("summary_body_bytes", count(routes::SUMMARY_BODY_BYTES)),
    ];
    limits.extend(live::limits());
    limits.extend(answers::limits());
    limits.extend(routes::graphql_limits());
    limits
}
