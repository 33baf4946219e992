//! One file per vendor: a body into what the camera saw. What they share stands here.

use std::collections::HashMap;

use parking::Refusal;

use crate::body::{Body, Tree};
use crate::sighting::{Context, Found, Moment, Sighting};
use crate::{Candidate, Format, Gate, MAX_READS, Skipped};

mod axis;
mod dahua;
mod dahua_itsapi;
mod dahua_text;
mod frigate;
mod genetec;
mod hikvision;
mod mapping;
mod parkpow;
mod plate_recognizer;
mod rekor;
mod survision;
mod tattile;
mod two_n;
mod unifi;
mod verkada;

/// What the gate's camera saw.
pub(crate) fn read(body: &Body, context: &mut Context<'_>) -> Result<Vec<Found>, Refusal> {
    let found = match context.gate.format {
        Format::DahuaItsapi => return dahua_itsapi::read(body, context),
        Format::Dahua => return dahua::read(body),
        Format::Frigate => return frigate::read(body, context),
        Format::PlateRecognizer => each(body, plate_recognizer::read),
        Format::ParkPow => parkpow::read(body),
        Format::Rekor => each(body, rekor::read),
        Format::Hikvision => each(body, hikvision::read),
        Format::Axis => each(body, |tree| axis::read(tree, context.gate)),
        Format::Unifi => each(body, |tree| unifi::read(tree, context.gate)),
        Format::Verkada => each(body, verkada::read),
        Format::Survision => each(body, |tree| survision::read(tree, context.delivery.camera)),
        Format::Genetec => each(body, |tree| genetec::read(tree, context.gate)),
        Format::Tattile => each(body, |tree| tattile::read(tree, context.gate)),
        Format::TwoN => each(body, |tree| two_n::read(tree, context)),
        Format::Mapping => each(body, |tree| mapping::read(tree, context.gate)),
    }?;
    if found.is_empty() && body.images > 0 {
        return Ok(vec![Skipped::OtherEvent.into()]);
    }
    if found.is_empty() {
        let problem = if body.texts.is_empty() { "is empty" } else { "is neither JSON nor XML nor a form" };
        return Err(Refusal::new("body", problem));
    }
    Ok(found)
}

/// Reads each document of a body, and each element of one that is a list.
fn each(body: &Body, mut read: impl FnMut(&Tree) -> Result<Vec<Found>, Refusal>) -> Result<Vec<Found>, Refusal> {
    let elements: Vec<&Tree> = body.trees().flat_map(|tree| tree.list("")).collect();
    if elements.len() > MAX_READS {
        return Err(Refusal::new("body", format!("has more than {MAX_READS} reads")));
    }
    let is_one = elements.len() == 1;
    let mut found = Vec::new();
    for element in elements {
        match read(element) {
            Ok(of_element) => found.extend(of_element),
            Err(refusal) if is_one => return Err(refusal),
            Err(refusal) => found.push(Found::Refused(refusal)),
        }
    }
    Ok(found)
}

/// The refusal of a message without a member that it has to have.
fn missing(member: &'static str) -> Refusal {
    Refusal::new(member, "is missing or empty")
}

/// The texts at several paths, those that are there.
fn texts(tree: &Tree, paths: &[&str]) -> Vec<String> {
    paths.iter().filter_map(|path| tree.text(path)).map(str::to_owned).collect()
}

/// Several looks at one vehicle in one message become one: the surest, or else the first, with the plates of the others
/// as candidates. Looks without a key stay apart.
fn merged(looks: Vec<(Option<String>, Sighting)>) -> Vec<Sighting> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<Sighting> = Vec::new();
    for (key, look) in looks {
        let known = key.and_then(|key| {
            let next = all.len();
            let place = *places.entry(key).or_insert(next);
            (place < next).then_some(place)
        });
        match known {
            Some(place) => join(&mut all[place], look),
            None => all.push(look),
        }
    }
    all
}

fn join(kept: &mut Sighting, mut other: Sighting) {
    let is_better = !other.plate.is_empty() && (kept.plate.is_empty() || other.confidence > kept.confidence);
    if is_better {
        std::mem::swap(kept, &mut other);
    }
    if !other.plate.is_empty() {
        kept.candidates.push(Candidate { plate: other.plate, confidence: other.confidence });
    }
    kept.candidates.append(&mut other.candidates);
}

/// The day on the gate's calendar, for counters that restart.
fn day(time: Moment, gate: &Gate, received: parking::Timestamp) -> String {
    let date = match time {
        Moment::Utc(time) => time.to_datetime().with_timezone(&gate.zone).date_naive(),
        Moment::Local(time) => time.date(),
        Moment::Received => received.to_datetime().with_timezone(&gate.zone).date_naive(),
    };
    date.to_string()
}
