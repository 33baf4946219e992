//! Reads with two or three errors: what they add to the marginal of a read, `m(r)`.
//!
//! The plates that are two edits away are far too many to ask for one by one. But where each place of a shape has its
//! own letters, independent of the others, the sum over all plates of a shape is the forward sum of the channel with
//! each letter averaged; so it is taken shape by shape. Without it, a garbled read would seem to come from nowhere, and
//! any plate near it would seem to be its own.

use super::certainty::Factors;
use super::letters::{LONGEST, Letters, SYMBOLS, symbol};
use super::rates::{EDITS, Rates, Sums, add_into};
use super::shapes::Unigrams;

/// Shapes of fewer plates are left out.
const SHARE_MIN: f64 = 0.003;
/// How far plate and read may be out of step.
const BAND: usize = 2;

/// The shapes as a camera of the lot sees them.
#[derive(Debug, Clone)]
pub(crate) struct Garbled {
    shapes: Vec<Averaged>,
    inserted: f64,
    cut: [f64; 2],
    over_dispersion: [f64; EDITS],
}

#[derive(Debug, Clone)]
struct Averaged {
    share: f64,
    places: Vec<Place>,
}

/// One place of a shape, by the symbol that is read there.
#[derive(Debug, Clone)]
struct Place {
    /// It is read right.
    right: [f64; SYMBOLS],
    /// Another symbol is read as this one.
    replaced: [f64; SYMBOLS],
    /// It is left out.
    deleted: f64,
}

impl Garbled {
    /// `right` is how often each symbol is read right.
    pub(crate) fn new(
        shapes: &[Unigrams],
        rates: &Rates,
        right: &[f64; SYMBOLS],
        over_dispersion: [f64; EDITS],
    ) -> Self {
        let place = |letters: &[f64; SYMBOLS]| Place {
            right: std::array::from_fn(|read| letters[read] * right[read]),
            replaced: std::array::from_fn(|read| {
                (0..SYMBOLS).map(|plate| letters[plate] * rates.replaced[plate][read]).sum()
            }),
            deleted: (0..SYMBOLS).map(|plate| letters[plate] * rates.deleted[plate]).sum(),
        };
        let frequent = shapes.iter().filter(|shape| shape.share >= SHARE_MIN);
        let shapes = frequent
            .map(|shape| Averaged { share: shape.share, places: shape.places.iter().map(place).collect() })
            .collect();
        Self { shapes, inserted: rates.inserted / 36.0, cut: rates.cut, over_dispersion }
    }

    /// The chance of this read with two or three errors.
    pub(crate) fn of(&self, read: &Letters, factors: &Factors<'_>) -> f64 {
        let weights = std::array::from_fn(|place| factors.of_insertion(place));
        let near = self.shapes.iter().filter(|shape| shape.places.len().abs_diff(read.len()) <= BAND);
        let sum = near.map(|shape| {
            let sums = self.forward(shape, read, &weights);
            shape.share * (2..EDITS).map(|edits| self.over_dispersion[edits] * sums[edits]).sum::<f64>()
        });
        sum.sum::<f64>() * factors.of_plate(read)
    }

    fn forward(&self, shape: &Averaged, read: &Letters, weights: &[f64; LONGEST]) -> Sums {
        let codes = read.codes();
        let mut row = [[0.0; EDITS]; LONGEST + 1];
        row[0][0] = 1.0;
        for place in 0..codes.len().min(BAND) {
            let before = row[place];
            add_into(&mut row[place + 1], before, self.inserted * weights[place]);
        }
        let mut sums = [0.0; EDITS];
        for (at, place) in shape.places.iter().enumerate() {
            if let Some(cut) = self.cut.get(shape.places.len() - at - 1) {
                add_into(&mut sums, row[codes.len()], *cut);
            }
            self.advance(&mut row, at, place, codes, weights);
        }
        for (sum, whole) in sums.iter_mut().zip(row[codes.len()]) {
            *sum += whole;
        }
        sums
    }

    fn advance(&self, row: &mut [Sums; LONGEST + 1], at: usize, place: &Place, codes: &[u8], weights: &[f64; LONGEST]) {
        let from = (at + 1).saturating_sub(BAND);
        let to = (at + 1 + BAND).min(codes.len());
        let mut diagonal = if from == 0 { [0.0; EDITS] } else { row[from - 1] };
        if from > 0 {
            row[from - 1] = [0.0; EDITS];
        }
        for number in from..=to {
            let above = row[number];
            let mut cell = [0.0; EDITS];
            add_into(&mut cell, above, place.deleted);
            if number > 0 {
                let read = symbol(codes[number - 1]);
                for (sum, before) in cell.iter_mut().zip(diagonal) {
                    *sum += before * place.right[read];
                }
                add_into(&mut cell, diagonal, place.replaced[read] * weights[number - 1]);
                add_into(&mut cell, row[number - 1], self.inserted * weights[number - 1]);
            }
            row[number] = cell;
            diagonal = above;
        }
    }
}
