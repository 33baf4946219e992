//! Plate Recognizer Stream (webhook, multipart or form) and Snapshot (JSON).
//!
//! Times are UTC: Stream writes a `Z`, Snapshot writes none. A direction is degrees of the picture, so a gate that is
//! both ways needs its `entry_heading`. Nothing tells a retransmission but camera, time and file name. In vehicle mode
//! a plate is an object with a list of guesses.

use parking::{Plate, Refusal};

use super::{missing, texts};
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::moment_utc;
use crate::values::{candidates, confidence, degrees, plate};
use crate::{Candidate, Skipped};

pub(super) fn read(tree: &Tree) -> Result<Vec<Found>, Refusal> {
    match tree.text("hook/event") {
        None | Some("recognition") => {}
        Some(event) if event.contains("heartbeat") || event == "test" => return Ok(vec![Skipped::Heartbeat.into()]),
        Some(_) => return Ok(vec![Skipped::OtherEvent.into()]),
    }
    let data = tree.at("data").unwrap_or(tree);
    if data.at("results").is_none() {
        return Err(missing("results"));
    }
    let time = texts(data, &["timestamp", "timestamp_local", "timestamp_camera"]);
    let time = time.first().ok_or_else(|| missing("timestamp"))?;
    let time = moment_utc("timestamp", time)?;
    Ok(of_results(data.list("results"), time, &texts(data, &["camera_id"]), data.text("filename")))
}

/// Reads of a list of results, which other senders share.
pub(super) fn of_results(results: &[Tree], time: Moment, cameras: &[String], filename: Option<&str>) -> Vec<Found> {
    if results.is_empty() {
        return vec![Skipped::NoVehicle.into()];
    }
    let sighting = |(place, result): (usize, &Tree)| {
        let mut sighting = of_result(result, time);
        sighting.cameras = cameras.to_vec();
        let usable = filename.filter(|filename| !names_plate(filename, &sighting.plate));
        if let Some(filename) = usable {
            sighting.identity = Identity::Vendor(format!("{filename}#{place}"));
        }
        Found::from(sighting)
    };
    results.iter().enumerate().map(sighting).collect()
}

fn of_result(result: &Tree, time: Moment) -> Sighting {
    let guesses = result.list("plate/props/plate");
    let (read, score) = match guesses.first() {
        Some(best) => (best.text("value"), best.text("score")),
        None => (result.text("plate").or_else(|| result.text("plate/value")), result.text("score")),
    };
    let mut sighting = Sighting::new(plate(read), time);
    sighting.confidence = if sighting.plate.is_empty() { None } else { confidence(score, 1.0) };
    sighting.candidates = candidates(result.list("candidates"), "plate", "score", 1.0);
    for guess in guesses.iter().skip(1).take(crate::MAX_CANDIDATES) {
        if let Some(value) = guess.text("value") {
            sighting
                .candidates
                .push(Candidate { plate: value.to_owned(), confidence: confidence(guess.text("score"), 1.0) });
        }
    }
    if let Some(heading) = degrees(result.text("direction")) {
        sighting.motion = Motion::Heading(heading);
    }
    sighting
}

/// Whether a file's name gives the plate away: then it can't be a part of the id.
fn names_plate(filename: &str, plate: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_uppercase();
    Plate::named(plate).is_ok_and(|plate| plain(filename).contains(plate.as_str()))
}
