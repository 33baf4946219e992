//! The members of a gate event that say how certain its camera is of each character, and what else it may have read.
//!
//! Like every optional member they never cost the event: what can't be used is left out and noted as dropped.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Dropped, Members, check_confidence};
use crate::{Candidate, Certainty, Plate};

/// A candidate as it stands in the JSON.
#[derive(Deserialize)]
struct Written<'a> {
    plate: String,
    #[serde(borrow)]
    confidence: Option<&'a RawValue>,
}

impl Members<'_> {
    /// What the camera says of its certainty, if anything.
    pub(super) fn certainty(
        &self,
        plate: &Plate,
        plate_as_read: &str,
        dropped: &mut Dropped,
    ) -> Option<Box<Certainty>> {
        let mut certainty = Certainty::default();
        if let Some(json) = &self.character_confidences {
            match character_confidences(json, plate, plate_as_read) {
                Some(characters) => certainty.characters = characters,
                None => dropped.character_confidences = true,
            }
        }
        if let Some(json) = &self.candidates {
            dropped.candidates = !add_candidates(json, plate, &mut certainty.candidates);
        }
        (!certainty.is_empty()).then(|| Box::new(certainty))
    }
}

/// One number for each letter and digit. Numbers for all characters of the plate as read, separators too, count as
/// well.
fn character_confidences(json: &str, plate: &Plate, plate_as_read: &str) -> Option<Vec<f32>> {
    let mut confidences: Vec<f32> = serde_json::from_str(json).ok()?;
    if !confidences.iter().all(|confidence| (0.0..=1.0).contains(confidence)) {
        return None;
    }
    let letters = plate.as_str().chars().count();
    if confidences.len() == plate_as_read.chars().count() {
        let mut characters = plate_as_read.chars();
        confidences.retain(|_| characters.next().is_some_and(char::is_alphanumeric));
    }
    (confidences.is_empty() || confidences.len() == letters).then_some(confidences)
}

/// Adds the candidates that are plates, without the plate itself and repetitions. Returns `false` if anything was
/// invalid.
fn add_candidates(json: &str, plate: &Plate, candidates: &mut Vec<Candidate>) -> bool {
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json) else { return false };
    let mut is_valid = true;
    for element in elements {
        let Some((other, confidence)) = candidate(element, &mut is_valid) else {
            is_valid = false;
            continue;
        };
        let is_known = other == *plate || candidates.iter().any(|candidate| candidate.plate == other);
        if !is_known && candidates.len() < Certainty::CANDIDATES_MAX {
            candidates.push(Candidate { plate: other, confidence });
        }
    }
    is_valid
}

fn candidate(element: &RawValue, is_valid: &mut bool) -> Option<(Plate, Option<f32>)> {
    let written: Written<'_> = serde_json::from_str(element.get()).ok()?;
    let plate = Plate::named(&written.plate).ok()?;
    let confidence = written.confidence.and_then(|number| check_confidence(number.get()).ok());
    *is_valid &= confidence.is_some() || written.confidence.is_none();
    Some((plate, confidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ParsedEvent, parse_event, write_event_with};

    fn parsed(members: &str) -> ParsedEvent {
        let event = r#""id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"AB-12","entry_date_time":"2024-09-24T09:00:00Z""#;
        parse_event(format!("{{{event},{members}}}").as_bytes()).unwrap()
    }

    fn plates(certainty: &Certainty) -> Vec<&str> {
        certainty.candidates.iter().map(|candidate| candidate.plate.as_str()).collect()
    }

    #[test]
    fn confidences_of_characters_and_other_candidates_are_kept() {
        let members = r#""character_confidences":[0.9,1,0.5,0.25],"candidates":[{"plate":"a8-12","confidence":0.7},{"plate":"AB12"},{"plate":"A812"},{"plate":"AB1Z","model":7}]"#;
        let ParsedEvent { certainty, dropped, .. } = parsed(members);
        let certainty = certainty.unwrap();
        assert_eq!(certainty.characters, [0.9, 1.0, 0.5, 0.25]);
        assert_eq!(plates(&certainty), ["A812", "AB1Z"]);
        assert_eq!(certainty.candidates[0].confidence, Some(0.7));
        assert_eq!(dropped, Dropped::default());
    }

    #[test]
    fn confidences_may_count_the_separators_of_the_plate() {
        let certainty = parsed(r#""character_confidences":[0.1,0.2,0.3,0.4,0.5]"#).certainty.unwrap();
        assert_eq!(certainty.characters, [0.1, 0.2, 0.4, 0.5]);
    }

    #[test]
    fn a_camera_that_says_nothing_drops_nothing() {
        for members in [
            r#""character_confidences":null,"candidates":null"#,
            r#""character_confidences":[],"candidates":[]"#,
            r#""candidates":[{"plate":"AB 12"}]"#,
        ] {
            let parsed = parsed(members);
            assert_eq!((parsed.certainty, parsed.dropped), (None, Dropped::default()), "{members}");
        }
    }

    #[test]
    fn what_is_wrong_with_them_never_costs_the_event() {
        for value in
            ["0.9", "\"0.9\"", "\"\"", "{}", "[0.9]", "[0.9,1.1,0.5,0.5]", "[0.9,\"1\",0.5,0.5]", "[1e999]", "true"]
        {
            let parsed = parsed(&format!(r#""character_confidences":{value}"#));
            assert!(parsed.certainty.is_none() && parsed.dropped.character_confidences, "{value}");
        }
        for value in
            ["5", "\"A812\"", "\"\"", "{}", "[\"A812\"]", "[5]", "[{}]", "[{\"plate\":\"--\"}]", "[{\"plate\":5}]"]
        {
            let parsed = parsed(&format!(r#""candidates":{value}"#));
            assert!(parsed.certainty.is_none() && parsed.dropped.candidates, "{value}");
        }
    }

    #[test]
    fn of_the_candidates_the_valid_ones_are_kept() {
        let long = "X".repeat(17);
        let value = format!(r#"[{{"plate":"{long}"}},{{"plate":"A812","confidence":7}},null,{{"plate":"AB1Z"}}]"#);
        let ParsedEvent { certainty, dropped, .. } = parsed(&format!(r#""candidates":{value}"#));
        let certainty = certainty.unwrap();
        assert_eq!((plates(&certainty), certainty.candidates[0].confidence), (vec!["A812", "AB1Z"], None));
        assert!(dropped.candidates);
        let many: Vec<String> = (10..40).map(|number| format!(r#"{{"plate":"AB{number}"}}"#)).collect();
        let ParsedEvent { certainty, dropped, .. } = parsed(&format!(r#""candidates":[{}]"#, many.join(",")));
        assert_eq!((certainty.unwrap().candidates.len(), dropped), (Certainty::CANDIDATES_MAX, Dropped::default()));
    }

    #[test]
    fn what_is_written_is_read_back_with_its_certainty() {
        let members = r#""character_confidences":[0.91,1,0.5,0.25],"candidates":[{"plate":"A812","confidence":0.7},{"plate":"AB1Z"}]"#;
        let first = parsed(members);
        let mut json = Vec::new();
        write_event_with(&first.event, first.certainty.as_deref(), None, &mut json);
        assert_eq!(parse_event(&json), Ok(first));
    }
}
