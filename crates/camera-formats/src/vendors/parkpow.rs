//! `ParkPow`'s `log-vehicle`: the results of Plate Recognizer with a camera and a time, as JSON or as a form.
//!
//! A time without a zone is UTC: the sender leaves the zone out when its own time has none.

use parking::Refusal;

use super::plate_recognizer::of_results;
use super::{missing, texts};
use crate::body::{Body, Tree};
use crate::sighting::Found;
use crate::time::moment_utc;

pub(super) fn read(body: &Body) -> Result<Vec<Found>, Refusal> {
    let Some(tree) = body.trees().next() else { return Ok(Vec::new()) };
    // As a form, the results are a document of their own and the rest are fields.
    let (results, rest) =
        if let Tree::List(results) = tree { (results.as_slice(), &body.fields) } else { (tree.list("results"), tree) };
    if !matches!(tree, Tree::List(_)) && tree.at("results").is_none() {
        return Err(missing("results"));
    }
    let time = rest.text("time").or_else(|| rest.text("timestamp")).ok_or_else(|| missing("time"))?;
    let time = moment_utc("time", time)?;
    Ok(of_results(results, time, &texts(rest, &["camera", "camera_id"]), rest.text("filename")))
}
