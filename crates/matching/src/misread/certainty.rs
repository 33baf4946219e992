//! What a camera says of its own certainty, and what that is worth.
//!
//! Each error at a place of a read is multiplied by P(confidence | wrong) / P(confidence | right), in six bins; when
//! the camera lists other texts, by `hit/q` if the true letter is among them at this place, else by `(1-hit)/(1-q)`; a
//! listed text of another length that is the plate counts forty times. A camera that only rates the whole plate has
//! that number taken once.

use serde::{Deserialize, Serialize};

use super::letters::{LONGEST, Letters, symbol};
use super::number::Nats;

/// Bins of confidence.
pub const BINS: usize = 6;
/// Where the bins begin but the first.
const BOUNDS: [f32; BINS - 1] = [0.5, 0.7, 0.85, 0.93, 0.98];
/// Factor of a listed text of another length.
const LISTED: f64 = 40.0;
/// Wrong letters in each bin at the start, in shares, and right ones.
const START_BINS: [[f64; BINS]; 2] = [[0.20, 0.22, 0.18, 0.12, 0.13, 0.15], [0.01, 0.03, 0.06, 0.15, 0.25, 0.50]];
/// Whole plates in each bin, wrong and right: a mean over letters discriminates less.
const START_WHOLE: [[f64; BINS]; 2] = [[0.10, 0.15, 0.20, 0.20, 0.20, 0.15], [0.02, 0.05, 0.13, 0.20, 0.30, 0.30]];
/// How often a list holds the true letter where the read is wrong.
const START_HIT: f64 = 0.6;
/// How often a list holds one particular other letter where the read is right.
const START_FALSE_HIT: f64 = 0.02;

/// What a camera said of one read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certainty {
    /// The bin of each letter's confidence.
    letters: Option<[u8; LONGEST]>,
    /// The bin of the whole plate's.
    whole: Option<u8>,
    /// The symbols that other texts of the same length have at each place, as bits.
    listed: Option<[u64; LONGEST]>,
    /// Other texts of another length.
    other_length: Vec<Letters>,
}

impl Certainty {
    /// What the camera said of `read`: the confidence of the whole plate or of each letter, and other texts that it thinks
    /// possible. `None` when that says nothing.
    pub fn new(read: &Letters, whole: Option<f32>, letters: &[f32], others: &[Letters]) -> Option<Self> {
        let of_letters = (letters.len() == read.len() && !letters.is_empty()).then(|| {
            let mut bins = [0; LONGEST];
            for (bin, confidence) in bins.iter_mut().zip(letters) {
                *bin = bin_of(*confidence);
            }
            bins
        });
        let listed = (!others.is_empty()).then(|| {
            let mut listed = [0; LONGEST];
            for other in others.iter().filter(|other| other.len() == read.len()) {
                for (position, code) in
                    other.codes().iter().enumerate().filter(|(at, code)| read.codes()[*at] != **code)
                {
                    listed[position] |= 1 << symbol(*code);
                }
            }
            listed
        });
        let whole = if of_letters.is_none() { whole.map(bin_of) } else { None };
        let other_length = others.iter().filter(|other| other.len() != read.len()).copied().collect();
        let says_nothing = of_letters.is_none() && whole.is_none() && listed.is_none();
        (!says_nothing).then_some(Self { letters: of_letters, whole, listed, other_length })
    }

    /// The bin of the letter at `position`, when letters are rated.
    pub(crate) fn bin(&self, position: usize) -> Option<usize> {
        self.letters.map(|bins| usize::from(bins[position]))
    }

    /// The bin of the whole plate.
    pub(crate) fn whole(&self) -> Option<usize> {
        self.whole.map(usize::from)
    }

    /// The symbols listed at `position`, when other texts were listed.
    pub(crate) fn listed(&self, position: usize) -> Option<u64> {
        self.listed.map(|listed| listed[position])
    }
}

fn bin_of(confidence: f32) -> u8 {
    let bin = BOUNDS.iter().take_while(|bound| confidence >= **bound).count();
    u8::try_from(bin).expect("there are six bins")
}

/// How often a camera's certainty is right, as it is kept in a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertaintyTable {
    /// P(bin | wrong) / P(bin | right) of a letter.
    pub letters: [Nats; BINS],
    /// P(bin | wrong) / P(bin | right) of a whole plate.
    pub whole: [Nats; BINS],
    /// How often the true letter is listed where the read is wrong.
    pub hit: Nats,
    /// How often one particular letter is listed where the read is right.
    pub false_hit: Nats,
}

/// How often each was seen: learned as shares, shrunk to the start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CertaintyCounts {
    /// Letters by bin: wrong, right.
    pub letters: [[f64; BINS]; 2],
    /// Plates by bin: wrong, right.
    pub whole: [[f64; BINS]; 2],
    /// Wrong letters with the true one listed, and all with a list.
    pub hits: [f64; 2],
    /// Letters listed where the read is right, and places.
    pub false_hits: [f64; 2],
}

/// Weight of the start, in wrong (or right) letters.
const START_WEIGHT: f64 = 50.0;

impl Default for CertaintyCounts {
    fn default() -> Self {
        let weighted = |shares: [[f64; BINS]; 2]| shares.map(|row| row.map(|share| share * START_WEIGHT));
        Self {
            letters: weighted(START_BINS),
            whole: weighted(START_WHOLE),
            hits: [START_HIT * START_WEIGHT, START_WEIGHT],
            false_hits: [0.0, 0.0],
        }
    }
}

/// Look-alikes of one letter, among which a list chooses.
const LISTED_AMONG: f64 = 3.0;

impl CertaintyCounts {
    pub(crate) fn table(&self) -> CertaintyTable {
        let ratios = |counts: &[[f64; BINS]; 2]| {
            let [wrong, right] = [0, 1].map(|row: usize| counts[row].iter().sum::<f64>());
            std::array::from_fn(|bin| Nats::of((counts[0][bin] / wrong) / (counts[1][bin] / right)))
        };
        let false_hit =
            (self.false_hits[0] / LISTED_AMONG + START_FALSE_HIT * START_WEIGHT) / (self.false_hits[1] + START_WEIGHT);
        CertaintyTable {
            letters: ratios(&self.letters),
            whole: ratios(&self.whole),
            hit: Nats::of(self.hits[0] / self.hits[1]),
            false_hit: Nats::of(false_hit.clamp(1e-4, 0.5)),
        }
    }
}

/// A [`CertaintyTable`] as factors, ready to multiply.
#[derive(Debug, Clone)]
pub(crate) struct CertaintyRates {
    letters: [f64; BINS],
    whole: [f64; BINS],
    /// The true letter is not listed, or is.
    listed: [f64; 2],
}

impl CertaintyRates {
    pub(crate) fn new(table: &CertaintyTable) -> Self {
        let (hit, false_hit) = (table.hit.value(), table.false_hit.value());
        Self {
            letters: table.letters.map(Nats::value),
            whole: table.whole.map(Nats::value),
            listed: [(1.0 - hit) / (1.0 - false_hit), hit / false_hit],
        }
    }
}

impl Default for CertaintyRates {
    fn default() -> Self {
        Self::new(&CertaintyCounts::default().table())
    }
}

/// What the errors of one read are multiplied by.
#[derive(Debug)]
pub(crate) struct Factors<'a>(Option<(&'a Certainty, &'a CertaintyRates)>);

impl<'a> Factors<'a> {
    /// `certainty` is what the camera reported of the read.
    pub(crate) fn new(certainty: Option<&'a Certainty>, rates: &'a CertaintyRates) -> Self {
        Self(certainty.map(|certainty| (certainty, rates)))
    }

    /// The factor when the letter at `position` was read for the symbol `plate`.
    #[inline]
    pub(crate) fn of_replaced(&self, position: usize, plate: usize) -> f64 {
        let Some((certainty, rates)) = self.0 else { return 1.0 };
        let of_list =
            certainty.listed(position).map_or(1.0, |listed| rates.listed[usize::from(listed >> plate & 1 == 1)]);
        certainty.bin(position).map_or(1.0, |bin| rates.letters[bin]) * of_list
    }

    /// The factor when the letter at `position` was read without a symbol of the plate.
    #[inline]
    pub(crate) fn of_insertion(&self, position: usize) -> f64 {
        let Some((certainty, rates)) = self.0 else { return 1.0 };
        certainty.bin(position).map_or(1.0, |bin| rates.letters[bin])
    }

    /// The read is wrong, and the plate is this one.
    pub(crate) fn of_plate(&self, plate: &Letters) -> f64 {
        let Some((certainty, rates)) = self.0 else { return 1.0 };
        let listed = if certainty.other_length.contains(plate) { LISTED } else { 1.0 };
        listed * certainty.whole().map_or(1.0, |bin| rates.whole[bin])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misread::reads::{Read, tests::read};

    #[test]
    fn a_sure_letter_is_seldom_wrong_and_a_listed_one_often_meant() {
        let rates = CertaintyRates::default();
        let plain = read("AB8");
        let certainty = Certainty::new(&plain.letters, None, &[0.99, 0.99, 0.4], &[read("ABB").letters]);
        let certain = Read { certainty: certainty.map(Box::new), ..read("AB8") };
        let factors = certain.factors(&rates);
        assert!(factors.of_replaced(0, 12) < 0.5);
        assert!(factors.of_replaced(2, 11) > 100.0 && factors.of_replaced(2, 12) < 10.0);
        assert!((plain.factors(&rates).of_replaced(2, 11) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_camera_that_says_nothing_has_no_certainty() {
        assert_eq!(Certainty::new(&read("AB8").letters, None, &[], &[]), None);
        assert_eq!(Certainty::new(&read("AB8").letters, None, &[0.5], &[]), None, "one number for three letters");
    }
}
