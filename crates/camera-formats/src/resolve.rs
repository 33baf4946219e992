//! Applies a gate's configuration to what its camera said: one place for all vendors.

use chrono::{NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;
use parking::{Direction, Plate, Refusal, Timestamp};

use crate::body::Body;
use crate::identity::{Identity, placed_id, stage_id, vendor_id};
use crate::sighting::{Context, Found, Moment, Motion, Sighting};
use crate::{Candidate, Delivery, Gate, GateDirection, MAX_CANDIDATES, MAX_READS, Outcome, Read, Recall, Skipped};
use crate::{TimeSource, vendors};

/// Reads one delivery of the camera of `gate`.
///
/// # Errors
/// When the body as a whole can't be taken: the member, the reason, what is allowed. Of a message with several reads,
/// those that can't be taken are in [`Outcome::refused`].
pub fn read(delivery: &Delivery<'_>, gate: &Gate, recall: &mut dyn Recall) -> Result<Outcome, Refusal> {
    let body = Body::parse(delivery)?;
    let images = body.images;
    let mut context = Context { delivery, gate, recall };
    let found = vendors::read(&body, &mut context)?;
    let mut outcome = Outcome { images, ..Outcome::default() };
    let single = found.len() == 1;
    for (place, found) in found.into_iter().enumerate() {
        match found {
            Found::Skipped(skipped) => outcome.skipped.push(skipped),
            Found::Refused(refusal) if single => return Err(refusal),
            Found::Refused(refusal) => outcome.refused.push(refusal),
            Found::Sighting(sighting) => match resolve(*sighting, place, gate, delivery.received) {
                Ok(reads) => outcome.reads.extend(reads),
                Err(NoRead::Skipped(skipped)) => outcome.skipped.push(skipped),
                Err(NoRead::Refused(refusal)) if single => return Err(refusal),
                Err(NoRead::Refused(refusal)) => outcome.refused.push(refusal),
            },
        }
        if outcome.reads.len() > MAX_READS {
            return Err(Refusal::new("body", format!("has more than {MAX_READS} reads")));
        }
    }
    Ok(outcome)
}

enum NoRead {
    Skipped(Skipped),
    Refused(Refusal),
}

impl From<Skipped> for NoRead {
    fn from(skipped: Skipped) -> Self {
        Self::Skipped(skipped)
    }
}

impl From<Refusal> for NoRead {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn resolve(sighting: Sighting, place: usize, gate: &Gate, received: Timestamp) -> Result<Vec<Read>, NoRead> {
    check_camera(&sighting.cameras, gate)?;
    let normal = Plate::from_read(&sighting.plate).map_err(|problem| Refusal::new("plate", problem))?;
    if !normal.is_empty() && gate.ignore.contains(&normal) {
        return Err(Skipped::IgnoredPlate.into());
    }
    let direction = direction(&sighting.motion, gate)?;
    let (time, time_source) = match sighting.time {
        Moment::Utc(time) => (time, TimeSource::Camera),
        Moment::Local(wall_clock) => (from_wall_clock(wall_clock, gate.zone, received), TimeSource::CameraLocal),
        Moment::Received => (received, TimeSource::Received),
    };
    let read = Read {
        id: placed_id(gate, time, place),
        lot: gate.lot.clone(),
        gate: gate.id.clone(),
        character_confidences: of_letters(&sighting.plate, sighting.character_confidences),
        candidates: other_plates(&normal, sighting.candidates),
        plate: sighting.plate,
        time,
        time_source,
        direction,
        confidence: sighting.confidence,
        supersedes: None,
    };
    let is_captured = time_source != TimeSource::Received;
    Ok(with_ids(read, &sighting.identity, gate, is_captured.then_some(time)))
}

/// One read for each id it has to have.
fn with_ids(read: Read, identity: &Identity, gate: &Gate, captured: Option<Timestamp>) -> Vec<Read> {
    match identity {
        Identity::Place => vec![read],
        Identity::Vendor(id) => vec![Read { id: vendor_id(gate, id, captured), ..read }],
        Identity::Revision { car, stage, links } => {
            let first = if *links { 1.min(*stage) } else { *stage };
            let of_stage = |stage: usize| Read {
                id: stage_id(gate, car, stage),
                supersedes: stage.checked_sub(1).map(|before| stage_id(gate, car, before)),
                ..read.clone()
            };
            (first..=*stage).map(of_stage).collect()
        }
    }
}

/// Separators in names differ: `AC:CC:8E:…` and `ACCC8E…` are one camera.
fn check_camera(named: &[String], gate: &Gate) -> Result<(), NoRead> {
    let Some(camera) = &gate.camera else { return Ok(()) };
    let plain = |name: &str| -> String {
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let camera = plain(camera);
    match named.first() {
        None => Err(Refusal::new("camera", "is missing: the gate has a camera, and the message names none").into()),
        Some(_) if named.iter().any(|name| plain(name) == camera) => Ok(()),
        Some(other) => {
            let told = parking::printable::one_line(other).chars().take(64).collect();
            Err(Skipped::OtherCamera(told).into())
        }
    }
}

fn direction(motion: &Motion, gate: &Gate) -> Result<Direction, NoRead> {
    if let Some(fixed) = gate.direction.fixed() {
        return Ok(fixed);
    }
    debug_assert_eq!(gate.direction, GateDirection::Both, "all others are fixed");
    match motion {
        Motion::Way(direction) => Ok(*direction),
        Motion::Approaching => Ok(gate.mounting.of_approaching()),
        Motion::Leaving => Ok(gate.mounting.of_leaving()),
        Motion::NotYet => Err(Skipped::DirectionNotYetKnown.into()),
        Motion::Heading(degrees) => of_heading(*degrees, gate),
        Motion::Zones(zones, may_grow) => of_zones(zones, *may_grow, gate),
        Motion::Unknown => Err(Refusal::new(
            "direction",
            "is not in the message, and the gate is both ways: set its direction to \"entry\" or \"exit\"",
        )
        .into()),
    }
}

fn of_heading(degrees: f32, gate: &Gate) -> Result<Direction, NoRead> {
    let Some(entry) = gate.entry_heading else {
        return Err(Refusal::new(
            "direction",
            "is a heading in degrees, and the gate is both ways: set its entry_heading to the heading of entering vehicles",
        )
        .into());
    };
    let apart = (degrees - entry).rem_euclid(360.0);
    Ok(if apart <= 90.0 || apart >= 270.0 { Direction::Entry } else { Direction::Exit })
}

/// The first and the last of the gate's zones that the vehicle entered.
fn of_zones(zones: &[String], may_grow: bool, gate: &Gate) -> Result<Direction, NoRead> {
    let mut places = zones.iter().filter_map(|zone| gate.entry_zones.iter().position(|known| known == zone));
    let first = places.next();
    match (first, places.next_back()) {
        (Some(first), Some(last)) if first < last => Ok(Direction::Entry),
        (Some(first), Some(last)) if first > last => Ok(Direction::Exit),
        _ if may_grow => Err(Skipped::DirectionNotYetKnown.into()),
        _ => Err(Refusal::new(
            "direction",
            "is not in the message, and the gate is both ways: set its entry_zones to the zones of the camera that an entering \
             vehicle crosses, in order",
        )
        .into()),
    }
}

/// The moment at which a clock in `zone` shows `wall_clock`.
///
/// Of an hour that there is twice, the later one that is not still to come when the message arrives. An hour that there
/// is not (clocks were put forward) belongs to a camera that did not put its clock forward.
fn from_wall_clock(wall_clock: NaiveDateTime, zone: Tz, received: Timestamp) -> Timestamp {
    /// Clocks differ a little.
    const AHEAD_MS: i64 = 5 * 60 * 1_000;
    let millis = |time: chrono::DateTime<Tz>| Timestamp::from_millis(time.timestamp_millis());
    match zone.from_local_datetime(&wall_clock) {
        chrono::LocalResult::Single(time) => millis(time),
        chrono::LocalResult::Ambiguous(first, second) => {
            let (first, second) = (millis(first), millis(second));
            if second <= received.plus_millis(AHEAD_MS) { second } else { first }
        }
        chrono::LocalResult::None => {
            let hours_before = wall_clock - chrono::TimeDelta::hours(3);
            let shown = wall_clock.and_utc().timestamp_millis();
            match zone.from_local_datetime(&hours_before).earliest() {
                Some(before) => millis(before).plus_millis(3 * 60 * 60 * 1_000),
                None => Timestamp::from_millis(shown),
            }
        }
    }
}

/// The confidences of the letters and digits; none when their number fits neither those nor all characters.
fn of_letters(plate: &str, confidences: Vec<f32>) -> Vec<f32> {
    let letters = plate.chars().filter(|character| character.is_alphanumeric()).count();
    if confidences.is_empty() || confidences.len() == letters {
        return confidences;
    }
    if confidences.len() != plate.chars().count() {
        return Vec::new();
    }
    let of_letter = |(character, confidence): (char, f32)| character.is_alphanumeric().then_some(confidence);
    plate.chars().zip(confidences).filter_map(of_letter).collect()
}

/// Candidates that are plates, without the plate itself and without repetitions.
fn other_plates(plate: &Plate, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut seen = vec![plate.clone()];
    let mut others = Vec::new();
    for candidate in candidates {
        let Ok(normal) = Plate::named(&candidate.plate) else { continue };
        if others.len() < MAX_CANDIDATES && !seen.contains(&normal) {
            seen.push(normal);
            others.push(candidate);
        }
    }
    others
}

#[cfg(test)]
mod tests;
