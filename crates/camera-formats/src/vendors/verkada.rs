//! Verkada webhooks of type `lpr`.
//!
//! `data.detected` (milliseconds) is the detection, in older versions `data.created` (seconds); `created_at` is the
//! webhook's. The sender waits two seconds and tries once more.

use parking::Refusal;

use super::{missing, texts};
use crate::Skipped;
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Sighting};
use crate::time::since_epoch;
use crate::values::{confidence, plate};

pub(super) fn read(tree: &Tree) -> Result<Vec<Found>, Refusal> {
    match tree.text("webhook_type") {
        None => {}
        Some(kind) if kind.eq_ignore_ascii_case("lpr") => {}
        Some(kind) if kind.eq_ignore_ascii_case("test") => return Ok(vec![Skipped::Heartbeat.into()]),
        Some(_) => return Ok(vec![Skipped::OtherEvent.into()]),
    }
    let data = tree.at("data").ok_or_else(|| missing("data"))?;
    let time = data.text("detected").or_else(|| data.text("created")).ok_or_else(|| missing("data.detected"))?;
    let time = Moment::Utc(since_epoch("data.detected", time)?);
    let mut sighting = Sighting::new(plate(data.text("license_plate_number")), time);
    if !sighting.plate.is_empty() {
        sighting.confidence = confidence(data.text("confidence"), 1.0);
    }
    sighting.cameras = texts(data, &["camera_id", "camera_name"]);
    if let Some(id) = tree.text("webhook_id") {
        sighting.identity = Identity::Vendor(id.to_owned());
    }
    Ok(vec![sighting.into()])
}
