//! Frigate over MQTT: `tracked_object_update`, `events` and `available`.
//!
//! An object's time is when Frigate first saw it, which its id begins with; `timestamp` is when recognition ran. The
//! plate of an object may change from message to message. Only the event `end` is final: it replaces the reads before
//! it. Which way a vehicle went is in the order of the zones that it entered.

use parking::Refusal;

use super::{missing, texts};
use crate::Skipped;
use crate::body::{Body, Tree};
use crate::identity::{Identity, hash};
use crate::sighting::{Context, Found, Moment, Motion, Sighting};
use crate::time::since_epoch;
use crate::values::{confidence, plate};

/// The first plate of an object, a plate that differs from it, and the last.
const FIRST: usize = 0;
const CHANGED: usize = 1;
const FINAL: usize = 2;

pub(super) fn read(body: &Body, context: &mut Context<'_>) -> Result<Vec<Found>, Refusal> {
    if body.texts.iter().any(|text| matches!(text.as_str(), "online" | "offline" | "stopped")) {
        return Ok(vec![Skipped::Heartbeat.into()]);
    }
    super::each(body, |tree| {
        let found = if tree.at("after").is_some() { of_event(tree, context) } else { of_update(tree, context) };
        Ok(vec![found])
    })
    .and_then(|found| if found.is_empty() { Err(Refusal::new("body", "is not JSON")) } else { Ok(found) })
}

fn of_update(tree: &Tree, context: &mut Context<'_>) -> Found {
    // Some builds write the name of the enumeration as well.
    let is_plate = tree.text("type").is_some_and(|kind| kind.to_ascii_lowercase().ends_with("lpr"));
    if !is_plate {
        return Skipped::OtherEvent.into();
    }
    let Some(id) = tree.text("id") else {
        // The last car left: no id, no time, no plate.
        return Skipped::NoVehicle.into();
    };
    let read = plate(tree.text("plate"));
    if read.is_empty() {
        return Skipped::PlateNotYetRead.into();
    }
    let time = time_of_id(id).map_or_else(|| time_of(tree, &["frame_time", "timestamp"]), Ok);
    let time = match time {
        Ok(time) => time,
        Err(refusal) => return Found::Refused(refusal),
    };
    let mut sighting = Sighting::new(read, time);
    sighting.confidence = confidence(tree.text("score"), 1.0);
    sighting.cameras = texts(tree, &["camera"]);
    sighting.motion = Motion::NotYet;
    let stage = stage_by_memory(id, &sighting.plate, context);
    sighting.identity = Identity::Revision { car: id.to_owned(), stage, links: false };
    sighting.into()
}

fn of_event(tree: &Tree, context: &mut Context<'_>) -> Found {
    const VEHICLES: [&str; 5] = ["car", "motorcycle", "bus", "truck", "license_plate"];
    let after = tree.at("after").unwrap_or(tree);
    let is_vehicle = after.text("label").is_none_or(|label| VEHICLES.contains(&label));
    if !is_vehicle {
        return Skipped::OtherEvent.into();
    }
    if after.is_true("false_positive") {
        return Skipped::NoVehicle.into();
    }
    if after.is_true("stationary") {
        return Skipped::Stationary.into();
    }
    let Some(id) = after.text("id") else { return Found::Refused(missing("after.id")) };
    let is_final = tree.text("type") == Some("end");
    let read = plate(after.text("recognized_license_plate"));
    let unread_stays = is_final && after.at("recognized_license_plate").is_some();
    if read.is_empty() && !unread_stays {
        return if is_final { Skipped::NothingNew.into() } else { Skipped::PlateNotYetRead.into() };
    }
    let time = time_of(after, &["start_time", "frame_time"]).or_else(|refusal| time_of_id(id).ok_or(refusal));
    let time = match time {
        Ok(time) => time,
        Err(refusal) => return Found::Refused(refusal),
    };
    let before = plate(tree.text("before/recognized_license_plate"));
    let stage = if read.is_empty() {
        // Nothing replaces a plate by no plate.
        FIRST
    } else if is_final {
        FINAL
    } else if !before.is_empty() && before != read {
        CHANGED
    } else {
        stage_by_memory(id, &read, context)
    };
    let mut sighting = Sighting::new(read, time);
    let score = after.text("recognized_license_plate_score").or_else(|| after.text("recognized_license_plate/1"));
    sighting.confidence = if sighting.plate.is_empty() { None } else { confidence(score, 1.0) };
    sighting.cameras = texts(after, &["camera"]);
    let zones = after.list("entered_zones").iter().filter_map(Tree::as_text).map(str::to_owned).collect();
    sighting.motion = Motion::Zones(zones, !is_final);
    sighting.identity = Identity::Revision { car: id.to_owned(), stage, links: is_final };
    sighting.into()
}

/// Whether an earlier message of this object had another plate, as far as the gateway remembers.
fn stage_by_memory(id: &str, plate: &str, context: &mut Context<'_>) -> usize {
    let car = hash(&[context.gate.id.as_str(), id]);
    context.recall.place(car, hash(&[plate])).min(CHANGED)
}

/// An id is the time of the first frame and a random end.
fn time_of_id(id: &str) -> Option<Moment> {
    since_epoch("id", id.split_once('-')?.0).ok().map(Moment::Utc)
}

fn time_of(tree: &Tree, members: &[&'static str]) -> Result<Moment, Refusal> {
    let first = members.iter().find_map(|member| Some((*member, tree.text(member)?)));
    let (member, text) = first.ok_or_else(|| missing(members[0]))?;
    since_epoch(member, text).map(Moment::Utc)
}
