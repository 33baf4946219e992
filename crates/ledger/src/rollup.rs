//! What each quarter hour of a lot saw, kept beside the sessions: differences that follow from the changes of a batch. Pure.
//!
//! Quarter hours, because every time zone is a multiple of 15 minutes from UTC: hours and days of any zone are made of
//! them. (Liberia was 44 min 30 s behind UTC until January 1972, the only zone since 1970 that was not: there a quarter
//! counts in the local hour in which it begins.)
//!
//! A passage counts in the quarter of its own time: an entry where it entered, an exit, and the stay that it ends, where
//! it left. A revision takes away what it revises, so that the quarters are always those of the sessions that stand.
//! Saved summaries count nowhere.

use std::collections::BTreeMap;

use matching::SessionChange;
use parking::{State, Timestamp};

use super::{Dwells, Error};

/// A quarter of an hour, milliseconds.
pub const QUARTER_MS: i64 = 900_000;

/// The number of the quarter hour that contains `time`: quarter hours since 1970.
pub fn quarter_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(QUARTER_MS)
}

/// When a quarter hour begins.
pub fn start_of(quarter: i64) -> Timestamp {
    Timestamp::from_millis(quarter.saturating_mul(QUARTER_MS))
}

/// What happened in some time at a lot. Also a difference, which may be below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Passages in that give a session its entry.
    pub entries: i64,
    /// Passages out that give a session its exit.
    pub exits: i64,
    /// Exits that have their entry.
    pub matched: i64,
    /// Exits without an entry, those that are held left out.
    pub unmatched_exits: i64,
    /// Entries of which the exit was missed, or nothing was read.
    pub unmatched_entries: i64,
    /// How much longer than until this time began vehicles were inside until it ended, milliseconds: for each stay that
    /// begins, from then to the end of the quarter; for each that ends, less the time that it leaves over.
    pub inside_ms: i64,
    /// How long the stays that end here lasted in all, milliseconds.
    pub dwell_ms: i64,
}

impl Counts {
    /// Adds what happened in some other time.
    pub fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.exits += other.exits;
        self.matched += other.matched;
        self.unmatched_exits += other.unmatched_exits;
        self.unmatched_entries += other.unmatched_entries;
        self.inside_ms += other.inside_ms;
        self.dwell_ms += other.dwell_ms;
    }

    /// By how many the vehicles inside became more. Stays of which an end was missed were never inside.
    pub fn inside(&self) -> i64 {
        self.entries - self.unmatched_entries - self.matched
    }
}

/// What happened in some time at a lot, and how long the stays lasted that ended then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How often what happened.
    pub counts: Counts,
    /// The stays that ended, by how long they lasted.
    pub dwells: Dwells,
}

impl Tally {
    /// Adds what happened in some other time.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.dwells.merge(&other.dwells);
    }
}

/// What a session gives the quarters: where it stands, and its ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) entry: Option<Timestamp>,
    pub(super) exit: Option<Timestamp>,
}

/// What an entry counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entered {
    Inside,
    Unmatched,
}

/// What an exit counts as.
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

/// Whether the session was matched and gets another exit, or none: a change does not name the one that it had.
pub(super) fn changes_its_exit(change: &SessionChange) -> bool {
    change.from == Some(State::Matched) && change.to != State::Void
}

/// What some changes of sessions add to the quarters, by the number of the lot and the quarter.
#[derive(Debug, Default)]
pub(super) struct Rollup {
    quarters: BTreeMap<(i64, i64), Tally>,
}

impl Rollup {
    /// Takes a change. `exit_before` is the exit that the session had, where [`changes_its_exit`].
    pub(super) fn take(
        &mut self,
        lot_number: i64,
        change: &SessionChange,
        exit_before: Option<Timestamp>,
    ) -> Result<(), Error> {
        let (entry, exit) = (change.entry.map(|event| event.time), change.exit.map(|event| event.time));
        let exit_before = if changes_its_exit(change) {
            let missing = || Error::Corrupt(format!("of the session {} no exit is known", change.session));
            Some(exit_before.ok_or_else(missing)?)
        } else {
            exit
        };
        let before = Standing { state: change.from.unwrap_or(State::Void), entry, exit: exit_before };
        let after = Standing { state: change.to, entry, exit };
        self.replace(lot_number, before, after);
        Ok(())
    }

    /// Takes a session that stands.
    pub(super) fn add(&mut self, lot_number: i64, session: Standing) {
        self.replace(lot_number, Standing { state: State::Void, ..session }, session);
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

    /// Drops all quarters outside of `from..end`, ordered by lot and quarter, and all after the first `most`. Returns the new
    /// end.
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

    /// Removes a quarter. A quarter without any counts is empty.
    pub(super) fn remove(&mut self, lot_number: i64, quarter: i64) -> Tally {
        self.quarters.remove(&(lot_number, quarter)).unwrap_or_default()
    }

    /// All quarters, by lot and quarter.
    pub(super) fn into_quarters(self) -> impl Iterator<Item = ((i64, i64), Tally)> {
        self.quarters.into_iter()
    }

    /// How many quarters are touched.
    pub(super) fn len(&self) -> usize {
        self.quarters.len()
    }

    /// The quarters that change, by lot and quarter.
    pub(super) fn changed(&self) -> impl Iterator<Item = (i64, i64, &Tally)> {
        let changed = self.quarters.iter().filter(|(_, tally)| **tally != Tally::default());
        changed.map(|((lot_number, quarter), tally)| (*lot_number, *quarter, tally))
    }
}

fn until_end_ms(time: Timestamp) -> i64 {
    QUARTER_MS - time.as_millis().rem_euclid(QUARTER_MS)
}
