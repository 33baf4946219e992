//! Axis License Plate Verifier: pushed events (JSON, alone or with pictures) and the camera's ONVIF metadata events.
//!
//! `capture_timestamp` is UTC; `datetime` is the camera's wall clock. A car is reported at once (`new`), again when its
//! plate or direction changes (`update`), and some seconds after it left (`lost`). Each replaces the one before.
//! `carID` restarts with the camera, so it counts within a day. No plate never replaces one.

use parking::Refusal;

use super::{day, missing, texts};
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::moment;
use crate::values::{confidence_of_either_scale, plate};
use crate::{Gate, Skipped};

pub(super) fn read(tree: &Tree, gate: &Gate) -> Result<Vec<Found>, Refusal> {
    if let Some(message) = tree.find("SimpleItem").and_then(|_| onvif_message(tree)) {
        return of_event(&message, gate).map(|found| vec![found]);
    }
    let events = ["events", "event"].iter().map(|path| tree.list(path)).find(|list| !list.is_empty());
    match events {
        Some(events) => Ok(events.iter().map(|event| of_event(event, gate).unwrap_or_else(Found::Refused)).collect()),
        None => of_event(tree, gate).map(|found| vec![found]),
    }
}

fn of_event(event: &Tree, gate: &Gate) -> Result<Found, Refusal> {
    let members = ["plateUTF8", "plateASCII", "plateText", "plateUnicode", "plate", "text", "lpText"];
    let Some(read) = members.iter().find_map(|member| event.at(member)) else { return Err(missing("plateUTF8")) };
    let read = plate(read.as_text().filter(|text| text.contains(char::is_alphanumeric)));
    let time = time(event)?;
    let mut sighting = Sighting::new(read, time);
    if !sighting.plate.is_empty() {
        let score = event.text("plateConfidence").or_else(|| event.text("lpConfidence"));
        sighting.confidence = confidence_of_either_scale(score);
    }
    sighting.cameras =
        texts(event, &["camera_info/SerialNumber", "camera_info/MACAddress", "device", "serial", "sensorProviderID"]);
    let stage = match event.text("carState").unwrap_or_default().to_ascii_lowercase().as_str() {
        "new" => Some(0),
        "update" => Some(1),
        "lost" => Some(2),
        _ => None,
    };
    if sighting.plate.is_empty() && stage.is_some_and(|stage| stage > 0) {
        return Ok(Skipped::NothingNew.into());
    }
    // `in` is towards the camera.
    sighting.motion = match event.text("carMoveDirection").unwrap_or_default().to_ascii_lowercase().as_str() {
        "in" => Motion::Approaching,
        "out" => Motion::Leaving,
        _ if stage.is_some_and(|stage| stage < 2) => Motion::NotYet,
        _ => Motion::Unknown,
    };
    let car = event.text("carID").or_else(|| event.text("carId"));
    sighting.identity = match (car, stage) {
        (Some(car), Some(stage)) => {
            let car = format!("{} {car}", day(time, gate, parking::Timestamp::default()));
            Identity::Revision { car, stage, links: true }
        }
        (Some(car), None) => Identity::Vendor(car.to_owned()),
        (None, _) => Identity::Place,
    };
    Ok(sighting.into())
}

fn time(event: &Tree) -> Result<Moment, Refusal> {
    let members = ["capture_timestamp", "capture_ts", "datetime", "UtcTime", "timestamp"];
    // A member that this firmware does not fill is "0".
    let first = members.iter().find_map(|member| Some((*member, event.text(member).filter(|text| *text != "0")?)));
    let (member, text) = first.ok_or_else(|| missing("capture_timestamp"))?;
    moment(member, text)
}

/// The items of an ONVIF message as members, with the message's time.
fn onvif_message(tree: &Tree) -> Option<Tree> {
    // `NotificationMessage/Message/Message` with the time on the innermost.
    let mut message = tree.find("Message")?;
    while let Some(inner) = message.at("Message") {
        message = inner;
    }
    let mut event = Tree::Nothing;
    event.put(&["UtcTime"], message.at("@UtcTime")?.clone());
    for part in ["Source", "Key", "Data"] {
        for item in message.list(&format!("{part}/SimpleItem")) {
            if let (Some(name), Some(value)) = (item.text("@Name"), item.at("@Value")) {
                event.put(&[name], value.clone());
            }
        }
    }
    Some(event)
}
