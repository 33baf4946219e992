//! An event of a message as the JSON text that is published: from there on it is checked like an event of any door.

use parking::{Refusal, Timestamp};
use serde::Serialize;

use super::proto::event::Time;
use super::proto::{Candidate, Event};

/// The members in the names of the JSON form. Empty texts and lists are absent ones.
#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    vehicle_plate: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_date_time: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    lot_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    gate_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    character_confidences: &'a [f32],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<WrittenCandidate<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    supersedes: &'a str,
}

#[derive(Serialize)]
struct WrittenCandidate<'a> {
    plate: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f32>,
}

impl<'a> WrittenCandidate<'a> {
    fn of(candidate: &'a Candidate) -> Self {
        Self { plate: &candidate.plate, confidence: candidate.confidence }
    }
}

/// The JSON text of an event.
///
/// # Errors
/// Its time is not a valid date.
pub(super) fn to_json(event: &Event) -> Result<Vec<u8>, Refusal> {
    let (entry, exit) = match &event.time {
        Some(Time::EntryTime(time)) => (Some(rfc3339("entry_time", time)?), None),
        Some(Time::ExitTime(time)) => (None, Some(rfc3339("exit_time", time)?)),
        None => return Err(Refusal::new("time", "is missing; one of entry_time and exit_time is needed")),
    };
    let written = Written {
        id: &event.id,
        vehicle_plate: &event.vehicle_plate,
        entry_date_time: entry,
        exit_date_time: exit,
        lot_id: &event.lot_id,
        gate_id: &event.gate_id,
        confidence: event.confidence,
        character_confidences: &event.character_confidences,
        candidates: event.candidates.iter().map(WrittenCandidate::of).collect(),
        supersedes: &event.supersedes,
    };
    Ok(serde_json::to_vec(&written).expect("texts, numbers and lists have a JSON form"))
}

fn rfc3339(member: &'static str, time: &prost_types::Timestamp) -> Result<String, Refusal> {
    let refusal = || Refusal::new(member, "is no time from the year 0001 to 9999 with 0 to 999999999 nanoseconds");
    let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(refusal)?;
    let millis = time.seconds.checked_mul(1_000).and_then(|millis| millis.checked_add(i64::from(nanos / 1_000_000)));
    let time = millis.map(Timestamp::from_millis).filter(|time| time.is_in_calendar()).ok_or_else(refusal)?;
    Ok(time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examine::examine;

    fn event(seconds: i64, nanos: i32) -> Event {
        Event {
            id: "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2".to_owned(),
            vehicle_plate: "ab-12".to_owned(),
            time: Some(Time::ExitTime(prost_types::Timestamp { seconds, nanos })),
            candidates: vec![Candidate { plate: "AB1Z".to_owned(), confidence: Some(0.5) }],
            confidence: Some(0.75),
            ..Event::default()
        }
    }

    #[test]
    fn an_event_has_the_json_of_the_other_doors() {
        let json = String::from_utf8(to_json(&event(1_727_168_400, 125_999_999)).unwrap()).unwrap();
        assert_eq!(
            json,
            r#"{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"ab-12","exit_date_time":"2024-09-24T09:00:00.125Z","confidence":0.75,"candidates":[{"plate":"AB1Z","confidence":0.5}]}"#
        );
        examine(json.as_bytes()).unwrap();
    }

    #[test]
    fn a_time_out_of_the_calendar_is_refused_by_its_name() {
        for (seconds, nanos) in [(i64::MAX, 0), (i64::MIN, 0), (253_402_300_800, 0), (0, -1), (0, 1_000_000_000)] {
            assert_eq!(to_json(&event(seconds, nanos)).unwrap_err().member(), "exit_time", "{seconds} {nanos}");
        }
        assert_eq!(to_json(&Event { time: None, ..event(0, 0) }).unwrap_err().member(), "time");
    }

    #[test]
    fn numbers_that_json_has_not_cost_no_event() {
        let json = to_json(&Event { confidence: Some(f32::NAN), ..event(0, 0) }).unwrap();
        assert!(examine(&json).is_ok());
    }
}
