//! The matching rules of one lot.
//!
//! `parking::Rules` has the rules of all lots.

use parking::{LotId, Rules};

/// The two durations of the definition, for one lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Adjacent events of one direction at most this far apart are one passage, milliseconds.
    pub re_read_window_ms: i64,
    /// An exit at most this long after the entry matches it, milliseconds.
    pub max_stay_ms: i64,
}

impl Limits {
    /// The limits in `lot`.
    pub fn of(rules: &Rules, lot: &LotId) -> Self {
        Self { re_read_window_ms: rules.re_read_window_of(lot), max_stay_ms: rules.max_stay_of(lot) }
    }
}
