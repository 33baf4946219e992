//! What each camera does to plates, counted from the reads of pairs.
//!
//! Each hypothesis of a pair counts with its share of `J`. A lot has how often each kind of error happens, as a
//! multiple of the start; a camera has its own matrix, shrunk to the lot's with the weight of 400 letters a symbol.

use std::collections::BTreeMap;

use parking::GateId;

use super::certainty::CertaintyCounts;
use super::edits::{Edit, script};
use super::letters::{ALPHABET, Letters, SYMBOLS, symbol};
use super::rates::{Kinds, Matrix, Rates, START_KINDS};
use super::reads::Read;

/// Weight of the lot's matrix, in letters of each symbol.
const SHRINK_LETTERS: f64 = 400.0;
/// Weight of the start, in errors of each kind.
const SHRINK_ERRORS: f64 = 10.0;
/// Kinds of errors change at most by this factor.
const KIND_MAX: f64 = 20.0;

/// What one camera did.
#[derive(Debug, Clone)]
struct Counts {
    /// Letters of the plates by symbol.
    letters: [f64; SYMBOLS],
    replaced: Box<[[f64; SYMBOLS]; SYMBOLS]>,
    deleted: f64,
    inserted: f64,
    cut: [f64; 2],
    reads: f64,
}

/// What the cameras of a lot did.
#[derive(Debug, Clone)]
pub(crate) struct CameraCounts {
    cameras: Vec<Counts>,
    pub certainty: CertaintyCounts,
}

impl CameraCounts {
    pub(crate) fn new(gates: usize) -> Self {
        let empty = Counts {
            letters: [0.0; SYMBOLS],
            replaced: Box::new([[0.0; SYMBOLS]; SYMBOLS]),
            deleted: 0.0,
            inserted: 0.0,
            cut: [0.0; 2],
            reads: 0.0,
        };
        Self { cameras: vec![empty; gates], certainty: CertaintyCounts::default() }
    }

    /// A read that an exact match confirms.
    pub(crate) fn add_right(&mut self, read: &Read) {
        let camera = &mut self.cameras[read.gate];
        camera.reads += 1.0;
        for code in read.letters.codes() {
            camera.letters[symbol(*code)] += 1.0;
        }
        self.add_certainty(read, &[], 1.0);
    }

    /// A read of a plate, with a share.
    pub(crate) fn add(&mut self, plate: &Letters, read: &Read, share: f64) {
        let edits = script(plate, &read.letters);
        let camera = &mut self.cameras[read.gate];
        camera.reads += share;
        for code in plate.codes() {
            camera.letters[symbol(*code)] += share;
        }
        let cut = cut_of(plate, &edits);
        if cut > 0 {
            camera.cut[cut - 1] += share;
        }
        for edit in &edits[cut..] {
            match *edit {
                Edit::Replaced { at, by } => camera.replaced[symbol(plate.codes()[at])][symbol(by)] += share,
                Edit::Deleted { .. } => camera.deleted += share,
                Edit::Inserted { .. } => camera.inserted += share,
            }
        }
        self.add_certainty(read, &errors(plate, &edits), share);
    }

    /// `wrong` are the places of the read that are wrong, with the true symbol when there is one.
    fn add_certainty(&mut self, read: &Read, wrong: &[(usize, Option<usize>)], share: f64) {
        let Some(certainty) = read.certainty.as_deref() else { return };
        let counts = &mut self.certainty;
        if let Some(bin) = certainty.whole() {
            counts.whole[usize::from(wrong.is_empty())][bin] += share;
        }
        for position in 0..read.letters.len() {
            let error = wrong.iter().find(|(at, _)| *at == position);
            if let Some(bin) = certainty.bin(position) {
                counts.letters[usize::from(error.is_none())][bin] += share;
            }
            let Some(listed) = certainty.listed(position) else { continue };
            match error {
                Some((_, Some(truth))) => {
                    counts.hits[0] += share * f64::from(u8::from(listed >> truth & 1 == 1));
                    counts.hits[1] += share;
                }
                Some((_, None)) => {}
                None => {
                    counts.false_hits[0] += share * f64::from(listed.count_ones());
                    counts.false_hits[1] += share;
                }
            }
        }
    }

    /// The lot's matrix and those of its cameras.
    pub(crate) fn matrices(&self, gates: &[Option<GateId>]) -> (Matrix, BTreeMap<GateId, Matrix>) {
        let lot = Rates::start(&self.kinds());
        let own = |(gate, counts): (&Option<GateId>, &Counts)| {
            gate.clone().map(|gate| (gate, Matrix::of(&counts.shrunk_to(&lot))))
        };
        (Matrix::of(&lot), gates.iter().zip(&self.cameras).filter_map(own).collect())
    }

    /// How often each kind of error happens in the lot, as a multiple of the start.
    fn kinds(&self) -> Kinds {
        let start = Rates::start(&START_KINDS);
        // Errors seen and errors that the start expects: look-alikes, others.
        let mut replaced = [[0.0; 2]; 2];
        let (mut letters, mut reads) = (0.0, 0.0);
        let (mut deleted, mut inserted, mut cut) = (0.0, 0.0, [0.0; 2]);
        for camera in &self.cameras {
            for plate in 0..SYMBOLS {
                for read in 0..SYMBOLS {
                    let kind = usize::from(ALPHABET.alike[plate][read] == 0.0 && plate != read);
                    replaced[kind][0] += camera.replaced[plate][read];
                    replaced[kind][1] += camera.letters[plate] * start.replaced[plate][read];
                }
            }
            letters += camera.letters.iter().sum::<f64>();
            reads += camera.reads;
            (deleted, inserted) = (deleted + camera.deleted, inserted + camera.inserted);
            cut = [cut[0] + camera.cut[0], cut[1] + camera.cut[1]];
        }
        let of = |seen: f64, expected: f64| {
            ((seen + SHRINK_ERRORS) / (expected + SHRINK_ERRORS)).clamp(1.0 / KIND_MAX, KIND_MAX)
        };
        Kinds {
            alike: of(replaced[0][0], replaced[0][1]),
            other: of(replaced[1][0], replaced[1][1]),
            deleted: of(deleted, letters * start.deleted[0]),
            inserted: of(inserted, letters * start.inserted),
            cut: [0, 1].map(|position: usize| of(cut[position], reads * start.cut[position])),
        }
    }
}

impl Counts {
    fn shrunk_to(&self, lot: &Rates) -> Rates {
        let mut rates = lot.clone();
        for plate in 0..SYMBOLS {
            for read in 0..SYMBOLS {
                let seen = self.replaced[plate][read] + SHRINK_LETTERS * lot.replaced[plate][read];
                rates.replaced[plate][read] = seen / (self.letters[plate] + SHRINK_LETTERS);
            }
        }
        rates
    }
}

/// How many letters are cut off the end: the edits begin with deletions of the last letters.
pub(super) fn cut_of(plate: &Letters, edits: &[Edit]) -> usize {
    let is_cut = |(number, edit): &(usize, &Edit)| **edit == Edit::Deleted { at: plate.len() - 1 - number };
    edits.iter().enumerate().take(2).take_while(is_cut).count()
}

/// The places of the read that are wrong, with the plate's symbol there. The edits go from the last to the first.
fn errors(plate: &Letters, edits: &[Edit]) -> Vec<(usize, Option<usize>)> {
    let mut errors = Vec::new();
    let mut shift = 0_isize;
    for edit in edits.iter().rev() {
        let position = |at: usize| at.checked_add_signed(shift).unwrap_or(0);
        match *edit {
            Edit::Replaced { at, .. } => errors.push((position(at), Some(symbol(plate.codes()[at])))),
            Edit::Deleted { .. } => shift -= 1,
            Edit::Inserted { at, .. } => {
                errors.push((position(at), None));
                shift += 1;
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misread::reads::tests::read;

    #[test]
    fn errors_stand_where_the_read_has_them() {
        let errors_of = |plate: &str, seen: &str| {
            let (plate, seen) = (read(plate).letters, read(seen).letters);
            errors(&plate, &script(&plate, &seen))
        };
        assert_eq!(errors_of("AB12CDE", "A812CDE"), [(1, Some(11))]);
        assert_eq!(errors_of("AB12CDE", "AB12C0E"), [(5, Some(13))]);
        assert_eq!(errors_of("AB12CDE", "B12C0E"), [(4, Some(13))]);
        assert_eq!(errors_of("AB12CDE", "TAB12CDE"), [(0, None)]);
    }

    #[test]
    fn letters_cut_off_the_end_are_told_from_others() {
        let cut = |plate: &str, seen: &str| {
            let (plate, seen) = (read(plate).letters, read(seen).letters);
            cut_of(&plate, &script(&plate, &seen))
        };
        assert_eq!(["AB12C", "AB12CD", "B12CDE", "AB12CDE"].map(|seen| cut("AB12CDE", seen)), [2, 1, 0, 0]);
    }

    #[test]
    fn a_camera_that_errs_on_one_letter_learns_it() {
        let mut counts = CameraCounts::new(1);
        for _ in 0..400 {
            counts.add(&read("B").letters, &read("8"), 1.0);
        }
        let (lot, cameras) = counts.matrices(&[Some(GateId::parse("in-1").unwrap())]);
        assert!(cameras[&GateId::parse("in-1").unwrap()].share(11, 8) > 0.4);
        assert!(lot.share(11, 8) < 0.2);
    }
}
