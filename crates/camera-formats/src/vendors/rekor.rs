//! Rekor Scout and `OpenALPR`: groups of reads.
//!
//! A group's time is `epoch_start`, for entries and exits alike. Previews of a group come first and are replaced by it;
//! all have the same uuids. Single results and alerts repeat a group: results are left out, an alert gives the same
//! read again.

use parking::Refusal;

use super::{missing, texts};
use crate::Skipped;
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::since_epoch;
use crate::values::{candidates, confidence, degrees, plate};

pub(super) fn read(tree: &Tree) -> Result<Vec<Found>, Refusal> {
    let group = match tree.text("data_type") {
        Some("alpr_group") => tree,
        Some("alpr_alert") => tree.at("group").ok_or_else(|| missing("group"))?,
        Some("alpr_results") => return Ok(vec![Skipped::PartOfGroup.into()]),
        Some("heartbeat") => return Ok(vec![Skipped::Heartbeat.into()]),
        Some(_) => return Ok(vec![Skipped::OtherEvent.into()]),
        None if tree.at("best_plate_number").is_some() || tree.at("best_plate").is_some() => tree,
        None => return Err(missing("data_type")),
    };
    if group.is_true("is_parked") {
        return Ok(vec![Skipped::Stationary.into()]);
    }
    Ok(vec![of_group(group).into()])
}

fn of_group(group: &Tree) -> Result<Sighting, Refusal> {
    let read = group.text("best_plate_number").or_else(|| group.text("best_plate/plate"));
    let time = group.text("epoch_start").ok_or_else(|| missing("epoch_start"))?;
    let time = Moment::Utc(since_epoch("epoch_start", time)?);
    let mut sighting = Sighting::new(plate(read), time);
    let score = group.text("best_confidence").or_else(|| group.text("best_plate/confidence"));
    sighting.confidence = if sighting.plate.is_empty() { None } else { confidence(score, 100.0) };
    let newer = group.list("candidates");
    let list = if newer.is_empty() { group.list("best_plate/candidates") } else { newer };
    sighting.candidates = candidates(list, "plate", "confidence", 100.0);
    sighting.cameras = texts(group, &["camera_id", "camera_name", "agent_uid", "site_id"]);
    sighting.motion = degrees(group.text("travel_direction")).map_or(Motion::Unknown, Motion::Heading);
    // The best uuid may change from a preview to the group; the first of the list does not.
    if let Some(car) = group.text("uuids").or_else(|| group.text("best_uuid")) {
        let stage = usize::from(!group.is_true("is_preview"));
        sighting.identity = Identity::Revision { car: car.to_owned(), stage, links: false };
    }
    Ok(sighting)
}
