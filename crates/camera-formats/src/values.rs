//! Numbers as cameras write them: confidences on any scale.

use crate::Candidate;
use crate::body::Tree;

/// A confidence from 0 to `most`, as one from 0 to 1. What is out of range or no number is no confidence: nothing is
/// made up.
pub(crate) fn confidence(text: Option<&str>, most: f32) -> Option<f32> {
    let number: f32 = text?.trim_end_matches('%').trim().parse().ok()?;
    (0.0..=most).contains(&number).then(|| number / most)
}

/// A confidence of a sender whose firmware versions use 0 to 1 and 0 to 100.
pub(crate) fn confidence_of_either_scale(text: Option<&str>) -> Option<f32> {
    confidence(text, 1.0).or_else(|| confidence(text, 100.0))
}

/// Confidences of characters, written with commas between them.
pub(crate) fn character_confidences(text: &str, most: f32) -> Vec<f32> {
    let all: Option<Vec<f32>> = text.split(',').map(|one| confidence(Some(one), most)).collect();
    all.unwrap_or_default()
}

/// Candidates of a list of objects.
pub(crate) fn candidates(list: &[Tree], plate: &str, score: &str, most: f32) -> Vec<Candidate> {
    /// More are not even looked at.
    const MOST: usize = 64;
    let candidate = |tree: &Tree| {
        let plate = tree.text(plate)?.to_owned();
        Some(Candidate { plate, confidence: confidence(tree.text(score), most) })
    };
    list.iter().take(MOST).filter_map(candidate).collect()
}

/// A number of degrees.
pub(crate) fn degrees(text: Option<&str>) -> Option<f32> {
    text?.parse().ok().filter(|degrees| (-360.0..=360.0).contains(degrees))
}

/// Whether a plate's text is one of the words for "none was read". An exact list: a real plate may begin like one.
pub(crate) fn is_no_plate(text: &str) -> bool {
    const WORDS: [&str; 18] = [
        // A JSON value that is no text.
        "false",
        "unknown",
        "noplate",
        "nonumber",
        "unlicensed",
        "none",
        "null",
        "undefined",
        "unread",
        "unreadable",
        "notread",
        "unrecognized",
        "noplatedetected",
        "unknownplate",
        "nodata",
        "无车牌",
        "无牌车",
        "未识别",
    ];
    let plain: String = text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    WORDS.contains(&plain.as_str())
}

/// A plate as it is published: nothing for the words that say that none was read.
pub(crate) fn plate(text: Option<&str>) -> String {
    text.filter(|text| !is_no_plate(text)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_no_plate_are_no_plate_in_any_spelling_and_plates_that_begin_like_one_are() {
        for word in ["", "none", "NO PLATE", "no_plate", "<None>", "[null]", "(Unknown)", "无车牌", "false", "False"]
        {
            assert_eq!(plate(Some(word)), "", "{word}");
        }
        for real in ["NONE1", "UNREAD2", "NULL-0", "FALSE1"] {
            assert_eq!(plate(Some(real)), real);
        }
        assert_eq!(plate(None), "");
    }
}
