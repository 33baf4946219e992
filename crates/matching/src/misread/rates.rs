//! How often a camera makes each kind of error: the published start, and the matrix of one camera as a model keeps it.
//!
//! What a read's likelihood becomes by these rates is left to the channel.

use serde::{Deserialize, Serialize};

use super::letters::{ALPHABET, OTHER, SYMBOLS};
use super::number::Nats;

/// Sums over alignments distinguish 0, 1, 2 and 3 edits.
pub(crate) const EDITS: usize = 4;
/// Share of letters that are read as a look-alike, at the start.
const START_ALIKE: f64 = 0.008;
/// Share of letters that are read as any other letter.
const START_OTHER: f64 = 0.0016;
/// Share of letters that are left out.
const START_DELETED: f64 = 0.001;
/// Share of letters with another one put in beside them.
const START_INSERTED: f64 = 0.0006;
/// Share of plates that lose their last letter, and their last two.
const START_CUT: [f64; 2] = [0.003, 0.0015];
/// How much likelier a second error is once there is one.
pub(crate) const START_OVER_DISPERSION: f64 = 5.0;
/// Provinces that one may be read as.
const OTHERS: f64 = 30.0;
/// No cell says more than this.
const CELL_MAX: f64 = 0.95;

/// What one camera does to plates, as probabilities.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rates {
    /// Plate's symbol, then the read's.
    pub replaced: Box<[[f64; SYMBOLS]; SYMBOLS]>,
    pub deleted: [f64; SYMBOLS],
    pub inserted: f64,
    pub cut: [f64; 2],
}

/// How often each kind of error happens, relative to the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Kinds {
    pub alike: f64,
    pub other: f64,
    pub deleted: f64,
    pub inserted: f64,
    pub cut: [f64; 2],
}

/// Errors as often as at the start.
pub(crate) const START_KINDS: Kinds = Kinds { alike: 1.0, other: 1.0, deleted: 1.0, inserted: 1.0, cut: [1.0; 2] };

impl Rates {
    /// The published shares, with the frequency of each kind of error multiplied by its factor.
    pub(crate) fn start(kinds: &Kinds) -> Self {
        let mut replaced = Box::new([[0.0; SYMBOLS]; SYMBOLS]);
        for (plate, row) in replaced.iter_mut().enumerate() {
            let total: f64 = ALPHABET.alike[plate].iter().sum();
            let alike = START_ALIKE * kinds.alike * total.min(1.0);
            for (read, cell) in row.iter_mut().enumerate() {
                let share = if total > 0.0 { ALPHABET.alike[plate][read] / total } else { 0.0 };
                *cell = alike * share + START_OTHER * kinds.other / 35.0;
            }
            // A province is read as another one as easily as a letter as its look-alike.
            row[plate] = if plate == OTHER { (START_ALIKE * kinds.alike + START_OTHER) / OTHERS } else { 0.0 };
        }
        let cut = [START_CUT[0] * kinds.cut[0], START_CUT[1] * kinds.cut[1]];
        let deleted = [START_DELETED * kinds.deleted; SYMBOLS];
        Self { replaced, deleted, inserted: START_INSERTED * kinds.inserted, cut }
    }

    /// How often a letter is read right.
    pub(crate) fn right(&self, plate: usize) -> f64 {
        let wrong: f64 = self.replaced[plate].iter().sum::<f64>() + self.deleted[plate] + self.inserted;
        (1.0 - wrong).max(1.0 - CELL_MAX)
    }
}

/// What one camera does to plates, as it is kept in a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// For each symbol of the plate, each symbol that is read.
    pub replaced: Vec<Nats>,
    /// Each symbol left out.
    pub deleted: Vec<Nats>,
    /// A letter put in.
    pub inserted: Nats,
    /// One letter, or two, cut off the end.
    pub cut: [Nats; 2],
}

impl Matrix {
    pub(crate) fn of(rates: &Rates) -> Self {
        Self {
            replaced: rates.replaced.iter().flatten().map(|rate| Nats::of(rate.min(CELL_MAX))).collect(),
            deleted: rates.deleted.iter().map(|rate| Nats::of(*rate)).collect(),
            inserted: Nats::of(rates.inserted),
            cut: rates.cut.map(Nats::of),
        }
    }

    /// The share of a symbol's reads that are another symbol.
    pub fn share(&self, plate: usize, read: usize) -> f64 {
        self.replaced.get(plate * SYMBOLS + read).map_or(0.0, |cell| cell.value())
    }

    pub(crate) fn rates(&self) -> Rates {
        let mut rates = Rates::start(&START_KINDS);
        for (cell, nats) in rates.replaced.iter_mut().flatten().zip(&self.replaced) {
            *cell = nats.value();
        }
        for (cell, nats) in rates.deleted.iter_mut().zip(&self.deleted) {
            *cell = nats.value();
        }
        rates.inserted = self.inserted.value();
        rates.cut = self.cut.map(Nats::value);
        rates
    }
}

/// Sums of alignments by their number of edits.
pub(crate) type Sums = [f64; EDITS];

/// Adds what was `before` with one edit more.
#[inline]
pub(crate) fn add_into(sums: &mut Sums, before: Sums, rate: f64) {
    for edits in 1..EDITS {
        sums[edits] += before[edits - 1] * rate;
    }
}
