//! Learning a model from a lot's own evidence, without any label.
//!
//! Exact matches give the known plates, the stays and the hours. What only the pairs themselves can tell, the shares of
//! lost exits and of exits without an entry and the cameras' errors, is found by expectation and maximisation: decide,
//! count by the posteriors, decide again. Cameras learn from pairs above 0.8 only. In the end tau is chosen: the
//! smallest for which the expected share of false matches, `sum (1 - p) / (nu exits)`, stays below the target.

use std::collections::BTreeMap;

use parking::{LotId, Timestamp};

use super::decide::{Decisions, decide};
use super::learn_cameras::CameraCounts;
use super::letters::Letters;
use super::model::{ModelRecord, Models, TAU_START, Tables};
use super::number::{Nats, real, seconds};
use super::plates::{self, PlateKey};
use super::reads::Lot;
use super::stays::{Bounds, StayTable};
use super::weigh::Weigher;

/// Rounds of deciding and counting.
const ROUNDS: usize = 3;
/// Pairs above this teach the cameras.
const TEACHES_ABOVE: f64 = 0.8;
/// The taus to choose from, in ten thousandths.
pub const TAUS: [u16; 5] = [8_000, 8_500, 9_000, 9_500, 9_900];
/// The first day of longer evidence is left out of the shares: its exits came in before.
const WARM_UP_MS: i64 = 24 * 3_600_000;
/// Shares of lost exits and of exits without an entry stay within this.
const SHARES: (f64, f64) = (0.002, 0.6);

/// The share of passages that are read twice stays within this.
const GHOSTS: (f64, f64) = (0.0005, 0.1);

/// What a model is made for.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// The lot.
    pub lot: LotId,
    /// Exits from here on are decided by it.
    pub valid_from: Timestamp,
    /// The expected share of false matches stays below this.
    pub false_match_target: f64,
    /// The ledger's key for plates.
    pub key: PlateKey,
}

/// Learns a model from all evidence of a lot.
pub fn learn(lot: &Lot, purpose: &Purpose) -> ModelRecord {
    let (table, known) = plates::learn(&visits(lot), &purpose.key);
    let mut tables = Tables { plates: table, stays: stays(lot), ..Tables::start() };
    let mut tau = TAU_START;
    for _ in 0..ROUNDS {
        let record = ModelRecord::new(purpose.lot.clone(), purpose.valid_from, tables.clone(), tau, known.clone());
        let models = Models::new(&purpose.lot, &[record], purpose.key);
        let mut weigher = Weigher::new(lot, &models);
        let decisions = decide(&mut weigher);
        update(&mut tables, lot, &weigher, &decisions);
        tau = choose_tau(lot, &decisions, &tables, purpose.false_match_target);
    }
    ModelRecord::new(purpose.lot.clone(), purpose.valid_from, tables, tau, known)
}

fn visits(lot: &Lot) -> BTreeMap<Letters, u32> {
    let mut visits = BTreeMap::new();
    for exact in &lot.exact {
        *visits.entry(exact.entry.letters).or_default() += 1;
    }
    visits
}

fn stays(lot: &Lot) -> StayTable {
    let span = seconds(lot.time.millis_since(lot.since)).max(3600.0);
    let mut table = StayTable::empty(u32::try_from(super::number::whole(span)).expect("it is positive"));
    let bounds = Bounds::new();
    for exact in &lot.exact {
        table.add_stay(&bounds, exact.entry.time(), exact.exit.time());
        table.add_passage(0, exact.entry.time());
        table.add_passage(1, exact.exit.time());
    }
    lot.entries.iter().filter(|entry| !entry.is_matched).for_each(|entry| table.add_passage(0, entry.read.time()));
    lot.exits.iter().for_each(|exit| table.add_passage(1, exit.read.time()));
    table
}

fn update(tables: &mut Tables, lot: &Lot, weigher: &Weigher<'_>, decisions: &Decisions) {
    let mut of_exit = vec![0.0; lot.exits.len()];
    let mut of_entry = vec![0.0; lot.entries.len()];
    for pair in &decisions.pairs {
        of_exit[pair.exit] += pair.probability;
        of_entry[pair.entry] += pair.probability;
    }
    let ghosts: f64 = decisions.re_reads.iter().map(|re_read| re_read.probability).sum();
    let passages: u32 = tables.stays.passages.iter().flatten().sum();
    tables.gaps.share = Nats::of((ghosts / f64::from(passages.max(1))).clamp(GHOSTS.0, GHOSTS.1));
    tables.lone_exits = Nats::of(lone_exits(lot, &of_exit));
    tables.lost_exits = Nats::of(lost_exits(lot, weigher, &of_entry));
    let mut cameras = CameraCounts::new(lot.gates.len());
    for exact in &lot.exact {
        cameras.add_right(&exact.entry);
        cameras.add_right(&exact.exit);
    }
    for pair in decisions.pairs.iter().filter(|pair| pair.stands && pair.probability > TEACHES_ABOVE) {
        let (entry, exit) = (&lot.entries[pair.entry].read, &lot.exits[pair.exit].read);
        let model = weigher.model_at(exit.time());
        let mut hypotheses = Vec::new();
        let [one, other] = [entry, exit].map(|read| weigher.seen_by(model, read));
        model.for_each_hypothesis(one, other, |hypothesis| hypotheses.push(hypothesis));
        let total: f64 = hypotheses.iter().map(|hypothesis| hypothesis.weight).sum();
        for hypothesis in &hypotheses {
            for read in [entry, exit] {
                cameras.add(&hypothesis.plate, read, hypothesis.weight / total);
            }
        }
    }
    (tables.camera, tables.cameras) = cameras.matrices(&lot.gates);
    tables.certainty = cameras.certainty.table();
}

/// Where the shares are counted from.
fn counted_from(lot: &Lot) -> Timestamp {
    let is_long = lot.time.millis_since(lot.since) > 2 * WARM_UP_MS;
    if is_long { lot.since.plus_millis(WARM_UP_MS) } else { lot.since }
}

/// nu: the share of exits that have no entry, by the posteriors.
fn lone_exits(lot: &Lot, of_exit: &[f64]) -> f64 {
    let from = counted_from(lot);
    let exact = lot.exact.iter().filter(|exact| exact.exit.time() >= from).count();
    let lone = lot.exits.iter().zip(of_exit).filter(|(exit, _)| exit.read.time() >= from);
    let (mut count, mut alone) = (real(exact), 0.0);
    for (_, matched) in lone {
        count += 1.0;
        alone += (1.0 - matched).max(0.0);
    }
    (alone / count.max(1.0)).clamp(SHARES.0, SHARES.1)
}

/// l: the share of stays that are over and whose exit was not seen.
fn lost_exits(lot: &Lot, weigher: &Weigher<'_>, of_entry: &[f64]) -> f64 {
    let (mut over, mut missed) = (real(lot.exact.len()), 0.0);
    for (entry, matched) in lot.entries.iter().zip(of_entry).filter(|(entry, _)| !entry.is_matched) {
        let model = weigher.model_at(entry.read.time());
        let alone = (1.0 - matched).max(0.0);
        let gone = if entry.next.is_some() {
            1.0
        } else {
            let inside = model.stays.survival(entry.read.time(), seconds(lot.time.millis_since(entry.read.time())));
            let unseen = (1.0 - inside) * model.lost_exits;
            unseen / (inside + unseen).max(1e-9)
        };
        over += matched + alone * gone;
        missed += alone * gone;
    }
    (missed / over.max(1.0)).clamp(SHARES.0, SHARES.1)
}

/// The smallest tau for which the expected share of false matches stays below `target`, else the greatest.
fn choose_tau(lot: &Lot, decisions: &Decisions, tables: &Tables, target: f64) -> u16 {
    let lone = tables.lone_exits.value() * real(lot.exact.len() + lot.exits.len());
    let expected = |tau: u16| {
        let accepted = decisions.pairs.iter().filter(|pair| pair.posterior >= tau);
        accepted.map(|pair| 1.0 - pair.probability).sum::<f64>() / lone.max(1.0)
    };
    TAUS.into_iter().find(|tau| expected(*tau) < target).unwrap_or(TAUS[TAUS.len() - 1])
}
