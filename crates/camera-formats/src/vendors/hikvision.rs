//! Hikvision ISAPI: `EventNotificationAlert` as XML or JSON, alone or in a multipart body with its pictures, and the
//! query-string variant.
//!
//! `dateTime` has an offset; `absTime` of a picture is the camera's wall clock. `direction` is relative to the camera.
//! A confidence of 0 says that nothing was read. `plateCharBelieve` has one number per character. A late transmission
//! (`isDataRetransmission`) keeps its time of capture and its `UUID`.

use parking::Refusal;

use super::{missing, texts};
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::moment;
use crate::values::{character_confidences, confidence, plate};
use crate::{Candidate, Skipped};

pub(super) fn read(tree: &Tree) -> Result<Vec<Found>, Refusal> {
    let alert = tree.at("EventNotificationAlert").unwrap_or(tree);
    let anpr = alert.at("ANPR").or_else(|| plate_member(alert).map(|_| alert));
    let Some(anpr) = anpr else { return without_plate(alert).map(|found| vec![found]) };
    if alert.text("eventType").is_some_and(|kind| kind.eq_ignore_ascii_case("heartBeat")) {
        return Ok(vec![Skipped::Heartbeat.into()]);
    }
    let mut sighting = Sighting::new(plate(plate_member(anpr)), time(alert)?);
    if !sighting.plate.is_empty() {
        sighting.confidence = confidence(anpr.text("confidenceLevel"), 100.0).filter(|confidence| *confidence > 0.0);
        let characters = anpr.text("plateCharBelieve").unwrap_or_default();
        sighting.character_confidences = character_confidences(characters, 100.0);
    }
    // The plate before a list of known plates corrected it.
    let original = plate(anpr.text("originalLicensePlate"));
    if !original.is_empty() {
        sighting.candidates.push(Candidate { plate: original, confidence: None });
    }
    sighting.cameras =
        texts(alert, &["macAddress", "channelName", "deviceID", "deviceName", "ipAddress", "monitoringSiteID"]);
    sighting.motion = match anpr.text("direction") {
        Some(word) if word.eq_ignore_ascii_case("forward") => Motion::Approaching,
        Some(word) if word.eq_ignore_ascii_case("reverse") => Motion::Leaving,
        _ => Motion::Unknown,
    };
    if let Some(id) = alert.text("UUID") {
        sighting.identity = Identity::Vendor(id.to_owned());
    }
    Ok(vec![sighting.into()])
}

fn plate_member(anpr: &Tree) -> Option<&str> {
    ["licensePlate", "plateNumber", "plateNo"].iter().find_map(|member| anpr.text(member))
}

/// Signs of life and events of other kinds.
fn without_plate(alert: &Tree) -> Result<Found, Refusal> {
    let kind = alert.text("eventType").ok_or_else(|| missing("eventType"))?;
    let is_inactive = alert.text("eventState").is_some_and(|state| state.eq_ignore_ascii_case("inactive"));
    if is_inactive || kind.eq_ignore_ascii_case("heartBeat") || kind.eq_ignore_ascii_case("videoloss") {
        return Ok(Skipped::Heartbeat.into());
    }
    if kind.eq_ignore_ascii_case("ANPR") { Err(missing("ANPR")) } else { Ok(Skipped::OtherEvent.into()) }
}

fn time(alert: &Tree) -> Result<Moment, Refusal> {
    if let Some(text) = alert.text("dateTime") {
        return moment("dateTime", text);
    }
    let picture = alert.find("absTime").and_then(Tree::as_text).ok_or_else(|| missing("dateTime"))?;
    moment("absTime", picture)
}
