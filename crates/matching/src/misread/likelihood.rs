//! The likelihood of two reads: of one vehicle, `J`, against two, `m(r_e) m(r_x)`.
//!
//! `J` adds up `pi(p) P(r_e | p) P(r_x | p)` over the plates p that may stand behind both: each read itself, all mixed
//! plates (some of the edits between the reads made, some not), and for one replaced letter every third letter. `m(r)`
//! is `pi(r) P(r | r)` plus `pi(p) P(r | p)` over all plates p one replaced, missing or additional letter away; plates
//! further away are summed shape by shape.

use super::channel::Channel;
use super::edits::{Edit, apply, script};
use super::letters::{Letters, OTHER, symbol};
use super::model::Model;
use super::reads::Read;
use super::variants::NONE;

/// Provinces that one may be read as, besides itself.
const OTHER_PROVINCES: f64 = 29.0;
/// More edits than that are not mixed.
const MIXED_MAX: usize = 4;
/// The code of any other letter that is neither digit nor Latin.
const LATIN_END: u8 = 36;
/// The codes of digits, and of letters: within a class the shape of a plate stays.
const CLASSES: [std::ops::Range<u8>; 2] = [0..10, 10..LATIN_END];

/// A plate that may stand behind both reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hypothesis {
    pub plate: Letters,
    /// `pi(p) P(r_e | p) P(r_x | p)`.
    pub weight: f64,
    /// n(p).
    pub visits: u32,
}

/// The two sums over the hypotheses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Joint {
    /// J.
    pub same: f64,
    /// J with each plate weighted by how often a second it comes.
    pub returning: f64,
}

/// A read with the camera that made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub read: &'a Read,
    pub channel: &'a Channel,
}

impl Model {
    /// J of two reads.
    pub(crate) fn joint(&self, one: Seen<'_>, other: Seen<'_>) -> Joint {
        let mut joint = Joint::default();
        self.for_each_hypothesis(one, other, |hypothesis| {
            joint.same += hypothesis.weight;
            joint.returning += hypothesis.weight * self.returns(hypothesis.visits);
        });
        joint
    }

    /// Visits a second of a vehicle that was seen in `visits` matched stays and is here now.
    pub(crate) fn returns(&self, visits: u32) -> f64 {
        (f64::from(visits) + 1.0 - self.prior.discount()) / self.seconds
    }

    /// Visits the plates that may stand behind both reads.
    pub(crate) fn for_each_hypothesis(&self, one: Seen<'_>, other: Seen<'_>, mut visit: impl FnMut(Hypothesis)) {
        let mut of = |plate: Letters| {
            let known = self.prior.of(&plate);
            let of_one = one.channel.likelihood(&plate, one.read, &self.certainty);
            let of_other = other.channel.likelihood(&plate, other.read, &self.certainty);
            visit(Hypothesis { plate, weight: known.share * of_one * of_other, visits: known.visits });
        };
        of(one.read.letters);
        if one.read.letters == other.read.letters {
            return;
        }
        of(other.read.letters);
        let edits = script(&one.read.letters, &other.read.letters);
        if let [Edit::Replaced { at, .. }] = edits[..] {
            self.for_each_third(one, other, at, &mut visit);
        } else if edits.len() <= MIXED_MAX {
            let all = (1_u32 << edits.len()) - 1;
            for plate in (1..all).filter_map(|chosen| apply(&one.read.letters, &edits, chosen)) {
                of(plate);
            }
        }
    }

    /// The plates with a third letter at the one place where the reads differ.
    fn for_each_third(&self, one: Seen<'_>, other: Seen<'_>, at: usize, mut visit: impl FnMut(Hypothesis)) {
        let codes = [one, other].map(|seen| seen.read.letters.codes()[at]);
        let factors = [one, other].map(|seen| seen.read.factors(&self.certainty));
        let base = one.channel.all_right(&one.read.letters) * other.channel.all_right(&other.read.letters);
        let mut variants = NONE;
        for thirds in CLASSES {
            self.prior.of_each(&one.read.letters, at, thirds.clone(), &mut variants);
            for (third, known) in thirds.zip(&variants).filter(|(third, _)| !codes.contains(third)) {
                let plate = one.read.letters.with(at, third);
                let ratio = one.channel.ratio_replaced(codes[0], at, symbol(third), &factors[0])
                    * other.channel.ratio_replaced(codes[1], at, symbol(third), &factors[1])
                    * factors[0].of_plate(&plate)
                    * factors[1].of_plate(&plate);
                visit(Hypothesis { plate, weight: known.share * base * ratio, visits: known.visits });
            }
        }
    }

    /// The part of `m(r)` in which the read is right.
    pub(crate) fn marginal_right(&self, seen: Seen<'_>) -> f64 {
        self.prior.of(&seen.read.letters).share * seen.channel.all_right(&seen.read.letters)
    }

    /// The part of `m(r)` in which the read has more than one error.
    pub(crate) fn marginal_garbled(&self, seen: Seen<'_>) -> f64 {
        self.garbled.of(&seen.read.letters, &seen.read.factors(&self.certainty))
    }

    /// The part of `m(r)` in which the read is right or has one error.
    pub(crate) fn marginal_near(&self, seen: Seen<'_>) -> f64 {
        let (read, channel) = (seen.read.letters, seen.channel);
        let factors = seen.read.factors(&self.certainty);
        let wrong = |plate: &Letters, ratio: f64| self.prior.of(plate).share * ratio * factors.of_plate(plate);
        let mut sum = self.prior.of(&read).share;
        let mut variants = NONE;
        for (place, code) in read.codes().iter().enumerate() {
            for others in CLASSES {
                self.prior.of_each(&read, place, others.clone(), &mut variants);
                for (other, known) in others.zip(&variants).filter(|(other, _)| other != code) {
                    let ratio = channel.ratio_replaced(*code, place, usize::from(other), &factors);
                    sum += known.share * ratio * factors.of_plate(&read.with(place, other));
                }
            }
            if *code >= LATIN_END {
                sum += OTHER_PROVINCES * wrong(&read, channel.ratio_replaced(*code, place, OTHER, &factors));
            }
            sum += wrong(&read.without(place), channel.ratio_inserted(*code, place, &factors));
        }
        let [cut_one, cut_two] = channel.ratio_cut();
        for (place, others) in (0..=read.len()).flat_map(|place| CLASSES.map(|others| (place, others))) {
            let Some(longer) = read.with_inserted(place, others.start) else { break };
            let cut = if place == read.len() { cut_one } else { 0.0 };
            self.prior.of_each(&longer, place, others.clone(), &mut variants);
            for (other, known) in others.zip(&variants) {
                let ratio = channel.ratio_deleted(usize::from(other)) + cut;
                sum += known.share * ratio * factors.of_plate(&longer.with(place, other));
            }
        }
        sum += self.prior.of_two_more(&read) * cut_two;
        sum * channel.all_right(&read)
    }
}

#[cfg(test)]
mod tests {
    use parking::LotId;

    use super::*;
    use crate::misread::marginal::Marginal;
    use crate::misread::model::ModelRecord;
    use crate::misread::plates::PlateKey;
    use crate::misread::reads::tests::read;

    fn ratio(one: &str, other: &str) -> f64 {
        let model = Model::new(&ModelRecord::start(LotId::default()), PlateKey::default());
        let reads = [read(one), read(other)];
        let [one, other] = [&reads[0], &reads[1]].map(|read| Seen { read, channel: &model.camera });
        let marginal = |seen| Marginal::default().whole(&model, seen);
        model.joint(one, other).same / (marginal(one) * marginal(other))
    }

    #[test]
    fn the_nearer_two_reads_are_the_likelier_is_one_vehicle() {
        let ratios = ["AB12CDE", "A812CDE", "A812CD", "AT12CDE", "AX99CDE"].map(|other| ratio("AB12CDE", other));
        assert!(ratios[0] > ratios[1] && ratios[1] > ratios[3] && ratios[3] > ratios[4], "{ratios:?}");
        assert!(ratios[1] > ratios[2] && ratios[2] > 1.0, "{ratios:?}");
    }

    #[test]
    fn the_ratio_does_not_depend_on_which_read_comes_first() {
        for (one, other) in [("AB12CDE", "A812CDE"), ("AB12CDE", "A812CD"), ("AB12CDE", "AB12C")] {
            let (there, back) = (ratio(one, other), ratio(other, one));
            assert!((there / back - 1.0).abs() < 1e-9, "{there} {back}");
        }
    }
}
