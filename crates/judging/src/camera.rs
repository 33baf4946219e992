//! How cameras misread plates: look-alikes, other letters, letters lost or put in, ends cut off, and what a camera says
//! of its own certainty. Every camera has its own rate and its own weaknesses.

use crate::rng::DeterministicRng;

/// Which letters cameras take for each other.
const LOOK_ALIKES: [&str; 13] = ["0OQD", "1IL", "2Z", "5S", "8B3", "6G", "VY", "EF", "KX", "MN", "UV", "CG", "PR"];
const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// Misreads with two errors.
const TWO_ERRORS: f64 = 0.2;
/// Wrong letters of which the camera is sure all the same.
const WRONG_AND_SURE: f64 = 0.25;
/// Wrong letters whose true one the camera lists.
const TRUTH_LISTED: f64 = 0.75;
/// A dirty lens takes one letter for another this often.
const DIRTY: f64 = 0.9;

/// Which errors are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// Share of reads that are wrong, on average.
    pub misread: f64,
    /// Share of errors that are look-alikes.
    pub alike: f64,
    /// Share of errors that cut one or two letters off the end.
    pub cut: f64,
    /// Every second camera reads one letter wrong nine times in ten.
    pub dirty: bool,
}

/// One camera.
#[derive(Debug, Clone)]
pub struct Camera {
    errors: Errors,
    /// Its own rate, relative to the mean.
    pub rate: f64,
    /// How strongly it takes each letter for each other.
    strengths: Vec<[f64; 36]>,
    /// A letter that it reads wrong, and as which.
    dirt: Option<(u8, u8)>,
}

/// What a camera says of its certainty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Certainty {
    /// Of each letter, 0 to 1.
    pub letters: Vec<f32>,
    /// What else it may have been.
    pub candidates: Vec<String>,
}

impl Camera {
    /// A camera; every second one may have a dirty lens.
    pub fn new(errors: Errors, number: usize, rng: &mut DeterministicRng) -> Self {
        let rate = 0.7 + 0.6 * rng.unit();
        let strengths = (0..36).map(|_| std::array::from_fn(|_| libm::exp(rng.normal()))).collect();
        let dirt = (errors.dirty && number % 2 == 1).then(|| {
            let letter = *rng.one_of(b"0581BEGMKDSP");
            let alike = look_alikes(letter);
            (letter, *rng.one_of(&alike))
        });
        Self { errors, rate, strengths, dirt }
    }

    /// A wrong read of a plate: one edit, in a fifth of the cases two.
    pub fn misread(&self, plate: &str, rng: &mut DeterministicRng) -> String {
        let mut read = plate.as_bytes().to_vec();
        for _ in 0..if rng.chance(TWO_ERRORS) { 2 } else { 1 } {
            self.edit(&mut read, rng);
        }
        String::from_utf8_lossy(&read).into_owned()
    }

    fn edit(&self, read: &mut Vec<u8>, rng: &mut DeterministicRng) {
        if rng.chance(self.errors.cut) && read.len() > 4 {
            let kept = read.len() - 1 - rng.below(2);
            read.truncate(kept);
            return;
        }
        let weight = |letter: &u8| self.strengths[place(*letter)].iter().sum::<f64>();
        let weights: Vec<f64> = read.iter().map(weight).collect();
        let at = rng.weighted(&weights);
        let alike = look_alikes(read[at]);
        if !alike.is_empty() && rng.chance(self.errors.alike) {
            let weights: Vec<f64> = alike.iter().map(|other| self.strengths[place(read[at])][place(*other)]).collect();
            read[at] = alike[rng.weighted(&weights)];
        } else if rng.chance(0.5) {
            read[at] = *rng.one_of(ALPHABET);
        } else if rng.chance(0.6) && read.len() > 4 {
            read.remove(at);
        } else {
            read.insert(at, *rng.one_of(ALPHABET));
        }
    }

    /// What dirt on the lens makes of a read.
    pub fn through_dirt(&self, read: &str, rng: &mut DeterministicRng) -> String {
        let Some((from, to)) = self.dirt else { return read.to_owned() };
        let letter = |byte: u8, rng: &mut DeterministicRng| if byte == from && rng.chance(DIRTY) { to } else { byte };
        read.bytes().map(|byte| char::from(letter(byte, rng))).collect()
    }
}

fn place(letter: u8) -> usize {
    ALPHABET.iter().position(|other| *other == letter).unwrap_or(0)
}

fn look_alikes(letter: u8) -> Vec<u8> {
    let groups = LOOK_ALIKES.iter().filter(|group| group.as_bytes().contains(&letter));
    groups.flat_map(|group| group.bytes()).filter(|other| *other != letter).collect()
}

/// What a camera says of a read whose plate was another one.
pub fn certainty(plate: &str, read: &str, rng: &mut DeterministicRng) -> Certainty {
    let truths = aligned(plate.as_bytes(), read.as_bytes());
    let mut certainty = Certainty::default();
    for (at, letter) in read.bytes().enumerate() {
        let truth = truths[at];
        let is_right = truth == Some(letter);
        let is_sure = if is_right { rng.chance(0.88) } else { rng.chance(WRONG_AND_SURE) };
        let confidence = if is_sure { 0.93 + 0.07 * rng.unit() } else { 0.4 + 0.53 * rng.unit() };
        certainty.letters.push(single(confidence));
        let listed = if is_right {
            rng.chance(if is_sure { 0.03 } else { 0.8 }).then(|| any_look_alike(letter, rng))
        } else if rng.chance(TRUTH_LISTED) {
            truth
        } else {
            rng.chance(0.5).then(|| any_look_alike(letter, rng))
        };
        if let Some(listed) = listed {
            let mut other = read.as_bytes().to_vec();
            other[at] = listed;
            certainty.candidates.push(String::from_utf8_lossy(&other).into_owned());
        }
    }
    if read.len() != plate.len() && rng.chance(0.4) {
        certainty.candidates.push(plate.to_owned());
    }
    certainty
}

#[expect(clippy::cast_possible_truncation, reason = "a confidence needs no more digits")]
fn single(confidence: f64) -> f32 {
    confidence as f32
}

fn any_look_alike(letter: u8, rng: &mut DeterministicRng) -> u8 {
    let alike = look_alikes(letter);
    if alike.is_empty() { *rng.one_of(ALPHABET) } else { *rng.one_of(&alike) }
}

/// For each letter of the read the letter of the plate that it stands for.
fn aligned(plate: &[u8], read: &[u8]) -> Vec<Option<u8>> {
    let mut costs = vec![vec![0_usize; read.len() + 1]; plate.len() + 1];
    for at in 0..=plate.len() {
        for index in 0..=read.len() {
            costs[at][index] = match (at, index) {
                (0, _) => index,
                (_, 0) => at,
                _ => {
                    let step = usize::from(plate[at - 1] != read[index - 1]);
                    (costs[at - 1][index - 1] + step).min(costs[at - 1][index] + 1).min(costs[at][index - 1] + 1)
                }
            };
        }
    }
    let (mut at, mut index) = (plate.len(), read.len());
    let mut truths = vec![None; read.len()];
    while index > 0 {
        let here = costs[at][index];
        let step = |at: usize| usize::from(plate[at - 1] != read[index - 1]);
        if at > 0 && here == costs[at - 1][index - 1] + step(at) {
            truths[index - 1] = Some(plate[at - 1]);
            (at, index) = (at - 1, index - 1);
        } else if at > 0 && here == costs[at - 1][index] + 1 {
            at -= 1;
        } else {
            index -= 1;
        }
    }
    truths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misreads_are_of_the_kinds_and_shares_that_are_asked_for() {
        let errors = Errors { misread: 0.1, alike: 0.7, cut: 0.25, dirty: false };
        let mut rng = DeterministicRng::new(1, 0);
        let camera = Camera::new(errors, 0, &mut rng);
        let reads: Vec<String> = (0..4000).map(|_| camera.misread("SB18EXD", &mut rng)).collect();
        let cut = reads.iter().filter(|read| read.len() < 7 && "SB18EXD".starts_with(read.as_str())).count();
        assert!((700..1100).contains(&cut), "{cut}");
        assert!(reads.iter().filter(|read| read.len() == 7).count() > 2000);
    }

    #[test]
    fn letters_are_aligned_with_their_plate() {
        assert_eq!(aligned(b"ABC", b"A8C"), [Some(b'A'), Some(b'B'), Some(b'C')]);
        assert_eq!(aligned(b"ABC", b"AC"), [Some(b'A'), Some(b'C')]);
        assert_eq!(aligned(b"AC", b"ABC"), [Some(b'A'), None, Some(b'C')]);
    }
}
