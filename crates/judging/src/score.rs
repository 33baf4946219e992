//! Scores of pairs of entries and exits against the truth.
//!
//! Recall: the share of exits whose true entry was seen that are paired with it, by equal reads or not. False: the share of
//! exits without a seen entry that were given one by a pair of unequal reads. Wrong: the share of exits with a seen entry
//! that were given another vehicle's. What equal reads pair wrongly is counted apart, since no likelihood is to blame.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::world::Traffic;

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

    /// The same by equal reads alone.
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
fn visits(traffic: &Traffic) -> [BTreeMap<Uuid, usize>; 2] {
    let mut visit_of_entry = BTreeMap::new();
    let mut visit_of_exit = BTreeMap::new();
    for (number, visit) in traffic.visits.iter().enumerate() {
        visit_of_entry.extend(visit.entry.map(|id| (id, number)));
        visit_of_exit.extend(visit.exit.map(|id| (id, number)));
        for id in &visit.re_reads {
            visit_of_entry.insert(*id, number);
        }
    }
    [visit_of_entry, visit_of_exit]
}

/// Scores pairs against the truth.
pub fn score(traffic: &Traffic, pairs: &[Paired]) -> Score {
    let [visit_of_entry, visit_of_exit] = visits(traffic);
    let by_exit: BTreeMap<Uuid, &Paired> = pairs.iter().map(|pair| (pair.exit, pair)).collect();
    let mut score = Score::default();
    for (exit, number) in &visit_of_exit {
        let visit = &traffic.visits[*number];
        if visit.left < traffic.judged_from {
            continue;
        }
        let pair = by_exit.get(exit);
        let given = pair.and_then(|pair| visit_of_entry.get(&pair.entry));
        let is_own = given == Some(number);
        let is_unequal = pair.is_some_and(|pair| pair.probability.is_some());
        let is_other = given.is_none_or(|given| traffic.visits[*given].plate != visit.plate);
        let mut count = |is_so: bool, counter: fn(&mut Score) -> &mut u32| *counter(&mut score) += u32::from(is_so);
        if visit.entry.is_some() {
            count(true, |score| &mut score.with_entry);
            count(is_own, |score| &mut score.found);
            count(is_own && !is_unequal, |score| &mut score.found_exactly);
            count(pair.is_some() && is_unequal && is_other, |score| &mut score.wrong);
        } else {
            count(true, |score| &mut score.without_entry);
            count(is_unequal, |score| &mut score.falsely);
            count(pair.is_some() && !is_unequal, |score| &mut score.dips);
        }
        count(is_unequal, |score| &mut score.unequal);
        count(is_unequal && !is_own, |score| &mut score.bad);
        score.expected_bad += pair.and_then(|pair| pair.probability).map_or(0.0, |probability| 1.0 - probability);
    }
    score
}

/// Share of the exact matches that are looked at for double dips: the most doubtful ones.
const MOST_DOUBTFUL: f64 = 0.03;

/// Double dips among exact matches: the exit of another stay of the same vehicle than the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dips {
    /// All of them.
    pub all: u32,
    /// Of these, inside the 3 % most doubtful exact matches.
    pub caught: u32,
}

impl Dips {
    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self { all: self.all + other.all, caught: self.caught + other.caught }
    }
}

/// Counts double dips among exact matches (entry, exit, doubt) whose exits are judged.
pub fn dips(traffic: &Traffic, exact: &[(Uuid, Uuid, f64)]) -> Dips {
    let [visit_of_entry, visit_of_exit] = visits(traffic);
    let judged = |(entry, exit, doubt): &(Uuid, Uuid, f64)| {
        let exit = visit_of_exit.get(exit).filter(|exit| traffic.visits[**exit].left >= traffic.judged_from)?;
        Some((*doubt, visit_of_entry.get(entry) != Some(exit)))
    };
    let mut ranked: Vec<(f64, bool)> = exact.iter().filter_map(judged).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    let count = |ranked: &[(f64, bool)]| {
        let dips = ranked.iter().filter(|(_, is_dip)| *is_dip).count();
        u32::try_from(dips).expect("a simulation has fewer than four thousand million stays")
    };
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share of a count")]
    #[expect(clippy::cast_sign_loss, reason = "a share of a count")]
    let looked_at = (ranked.len() as f64 * MOST_DOUBTFUL) as usize;
    Dips { all: count(&ranked), caught: count(&ranked[..looked_at]) }
}
