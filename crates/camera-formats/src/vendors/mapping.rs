//! A format of one's own: the gate's `mapping` says where plate, time, confidence and direction stand.

use parking::{Direction, Refusal};

use super::missing;
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::moment;
use crate::values::{confidence, plate};
use crate::{Gate, Mapping, Skipped};

pub(super) fn read(tree: &Tree, gate: &Gate) -> Result<Vec<Found>, Refusal> {
    let Some(mapping) = &gate.mapping else { return Err(Refusal::new("mapping", "is missing in the gate")) };
    let Some(reads) = &mapping.reads else { return of_read(tree, mapping, gate).map(|found| vec![found]) };
    let Some(list) = at(tree, reads) else { return Err(missing("mapping.reads")) };
    let elements = list.list("");
    if elements.is_empty() {
        return Ok(vec![Skipped::NoVehicle.into()]);
    }
    Ok(elements.iter().map(|read| of_read(read, mapping, gate).unwrap_or_else(Found::Refused)).collect())
}

fn of_read(tree: &Tree, mapping: &Mapping, gate: &Gate) -> Result<Found, Refusal> {
    let text = |place: &Option<String>| {
        let tree = at(tree, place.as_deref()?)?;
        tree.as_text().filter(|text| !text.is_empty())
    };
    let Some(read) = at(tree, &mapping.plate) else { return Err(missing("mapping.plate")) };
    let time = match (&mapping.time, text(&mapping.time)) {
        (None, _) => Moment::Received,
        (Some(_), None) => return Err(missing("mapping.time")),
        (Some(_), Some(time)) => moment("mapping.time", time)?,
    };
    let mut sighting = Sighting::new(plate(read.as_text()), time);
    if !sighting.plate.is_empty() {
        sighting.confidence = confidence(text(&mapping.confidence), gate.score_scale.unwrap_or(1.0));
    }
    sighting.cameras.extend(text(&mapping.camera).map(str::to_owned));
    let is_one_of = |words: &[String], word: &str| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    sighting.motion = match text(&mapping.direction) {
        Some(word) if is_one_of(&mapping.entry, word) => Motion::Way(Direction::Entry),
        Some(word) if is_one_of(&mapping.exit, word) => Motion::Way(Direction::Exit),
        _ => Motion::Unknown,
    };
    if let Some(id) = text(&mapping.id) {
        sighting.identity = Identity::Vendor(id.to_owned());
    }
    Ok(sighting.into())
}

/// The value at a place: a JSON pointer or a path of names. `//name` is the first of that name; the root element of XML
/// may be left out.
fn at<'t>(tree: &'t Tree, place: &str) -> Option<&'t Tree> {
    if let Some(name) = place.strip_prefix("//") {
        return tree.find(name);
    }
    let steps = |tree: &'t Tree| {
        let mut steps = place.split('/').filter(|step| !step.is_empty());
        steps.try_fold(tree, |tree, step| {
            if step.contains('~') { tree.member(&step.replace("~1", "/").replace("~0", "~")) } else { tree.at(step) }
        })
    };
    let inside = || if let Tree::Map(members) = tree { members.first().filter(|_| members.len() == 1) } else { None };
    steps(tree).or_else(|| steps(&inside()?.1))
}
