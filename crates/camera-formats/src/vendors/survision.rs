//! Survision: XML, or the same mapped to JSON with `@` before attributes and all values as strings.
//!
//! The camera's serial number is in the header `Survision-Serial-Number`. The direction is the side of the vehicle that
//! was seen.

use parking::Refusal;

use super::{missing, texts};
use crate::Skipped;
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::since_epoch;
use crate::values::{confidence, plate};

pub(super) fn read(tree: &Tree, serial: Option<&str>) -> Result<Vec<Found>, Refusal> {
    let Some(anpr) = tree.at("anpr").or_else(|| tree.at("payload/anpr")) else {
        let is_sign_of_life = tree.find("keepAlive").is_some() || tree.find("infos").is_some();
        return if is_sign_of_life { Ok(vec![Skipped::Heartbeat.into()]) } else { Err(missing("anpr")) };
    };
    let Some(decision) = anpr.at("decision") else { return Ok(vec![Skipped::PlateNotYetRead.into()]) };
    let time = anpr.text("@date").ok_or_else(|| missing("anpr.@date"))?;
    let time = Moment::Utc(since_epoch("anpr.@date", time)?);
    let mut sighting = Sighting::new(plate(decision.text("@plate")), time);
    if !sighting.plate.is_empty() {
        sighting.confidence = confidence(decision.text("@reliability"), 100.0);
        sighting.character_confidences = characters(decision.list("reliabilityPerCharacter/char"));
    }
    sighting.cameras = texts(tree, &["serialNumber", "apiId"]);
    sighting.cameras.extend(serial.map(str::to_owned));
    sighting.motion = match decision.text("@direction") {
        Some("front") => Motion::Approaching,
        Some("rear") => Motion::Leaving,
        _ => Motion::Unknown,
    };
    if let Some(id) = anpr.text("@id") {
        let session = anpr.text("@session").unwrap_or_default();
        sighting.identity = Identity::Vendor(format!("{session} {id}"));
    }
    Ok(vec![sighting.into()])
}

/// In the order of their indexes; none when one of them is missing.
fn characters(list: &[Tree]) -> Vec<f32> {
    let one = |tree: &Tree| {
        let index: u16 = tree.text("@index")?.parse().ok()?;
        Some((index, confidence(tree.text("@reliability"), 100.0)?))
    };
    let Some(mut all) = list.iter().map(one).collect::<Option<Vec<_>>>() else { return Vec::new() };
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, confidence)| confidence).collect()
}
