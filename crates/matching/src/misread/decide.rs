//! The decision: which exits of a lot belong to which entries although their plates differ.
//!
//! A pure function of the lot's evidence. Each exit is decided at two times of its own: 30 seconds after it (or at the
//! lot's own time, when that is earlier), and again 24 hours after it; the later one that the lot's time has reached is
//! in force. Exits that are settled come first, and take their entries out of the others' problem. A pair stands when
//! its marginal posterior is at least tau, which is above one half: so one to one follows. An entry that an exact match
//! takes later is taken back: its component is decided again without it.

use parking::Timestamp;

use super::marginal::Marginal;
use super::posterior::{Edge, components, marginals};
use super::re_reads::Ghosts;
use super::reads::{Exact, Lot, Read};
use super::times::{FIRST_MS, SETTLE_MS, decided_at};
use super::weigh::{Factors, Weigher};

/// Posteriors are whole numbers of this part.
const TEN_THOUSAND: f64 = 10_000.0;
/// Exact matches with a greater chance of being two stays carry a doubt, in ten thousandths.
pub const DOUBT_ABOVE: u16 = 2_000;

/// A possible pair with its posterior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The place of the exit in the lot.
    pub exit: usize,
    /// The place of the entry in the lot.
    pub entry: usize,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Its marginal posterior, in ten thousandths.
    pub posterior: u16,
    /// The marginal posterior, uncut.
    pub probability: f64,
    /// What its weight is made of.
    pub factors: Factors,
    /// Whether it stands.
    pub stands: bool,
    /// Pairs in its component.
    pub component: usize,
}

/// The decisions for a lot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decisions {
    /// All pairs that were weighed, in order of exits and entries.
    pub pairs: Vec<Pair>,
    /// Reads that may repeat another one, entries first, in order.
    pub re_reads: Vec<ReRead>,
    /// Exact matches with a chance above [`DOUBT_ABOVE`] of being two stays, in order of their entries.
    pub doubts: Vec<Doubt>,
}

/// An exact match that may be two stays of its vehicle, whose inner ends were both lost. It stands all the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Doubt {
    /// The index among the exact matches of the lot.
    pub exact: usize,
    /// The chance of two stays, in ten thousandths.
    pub posterior: u16,
}

/// A read without its other end that may be a second read of a passage.
#[derive(Debug, Clone, PartialEq)]
pub struct ReRead {
    /// The read.
    pub read: Read,
    /// The read that it most likely repeats, which is the stronger one.
    pub of: Read,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// The chance that it is one.
    pub probability: f64,
    /// The same in ten thousandths.
    pub posterior: u16,
    /// Whether it counts as one.
    pub stands: bool,
}

impl Decisions {
    /// The pairs that stand.
    pub fn matches(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().filter(|pair| pair.stands)
    }
}

/// Decides all exits of a lot.
pub fn decide(weigher: &mut Weigher<'_>) -> Decisions {
    let lot = weigher.lot();
    let is_settled = |exit: &usize| lot.time >= lot.exits[*exit].read.time().plus_millis(SETTLE_MS);
    let ghosts = Ghosts::find(weigher);
    let (settled, first): (Vec<usize>, Vec<usize>) = (0..lot.exits.len()).partition(is_settled);
    let mut taken = vec![false; lot.entries.len()];
    let mut pairs = decide_kind(weigher, &settled, &taken, &ghosts, |exit| exit.plus_millis(SETTLE_MS));
    for pair in pairs.iter().filter(|pair| pair.stands) {
        taken[pair.entry] = true;
    }
    pairs.extend(decide_kind(weigher, &first, &taken, &ghosts, |exit| exit.plus_millis(FIRST_MS).min(lot.time)));
    pairs.sort_by_key(|pair| (pair.exit, pair.entry));
    let re_reads = re_reads(weigher, &ghosts, &pairs);
    Decisions { pairs, re_reads, doubts: doubts(weigher) }
}

/// The exact matches that may be two stays.
fn doubts(weigher: &Weigher<'_>) -> Vec<Doubt> {
    let of_exact =
        |(exact, of): (usize, &Exact)| Doubt { exact, posterior: in_ten_thousandths(weigher.double_dip(of)) };
    let exact = weigher.lot().exact.iter().enumerate();
    exact.map(of_exact).filter(|doubt| doubt.posterior > DOUBT_ABOVE).collect()
}

/// Those of the ghosts that are no end of a pair: the posterior of each is what the pairs leave of it.
fn re_reads(weigher: &Weigher<'_>, ghosts: &Ghosts<'_>, pairs: &[Pair]) -> Vec<ReRead> {
    let lot = weigher.lot();
    let mut paired = [vec![0.0; lot.entries.len()], vec![0.0; lot.exits.len()]];
    for pair in pairs {
        paired[0][pair.entry] += pair.probability;
        paired[1][pair.exit] += pair.probability;
    }
    let reads = [
        lot.entries.iter().map(|entry| &entry.read).collect::<Vec<_>>(),
        lot.exits.iter().map(|exit| &exit.read).collect(),
    ];
    let mut re_reads = Vec::new();
    for (side, found) in [&ghosts.entries, &ghosts.exits].into_iter().enumerate() {
        for (place, ghost) in found.iter().enumerate() {
            let Some(ghost) = ghost else { continue };
            let probability = (1.0 - paired[side][place]).max(0.0) * ghost.weight / (1.0 + ghost.weight);
            let (read, posterior) = (reads[side][place], in_ten_thousandths(probability));
            re_reads.push(ReRead {
                read: read.clone(),
                of: ghosts.passages[side].read(ghost.of).clone(),
                decided_at: decided_at(read.time(), lot.time),
                probability,
                posterior,
                stands: posterior >= weigher.model_at(read.time()).tau,
            });
        }
    }
    re_reads
}

/// Decides the exits of one kind of decision, among the entries that are not `taken`.
fn decide_kind(
    weigher: &mut Weigher<'_>,
    exits: &[usize],
    taken: &[bool],
    ghosts: &Ghosts<'_>,
    decided_at: impl Fn(Timestamp) -> Timestamp,
) -> Vec<Pair> {
    let lot = weigher.lot();
    let mut edges = Vec::new();
    let mut pairs = Vec::new();
    for place in exits {
        let exit = &lot.exits[*place];
        let now = decided_at(exit.read.time());
        let model = weigher.model_at(exit.read.time());
        let mut exit_marginal = Marginal::default();
        for slot in weigher.candidates(exit, now) {
            if taken[slot as usize] {
                continue;
            }
            let Some(factors) = weigher.weigh(slot, exit, &mut exit_marginal, now) else { continue };
            let number = u32::try_from(*place).expect("a lot has fewer than four thousand million exits");
            // What may be a re-read is the less likely to be an end of a pair.
            let free =
                |ghost: &Option<_>| ghost.as_ref().map_or(1.0, |ghost: &super::re_reads::Ghost| 1.0 + ghost.weight);
            let free = free(&ghosts.exits[*place]) * free(&ghosts.entries[slot as usize]);
            edges.push(Edge { exit: number, entry: slot, weight: factors.weight(model.lost_exits) / free });
            pairs.push(Pair {
                exit: *place,
                entry: slot as usize,
                decided_at: now,
                posterior: 0,
                probability: 0.0,
                factors,
                stands: false,
                component: 0,
            });
        }
    }
    for component in components(&edges) {
        decide_component(lot, weigher, &edges, &mut pairs, &component);
    }
    pairs
}

fn decide_component(lot: &Lot, weigher: &Weigher<'_>, edges: &[Edge], pairs: &mut [Pair], component: &[usize]) {
    let mut open = component.to_vec();
    loop {
        let own: Vec<Edge> = open.iter().map(|place| edges[*place]).collect();
        for (place, probability) in open.iter().zip(marginals(&own)) {
            let pair = &mut pairs[*place];
            let tau = weigher.model_at(lot.exits[pair.exit].read.time()).tau;
            pair.probability = probability;
            pair.posterior = in_ten_thousandths(probability);
            pair.stands = pair.posterior >= tau;
            pair.component = component.len();
        }
        // Exact beats probable: what stands with an entry that an exact match has is decided again without that entry.
        let is_void = |place: &usize| pairs[*place].stands && lot.entries[pairs[*place].entry].is_matched;
        let void: Vec<usize> = open.iter().filter(|place| is_void(place)).map(|place| pairs[*place].entry).collect();
        if void.is_empty() {
            return;
        }
        open.retain(|place| {
            let is_left = !void.contains(&pairs[*place].entry);
            if !is_left {
                let pair = &mut pairs[*place];
                (pair.probability, pair.posterior, pair.stands) = (0.0, 0, false);
            }
            is_left
        });
    }
}

pub(crate) fn in_ten_thousandths(probability: f64) -> u16 {
    let whole = super::number::whole(libm::floor(probability * TEN_THOUSAND + 1e-6));
    u16::try_from(whole.clamp(0, 10_000)).expect("it is at most ten thousand")
}
