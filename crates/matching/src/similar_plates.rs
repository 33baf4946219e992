//! Plates that are nearly the same: where the other end of a stay may be, when a gate has misread a plate.
//!
//! This only points a person there. It never changes a session.

use parking::{Plate, Timestamp};

/// However long plates are, they are near up to this distance only, in half edits.
const HALF_EDITS_MAX: usize = 4;
/// As many near plates are told at most.
pub const SIMILAR_PLATES_MAX: usize = 5;

/// Letters and digits that gates take for each other; the first stands for all. Those that Genetec and others publish.
const CONFUSED: [&str; 6] = ["0ODQ", "1I", "2Z", "5S", "6G", "8B"];

/// A plate that is near another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimilarPlate {
    /// Its index among the candidates.
    pub index: usize,
    /// How far it is: two for each letter that is another one, is missing or is too many, or pair that is swapped; one for
    /// a letter that is easily taken for the other.
    pub half_edits: usize,
}

/// The distance of two plates in half edits.
pub fn half_edits(one: &Plate, other: &Plate) -> usize {
    // What is easily confused counts as an edit only where both are compared as they are.
    strsim::osa_distance(one.as_str(), other.as_str()) + strsim::osa_distance(&folded(one), &folded(other))
}

/// Up to which distance plates are near, in half edits: of the letters of the shorter one about a quarter may be others.
pub fn half_edits_max(one: &Plate, other: &Plate) -> usize {
    length(one).min(length(other)).div_ceil(2).min(HALF_EDITS_MAX)
}

fn length(plate: &Plate) -> usize {
    plate.as_str().chars().count()
}

/// The nearest of `candidates` to a plate that was seen at `time`: at most [`SIMILAR_PLATES_MAX`], the nearest first, and of those
/// that are equally near the one seen at the nearest time. The same plate is none of them.
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
        let group = CONFUSED.iter().find(|group| group.contains(letter));
        group.and_then(|group| group.chars().next()).unwrap_or(letter)
    };
    plate.as_str().chars().map(fold).collect()
}
