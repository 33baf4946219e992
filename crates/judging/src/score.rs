//! Scores of pairs of entries and exits against the truth.
//!
//! Recall: the share of exits whose true entry was seen that are paired with it, by equal reads or not. False: the
//! share of exits without a seen entry that were given one by a pair of unequal reads. Wrong: the share of exits with a
//! seen entry that were given another vehicle's. Precision: the share of all pairs that are right. What equal reads
//! pair wrongly counts in the precision only, since no likelihood is to blame. A second read of a passage counts as its
//! first.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::truth::{Truth, Visit};

/// A pair that was decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// The entry.
    pub entry: Uuid,
    /// The exit.
    pub exit: Uuid,
    /// The posterior of a pair of unequal reads; `None`: equal ones.
    pub probability: Option<f64>,
}

/// Counts over the judged exits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Exits whose true entry was seen.
    pub with_entry: u32,
    /// Of these, paired with it.
    pub found: u32,
    /// Of these, paired with it by equal reads.
    pub found_exactly: u32,
    /// Of those with an entry, given another vehicle's by unequal reads.
    pub wrong: u32,
    /// Exits that are paired.
    pub paired: u32,
    /// Exits without a seen entry.
    pub without_entry: u32,
    /// Of these, given one by unequal reads.
    pub falsely: u32,
    /// Of these, given one by equal reads: double dips and coincidences.
    pub dips: u32,
    /// Pairs of unequal reads.
    pub unequal: u32,
    /// Of these, bad ones.
    pub bad: u32,
    /// The sum of (1 - posterior) of these: how many the decision itself expects to be bad.
    pub expected_bad: f64,
}

impl Score {
    /// Share of exits with a seen entry that have it, in per cent.
    pub fn recall(&self) -> f64 {
        percent(self.found, self.with_entry)
    }

    /// Share of pairs that are right, in per cent.
    pub fn precision(&self) -> f64 {
        percent(self.found, self.paired)
    }

    /// Share of exits with a seen entry that have it by equal reads, in per cent.
    pub fn exact_recall(&self) -> f64 {
        percent(self.found_exactly, self.with_entry)
    }

    /// Share of exits without a seen entry that were given one by unequal reads, in per cent.
    pub fn false_rate(&self) -> f64 {
        percent(self.falsely, self.without_entry)
    }

    /// Share of exits with a seen entry that were given another vehicle's, in per cent.
    pub fn wrong_rate(&self) -> f64 {
        percent(self.wrong, self.with_entry)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            with_entry: self.with_entry + other.with_entry,
            found: self.found + other.found,
            found_exactly: self.found_exactly + other.found_exactly,
            wrong: self.wrong + other.wrong,
            paired: self.paired + other.paired,
            without_entry: self.without_entry + other.without_entry,
            falsely: self.falsely + other.falsely,
            dips: self.dips + other.dips,
            unequal: self.unequal + other.unequal,
            bad: self.bad + other.bad,
            expected_bad: self.expected_bad + other.expected_bad,
        }
    }
}

fn percent(part: u32, of: u32) -> f64 {
    100.0 * f64::from(part) / f64::from(of.max(1))
}

/// The visits of entries and of exits. A second read of a passage counts as its first.
pub(crate) fn visits(truth: &Truth) -> [BTreeMap<Uuid, usize>; 2] {
    let mut visit_of_entry = BTreeMap::new();
    let mut visit_of_exit = BTreeMap::new();
    for (number, visit) in truth.visits.iter().enumerate() {
        visit_of_entry.extend(visit.entry.map(|id| (id, number)));
        visit_of_exit.extend(visit.exit.map(|id| (id, number)));
        for id in &visit.re_reads {
            visit_of_entry.insert(*id, number);
        }
    }
    [visit_of_entry, visit_of_exit]
}

/// An exit that is judged, with the pair that it has.
#[derive(Debug)]
pub(crate) struct JudgedExit<'a> {
    pub visit: &'a Visit,
    pub exit: Uuid,
    pub pair: Option<&'a Paired>,
    /// It has the entry of its stay.
    pub is_own: bool,
    /// Its entry is not one of its vehicle.
    pub is_other: bool,
}

pub(crate) fn judged_exits<'a>(truth: &'a Truth, pairs: &'a [Paired]) -> Vec<JudgedExit<'a>> {
    let [visit_of_entry, visit_of_exit] = visits(truth);
    let by_exit: BTreeMap<Uuid, &Paired> = pairs.iter().map(|pair| (pair.exit, pair)).collect();
    let judged = visit_of_exit.iter().filter(|(_, number)| truth.visits[**number].left >= truth.judged_from);
    let with_pair = judged.map(|(exit, number)| {
        let visit = &truth.visits[*number];
        let pair = std::iter::once(exit).chain(&visit.re_reads).find_map(|id| by_exit.get(id)).copied();
        let given = pair.and_then(|pair| visit_of_entry.get(&pair.entry));
        let is_other = given.is_none_or(|given| truth.visits[*given].plate != visit.plate);
        JudgedExit { visit, exit: *exit, pair, is_own: given == Some(number), is_other }
    });
    with_pair.collect()
}

/// Scores pairs against the truth.
pub fn score(truth: &Truth, pairs: &[Paired]) -> Score {
    let mut score = Score::default();
    for judged in judged_exits(truth, pairs) {
        score.add(&judged);
    }
    score
}

impl Score {
    fn add(&mut self, judged: &JudgedExit<'_>) {
        let JudgedExit { visit, pair, is_own, is_other, .. } = judged;
        let is_unequal = pair.is_some_and(|pair| pair.probability.is_some());
        let mut count = |is_so: bool, counter: fn(&mut Self) -> &mut u32| *counter(self) += u32::from(is_so);
        if visit.entry.is_some() {
            count(true, |score| &mut score.with_entry);
            count(*is_own, |score| &mut score.found);
            count(*is_own && !is_unequal, |score| &mut score.found_exactly);
            count(is_unequal && *is_other, |score| &mut score.wrong);
        } else {
            count(true, |score| &mut score.without_entry);
            count(is_unequal, |score| &mut score.falsely);
            count(pair.is_some() && !is_unequal, |score| &mut score.dips);
        }
        count(pair.is_some(), |score| &mut score.paired);
        count(is_unequal, |score| &mut score.unequal);
        count(is_unequal && !is_own, |score| &mut score.bad);
        self.expected_bad += pair.and_then(|pair| pair.probability).map_or(0.0, |probability| 1.0 - probability);
    }
}

#[cfg(test)]
mod tests;
