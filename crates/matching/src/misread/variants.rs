//! What the prior says of all plates that differ in the letter at one place: the same as one by one, at a fraction of
//! the cost, and to the last bit.

use std::ops::Range;

use super::letters::Letters;
use super::plates::{Known, Prior};
use super::shapes::{Generator, START, Table, chance_of_one, member};

/// The most codes of a class.
const CLASS_MAX: usize = 26;

/// For each code of a class what is known of the plate with it.
pub(crate) type Variants = [Known; CLASS_MAX];

/// Room for variants.
pub(crate) const NONE: Variants = [Known { share: 0.0, visits: 0 }; CLASS_MAX];

impl Prior {
    /// What is known of the plate with each of `codes`, all the digits or all the letters, at the place `at`.
    pub(crate) fn of_each(&self, plate: &Letters, at: usize, codes: Range<u8>, variants: &mut Variants) {
        let generator = self.generator(&plate.with(at, codes.start));
        let variants = &mut variants[..codes.len()];
        // No plate of a shape that was never seen is known.
        if let Generator::Unseen(share) = generator {
            variants.fill(Known { share: self.of_unknown(share), visits: 0 });
            return;
        }
        let (mut shares, mut hashes) = ([0.0; CLASS_MAX], [0; CLASS_MAX]);
        let (shares, hashes) = (&mut shares[..codes.len()], &mut hashes[..codes.len()]);
        generator.of_each(plate, at, shares);
        self.sip.hash_each(plate, at, codes.start, hashes);
        for (variant, (share, hash)) in variants.iter_mut().zip(shares.iter().zip(&*hashes)) {
            *variant = self.of_hash(*hash, *share);
        }
    }
}

impl Generator<'_> {
    /// G(p) of the plate with each code of a class at the place `at`.
    fn of_each(&self, plate: &Letters, at: usize, shares: &mut [f64]) {
        match self {
            Self::Even(share) | Self::Unseen(share) => shares.fill(*share),
            Self::Learned(table) => {
                table.products(plate.codes(), at, shares);
                for share in shares {
                    *share *= table.share;
                }
            }
        }
    }
}

impl Table {
    /// The products of the codes with each code of a class at the place `at`.
    fn products(&self, codes: &[u8], at: usize, products: &mut [f64]) {
        let places = || self.places.iter().zip(codes);
        let mut before = START;
        let mut product = 1.0;
        for (place, code) in places().take(at) {
            let member = member(*code);
            product *= place.shares[before * place.columns + member];
            product *= chance_of_one(*code);
            before = member;
        }
        let own = &self.places[at];
        for (whole, share) in products.iter_mut().zip(&own.shares[before * own.columns..]) {
            *whole = product * share;
        }
        for (number, (place, code)) in places().skip(at + 1).enumerate() {
            let member = member(*code);
            // Next to the changed letter each code has its own row, further on there is one for all.
            let (row, step) = if number == 0 { (START, place.columns) } else { (before * place.columns, 0) };
            for (lane, whole) in products.iter_mut().enumerate() {
                *whole *= place.shares[row + lane * step + member];
                *whole *= chance_of_one(*code);
            }
            before = member;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::misread::plates::{PlateKey, learn};
    use crate::misread::reads::tests::read;

    #[test]
    fn all_variants_are_what_each_is_alone() {
        let key = PlateKey([3; 16]);
        let plates =
            (0..400_u32).map(|number| read(&format!("A{}{:02}KX", ["B", "C"][number as usize % 2], number / 4)));
        let visits: BTreeMap<Letters, u32> =
            plates.zip(1..).map(|(read, visits)| (read.letters, visits % 3 + 1)).collect();
        let (table, known) = learn(&visits, &key);
        let prior = Prior::new(&table, &known, key);
        let mut variants = NONE;
        for text in ["AB12KX", "AC99KX", "AB1KX", "京B12KX", "AB12K京"] {
            let plate = read(text).letters;
            for place in 0..plate.len() {
                for codes in [0..10, 10..36] {
                    prior.of_each(&plate, place, codes.clone(), &mut variants);
                    for (code, variant) in codes.zip(&variants) {
                        let alone = prior.of(&plate.with(place, code));
                        assert_eq!((variant.share.to_bits(), variant.visits), (alone.share.to_bits(), alone.visits));
                    }
                }
            }
        }
    }
}
