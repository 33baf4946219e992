//! Double dips among exact matches: two stays of one vehicle whose inner ends were lost, matched as one.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::score::{JudgedExit, Paired, judged_exits, visits};
use crate::truth::Truth;

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
pub fn dips(truth: &Truth, exact: &[(Uuid, Uuid, f64)]) -> Dips {
    let [visit_of_entry, visit_of_exit] = visits(truth);
    let judged = |(entry, exit, doubt): &(Uuid, Uuid, f64)| {
        let exit = visit_of_exit.get(exit).filter(|exit| truth.visits[**exit].left >= truth.judged_from)?;
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

/// Exact matches that carry a doubt, against those that are double dips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubts {
    /// Double dips.
    pub dips: u32,
    /// Of these, in doubt.
    pub dips_in_doubt: u32,
    /// All exact matches in doubt.
    pub in_doubt: u32,
}

/// Counts doubts among the exact matches of judged exits; `doubtful` are the exits of those that carry one.
pub fn doubts(truth: &Truth, pairs: &[Paired], doubtful: &BTreeSet<Uuid>) -> Doubts {
    let mut doubts = Doubts::default();
    for JudgedExit { pair, is_own, .. } in judged_exits(truth, pairs) {
        let Some(pair) = pair.filter(|pair| pair.probability.is_none()) else { continue };
        let is_doubtful = doubtful.contains(&pair.exit);
        doubts.dips += u32::from(!is_own);
        doubts.dips_in_doubt += u32::from(!is_own && is_doubtful);
        doubts.in_doubt += u32::from(is_doubtful);
    }
    doubts
}
