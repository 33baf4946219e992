//! Plans lists of sessions: the range of ids that a page covers, and the index scans that find them.
//!
//! A list combines several scans. Each scan uses one index in the order of session ids and returns at most one page.
//! The adapters run the scans, merge the ids with [`merge`], and fetch the remaining rows.

use std::ops::Range;

use parking::{LotId, SessionId, State, Timestamp};
use uuid::Uuid;

use super::{Order, Page, SessionFilter};

/// The first and the last session id that a page may contain, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IdRange {
    pub(super) first: Uuid,
    pub(super) last: Uuid,
}

/// A session id begins with 48 bits of time, followed by this many other bits.
const BITS_AFTER_TIME: u32 = 80;

impl IdRange {
    /// Returns the ids that a page of a filtered list may contain; `None` if the range is empty.
    pub(super) fn of(filter: &SessionFilter, page: &Page) -> Option<Self> {
        let mut first = filter.from.map_or(0, first_id);
        let mut last = match filter.to {
            Some(to) => first_id(to).checked_sub(1)?,
            None => u128::MAX,
        };
        match (page.after.map(|after| after.as_uuid().as_u128()), page.order) {
            (Some(after), Order::NewestFirst) => last = last.min(after.checked_sub(1)?),
            (Some(after), Order::OldestFirst) => first = first.max(after.checked_add(1)?),
            (None, _) => {}
        }
        (first <= last).then(|| Self { first: Uuid::from_u128(first), last: Uuid::from_u128(last) })
    }

    /// Returns the ids of sessions whose anchor event is in this range of time; `None` if the range is empty.
    pub(super) fn within(times: &Range<Timestamp>) -> Option<Self> {
        let (first, last) = (first_id(times.start), first_id(times.end).checked_sub(1)?);
        (first <= last).then(|| Self { first: Uuid::from_u128(first), last: Uuid::from_u128(last) })
    }

    /// Returns the ids of sessions whose anchor event is before `time`; `None` if the range is empty.
    pub(super) fn before(time: Timestamp) -> Option<Self> {
        let last = first_id(time).checked_sub(1)?;
        Some(Self { first: Uuid::nil(), last: Uuid::from_u128(last) })
    }

    /// The ids that are in both; `None` if there are none.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        let both = Self { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }

    /// The ids from the first of both to the last.
    pub(super) fn hull(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        (self.first..=self.last).contains(&id.as_uuid())
    }
}

/// Returns the lowest id of a session whose anchor event is at `time`. Times before 1970 and after the year 10889 are
/// clamped.
fn first_id(time: Timestamp) -> u128 {
    let millis = u128::try_from(time.as_millis()).unwrap_or(0).min((1 << 48) - 1);
    millis << BITS_AFTER_TIME
}

/// A scan of the sessions in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// All sessions except void ones.
    Standing,
    /// Open sessions, lot by lot.
    Open,
    /// Held exits.
    Held,
    /// Matched sessions.
    Matched,
    /// Sessions in one of the states of the index of exceptions: unmatched or void.
    Exceptional(State),
}

/// Returns the scans that a choice of states needs.
pub(super) fn scans(states: &[State]) -> Vec<Scan> {
    if states.is_empty() {
        return vec![Scan::Standing];
    }
    let mut states = states.to_vec();
    states.sort_unstable();
    states.dedup();
    let scan = |state| match state {
        State::Open => Scan::Open,
        State::HeldExit => Scan::Held,
        State::Matched => Scan::Matched,
        State::UnmatchedExit | State::UnmatchedEntry | State::Void => Scan::Exceptional(state),
    };
    states.into_iter().map(scan).collect()
}

/// Whether a list with these states contains sessions in `state`.
pub(super) fn is_chosen(states: &[State], state: State) -> bool {
    if states.is_empty() { state != State::Void } else { states.contains(&state) }
}

/// Returns the SQL keyword of an order.
pub(super) fn direction(order: Order) -> &'static str {
    match order {
        Order::NewestFirst => "DESC",
        Order::OldestFirst => "ASC",
    }
}

/// Merges the ids of several scans in the order of the page, removes duplicates, and cuts them to the page's length.
pub(super) fn merge(mut ids: Vec<SessionId>, page: &Page) -> Vec<SessionId> {
    ids.sort_unstable();
    ids.dedup();
    if page.order == Order::NewestFirst {
        ids.reverse();
    }
    ids.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
    ids
}

/// Whether a list contains sessions of this lot.
pub(super) fn is_of_lot(filter: &SessionFilter, lot: &LotId) -> bool {
    filter.lot.as_ref().is_none_or(|wanted| wanted == lot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(number))
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_page_goes_on_right_behind_the_session_before_it() {
        let filter = SessionFilter { from: Some(at(1)), to: Some(at(3)), ..SessionFilter::default() };
        let range = |order, after| IdRange::of(&filter, &Page { limit: 10, after, order });
        let (first, last) = (1 << 80, (3 << 80) - 1);
        let expected = |first, last| Some(IdRange { first: Uuid::from_u128(first), last: Uuid::from_u128(last) });

        assert_eq!(range(Order::NewestFirst, None), expected(first, last));
        assert_eq!(range(Order::NewestFirst, Some(id(2 << 80))), expected(first, (2 << 80) - 1));
        assert_eq!(range(Order::OldestFirst, Some(id(2 << 80))), expected((2 << 80) + 1, last));
        assert_eq!(range(Order::OldestFirst, Some(id(last))), None);
        assert_eq!(range(Order::NewestFirst, Some(id(first))), None);
    }

    #[test]
    fn no_session_is_given_before_the_beginning_of_time() {
        let filter = SessionFilter { to: Some(at(0)), ..SessionFilter::default() };
        assert_eq!(IdRange::of(&filter, &Page { limit: 1, after: None, order: Order::NewestFirst }), None);
        assert_eq!(IdRange::before(at(-5)), None);
    }

    #[test]
    fn several_scans_become_one_page() {
        let page = |order| Page { limit: 2, after: None, order };
        let ids = vec![id(3), id(1), id(2), id(3)];
        assert_eq!(merge(ids.clone(), &page(Order::NewestFirst)), [id(3), id(2)]);
        assert_eq!(merge(ids, &page(Order::OldestFirst)), [id(1), id(2)]);
    }
}
