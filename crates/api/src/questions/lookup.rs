//! A look-up at the exit: reads the question from a JSON object, and answers it.
//!
//! Unlike an event, which loses an optional member that can't be used, a question with one is refused: somebody waits for
//! the answer, and can send it again.

use parking::{AHEAD_MAX_MS, Candidate, Certainty, LotId, Plate, Timestamp};
use serde_json::{Map, Value};
use sessions::ScopedService;
use sessions::lookup::LookUp;

use crate::parameters::{Faults, lot, quoted, time};
use crate::problem::{Fault, Kind, Problem};
use crate::views::LookedUpView;

/// The members of a question.
const MEMBERS: [&str; 7] =
    ["lot_id", "vehicle_plate", "confidence", "character_confidences", "candidates", "time", "min_sequence"];

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct LookUpQuestion {
    /// What is asked.
    pub asked: LookUp,
    /// The answer has to include the change with this number.
    pub min_sequence: Option<u64>,
}

impl LookUpQuestion {
    /// Reads a question that is asked at `now`.
    ///
    /// # Errors
    /// The text is no JSON object, or each member that is missing, unknown or wrong. No error contains a plate.
    pub fn parse(json: &[u8], now: Timestamp) -> Result<Self, Problem> {
        let members: Map<String, Value> = serde_json::from_slice(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let problem = format!("the body is not a JSON object; the error is at line {line} column {column}");
            Problem::new(Kind::Malformed, problem)
        })?;
        let mut faults = Faults::default();
        for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
            faults.check::<()>(Err(unknown(name)));
        }
        let member = |name: &str| members.get(name).filter(|value| !value.is_null());
        let lot = member("lot_id").map(|value| of_text("lot_id", value, lot));
        let lot = faults.check(lot.transpose());
        let read = member("vehicle_plate").map(|value| of_text("vehicle_plate", value, plate_as_read));
        let read = faults.check(read.transpose()).flatten();
        let mut candidates = faults.check(candidates(member("candidates"))).unwrap_or_default();
        let (plate, as_read) = read.unzip();
        let plate = plate.or_else(|| best_of(&mut candidates));
        if plate.is_none() && member("vehicle_plate").is_none() && member("candidates").is_none_or(is_empty_list) {
            faults.check::<()>(Err(Fault::member("vehicle_plate", "is missing, and so are candidates")));
        }
        let confidence = faults.check(member("confidence").map(|value| share("confidence", value)).transpose());
        let characters = member("character_confidences").map(|value| match (&plate, &as_read) {
            (Some(plate), Some(as_read)) => characters(value, plate, as_read),
            _ if member("vehicle_plate").is_some() => Ok(Vec::new()),
            _ => Err(Fault::member("character_confidences", "needs vehicle_plate, whose characters it rates")),
        });
        let characters = faults.check(characters.transpose());
        let time =
            faults.check(member("time").map(|value| of_text("time", value, |text| not_ahead(text, now))).transpose());
        let min_sequence = faults.check(member("min_sequence").map(sequence).transpose());
        faults.none()?;
        let (Some(plate), Some(lot), Some(confidence), Some(characters), Some(time), Some(min_sequence)) =
            (plate, lot, confidence, characters, time, min_sequence)
        else {
            return Err(Problem::new(Kind::InvalidContent, Kind::InvalidContent.meaning()));
        };
        let asked = LookUp {
            lot: lot.unwrap_or_default(),
            time,
            confidence,
            character_confidences: characters.unwrap_or_default(),
            candidates: candidates
                .into_iter()
                .map(|candidate| candidate.plate)
                .filter(|other| *other != plate)
                .collect(),
            plate,
        };
        Ok(Self { asked, min_sequence })
    }

    /// A question with nothing but a plate, which is read now.
    ///
    /// # Errors
    /// The plate is none.
    pub fn of_plate(lot: LotId, text: &str) -> Result<Self, Problem> {
        let read = plate_as_read(text).map_err(|problem| Fault::member("vehicle_plate", problem));
        let (plate, _) = read.map_err(|fault| Problem::with_faults(Kind::InvalidContent, vec![fault]))?;
        let (time, confidence, character_confidences, candidates) = (None, None, Vec::new(), Vec::new());
        let asked = LookUp { lot, plate, time, confidence, character_confidences, candidates };
        Ok(Self { asked, min_sequence: None })
    }

    /// Answers it.
    ///
    /// # Errors
    /// The principal may not look up plates, there is no such lot, the ledger has no change with that number, or can't be
    /// read.
    pub async fn answer(&self, service: &ScopedService) -> Result<LookedUpView, Problem> {
        let found = service.look_up(&self.asked).await?;
        if let Some(wanted) = self.min_sequence.filter(|wanted| *wanted > found.sequence) {
            let problem = format!("{wanted} is greater than the number of the newest change, {}", found.sequence);
            return Err(Problem::with_faults(Kind::InvalidContent, vec![Fault::member("min_sequence", problem)]));
        }
        Ok(LookedUpView::new(&self.asked, &found))
    }
}

fn unknown(name: &str) -> Fault {
    let detail = format!("unknown member {}; expected one of: {}", quoted(name), MEMBERS.join(", "));
    Fault { detail, pointer: None, parameter: None }
}

fn of_text<T>(name: &str, value: &Value, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Fault> {
    let text = value.as_str().ok_or_else(|| Fault::member(name, "is not a string"))?;
    parse(text).map_err(|problem| Fault::member(name, problem))
}

/// A plate in its normal form, and as it is written. It may be one that says that nothing was read.
fn plate_as_read(text: &str) -> Result<(Plate, String), String> {
    Plate::from_read(text).map(|plate| (plate, text.to_owned())).map_err(str::to_owned)
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// The candidates, of equal plates the first.
fn candidates(value: Option<&Value>) -> Result<Vec<Candidate>, Fault> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let elements = value.as_array().ok_or_else(|| Fault::member("candidates", "is not an array"))?;
    if elements.len() > Certainty::CANDIDATES_MAX {
        let problem = format!("has {} elements; allowed are {}", elements.len(), Certainty::CANDIDATES_MAX);
        return Err(Fault::member("candidates", problem));
    }
    let mut found: Vec<Candidate> = Vec::new();
    for (place, element) in elements.iter().enumerate() {
        let name = |member: &str| format!("candidates/{place}/{member}");
        let plate = element.get("plate").ok_or_else(|| Fault::member(&name("plate"), "is missing"))?;
        let plate = of_text(&name("plate"), plate, |text| Plate::named(text).map_err(str::to_owned))?;
        let confidence = element.get("confidence").filter(|value| !value.is_null());
        let confidence = confidence.map(|value| share(&name("confidence"), value)).transpose()?;
        if !found.iter().any(|known| known.plate == plate) {
            found.push(Candidate { plate, confidence });
        }
    }
    Ok(found)
}

/// Takes out the candidate of which the camera is surest; of equal ones the first.
fn best_of(candidates: &mut Vec<Candidate>) -> Option<Plate> {
    let sureness = |candidate: &Candidate| candidate.confidence.unwrap_or(0.0);
    let better =
        |best: usize, next: usize| if sureness(&candidates[next]) > sureness(&candidates[best]) { next } else { best };
    let best = (0..candidates.len()).reduce(better)?;
    Some(candidates.remove(best).plate)
}

#[expect(clippy::cast_possible_truncation, reason = "a confidence has a few decimals")]
fn share(name: &str, value: &Value) -> Result<f32, Fault> {
    let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number));
    number.map(|number| number as f32).ok_or_else(|| Fault::member(name, "is not a number from 0 to 1"))
}

/// One number for each letter and digit, or for each character of the plate as read.
fn characters(value: &Value, plate: &Plate, as_read: &str) -> Result<Vec<f32>, Fault> {
    const NAME: &str = "character_confidences";
    let elements = value.as_array().ok_or_else(|| Fault::member(NAME, "is not an array"))?;
    let (letters, written) = (plate.as_str().chars().count(), as_read.chars().count());
    if ![0, letters, written].contains(&elements.len()) {
        let count = elements.len();
        let problem = format!("has {count} numbers, but vehicle_plate has {letters} letters and digits");
        return Err(Fault::member(NAME, problem));
    }
    let of_place = |(place, value): (usize, &Value)| share(&format!("{NAME}/{place}"), value);
    let mut confidences = elements.iter().enumerate().map(of_place).collect::<Result<Vec<f32>, Fault>>()?;
    if confidences.len() == written {
        let mut characters = as_read.chars();
        confidences.retain(|_| characters.next().is_some_and(char::is_alphanumeric));
    }
    Ok(confidences)
}

fn not_ahead(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let asked = time(text)?;
    if asked.millis_since(now) > AHEAD_MAX_MS {
        return Err(format!("{asked} is more than five minutes ahead of {now}"));
    }
    Ok(asked)
}

fn sequence(value: &Value) -> Result<u64, Fault> {
    let number = value.as_u64().filter(|number| *number > 0);
    number.ok_or_else(|| Fault::member("min_sequence", "is not a whole number from 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_727_168_400_000);

    fn asked(json: &str) -> LookUp {
        LookUpQuestion::parse(json.as_bytes(), NOW).unwrap().asked
    }

    fn refusal(json: &str) -> String {
        LookUpQuestion::parse(json.as_bytes(), NOW).unwrap_err().detail().to_owned()
    }

    fn plates(plates: &[Plate]) -> Vec<&str> {
        plates.iter().map(Plate::as_str).collect()
    }

    #[test]
    fn a_plate_is_enough() {
        let LookUpQuestion { asked, .. } = LookUpQuestion::of_plate(LotId::default(), "ab-12").unwrap();
        assert_eq!(self::asked(r#"{"vehicle_plate":"ab-12"}"#), asked);
        assert_eq!((asked.plate.as_str(), asked.time), ("AB12", None));
        let unread = self::asked(r#"{"vehicle_plate":"--","lot_id":null}"#);
        assert!(unread.plate.is_empty());
    }

    #[test]
    fn the_surest_candidate_is_the_read_if_there_is_no_other() {
        let json = r#"{"candidates":[{"plate":"AB12"},{"plate":"a8-12","confidence":0.7},{"plate":"A812"},{"plate":"ABIZ","confidence":0.7}]}"#;
        let asked = asked(json);
        assert_eq!((asked.plate.as_str(), plates(&asked.candidates)), ("A812", vec!["AB12", "ABIZ"]));
        let both = self::asked(r#"{"vehicle_plate":"AB12","candidates":[{"plate":"AB-12"},{"plate":"A812"}]}"#);
        assert_eq!((both.plate.as_str(), plates(&both.candidates)), ("AB12", vec!["A812"]));
    }

    #[test]
    fn confidences_may_count_the_separators() {
        let with = |numbers: &str| {
            asked(&format!(r#"{{"vehicle_plate":"AB-12","character_confidences":{numbers}}}"#)).character_confidences
        };
        assert_eq!(with("[0.5,1,0.25,0]"), [0.5, 1.0, 0.25, 0.0]);
        assert_eq!(with("[0.5,1,0.1,0.25,0]"), [0.5, 1.0, 0.25, 0.0]);
        assert!(with("[]").is_empty());
    }

    #[test]
    fn an_error_lists_all_wrong_members_and_no_plate() {
        let json = r#"{"lot_id":"a b","vehicle_plate":"SECRET-PLATE-TOO-LONG-FOR-ONE","confidence":2,"candidates":[{"plate":"--"}],
            "time":"2024-09-24T09:06:00Z","min_sequence":0,"plate":"SECRET"}"#;
        let expected = "unknown member \"plate\"; expected one of: lot_id, vehicle_plate, confidence, character_confidences, \
            candidates, time, min_sequence; lot_id \"a b\" is not 1 to 64 of A-Z a-z 0-9 . _ -; vehicle_plate has more than 16 \
            letters and digits; candidates/0/plate has no letter and no digit; confidence is not a number from 0 to 1; time \
            2024-09-24T09:06:00.000Z is more than five minutes ahead of 2024-09-24T09:00:00.000Z; min_sequence is not a whole \
            number from 1";
        assert_eq!(refusal(json), expected);
    }

    #[test]
    fn each_member_has_its_limits() {
        assert_eq!(refusal("{}"), "vehicle_plate is missing, and so are candidates");
        assert_eq!(refusal(r#"{"candidates":[]}"#), "vehicle_plate is missing, and so are candidates");
        let many = vec![r#"{"plate":"AB12"}"#; 17].join(",");
        assert_eq!(refusal(&format!(r#"{{"candidates":[{many}]}}"#)), "candidates has 17 elements; allowed are 16");
        assert_eq!(
            refusal(r#"{"candidates":[{"plate":"AB12"}],"character_confidences":[1]}"#),
            "character_confidences needs vehicle_plate, whose characters it rates"
        );
        assert_eq!(
            refusal(r#"{"vehicle_plate":"AB-12","character_confidences":[1]}"#),
            "character_confidences has 1 numbers, but vehicle_plate has 4 letters and digits"
        );
        assert_eq!(
            refusal(r#"{"vehicle_plate":"AB12","character_confidences":[1,1,1,"1"]}"#),
            "character_confidences/3 is not a number from 0 to 1"
        );
        assert_eq!(refusal("[]"), "the body is not a JSON object; the error is at line 1 column 0");
    }
}
