//! Keeps counts of each quarter hour of a lot beside the sessions, as differences that follow from the changes of a
//! batch. Pure.
//!
//! Quarter hours, because every time zone is a multiple of 15 minutes from UTC, so that hours and days of any zone are
//! sums of quarters. (The only exception since 1970 is Liberia, 44 min 30 s behind UTC until January 1972: a quarter
//! there counts in the local hour in which it begins.)
//!
//! A passage counts in the quarter of its own time: an entry where it entered, an exit and the stay that it ends where
//! it left. A revision subtracts what it revises, so that the counts always match the sessions that are not void. Saved
//! summaries do not count.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use matching::SessionChange;
use parking::{State, Timestamp};

use super::{Error, QUARTER_MS, Tally, quarter_of};

/// The part of a session that counts: its state and its two times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) entry: Option<Timestamp>,
    pub(super) exit: Option<Timestamp>,
}

/// How an entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entered {
    Inside,
    Unmatched,
}

/// How an exit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Matched { entry: Timestamp },
    Held,
    Unmatched,
}

impl Standing {
    fn entered(&self) -> Option<(Timestamp, Entered)> {
        let counts_as = match self.state {
            State::Open | State::Matched => Entered::Inside,
            State::UnmatchedEntry => Entered::Unmatched,
            State::HeldExit | State::UnmatchedExit | State::Void => return None,
        };
        self.entry.map(|time| (time, counts_as))
    }

    fn left(&self) -> Option<(Timestamp, Left)> {
        let counts_as = match self.state {
            State::Matched => Left::Matched { entry: self.entry? },
            State::HeldExit => Left::Held,
            State::UnmatchedExit => Left::Unmatched,
            State::Open | State::UnmatchedEntry | State::Void => return None,
        };
        self.exit.map(|time| (time, counts_as))
    }
}

/// Whether the change gives a matched session another exit, or none. A change does not contain the previous exit.
pub(super) fn changes_its_exit(change: &SessionChange) -> bool {
    change.from == Some(State::Matched) && change.to != State::Void
}

/// Differences of quarters caused by changes to sessions, by lot number and quarter.
#[derive(Debug, Default)]
pub(super) struct Rollup {
    quarters: BTreeMap<(i64, i64), Tally>,
}

impl Rollup {
    /// Adds a change. `exit_before` is the session's previous exit, needed if [`changes_its_exit`].
    pub(super) fn take(
        &mut self,
        lot_number: i64,
        change: &SessionChange,
        exit_before: Option<Timestamp>,
    ) -> Result<(), Error> {
        let (entry, exit) = (change.entry.map(|event| event.time), change.exit.map(|event| event.time));
        let exit_before = if changes_its_exit(change) {
            let missing = || Error::Corrupt(format!("the previous exit of the session {} is unknown", change.session));
            Some(exit_before.ok_or_else(missing)?)
        } else {
            exit
        };
        let before = Standing { state: change.from.unwrap_or(State::Void), entry, exit: exit_before };
        let after = Standing { state: change.to, entry, exit };
        self.replace(lot_number, before, after);
        Ok(())
    }

    /// Adds a session that is not void.
    pub(super) fn add(&mut self, lot_number: i64, session: Standing) {
        self.replace(lot_number, Standing { state: State::Void, ..session }, session);
    }

    /// Takes the differences of another one.
    pub(super) fn merge(&mut self, other: Self) {
        for (place, tally) in other.quarters {
            match self.quarters.entry(place) {
                Entry::Vacant(vacant) => drop(vacant.insert(tally)),
                Entry::Occupied(mut known) => known.get_mut().add(&tally),
            }
        }
    }

    fn replace(&mut self, lot_number: i64, before: Standing, after: Standing) {
        if before.entered() != after.entered() {
            self.count_entry(lot_number, before.entered(), -1);
            self.count_entry(lot_number, after.entered(), 1);
        }
        if before.left() != after.left() {
            self.count_exit(lot_number, before.left(), -1);
            self.count_exit(lot_number, after.left(), 1);
        }
    }

    fn count_entry(&mut self, lot_number: i64, entered: Option<(Timestamp, Entered)>, sign: i64) {
        let Some((time, counts_as)) = entered else { return };
        let counts = &mut self.quarter(lot_number, time).counts;
        counts.entries += sign;
        match counts_as {
            Entered::Inside => counts.inside_ms += sign * until_end_ms(time),
            Entered::Unmatched => counts.unmatched_entries += sign,
        }
    }

    fn count_exit(&mut self, lot_number: i64, left: Option<(Timestamp, Left)>, sign: i64) {
        let Some((time, counts_as)) = left else { return };
        let tally = self.quarter(lot_number, time);
        tally.counts.exits += sign;
        match counts_as {
            Left::Matched { entry } => {
                let dwell_ms = time.millis_since(entry);
                tally.counts.matched += sign;
                tally.counts.inside_ms -= sign * until_end_ms(time);
                tally.counts.dwell_ms += sign * dwell_ms;
                tally.dwells.add(dwell_ms, sign);
            }
            Left::Held => {}
            Left::Unmatched => tally.counts.unmatched_exits += sign,
        }
    }

    fn quarter(&mut self, lot_number: i64, time: Timestamp) -> &mut Tally {
        self.quarters.entry((lot_number, quarter_of(time))).or_default()
    }

    /// Drops all quarters outside of `from..end`, ordered by lot and quarter, and all after the first `most`. Returns
    /// the new end.
    pub(super) fn keep(&mut self, from: (i64, i64), mut end: Option<(i64, i64)>, most: usize) -> Option<(i64, i64)> {
        while self.quarters.first_key_value().is_some_and(|(quarter, _)| *quarter < from) {
            self.quarters.pop_first();
        }
        while let Some((quarter, _)) = self.quarters.last_key_value() {
            let quarter = *quarter;
            if end.is_none_or(|end| quarter < end) && self.quarters.len() <= most {
                break;
            }
            end = Some(end.map_or(quarter, |end| end.min(quarter)));
            self.quarters.pop_last();
        }
        end
    }

    /// Removes a quarter and returns its counts, which are zero if there are none.
    pub(super) fn remove(&mut self, lot_number: i64, quarter: i64) -> Tally {
        self.quarters.remove(&(lot_number, quarter)).unwrap_or_default()
    }

    /// Returns all quarters, by lot and quarter.
    pub(super) fn into_quarters(self) -> impl Iterator<Item = ((i64, i64), Tally)> {
        self.quarters.into_iter()
    }

    /// Returns the number of quarters with an entry here, even those whose difference is zero.
    pub(super) fn len(&self) -> usize {
        self.quarters.len()
    }

    /// Returns the quarters whose counts change, by lot and quarter.
    pub(super) fn changed(&self) -> impl Iterator<Item = (i64, i64, &Tally)> {
        let changed = self.quarters.iter().filter(|(_, tally)| **tally != Tally::default());
        changed.map(|((lot_number, quarter), tally)| (*lot_number, *quarter, tally))
    }
}

fn until_end_ms(time: Timestamp) -> i64 {
    QUARTER_MS - time.as_millis().rem_euclid(QUARTER_MS)
}
