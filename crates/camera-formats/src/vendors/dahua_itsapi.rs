//! Dahua ITSAPI: the camera pushes `TollgateInfo`, `KeepAlive` and `DeviceInfo`, as JSON or XML with pictures in
//! base64.
//!
//! Times are the camera's wall clock. The name of a picture may hold the plate, so a read is known by its time and
//! lane. The camera sends again until the answer has `"result": "true"` (see `answer`).

use parking::Refusal;

use super::dahua::motion_of;
use super::{missing, texts};
use crate::Skipped;
use crate::body::{Body, Tree};
use crate::identity::Identity;
use crate::sighting::{Context, Found, Sighting};
use crate::time::moment;
use crate::values::{confidence, plate};

pub(super) fn read(body: &Body, context: &Context<'_>) -> Result<Vec<Found>, Refusal> {
    let path = context.delivery.path.to_ascii_lowercase();
    if path.contains("keepalive") || path.contains("deviceinfo") || path.contains("heartbeat") {
        return Ok(vec![Skipped::Heartbeat.into()]);
    }
    let found = super::each(body, of_document)?;
    match (found.is_empty(), body.images) {
        (false, _) => Ok(found),
        (true, 0) => Err(Refusal::new("body", "is empty")),
        (true, _) => Ok(vec![Skipped::OtherEvent.into()]),
    }
}

fn of_document(tree: &Tree) -> Result<Vec<Found>, Refusal> {
    let Some(picture) = tree.find("Picture") else {
        let is_sign_of_life =
            ["Active", "DeviceModel", "DeviceInfo", "KeepAlive"].iter().any(|name| tree.find(name).is_some());
        return if is_sign_of_life { Ok(vec![Skipped::Heartbeat.into()]) } else { Err(missing("Picture")) };
    };
    picture.list("").iter().map(|picture| Ok(of_picture(picture).into())).collect()
}

fn of_picture(picture: &Tree) -> Result<Sighting, Refusal> {
    let time = picture.text("SnapInfo/AccurateTime").or_else(|| picture.text("SnapInfo/SnapTime"));
    let time = moment("SnapInfo.AccurateTime", time.ok_or_else(|| missing("SnapInfo.AccurateTime"))?)?;
    let is_there = picture.text("Plate/IsExist").is_none_or(|text| !text.eq_ignore_ascii_case("false") && text != "0");
    let read = if is_there { plate(picture.text("Plate/PlateNumber")) } else { String::new() };
    let mut sighting = Sighting::new(read, time);
    if !sighting.plate.is_empty() {
        sighting.confidence =
            confidence(picture.text("Plate/Confidence"), 100.0).filter(|confidence| *confidence > 0.0);
    }
    sighting.cameras = texts(picture, &["SnapInfo/DeviceID", "SnapInfo/DeviceName", "SnapInfo/SnapAddress"]);
    sighting.motion = motion_of(picture.text("SnapInfo/Direction"));
    let lane = picture
        .text("SnapInfo/LanNo")
        .or_else(|| picture.text("SnapInfo/LaneNo"))
        .or_else(|| picture.text("SnapInfo/Lane"));
    sighting.identity = Identity::Vendor(format!("lane {}", lane.unwrap_or_default()));
    Ok(sighting)
}
