//! How two reads differ: the filter behind the index, and the edits that lead from one to the other.
//!
//! A substitution by a look-alike costs 1, every other edit 2; two plates are near up to 4. What a camera cuts off at
//! the end counts as one edit, or three for two letters.

use super::letters::{LONGEST, Letters, SYMBOLS, is_alike, symbol};

/// Plates are near up to this cost.
pub const NEAR_MAX: u8 = 4;
/// Cost of an edit that is no look-alike.
const EDIT: u8 = 2;
/// Cost of two letters cut off the end.
const CUT_TWO: u8 = 3;
const FAR: u8 = 100;

/// The cost between two plates; `None` when it is above [`NEAR_MAX`].
///
/// Up to that cost there are few ways to align two plates, so each is tried instead of a table of all alignments.
#[inline]
pub fn cost(one: &Letters, other: &Letters) -> Option<u8> {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let (short, long) = (short.codes(), long.codes());
    let found = match long.len() - short.len() {
        0 => match replaced(short, long) {
            FAR => moved(short, long),
            found => found,
        },
        1 => one_inserted(short, long),
        2 => two_inserted(short, long).min(replaced(short, &long[..short.len()]).saturating_add(CUT_TWO)),
        _ => FAR,
    };
    (found <= NEAR_MAX).then_some(found)
}

/// The cost of substitutions alone, up to a limit from which on it is too far anyway.
fn replaced(one: &[u8], other: &[u8]) -> u8 {
    let mut cost = 0;
    for (one, other) in one.iter().zip(other).filter(|(one, other)| one != other) {
        cost += substitution(*one, *other);
        if cost > NEAR_MAX {
            return FAR;
        }
    }
    cost
}

/// The cost when one letter is taken out and put in elsewhere.
fn moved(one: &[u8], other: &[u8]) -> u8 {
    let Some(first) = one.iter().zip(other).position(|(one, other)| one != other) else { return 0 };
    let last = one.iter().zip(other).rposition(|(one, other)| one != other).unwrap_or(first);
    let (one, other) = (&one[first..=last], &other[first..=last]);
    let is_moved = one[1..] == other[..other.len() - 1] || one[..one.len() - 1] == other[1..];
    if is_moved { 2 * EDIT } else { FAR }
}

/// The cost when the longer plate has one letter more, and others may be replaced.
fn one_inserted(short: &[u8], long: &[u8]) -> u8 {
    const REPLACED_MAX: u8 = NEAR_MAX - EDIT;
    // Of the letters before the additional one, by its place; the last place that is not too far already.
    let mut before = [0; LONGEST + 1];
    let mut reached = 0;
    for (at, code) in short.iter().enumerate() {
        before[at + 1] = before[at] + step(*code, long[at]);
        if before[at + 1] > REPLACED_MAX {
            break;
        }
        reached = at + 1;
    }
    let mut least = if reached == short.len() { before[reached] } else { FAR };
    let mut behind = 0;
    for (at, code) in short.iter().enumerate().rev() {
        behind += step(*code, long[at + 1]);
        if behind > REPLACED_MAX {
            break;
        }
        if at <= reached {
            least = least.min(before[at] + behind);
        }
    }
    least + EDIT
}

fn step(one: u8, other: u8) -> u8 {
    if one == other { 0 } else { substitution(one, other) }
}

/// The cost when the longer plate has two letters more and no other one differs.
fn two_inserted(short: &[u8], long: &[u8]) -> u8 {
    let mut rest = long.iter();
    let is_part = short.iter().all(|code| rest.any(|other| other == code));
    if is_part { 2 * EDIT } else { FAR }
}

/// What a substitution costs, by the two symbols.
static SUBSTITUTIONS: [[u8; SYMBOLS]; SYMBOLS] = {
    let mut costs = [[EDIT; SYMBOLS]; SYMBOLS];
    let mut one = 0;
    while one < SYMBOLS {
        let mut other = 0;
        while other < SYMBOLS {
            if is_alike(one, other) {
                costs[one][other] = 1;
            }
            other += 1;
        }
        one += 1;
    }
    costs
};

#[inline]
fn substitution(one: u8, other: u8) -> u8 {
    SUBSTITUTIONS[symbol(one)][symbol(other)]
}

/// One edit on the way from a plate to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// The letter at this place of the first is another one in the second.
    Replaced {
        /// Place in the first.
        at: usize,
        /// The second's letter.
        by: u8,
    },
    /// The letter at this place of the first is missing in the second.
    Deleted {
        /// Place in the first.
        at: usize,
    },
    /// The second has a letter more, before this place of the first.
    Inserted {
        /// Place in the first.
        at: usize,
        /// The letter.
        letter: u8,
    },
}

/// The cheapest edits that lead from `one` to `other`, from the last to the first: so each place stays right while they
/// are applied in this order.
pub fn script(one: &Letters, other: &Letters) -> Vec<Edit> {
    let (ours, theirs) = (one.codes(), other.codes());
    // A deletion and an insertion cost more than that: there is no other way.
    if ours.len() == theirs.len() && replaced(ours, theirs) < 2 * EDIT {
        let places = ours.iter().zip(theirs).enumerate().rev().filter(|(_, (own, by))| own != by);
        return places.map(|(at, (_, by))| Edit::Replaced { at, by: *by }).collect();
    }
    aligned(ours, theirs)
}

/// The cheapest edits by a table of all alignments.
fn aligned(ours: &[u8], theirs: &[u8]) -> Vec<Edit> {
    let mut costs = [[0_u8; LONGEST + 1]; LONGEST + 1];
    for at in 0..=ours.len() {
        for place in 0..=theirs.len() {
            costs[at][place] = match (at, place) {
                (0, 0) => 0,
                (0, _) => costs[0][place - 1] + EDIT,
                (_, 0) => costs[at - 1][0] + EDIT,
                _ => {
                    let same = ours[at - 1] == theirs[place - 1];
                    let step = if same { 0 } else { substitution(ours[at - 1], theirs[place - 1]) };
                    let aside = costs[at - 1][place].min(costs[at][place - 1]) + EDIT;
                    aside.min(costs[at - 1][place - 1] + step)
                }
            };
        }
    }
    back(&costs, ours, theirs)
}

fn back(costs: &[[u8; LONGEST + 1]; LONGEST + 1], ours: &[u8], theirs: &[u8]) -> Vec<Edit> {
    let (mut at, mut place) = (ours.len(), theirs.len());
    let mut edits = Vec::new();
    while at > 0 || place > 0 {
        let here = costs[at][place];
        if at > 0 && here == costs[at - 1][place] + EDIT {
            at -= 1;
            edits.push(Edit::Deleted { at });
        } else if place > 0 && here == costs[at][place - 1] + EDIT {
            place -= 1;
            edits.push(Edit::Inserted { at, letter: theirs[place] });
        } else {
            (at, place) = (at - 1, place - 1);
            if ours[at] != theirs[place] {
                edits.push(Edit::Replaced { at, by: theirs[place] });
            }
        }
    }
    edits
}

/// The plate after some of the edits of its script, those whose bit is set; `None` when it becomes too long.
pub(crate) fn apply(plate: &Letters, edits: &[Edit], chosen: u32) -> Option<Letters> {
    let mut plate = *plate;
    for (number, edit) in edits.iter().enumerate() {
        if chosen >> number & 1 == 0 {
            continue;
        }
        plate = match *edit {
            Edit::Replaced { at, by } => plate.with(at, by),
            Edit::Deleted { at } => plate.without(at),
            Edit::Inserted { at, letter } => plate.with_inserted(at, letter)?,
        };
    }
    Some(plate)
}

#[cfg(test)]
mod tests {
    use parking::Plate;
    use proptest::prelude::*;

    use super::*;

    fn letters(text: &str) -> Letters {
        Letters::of(&Plate::from_read(text).unwrap())
    }

    fn between(one: &str, other: &str) -> Option<u8> {
        cost(&letters(one), &letters(other))
    }

    #[test]
    fn a_look_alike_costs_one_and_every_other_edit_two() {
        assert_eq!(between("AB12CDE", "AB12CDE"), Some(0));
        assert_eq!(between("AB12CDE", "A812CDE"), Some(1));
        assert_eq!(between("AB12CDE", "A812C0E"), Some(2));
        assert_eq!(between("AB12CDE", "AB12CD"), Some(2));
        assert_eq!(between("AB12CDE", "AB12C"), Some(3));
        assert_eq!(between("AB12CDE", "2CDE"), None);
        assert_eq!(between("AB12CDE", "AB99CDW"), None);
    }

    proptest! {
        #[test]
        fn the_cost_is_the_least_of_all_alignments(one in "[AB018]{0,7}", other in "[AB018]{0,7}") {
            let (one, other) = (letters(&one), letters(&other));
            let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
            let least = |one: &[u8], other: &[u8]| -> u8 {
                let mut row: Vec<u8> = (0..=other.len()).map(|at| EDIT * u8::try_from(at).unwrap()).collect();
                for code in one {
                    let mut diagonal = row[0];
                    row[0] += EDIT;
                    for at in 1..=other.len() {
                        let replaced = diagonal + step(*code, other[at - 1]);
                        diagonal = row[at];
                        row[at] = replaced.min(row[at] + EDIT).min(row[at - 1] + EDIT);
                    }
                }
                row[other.len()]
            };
            let mut expected = least(short.codes(), long.codes());
            if long.len() == short.len() + 2 {
                expected = expected.min(least(short.codes(), &long.codes()[..short.len()]) + CUT_TWO);
            }
            prop_assert_eq!(cost(&one, &other), Some(expected).filter(|cost| *cost <= NEAR_MAX));
        }

        #[test]
        fn the_band_loses_no_near_pair(one in "[AB018]{0,9}", other in "[AB018]{0,9}") {
            let (one, other) = (letters(&one), letters(&other));
            let edits = script(&one, &other);
            let full: u8 = edits.iter().map(|edit| match *edit {
                Edit::Replaced { at, by } => substitution(one.codes()[at], by),
                Edit::Deleted { .. } | Edit::Inserted { .. } => EDIT,
            }).sum();
            let found = cost(&one, &other);
            if full <= NEAR_MAX {
                prop_assert!(found.is_some_and(|found| found <= full));
            }
            prop_assert!(found.is_none_or(|found| found + 1 >= full.min(found + 1)));
            prop_assert_eq!(cost(&other, &one), found);
        }

        #[test]
        fn all_edits_of_a_script_lead_to_the_other_plate(one in "[A-D0-3]{0,10}", other in "[A-D0-3]{0,10}") {
            let (one, other) = (letters(&one), letters(&other));
            let edits = script(&one, &other);
            prop_assert_eq!(&edits, &aligned(one.codes(), other.codes()));
            prop_assert_eq!(apply(&one, &edits, u32::MAX), Some(other));
            prop_assert_eq!(apply(&one, &edits, 0), Some(one));
        }
    }
}
