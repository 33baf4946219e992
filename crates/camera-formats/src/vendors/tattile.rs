//! Tattile: XML with a root that differs by model; date and time are the camera's wall clock.
//!
//! The scale of the score differs by model too. Where the gate's `score_scale` does not say it, a score is taken only
//! when it can be on one scale alone: with decimals it is out of 100, above 100 it is out of 999.

use parking::Refusal;

use super::missing;
use crate::Gate;
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::{clock, date};
use crate::values::{confidence, plate};

pub(super) fn read(tree: &Tree, gate: &Gate) -> Result<Vec<Found>, Refusal> {
    let member = |name| tree.find(name).and_then(Tree::as_text).filter(|text| !text.is_empty());
    let Some(read) = tree.find("PLATE_STRING") else { return Err(missing("PLATE_STRING")) };
    let day = date("DATE", member("DATE").ok_or_else(|| missing("DATE"))?)?;
    let time = clock("TIME", day, member("TIME").ok_or_else(|| missing("TIME"))?)?;
    let mut sighting = Sighting::new(plate(read.as_text()), Moment::Local(time));
    if !sighting.plate.is_empty() {
        sighting.confidence = score(member("OCRSCORE"), gate.score_scale);
    }
    sighting.cameras = ["DEVICE_SN", "DEVICE_NAME"].into_iter().filter_map(member).map(str::to_owned).collect();
    sighting.motion = match member("DIRECTION").unwrap_or_default().to_ascii_uppercase().as_str() {
        "APPROACH" | "APPROACHING" => Motion::Approaching,
        "GOAWAY" | "LEAVING" => Motion::Leaving,
        _ => Motion::Unknown,
    };
    sighting.identity = Identity::Vendor(format!("lane {}", member("LANE_ID").unwrap_or_default()));
    Ok(vec![sighting.into()])
}

fn score(text: Option<&str>, scale: Option<f32>) -> Option<f32> {
    let number: f32 = text?.parse().ok()?;
    match scale {
        Some(scale) => confidence(text, scale),
        None if number.fract() != 0.0 => confidence(text, 100.0),
        None if number > 100.0 => confidence(text, 999.0),
        None => None,
    }
}
