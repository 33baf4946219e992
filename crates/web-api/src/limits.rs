//! The limits of the HTTP side, for the metric `dwell_limit`. `sessions` adds its own limits.

use recorder::wire;

use crate::{body, correlators, graphql, live, rest};

/// All limits by name; each name ends with its unit.
pub(crate) fn all() -> Vec<(&'static str, u64)> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut limits = vec![
        ("internal_body_bytes", count(wire::BODY_BYTES_MAX)),
        ("internal_bodies_bytes", count(correlators::INTERNAL_BODIES_BYTES_MAX)),
        ("internal_calls", count(correlators::INTERNAL_CALLS_MAX)),
        ("search_body_bytes", count(body::PARAMETERS_BYTES_MAX)),
        ("timeline_bars", u64::from(operator_page::TIMELINE_BARS)),
        ("account_body_bytes", count(body::SMALL_BYTES_MAX)),
        ("summary_body_bytes", count(rest::SUMMARY_BODY_BYTES_MAX)),
    ];
    limits.extend(live::limits());
    limits.extend(graphql::cache::limits());
    limits.extend(graphql::limits());
    limits
}
