//! Passages that were read twice with different texts, and passages that got lost: how many vehicles too many or too
//! few the sessions show.

use uuid::Uuid;

use crate::sessions::Decided;
use crate::truth::{Truth, Visit};

/// Counts over the judged stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passages {
    /// Passages that were read twice.
    pub read_twice: u32,
    /// The surplus sessions of these passages: each read got its own session.
    pub ghosts: u32,
    /// Passages that were read.
    pub read: u32,
    /// Of these, passages without a session: merged with another vehicle's.
    pub merged: u32,
}

/// Counts the passages of the truth by the sessions that they have.
pub fn passages(truth: &Truth, decided: &Decided) -> Passages {
    let mut passages = Passages::default();
    for visit in truth.visits.iter().filter(|visit| visit.left >= truth.judged_from) {
        let is_entry = |id: &Uuid| decided.entries.contains(id);
        let is_exit = |id: &Uuid| decided.exits.contains_key(id);
        passages.add(visit, is_entry, visit.entry);
        passages.add(visit, is_exit, visit.exit);
        passages.read_twice += u32::try_from(visit.re_reads.len()).unwrap_or(u32::MAX);
    }
    passages
}

impl Passages {
    /// Adds the passage whose first read is `first`. A second read is of this passage if `has_session` finds it: it is
    /// asked for the sessions of one direction.
    fn add(&mut self, visit: &Visit, has_session: impl Fn(&Uuid) -> bool, first: Option<Uuid>) {
        let Some(first) = first else { return };
        let sessions = std::iter::once(&first).chain(&visit.re_reads).filter(|id| has_session(id)).count();
        self.read += 1;
        self.merged += u32::from(sessions == 0);
        self.ghosts += u32::try_from(sessions).unwrap_or(u32::MAX).saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use parking::Timestamp;

    use super::*;

    #[test]
    fn a_passage_with_two_sessions_leaves_a_ghost_and_one_without_any_was_merged() {
        let id = Uuid::from_u128;
        let visit = |entry: u128, exit: u128, re_reads: &[u128]| Visit {
            plate: "AB1".into(),
            entered: Timestamp::default(),
            left: Timestamp::from_millis(60_000),
            entry: Some(id(entry)),
            exit: Some(id(exit)),
            re_reads: re_reads.iter().copied().map(id).collect(),
        };
        let visits = vec![visit(1, 2, &[3]), visit(4, 5, &[6]), visit(7, 8, &[])];
        let truth = Truth { visits, judged_from: Timestamp::default() };
        let decided = Decided {
            entries: BTreeSet::from([1, 3, 4].map(id)),
            exits: BTreeMap::from([2, 6, 8].map(|exit| (id(exit), Timestamp::default()))),
            ..Decided::default()
        };
        let expected = Passages { read_twice: 2, ghosts: 1, read: 6, merged: 1 };
        assert_eq!(passages(&truth, &decided), expected);
    }
}
