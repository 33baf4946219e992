//! Pages of lists with conditions that no index has: what is looked through, what of it is listed, and where the next
//! page goes on.
//!
//! Each source is one index range in the order of session ids. A page looks at a limited number of rows of each source.
//! Where a source was cut off, the others are complete beyond it: the page ends at the nearest of these ends, its
//! frontier, and the next page begins there.

use std::collections::BTreeMap;
use std::ops::Range;

use ledger::{LotWindow, SESSIONS_LOOKED_AT_MAX};
use parking::{LotId, Reason, SessionId, Source as Origin, State, Timestamp};
use uuid::Uuid;

use super::list::{IdRange, Scan, is_chosen, is_of_lot, merge, scans};
use super::{Order, Page, SessionFilter};

/// The most sessions that one page looks at.
const LOOKED_AT_MAX: u32 = if cfg!(test) { 20 } else { SESSIONS_LOOKED_AT_MAX };
/// The fewest sessions of each source that a page looks at.
const LOOKED_AT_MIN: u32 = if cfg!(test) { 2 } else { 20 };
/// The most vehicles with one beginning of a plate that are searched one by one. With more, sessions are looked
/// through.
pub(super) const VEHICLES_OF_PREFIX_MAX: u32 = if cfg!(test) { 3 } else { 100 };

/// The end of the plates that begin with `prefix`: greater than all of them, by their bytes.
pub(super) fn after_prefix(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

/// The end of an id that a position in a list leaves out: a position must not give away the session of another lot.
const LEFT_OUT_BITS: u128 = u64::MAX as u128;

/// One index range to look through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) scan: Scan,
    /// The number of its lot; `None`: all lots.
    pub(super) lot: Option<i64>,
    pub(super) ids: IdRange,
}

/// What is known of a session that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: SessionId,
    pub(super) lot: i64,
    pub(super) state: State,
    pub(super) reason: Option<Reason>,
    pub(super) origin: Origin,
    pub(super) exit: Option<Timestamp>,
    /// The gates of its entry and of its exit; `None` if no filter asks for a gate.
    pub(super) gates: [Option<String>; 2],
    /// The plate; `None` if no filter asks for it.
    pub(super) plate: Option<String>,
}

/// The limits of one lot.
#[derive(Debug)]
struct LotLimits {
    ids: Vec<IdRange>,
    exits: Option<Range<Timestamp>>,
}

/// The conditions of one page.
#[derive(Debug)]
pub(super) struct Look<'a> {
    filter: &'a SessionFilter,
    page: &'a Page,
    range: IdRange,
    lots: BTreeMap<i64, LotLimits>,
}

/// Whether a list has conditions beyond those that its scans meet.
pub(super) fn is_looked_through(filter: &SessionFilter) -> bool {
    let SessionFilter { reason, gate, source, windows, .. } = filter;
    reason.is_some() || gate.is_some() || source.is_some() || windows.is_some() || is_by_plate(filter)
}

/// Whether the plates of the sessions are compared.
fn is_by_plate(filter: &SessionFilter) -> bool {
    filter.plate_prefix.is_some() || filter.plate_part.is_some()
}

impl<'a> Look<'a> {
    /// The conditions of a page, of a ledger with these lots.
    pub(super) fn new(filter: &'a SessionFilter, page: &'a Page, range: IdRange, lots: &[(i64, LotId)]) -> Self {
        let limits = |lot: &LotId| {
            let Some(windows) = &filter.windows else {
                return Some(LotLimits { ids: vec![range], exits: None });
            };
            let LotWindow { began, exits, .. } = windows.iter().find(|window| window.lot == *lot)?;
            let ids = began.iter().filter_map(|times| IdRange::within(times)?.and(range)).collect();
            Some(LotLimits { ids, exits: exits.clone() })
        };
        let wanted = lots.iter().filter(|(_, lot)| is_of_lot(filter, lot));
        let lots = wanted.filter_map(|(number, lot)| Some((*number, limits(lot)?))).collect();
        Self { filter, page, range, lots }
    }

    /// What has to be looked through.
    pub(super) fn sources(&self) -> Vec<Source> {
        let is_narrow = self.filter.lot.is_some() || self.filter.windows.is_some();
        let mut sources = Vec::new();
        for scan in scans(&self.filter.states) {
            match scan {
                // No index has them by lot.
                Scan::Held | Scan::Exceptional(_) => {
                    let all = self.lots.values().flat_map(|limits| &limits.ids).copied().reduce(IdRange::hull);
                    sources.extend(all.map(|ids| Source { scan, lot: None, ids }));
                }
                Scan::Standing | Scan::Matched if !is_narrow => {
                    sources.push(Source { scan, lot: None, ids: self.range });
                }
                Scan::Open | Scan::Standing | Scan::Matched => {
                    for (lot, limits) in &self.lots {
                        sources.extend(limits.ids.iter().map(|ids| Source { scan, lot: Some(*lot), ids: *ids }));
                    }
                }
            }
        }
        sources
    }

    /// The most rows of each of these sources that the page looks at. Where all that is looked at is listed, that is a
    /// whole page, so that pages are full.
    pub(super) fn rows_max(&self, sources: &[Source]) -> u32 {
        let is_met = |source: &Source| source.lot.is_some();
        let has_exits = self.lots.values().any(|limits| limits.exits.is_some());
        let SessionFilter { reason, gate, source, .. } = self.filter;
        let is_of_row = reason.is_some() || gate.is_some() || source.is_some() || is_by_plate(self.filter);
        if !is_of_row && !has_exits && sources.iter().all(is_met) {
            return self.page.limit;
        }
        let count = u32::try_from(sources.len().max(1)).unwrap_or(u32::MAX);
        (LOOKED_AT_MAX / count).max(LOOKED_AT_MIN)
    }

    /// Whether a session belongs to the list.
    pub(super) fn is_listed(&self, session: &Candidate) -> bool {
        let SessionFilter { plate_prefix, plate_part, states, reason, gate, source, .. } = self.filter;
        let Some(limits) = self.lots.get(&session.lot) else { return false };
        let is_at = |gate: &str| session.gates.iter().flatten().any(|at| at == gate);
        let begins_with = |prefix: &str| session.plate.as_ref().is_some_and(|plate| plate.starts_with(prefix));
        let contains = |part: &str| session.plate.as_ref().is_some_and(|plate| plate.contains(part));
        let has_left = |times: &Range<Timestamp>| session.exit.is_some_and(|exit| times.contains(&exit));
        limits.ids.iter().any(|ids| ids.contains(session.id))
            && is_chosen(states, session.state)
            && reason.is_none_or(|reason| session.reason == Some(reason))
            && gate.as_ref().is_none_or(|gate| is_at(gate.as_str()))
            && plate_prefix.as_ref().is_none_or(|prefix| begins_with(prefix.as_str()))
            && plate_part.as_ref().is_none_or(|part| contains(part.as_str()))
            && source.is_none_or(|source| session.origin == source)
            && limits.exits.as_ref().is_none_or(has_left)
    }

    /// The columns of a [`Candidate`] from the table `session`, in the SQL of both databases. The gates and the plate
    /// are looked up only if a filter asks for them.
    pub(super) fn columns(&self) -> String {
        let or_null =
            |is_asked_for: bool, select: &'static str| if is_asked_for { select } else { "CAST(NULL AS text)" };
        let gate = self.filter.gate.is_some();
        let columns = [
            "session.session_id, session.lot_no, session.state, session.reason, session.source, session.exit_ms",
            or_null(gate, "(SELECT gate FROM event WHERE event_no = session.entry_no)"),
            or_null(gate, "(SELECT gate FROM event WHERE event_no = session.exit_no)"),
            or_null(
                is_by_plate(self.filter),
                "(SELECT plate FROM vehicle WHERE vehicle.vehicle_no = session.vehicle_no)",
            ),
        ];
        columns.join(", ")
    }
}

/// What the sources of one page had.
#[derive(Debug, Default)]
pub(super) struct Found {
    ids: Vec<SessionId>,
    frontier: Option<SessionId>,
}

impl Found {
    /// Adds the rows of one source, of which at most `rows_max` were looked at.
    pub(super) fn add(&mut self, look: &Look<'_>, rows: &[Candidate], rows_max: u32) {
        self.ids.extend(rows.iter().filter(|row| look.is_listed(row)).map(|row| row.id));
        if u32::try_from(rows.len()).is_ok_and(|count| count < rows_max) {
            return;
        }
        let ids = rows.iter().map(|row| row.id);
        self.frontier = match look.page.order {
            Order::NewestFirst => self.frontier.max(ids.min().map(|last| position(last, look.page))),
            Order::OldestFirst => {
                let reached = ids.max().map(|last| position(last, look.page));
                self.frontier.into_iter().chain(reached).min()
            }
        };
    }

    /// The ids of the page, and where the list goes on if the page is not full.
    pub(super) fn page(mut self, page: &Page) -> (Vec<SessionId>, Option<SessionId>) {
        if let Some(frontier) = self.frontier {
            self.ids.retain(|id| match page.order {
                Order::NewestFirst => *id >= frontier,
                Order::OldestFirst => *id <= frontier,
            });
        }
        let ids = merge(self.ids, page);
        let is_full = u32::try_from(ids.len()).is_ok_and(|count| count >= page.limit);
        (ids, self.frontier.filter(|_| !is_full))
    }
}

/// The position at which a list goes on that was looked through up to `last`, which the next page may look at again.
fn position(last: SessionId, page: &Page) -> SessionId {
    let number = last.as_uuid().as_u128();
    let rounded = match page.order {
        Order::NewestFirst => number | LEFT_OUT_BITS,
        Order::OldestFirst => number & !LEFT_OUT_BITS,
    };
    // Clients choose the ids of summaries, so thousands may share their first half. The next page would be this one.
    let is_stuck = page.after.is_some_and(|after| after.as_uuid().as_u128() | LEFT_OUT_BITS == number | LEFT_OUT_BITS);
    if is_stuck { last } else { SessionId::from_uuid(Uuid::from_u128(rounded)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(number << 64))
    }

    fn candidate(number: u128, state: State) -> Candidate {
        let (origin, gates) = (Origin::Events, [None, None]);
        Candidate { id: id(number), lot: 1, state, reason: None, origin, exit: None, gates, plate: None }
    }

    #[test]
    fn a_list_leaves_ids_behind_that_share_their_first_half() {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let number = |last: u128| match order {
                Order::NewestFirst => 7 << 64 | (100 - last),
                Order::OldestFirst => 7 << 64 | last,
            };
            let id = |last| SessionId::from_uuid(Uuid::from_u128(number(last)));
            let mut page = Page { limit: 10, after: None, order };
            let ends = [10, 20, 30].map(|last| {
                page.after = Some(position(id(last), &page));
                page.after
            });
            assert_eq!(ends[1..], [Some(id(20)), Some(id(30))]);
        }
    }

    #[test]
    fn a_page_ends_where_the_first_of_its_sources_was_cut_off() {
        let filter = SessionFilter { states: vec![State::Open], ..SessionFilter::default() };
        let whole = IdRange { first: Uuid::nil(), last: Uuid::max() };
        for (order, expected, end) in [
            (Order::NewestFirst, vec![id(9), id(7)], u128::from(u64::MAX) | 5 << 64),
            (Order::OldestFirst, vec![id(3), id(5), id(6)], 6 << 64),
        ] {
            let page = Page { limit: 10, after: None, order };
            let look = Look::new(&filter, &page, whole, &[(1, LotId::default())]);
            let mut found = Found::default();
            let open = |numbers: &[u128]| numbers.iter().map(|number| candidate(*number, State::Open)).collect();
            let (cut, ended): (Vec<_>, Vec<_>) = match order {
                Order::NewestFirst => (open(&[7, 5]), open(&[9, 3])),
                Order::OldestFirst => (open(&[5, 6]), open(&[3, 9])),
            };
            found.add(&look, &cut, 2);
            found.add(&look, &ended, 3);
            found.add(&look, &[candidate(4, State::Matched)], 3);
            let (ids, resume_after) = found.page(&page);
            assert_eq!(ids, expected);
            assert_eq!(resume_after, Some(SessionId::from_uuid(Uuid::from_u128(end))));
        }
    }
}
