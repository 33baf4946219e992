//! Similar plates: candidates for the other end of a stay if a gate has misread a plate.
//!
//! The result is a hint for a person. It never changes a session.

use parking::{Plate, Timestamp};

/// Plates of any length are similar up to this distance only, in half edits.
const HALF_EDITS_MAX: usize = 4;
/// The maximum number of similar plates in one answer.
pub const SIMILAR_PLATES_MAX: usize = 5;

/// Groups of characters that gates confuse, as Genetec and others publish them. The first of a group represents it.
const CONFUSED_LETTERS: [&str; 6] = ["0ODQ", "1I", "2Z", "5S", "6G", "8B"];

/// A plate that is similar to the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimilarPlate {
    /// Its index among the candidates.
    pub index: usize,
    /// The distance: two for each substituted, missing or additional letter and each swapped pair; one for a substitution
    /// by an easily confused letter.
    pub half_edits: usize,
}

/// The distance of two plates in half edits.
pub fn half_edits(one: &Plate, other: &Plate) -> usize {
    // An easily confused letter is an edit only in the comparison of the unfolded plates.
    strsim::osa_distance(one.as_str(), other.as_str()) + strsim::osa_distance(&folded(one), &folded(other))
}

/// The maximum distance of similar plates in half edits: about a quarter of the letters of the shorter plate may
/// differ.
pub fn half_edits_max(one: &Plate, other: &Plate) -> usize {
    length(one).min(length(other)).div_ceil(2).min(HALF_EDITS_MAX)
}

fn length(plate: &Plate) -> usize {
    plate.as_str().chars().count()
}

/// The `candidates` most similar to a plate seen at `time`: at most [`SIMILAR_PLATES_MAX`], the smallest distance
/// first, then the smallest difference of times. An equal plate is left out.
pub fn most_similar(plate: &Plate, time: Timestamp, candidates: &[(&Plate, Timestamp)]) -> Vec<SimilarPlate> {
    let may_be = |other: &Plate| length(other).abs_diff(length(plate)) * 2 <= half_edits_max(plate, other);
    let mut near: Vec<SimilarPlate> = candidates
        .iter()
        .enumerate()
        .filter(|(_, (other, _))| *other != plate && may_be(other))
        .map(|(index, (other, _))| SimilarPlate { index, half_edits: half_edits(plate, other) })
        .filter(|near| near.half_edits <= half_edits_max(plate, candidates[near.index].0))
        .collect();
    let apart = |near: &SimilarPlate| candidates[near.index].1.millis_since(time).unsigned_abs();
    near.sort_by_key(|near| (near.half_edits, apart(near)));
    near.truncate(SIMILAR_PLATES_MAX);
    near
}

fn folded(plate: &Plate) -> String {
    let fold = |letter: char| {
        let group = CONFUSED_LETTERS.iter().find(|group| group.contains(letter));
        group.and_then(|group| group.chars().next()).unwrap_or(letter)
    };
    plate.as_str().chars().map(fold).collect()
}
