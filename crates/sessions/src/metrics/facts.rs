//! What must be remembered of units while the ledger records them, so that they can be counted afterwards.
//!
//! Units move into the ledger; this is the small part of them that metrics need. Counting is the parent's.

use matching::{Outcome, Rule, SessionChange, Unit};
use parking::{Direction, EventKey, LotId, Reason, State, Timestamp};
use uuid::Uuid;

use crate::gates::Read;

/// The facts of one record call.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Events of all units.
    pub(super) events: u32,
    pub(super) units: Vec<UnitFacts>,
    changes: Vec<ChangeFacts>,
    reads: Vec<Read>,
}

/// The facts of one unit.
#[derive(Debug)]
pub(super) struct UnitFacts {
    pub(super) lot: LotId,
    /// Its plate says that nothing was read.
    pub(super) is_unread: bool,
    events: u32,
    /// Those of its events that are re-reads.
    pub(super) re_reads: u64,
    /// Where its changes and its reads end in the common lists.
    changes_end: usize,
    reads_end: usize,
}

/// The facts of one change to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChangeFacts {
    pub(super) rule: Rule,
    pub(super) is_revision: bool,
    /// The entry is unmatched from now on, and why.
    pub(super) entry_unmatched: Option<Reason>,
    /// The dwell, when the exit is matched for the first time; milliseconds.
    pub(super) first_dwell_ms: Option<i64>,
}

impl Facts {
    pub(crate) fn of(units: &[Unit]) -> Self {
        let mut facts = Self {
            events: 0,
            units: Vec::with_capacity(units.len()),
            changes: Vec::with_capacity(units.iter().map(|unit| unit.changes.len()).sum()),
            reads: Vec::with_capacity(units.iter().map(|unit| unit.events.len()).sum()),
        };
        for unit in units {
            let (events, is_unread) = (u32::try_from(unit.events.len()).unwrap_or(u32::MAX), unit.base.is_none());
            facts.events = facts.events.saturating_add(events);
            facts.reads.extend(unit.events.iter().filter_map(|event| Read::of(event, unit)));
            facts.changes.extend(unit.changes.iter().map(|change| ChangeFacts::of(change, unit)));
            facts.units.push(UnitFacts {
                lot: unit.vehicle.lot.clone(),
                is_unread,
                events,
                re_reads: unit.events.iter().filter(|event| unit.is_re_read(event)).count() as u64,
                changes_end: facts.changes.len(),
                reads_end: facts.reads.len(),
            });
        }
        facts
    }

    /// The reads that the ledger took as new, each with its lot.
    pub(crate) fn recorded_reads<'a>(&'a self, outcomes: &'a [Outcome]) -> impl Iterator<Item = (&'a LotId, &'a Read)> {
        let mut begin = 0;
        self.units.iter().zip(outcomes).flat_map(move |(unit, outcome)| {
            let reads = &self.reads[std::mem::replace(&mut begin, unit.reads_end)..unit.reads_end];
            // Of a unit without a base the ledger may have had some events, and does not say which.
            let are_new = matches!(outcome, Outcome::Recorded(applied) if applied.events == unit.events);
            let reads = if are_new { reads } else { &[] };
            reads.iter().map(|read| (&unit.lot, read))
        })
    }

    pub(super) fn changes_of(&self, place: usize) -> &[ChangeFacts] {
        let start = place.checked_sub(1).and_then(|before| self.units.get(before)).map_or(0, |unit| unit.changes_end);
        let end = self.units.get(place).map_or(start, |unit| unit.changes_end);
        &self.changes[start..end]
    }
}

impl ChangeFacts {
    fn of(change: &SessionChange, unit: &Unit) -> Self {
        let entry_unmatched = if change.to == State::UnmatchedEntry { change.reason } else { None };
        let first_dwell_ms = match (change.to, change.entry, change.exit) {
            (State::Matched, Some(entry), Some(exit)) if is_marked(unit, exit.time, exit.id) => {
                Some(exit.time.millis_since(entry.time))
            }
            _ => None,
        };
        Self { rule: change.rule, is_revision: change.is_revision(), entry_unmatched, first_dwell_ms }
    }
}

/// Whether the unit adds that exit or changes its flags. For an exit of a matched session that means that it is matched
/// for the first time, because `matched` is the only flag that such an exit can get.
fn is_marked(unit: &Unit, time: Timestamp, id: Uuid) -> bool {
    let key = EventKey { time, direction: Direction::Exit, id };
    unit.events.iter().any(|event| event.key == key) || unit.flags.iter().any(|(changed, _)| *changed == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Vehicles, minute};

    fn first_dwells(units: &[Unit]) -> Vec<i64> {
        let facts = Facts::of(units);
        let all = (0..units.len()).flat_map(|place| facts.changes_of(place));
        all.filter_map(|change| change.first_dwell_ms).collect()
    }

    #[test]
    fn the_dwell_of_an_exit_is_taken_once_also_when_its_entry_is_revised() {
        let mut vehicles = Vehicles::default();

        let entered = vehicles.entry("P3", "ABC123", minute(0));
        let left = vehicles.exit("P3", "ABC123", minute(60));
        let revised = vehicles.entry("P3", "ABC123", minute(20));

        assert_eq!([first_dwells(&[entered]), first_dwells(&[left])], [vec![], vec![3_600_000]]);
        assert_eq!((revised.first_matched, first_dwells(&[revised])), (0, vec![]));
    }

    #[test]
    fn the_dwell_of_a_held_exit_is_taken_when_its_entry_comes() {
        let mut vehicles = Vehicles::default();

        let held = vehicles.exit("P3", "ABC123", minute(60));
        let matched = vehicles.entry("P3", "ABC123", minute(30));

        assert_eq!(first_dwells(&[held, matched]), [1_800_000]);
    }

    #[test]
    fn each_unit_has_its_own_changes() {
        let mut vehicles = Vehicles::default();
        let units = [
            vehicles.entry("P3", "A1", minute(0)),
            vehicles.exit("P3", "B2", minute(0)),
            vehicles.entry("P4", "A1", minute(0)),
        ];

        let facts = Facts::of(&units);

        let rules = |place| facts.changes_of(place).iter().map(|change| change.rule).collect::<Vec<_>>();
        assert_eq!(
            [rules(0), rules(1), rules(2), rules(3)],
            [vec![Rule::Entered], vec![Rule::Held], vec![Rule::Entered], vec![]]
        );
        assert_eq!(facts.events, 3);
    }
}
