//! The camera channel: how likely a camera reads one text when the plate says another.
//!
//! A forward sum over the alignments of plate and read, kept apart by the number of edits k = 0 to 3: a letter replaced
//! by another (`e(r|c)`), left out (`d(c)`) or put in (`i`), and one or two letters cut off the end. Errors come in
//! pairs, so the total is A0 + A1 + od A2 + od²/2 A3 with an over-dispersion `od`. What a camera says of its own
//! certainty multiplies each error by P(that | wrong) / P(that | right), so that a read without it changes nothing.

use super::certainty::{CertaintyRates, Factors};
use super::garbled::Garbled;
use super::letters::{LONGEST, Letters, SYMBOLS, symbol};
use super::number::Nats;
use super::rates::{EDITS, Matrix, Rates, Sums, add_into};
use super::reads::Read;
use super::shapes::Unigrams;

/// How far plate and read may be out of step.
const BAND: usize = 3;
/// A camera, ready to weigh reads.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    rates: Rates,
    right: [f64; SYMBOLS],
    /// One particular letter put in.
    inserted: f64,
    uncut: f64,
    over_dispersion: [f64; EDITS],
}

impl Channel {
    pub(crate) fn new(matrix: &Matrix, over_dispersion: Nats) -> Self {
        let rates = matrix.rates();
        let od = over_dispersion.value();
        let right = std::array::from_fn(|plate| rates.right(plate));
        let (inserted, uncut) = (rates.inserted / 36.0, 1.0 - rates.cut[0] - rates.cut[1]);
        Self { rates, right, inserted, uncut, over_dispersion: [1.0, 1.0, od, od * od / 2.0] }
    }

    /// P(read | plate), up to what the read's certainty says of right letters.
    pub(crate) fn likelihood(&self, plate: &Letters, read: &Read, certainty: &CertaintyRates) -> f64 {
        if plate.len().abs_diff(read.letters.len()) > BAND {
            return 0.0;
        }
        if *plate == read.letters {
            return self.all_right(plate);
        }
        let factors = read.factors(certainty);
        let sums = self.forward(plate, &read.letters, &factors);
        let wrong: f64 = (1..EDITS).map(|edits| self.over_dispersion[edits] * sums[edits]).sum();
        sums[0] + wrong * factors.of_plate(plate)
    }

    /// P(read | plate) of a read that is right.
    pub(crate) fn all_right(&self, plate: &Letters) -> f64 {
        plate.codes().iter().map(|code| self.right[symbol(*code)]).product::<f64>() * self.uncut
    }

    /// The shapes as this camera sees them.
    pub(crate) fn garbled(&self, shapes: &[Unigrams]) -> Garbled {
        Garbled::new(shapes, &self.rates, &self.right, self.over_dispersion)
    }

    fn forward(&self, plate: &Letters, read: &Letters, factors: &Factors<'_>) -> Sums {
        let (ours, theirs) = (plate.codes(), read.codes());
        let mut row = [[0.0; EDITS]; LONGEST + 1];
        row[0][0] = 1.0;
        for position in 0..theirs.len().min(BAND) {
            add_shifted(&mut row, position + 1, position, self.inserted * factors.of_insertion(position));
        }
        let mut sums = [0.0; EDITS];
        for (at, code) in ours.iter().enumerate() {
            if let Some(cut) = self.rates.cut.get(ours.len() - at - 1) {
                add_into(&mut sums, row[theirs.len()], *cut);
            }
            self.advance(&mut row, at, *code, theirs, factors);
        }
        for (sum, whole) in sums.iter_mut().zip(row[theirs.len()]) {
            *sum += whole * self.uncut;
        }
        sums
    }

    /// Takes one more letter of the plate.
    fn advance(&self, row: &mut [Sums; LONGEST + 1], at: usize, code: u8, theirs: &[u8], factors: &Factors<'_>) {
        let plate = symbol(code);
        let from = (at + 1).saturating_sub(BAND);
        let to = (at + 1 + BAND).min(theirs.len());
        let mut diagonal = if from == 0 { [0.0; EDITS] } else { row[from - 1] };
        if from > 0 {
            row[from - 1] = [0.0; EDITS];
        }
        for position in from..=to {
            let above = row[position];
            let mut cell = [0.0; EDITS];
            add_into(&mut cell, above, self.rates.deleted[plate]);
            if position > 0 {
                let read = theirs[position - 1];
                if read == code {
                    for (sum, before) in cell.iter_mut().zip(diagonal) {
                        *sum += before * self.right[plate];
                    }
                } else {
                    let rate = self.rates.replaced[plate][symbol(read)];
                    add_into(&mut cell, diagonal, rate * factors.of_replaced(position - 1, plate));
                }
                add_into(&mut cell, row[position - 1], self.inserted * factors.of_insertion(position - 1));
            }
            row[position] = cell;
            diagonal = above;
        }
    }

    /// P(read | plate) relative to that of a right read, for the plates that are one edit away. `replaced`: the plate has
    /// `plate` where the read has its letter at `position`.
    pub(crate) fn ratio_replaced(&self, read: u8, position: usize, plate: usize, factors: &Factors<'_>) -> f64 {
        let (ours, theirs) = (self.right[symbol(read)], self.right[plate]);
        debug_assert!(theirs > 0.0, "a letter is sometimes read right");
        self.rates.replaced[plate][symbol(read)] * factors.of_replaced(position, plate) / ours
    }

    /// The plate lacks the read's letter at `position`.
    pub(crate) fn ratio_inserted(&self, read: u8, position: usize, factors: &Factors<'_>) -> f64 {
        self.inserted * factors.of_insertion(position) / self.right[symbol(read)]
    }

    /// The plate has the letter `plate` more.
    pub(crate) fn ratio_deleted(&self, plate: usize) -> f64 {
        self.rates.deleted[plate]
    }

    /// The plate has one or two letters more at its end.
    pub(crate) fn ratio_cut(&self) -> [f64; 2] {
        self.rates.cut.map(|cut| cut / self.uncut)
    }
}

/// Adds what was at `from` with one edit more.
fn add_shifted(row: &mut [Sums], to: usize, from: usize, rate: f64) {
    let before = row[from];
    add_into(&mut row[to], before, rate);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misread::rates::{START_KINDS, START_OVER_DISPERSION};
    use crate::misread::reads::tests::read;

    fn channel() -> Channel {
        Channel::new(&Matrix::of(&Rates::start(&START_KINDS)), Nats::of(START_OVER_DISPERSION))
    }

    fn of(plate: &str, seen: &str) -> f64 {
        channel().likelihood(&read(plate).letters, &read(seen), &CertaintyRates::default())
    }

    #[test]
    fn a_right_read_is_likelier_than_a_look_alike_and_that_than_any_other() {
        let [right, alike, other] = ["AB12CDE", "A812CDE", "AT12CDE"].map(|seen| of("AB12CDE", seen));
        assert!(right > 0.9 && right > alike && alike > 20.0 * other && other > 1e-6);
        assert!(of("AB12CDE", "A812CD") > of("AB12CDE", "AB72CT"));
        assert!(of("AB12CDE", "AB12C") > 1e-3, "two letters are cut off the end");
        assert!(of("AB12CDE", "AB1") == 0.0);
    }

    #[test]
    fn one_edit_is_what_the_ratios_say() {
        let (channel, read) = (channel(), read("A812CDE"));
        let certainty = CertaintyRates::default();
        let factors = read.factors(&certainty);
        let plate = read.letters.with(1, 11);
        let expected = channel.all_right(&read.letters) * channel.ratio_replaced(8, 1, 11, &factors);
        let found = channel.likelihood(&plate, &read, &certainty);
        assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
    }

    #[test]
    fn all_reads_of_a_short_plate_add_up_to_about_one() {
        let (channel, plate) = (channel(), read("A").letters);
        let mut total = 0.0;
        for one in 0..36 {
            for text in [Some(plate.with(0, one)), plate.with_inserted(1, one), plate.with_inserted(0, one)] {
                let seen = Read { letters: text.unwrap(), ..read("A") };
                total += channel.likelihood(&plate, &seen, &CertaintyRates::default());
            }
        }
        assert!((0.97..1.01).contains(&total), "{total}");
    }
}
