//! How two reads differ: the filter behind the index, and the edits that lead from one to the other.
//!
//! A substitution by a look-alike costs 1, every other edit 2; two plates are near up to 4. What a camera cuts off at
//! the end counts as one edit, or three for two letters.

use super::letters::{LONGEST, Letters, is_alike};

/// Plates are near up to this cost.
pub const NEAR_MAX: u8 = 4;
/// Cost of an edit that is no look-alike.
const EDIT: u8 = 2;
/// Cost of two letters cut off the end.
const CUT_TWO: u8 = 3;
const FAR: u8 = 100;
/// Plates whose lengths differ by more are not near.
const BAND: usize = 2;

/// The cost between two plates; `None` when it is above [`NEAR_MAX`].
#[inline]
pub fn cost(one: &Letters, other: &Letters) -> Option<u8> {
    if one.len().abs_diff(other.len()) > BAND {
        return None;
    }
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let mut row = [FAR; LONGEST + 1];
    for (place, cell) in row.iter_mut().enumerate().take(BAND + 1) {
        *cell = EDIT * u8::try_from(place).expect("a band is narrow");
    }
    for (at, code) in short.codes().iter().enumerate() {
        if next_row(&mut row, at, *code, long) > NEAR_MAX {
            return None;
        }
    }
    let mut found = row[long.len()];
    if long.len() == short.len() + 2 {
        found = found.min(row[short.len()].saturating_add(CUT_TWO));
    }
    (found <= NEAR_MAX).then_some(found)
}

/// Costs after one more letter of the shorter plate; tells the least of them.
fn next_row(row: &mut [u8; LONGEST + 1], at: usize, code: u8, long: &Letters) -> u8 {
    let from = (at + 1).saturating_sub(BAND);
    let to = (at + 1 + BAND).min(long.len());
    let mut diagonal = if from == 0 { row[0] } else { row[from - 1] };
    let mut least = FAR;
    let mut place = from;
    if from == 0 {
        row[0] += EDIT;
        least = row[0];
        place = 1;
    } else {
        // What is left of the band is out of reach.
        row[from - 1] = FAR;
    }
    while place <= to {
        let theirs = long.codes()[place - 1];
        let step = if theirs == code { 0 } else { substitution(code, theirs) };
        let above = row[place];
        let cell = (diagonal + step).min(above + EDIT).min(row[place - 1] + EDIT);
        row[place] = cell;
        least = least.min(cell);
        diagonal = above;
        place += 1;
    }
    least
}

fn substitution(one: u8, other: u8) -> u8 {
    if is_alike(one, other) { 1 } else { EDIT }
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
            prop_assert_eq!(apply(&one, &edits, u32::MAX), Some(other));
            prop_assert_eq!(apply(&one, &edits, 0), Some(one));
        }
    }
}
