//! Masked plates: what a principal without `read_plate` sees.
//!
//! A mask is a pure function of the plate's normal form, so that lists, stories, feeds and files show the same one, and
//! putting two of them side by side tells no more than one of them.

use parking::Plate;

/// Replaces a letter or digit.
pub const MASK: char = '•';
/// The shortest plate of which anything is shown, letters and digits.
const SHOWN_FROM: usize = 7;
/// How many are shown at either end.
const SHOWN_AT_END: usize = 2;

/// The first two and the last two characters of a plate of seven or more; of a shorter one only its length.
pub fn mask_plate(plate: &Plate) -> String {
    let letters = plate.as_str().chars();
    let length = letters.clone().count();
    let is_shown = |at: usize| length >= SHOWN_FROM && (at < SHOWN_AT_END || at >= length - SHOWN_AT_END);
    letters.enumerate().map(|(at, letter)| if is_shown(at) { letter } else { MASK }).collect()
}

/// The mask of a plate as a camera read it: that of its normal form. How it was spelled is not shown, as it would tell
/// apart plates that have one mask. A text that is no plate is shown as four masks, whatever its length.
pub fn mask_read(as_read: &str) -> String {
    Plate::from_read(as_read).map_or_else(|_| MASK.to_string().repeat(4), |plate| mask_plate(&plate))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_letters_at_either_end_are_shown_of_seven_and_more() {
        for (plate, masked) in [
            ("ABC1234", "AB•••34"),
            ("AB12345", "AB•••45"),
            ("ABCDEFGH12345678", "AB••••••••••••78"),
            ("京A12345", "京A•••45"),
            ("ABC123", "••••••"),
            ("A", "•"),
            ("--", ""),
        ] {
            assert_eq!(mask_read(plate), masked, "{plate}");
        }
    }

    #[test]
    fn a_text_that_is_no_plate_shows_nothing_of_itself() {
        assert_eq!(mask_read("ABCDEFGH123456789"), "••••");
        assert_eq!(mask_read(&"x".repeat(300)), "••••");
    }

    proptest! {
        #[test]
        fn a_mask_is_as_long_as_the_plate_and_shows_at_most_four_of_it(as_read in "\\PC{0,20}") {
            let Ok(plate) = Plate::from_read(&as_read) else { return Ok(()) };
            let masked = mask_plate(&plate);
            let pairs: Vec<(char, char)> = plate.as_str().chars().zip(masked.chars()).collect();
            prop_assert_eq!(masked.chars().count(), plate.as_str().chars().count());
            let shown = pairs.iter().filter(|(_, shown)| *shown != MASK).count();
            prop_assert_eq!(shown, if pairs.len() >= 7 { 4 } else { 0 });
            prop_assert!(pairs.iter().all(|(letter, shown)| *shown == MASK || shown == letter));
        }

        #[test]
        fn the_middle_of_a_plate_never_changes_its_mask(
            ends in "[A-Z]{2}", last in "[0-9]{2}",
            (one, other) in (3_usize..13).prop_flat_map(|length| {
                let middle = || prop::collection::vec(prop::char::range('0', 'Z'), length);
                (middle(), middle())
            }),
        ) {
            let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { 'X' };
            let letters = |middle: Vec<char>| middle.into_iter().map(plain);
            let (one, other): (String, String) = (letters(one).collect(), letters(other).collect());
            let mask = |middle: &str| mask_read(&format!("{ends}{middle}{last}"));
            prop_assert_eq!(mask(&one), mask(&other));
        }

        #[test]
        fn every_spelling_of_a_plate_has_the_mask_of_its_normal_form(
            plate in "[A-Z0-9]{1,16}", lower: bool,
            separator in prop::sample::select(vec!["", "-", " ", ".", "\u{200b}"]),
        ) {
            let spelled: Vec<String> = plate.chars().map(String::from).collect();
            let spelled = spelled.join(separator);
            let spelled = if lower { spelled.to_lowercase() } else { spelled };
            prop_assert_eq!(mask_read(&spelled), mask_plate(&Plate::named(&plate).unwrap()));
        }
    }
}
