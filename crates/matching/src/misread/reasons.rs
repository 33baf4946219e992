//! Why a read was, or was not, matched with one of another plate: its candidates, with the numbers behind each.
//!
//! [`Reasoner`] looks up what [`decide`](super::decide::decide) has decided; nothing is decided here. `text` has the
//! words. The caller formats times, and shows plates only to people who may read them.

mod misreading;
mod text;

use std::collections::BTreeMap;

use parking::{EventKey, GateId, Plate, Timestamp};
use uuid::Uuid;

pub use misreading::Misreading;

use super::decide::{Decisions, Pair, ReRead};
use super::letters::Letters;
use super::likelihood::Seen;
use super::model::{Model, RULE};
use super::reads::{GateRead, Read};
use super::times::SETTLE_MS;
use super::weigh::{Factors, Weigher};

/// Candidates that are shown, the most likely first.
pub const CANDIDATES_MAX: usize = 2;

/// A read for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Time, direction and id.
    pub key: EventKey,
    /// The plate as the camera read it, in its normal form.
    pub plate: Plate,
    /// The gate, when it is known.
    pub gate: Option<GateId>,
}

/// What was decided of one read that has no other end of its own plate.
#[derive(Debug, Clone, PartialEq)]
pub struct Reasons {
    /// The read.
    pub read: End,
    /// Its likeliest other ends, at most [`CANDIDATES_MAX`], the one that it was matched with first.
    pub candidates: Vec<Candidate>,
    /// How many further candidates were weighed.
    pub others: usize,
    /// The probability that it belongs to none of the candidates, in ten thousandths.
    pub none: u16,
    /// The passage that the read may be a second read of.
    pub repeats: Option<Repeat>,
}

/// A possible other end of a read.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The other end.
    pub other: End,
    /// The version of the formulas.
    pub rule: &'static str,
    /// The model that they were computed with.
    pub model: Uuid,
    /// When the pair was decided, in event time.
    pub decided_at: Timestamp,
    /// Whether that is the second and last decision.
    pub is_final: bool,
    /// The plate that the vehicle most likely has.
    pub plate: String,
    /// How the read at the entry differs from that plate, and the read at the exit.
    pub misread: [Vec<Misreading>; 2],
    /// The factors of the weight.
    pub factors: Factors,
    /// The weight of the pair against "the exit has no entry".
    pub weight: f64,
    /// Pairs in the component that was decided together.
    pub component: usize,
    /// The marginal posterior, in ten thousandths.
    pub posterior: u16,
    /// The least posterior at which a pair is a match, in ten thousandths.
    pub tau: u16,
    /// Whether it is a match.
    pub stands: bool,
}

/// A passage that a read may be a second read of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The other read of the passage.
    pub of: End,
    /// The probability, in ten thousandths.
    pub posterior: u16,
    /// Whether the read counts as a second read.
    pub stands: bool,
}

/// Looks up the reasons for the decisions on a lot.
#[derive(Debug)]
pub struct Reasoner<'a> {
    weigher: &'a Weigher<'a>,
    decisions: &'a Decisions,
    /// The pairs of each entry, as places in the decisions.
    pairs_of_entry: BTreeMap<usize, Vec<usize>>,
    ends: BTreeMap<(EventKey, Letters), &'a GateRead>,
}

impl<'a> Reasoner<'a> {
    /// A reasoner for `decisions`, which have to be those of the weigher on these reads.
    pub fn new(weigher: &'a Weigher<'a>, decisions: &'a Decisions, reads: &'a [GateRead]) -> Self {
        let mut pairs_of_entry: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, pair) in decisions.pairs.iter().enumerate() {
            pairs_of_entry.entry(pair.entry).or_default().push(place);
        }
        let mut ends: BTreeMap<(EventKey, Letters), &GateRead> = BTreeMap::new();
        for read in reads {
            // Of copies that differ, the one that was weighed has the least gate.
            let end = ends.entry((read.key, Letters::of(&read.plate))).or_insert(read);
            if read.gate < end.gate {
                *end = read;
            }
        }
        Self { weigher, decisions, pairs_of_entry, ends }
    }

    /// The reasons for the exit at this place of the lot.
    ///
    /// # Panics
    /// The lot has no such exit.
    pub fn exit(&self, exit: usize) -> Reasons {
        let pairs = &self.decisions.pairs;
        let first = pairs.partition_point(|pair| pair.exit < exit);
        let own = pairs[first..].iter().take_while(|pair| pair.exit == exit);
        let lot = self.weigher.lot();
        self.reasons(&lot.exits[exit].read, own.collect(), |pair| &lot.entries[pair.entry].read)
    }

    /// The reasons for the entry at this place of the lot.
    ///
    /// # Panics
    /// The lot has no such entry.
    pub fn entry(&self, entry: usize) -> Reasons {
        let places = self.pairs_of_entry.get(&entry).map_or(&[][..], |places| &places[..]);
        let own = places.iter().map(|place| &self.decisions.pairs[*place]);
        let lot = self.weigher.lot();
        self.reasons(&lot.entries[entry].read, own.collect(), |pair| &lot.exits[pair.exit].read)
    }

    fn reasons<'b>(&self, read: &Read, mut pairs: Vec<&'b Pair>, other: impl Fn(&'b Pair) -> &'b Read) -> Reasons
    where
        'a: 'b,
    {
        let total: f64 = pairs.iter().map(|pair| pair.probability).sum();
        pairs.sort_by(|one, next| {
            let by_decision = next.stands.cmp(&one.stands).then_with(|| next.probability.total_cmp(&one.probability));
            by_decision.then_with(|| other(one).key.cmp(&other(next).key))
        });
        let others = pairs.len().saturating_sub(CANDIDATES_MAX);
        pairs.truncate(CANDIDATES_MAX);
        let is_own = |found: &&ReRead| (found.read.key, found.read.letters) == (read.key, read.letters);
        let repeats = self.decisions.re_reads.iter().find(is_own);
        Reasons {
            read: self.end(read),
            candidates: pairs.into_iter().map(|pair| self.candidate(pair, other(pair))).collect(),
            others,
            none: super::decide::in_ten_thousandths((1.0 - total).max(0.0)),
            repeats: repeats.map(|found| Repeat {
                of: self.end(&found.of),
                posterior: found.posterior,
                stands: found.stands,
            }),
        }
    }

    fn candidate(&self, pair: &Pair, other: &Read) -> Candidate {
        let lot = self.weigher.lot();
        let reads = [&lot.entries[pair.entry].read, &lot.exits[pair.exit].read];
        let model = self.weigher.model_at(reads[1].time());
        let seen = reads.map(|read| self.weigher.seen_by(model, read));
        let (plate, misread) = likely_plate(model, seen, &reads.map(|read| self.end(read).plate));
        Candidate {
            other: self.end(other),
            rule: RULE,
            model: model.id,
            decided_at: pair.decided_at,
            is_final: pair.decided_at.millis_since(reads[1].time()) >= SETTLE_MS,
            plate,
            misread,
            factors: pair.factors,
            weight: pair.factors.weight(model.lost_exits),
            component: pair.component,
            posterior: pair.posterior,
            tau: model.tau,
            stands: pair.stands,
        }
    }

    fn end(&self, read: &Read) -> End {
        let source = self.ends[&(read.key, read.letters)];
        End { key: read.key, plate: source.plate.clone(), gate: source.gate.clone() }
    }
}

/// The plate with the greatest share of the likelihood of an entry's and an exit's read, and how each read differs from
/// it. `texts` are the two reads as text.
pub(super) fn likely_plate(
    model: &Model,
    [entry, exit]: [Seen<'_>; 2],
    texts: &[Plate; 2],
) -> (String, [Vec<Misreading>; 2]) {
    let mut best = (entry.read.letters, 0.0);
    model.for_each_hypothesis(entry, exit, |hypothesis| {
        if hypothesis.weight > best.1 {
            best = (hypothesis.plate, hypothesis.weight);
        }
    });
    let misread = [entry, exit].map(|seen| misreading::all(&best.0, &seen.read.letters, texts));
    (misreading::text_of(&best.0, texts), misread)
}

#[cfg(test)]
mod tests;
