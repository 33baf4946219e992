//! The parameters of queries: filters, pages and ranges.

use std::ops::{Range, RangeInclusive};

use parking::{GateId, LotId, Plate, Reason, SessionId, Source, State, Timestamp};

/// Selects the sessions of a list. `None` and empty members do not filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionFilter {
    /// Only sessions of this lot.
    pub lot: Option<LotId>,
    /// Only sessions of this plate, in any lot unless `lot` is set.
    pub plate: Option<Plate>,
    /// Only sessions whose plate begins with this, in its normal form.
    pub plate_prefix: Option<Plate>,
    /// Only sessions whose plate contains this, in its normal form.
    pub plate_part: Option<Plate>,
    /// Only sessions in these states; if empty, in all states except void.
    pub states: Vec<State>,
    /// Only sessions whose anchor event is at or after this time.
    pub from: Option<Timestamp>,
    /// Only sessions whose anchor event is before this time.
    pub to: Option<Timestamp>,
    /// Only sessions that are unmatched for this reason.
    pub reason: Option<Reason>,
    /// Only sessions with an event at this gate.
    pub gate: Option<GateId>,
    /// Only sessions that gate events or that saved summaries made.
    pub source: Option<Source>,
    /// Only sessions of these lots, each lot with its own limits; `None`: of all lots, without further limits.
    pub windows: Option<Vec<LotWindow>>,
}

/// The part of a list that is in one lot: what depends on the lot's own time, as times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotWindow {
    /// The lot.
    pub lot: LotId,
    /// Only sessions whose anchor event is in one of these ranges, which are disjoint.
    pub began: Vec<Range<Timestamp>>,
    /// Only sessions with an exit in this range.
    pub exits: Option<Range<Timestamp>>,
}

/// The order of a list. Session ids grow with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest session first.
    #[default]
    NewestFirst,
    /// Oldest session first.
    OldestFirst,
}

/// Selects one page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The maximum number of sessions.
    pub limit: u32,
    /// Continue after this session.
    pub after: Option<SessionId>,
    /// The order of the list.
    pub order: Order,
}

/// Asks for the recent counts of a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentOf {
    /// The lot.
    pub lot: LotId,
    /// The quarter hours to count, inclusive.
    pub quarters: RangeInclusive<i64>,
    /// For each of these times, count the open stays that began earlier.
    pub open_before: [Timestamp; 2],
    /// Count the open stays that began in one of these ranges of time, which are disjoint.
    pub open_within: Vec<Range<Timestamp>>,
}
