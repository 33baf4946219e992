//! Re-reads that differ: one passage read twice with two texts, of which one never finds its other end.
//!
//! Two reads of one direction at one gate, at most a minute apart and nearly equal, are weighed like a pair: the chance
//! `rho g(gap)` that a passage is read twice, times the likelihood ratio, against another vehicle in just this second
//! that has no other end: `lambda u`, with `u` the share of exits without an entry, or the chance that the entry's exit
//! was not seen by the time of the decision. The weaker read is the re-read; two vehicles bumper to bumper have two
//! other ends.

use parking::Direction;

use super::edits;
use super::marginal::Marginal;
use super::number::seconds;
use super::reads::Read;
use super::times::decided_at;
use super::weigh::{Weigher, stay_factors};

/// Reads further apart are never one passage, milliseconds.
pub const GAP_MAX_MS: i64 = 60_000;
/// Pairs of less weight are left out: they would not change a posterior.
const WEIGHT_MIN: f64 = 1e-3;
/// A read that may be a re-read of another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ghost {
    /// The weight of all reads that it may repeat, against a vehicle of its own.
    pub weight: f64,
    /// The likeliest of them, as a place in `Passages`.
    pub of: usize,
}

/// The anchor reads of the passages of one direction, in order of time.
#[derive(Debug)]
pub(crate) struct Passages<'a> {
    /// Each with whether it lacks its other end.
    reads: Vec<(&'a Read, bool)>,
}

impl<'a> Passages<'a> {
    pub(crate) fn new(weigher: &Weigher<'a>, direction: Direction) -> Self {
        let lot = weigher.lot();
        let mut reads: Vec<(&Read, bool)> = match direction {
            Direction::Entry => {
                let lone = lot.entries.iter().filter(|entry| !entry.is_matched).map(|entry| (&entry.read, true));
                lone.chain(lot.exact.iter().map(|exact| (&exact.entry, false))).collect()
            }
            Direction::Exit => {
                let lone = lot.exits.iter().map(|exit| (&exit.read, true));
                lone.chain(lot.exact.iter().map(|exact| (&exact.exit, false))).collect()
            }
        };
        reads.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key).then_with(|| one.letters.cmp(&other.letters)));
        Self { reads }
    }

    /// A read by its place.
    pub(crate) fn read(&self, place: usize) -> &'a Read {
        self.reads[place].0
    }

    /// What an entry without an exit, or an exit without an entry, may be a re-read of. `unseen` is the chance that a
    /// vehicle of its own would lack its other end.
    pub(crate) fn ghost(&self, weigher: &Weigher<'_>, read: &Read, unseen: f64) -> Option<Ghost> {
        let from = read.time().plus_millis(-GAP_MAX_MS);
        let to = read.time().plus_millis(GAP_MAX_MS);
        let start = self.reads.partition_point(|(other, _)| other.time() < from);
        let near = self.reads[start..].iter().take_while(|(other, _)| other.time() <= to).enumerate();
        let mut total = 0.0;
        let mut best: Option<(f64, usize)> = None;
        for (number, (other, is_lone)) in near {
            let is_one_gate = other.gate == read.gate || other.gate == 0 || read.gate == 0;
            if !is_one_gate || edits::cost(&other.letters, &read.letters).is_none_or(|cost| cost == 0) {
                continue;
            }
            let weight = weight(weigher, read, other, *is_lone, unseen);
            total += weight;
            if weight > best.map_or(0.0, |(best, _)| best) {
                best = Some((weight, start + number));
            }
        }
        best.map(|(_, of)| Ghost { weight: total, of })
    }
}

/// How much likelier `read` repeats `other` than that it is of another vehicle; 0 when `other` is the weaker one.
pub(super) fn weight(weigher: &Weigher<'_>, read: &Read, other: &Read, other_is_lone: bool, unseen: f64) -> f64 {
    let model = weigher.model_at(read.time());
    let [own, theirs] = [read, other].map(|read| weigher.seen_by(model, read));
    let [mut own_marginal, mut their_marginal] = [Marginal::default(); 2];
    let gap = seconds(read.time().millis_since(other.time())).abs();
    let rate = match read.key.direction {
        Direction::Entry => model.stays.entries(read.time()),
        Direction::Exit => model.stays.exits(read.time()),
    };
    let by_time = model.gaps.density(gap) * model.joint(own, theirs).same / (rate * unseen);
    // The marginals are dear: bounds from below leave most pairs out.
    if by_time / (own_marginal.right(model, own) * their_marginal.right(model, theirs)) < WEIGHT_MIN {
        return 0.0;
    }
    let [own_least, their_least] = [own_marginal.least(model, own), their_marginal.least(model, theirs)];
    let is_weaker = own_least < their_least || (own_least.total_cmp(&their_least).is_eq() && read.key > other.key);
    if (other_is_lone && !is_weaker) || by_time / (own_least * their_least) < WEIGHT_MIN {
        return 0.0;
    }
    let mate = model.prior.of_fleet_mate(&other.letters, &read.letters) * own.channel.all_right(&read.letters);
    let weight = by_time / ((own_marginal.whole(model, own) + mate) * their_marginal.whole(model, theirs));
    if weight < WEIGHT_MIN { 0.0 } else { weight }
}

/// The ghosts among the entries without an exit and among the exits without an entry, each by its place in the lot.
pub(crate) struct Ghosts<'a> {
    pub passages: [Passages<'a>; 2],
    pub entries: Vec<Option<Ghost>>,
    pub exits: Vec<Option<Ghost>>,
}

impl<'a> Ghosts<'a> {
    pub(crate) fn find(weigher: &Weigher<'a>) -> Self {
        let lot = weigher.lot();
        let passages = [Direction::Entry, Direction::Exit].map(|direction| Passages::new(weigher, direction));
        let entries = lot.entries.iter().map(|entry| {
            if entry.is_matched {
                return None;
            }
            let now = decided_at(entry.read.time(), lot.time);
            let (_, unseen) = stay_factors(weigher.model_at(entry.read.time()), entry, now, now);
            passages[0].ghost(weigher, &entry.read, unseen)
        });
        let entries = entries.collect();
        let exits = lot
            .exits
            .iter()
            .map(|exit| passages[1].ghost(weigher, &exit.read, weigher.model_at(exit.read.time()).lone_exits));
        let exits = exits.collect();
        Self { passages, entries, exits }
    }
}
