//! Dahua, and the same cameras as Intelbras and CP Plus: events of the RPC stream (JSON), of the event manager and of
//! the snap manager (text; see `dahua_text`).
//!
//! Only `RealUTC` is a moment. `UTC` is the local wall clock written as if it were UTC, as are `LocaleTime` and
//! `TrafficCar.UTC`. The confidence is that of the plate's object; the vehicle's is on another scale. Several pictures
//! of one car share a `GroupID`.

use chrono::TimeDelta;
use parking::Refusal;

use super::{dahua_text, merged, missing, texts};
use crate::Skipped;
use crate::body::{Body, Tree};
use crate::identity::Identity;
use crate::sighting::{Found, Moment, Motion, Sighting};
use crate::time::{moment, since_epoch, wall_clock_since_epoch};
use crate::values::{confidence, plate};

pub(super) fn read(body: &Body) -> Result<Vec<Found>, Refusal> {
    let of_text = body.texts.iter().map(|text| dahua_text::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let events: Vec<&Tree> = body.documents.iter().chain(of_text.iter().flatten()).flat_map(events_of).collect();
    if events.is_empty() {
        let is_sign_of_life = body.texts.iter().any(|text| text.to_ascii_lowercase().contains("heartbeat"));
        return match (is_sign_of_life, body.images) {
            (true, _) => Ok(vec![Skipped::Heartbeat.into()]),
            (false, 0) => Err(Refusal::new("body", "has no event of a camera")),
            (false, _) => Ok(vec![Skipped::OtherEvent.into()]),
        };
    }
    let is_one = events.len() == 1;
    let (mut looks, mut found) = (Vec::new(), Vec::new());
    for event in events {
        match of_event(event) {
            Ok(Seen::Vehicle(look)) => looks.push(*look),
            Ok(Seen::Nothing(skipped)) => found.push(Found::Skipped(skipped)),
            Err(refusal) if is_one => return Err(refusal),
            Err(refusal) => found.push(Found::Refused(refusal)),
        }
    }
    found.extend(merged(looks).into_iter().map(Found::from));
    Ok(found)
}

fn events_of(tree: &Tree) -> &[Tree] {
    ["params/eventList", "eventList", "Events", ""]
        .iter()
        .map(|path| tree.list(path))
        .find(|list| !list.is_empty())
        .unwrap_or_default()
}

enum Seen {
    Vehicle(Box<(Option<String>, Sighting)>),
    Nothing(Skipped),
}

fn of_event(event: &Tree) -> Result<Seen, Refusal> {
    const PASSAGES: [&str; 4] = ["TrafficJunction", "TrafficGate", "TrafficTollGate", "TrafficCarPassing"];
    let data = event.at("Data").unwrap_or(event);
    let code = event.text("Code").or_else(|| data.text("Code"));
    let has_vehicle = data.at("TrafficCar").is_some() || data.at("Object").is_some();
    match code {
        Some(code) if !PASSAGES.contains(&code) => return Ok(Seen::Nothing(Skipped::OtherEvent)),
        None if !has_vehicle => return Err(missing("Code")),
        _ => {}
    }
    let action = event.text("Action").or_else(|| data.text("Action"));
    if action.is_some_and(|action| action.eq_ignore_ascii_case("Stop")) {
        return Ok(Seen::Nothing(Skipped::NothingNew));
    }
    let is_plate = data.text("Object/ObjectType").is_none_or(|kind| kind.eq_ignore_ascii_case("Plate"));
    let object = data.at("Object").filter(|_| is_plate);
    let read = object.and_then(|object| object.text("Text")).or_else(|| data.text("TrafficCar/PlateNumber"));
    let is_bicycle =
        [data.text("CommInfo/SnapCategory"), data.text("Object/ObjectType"), data.text("Vehicle/ObjectType")];
    if read.is_none() && is_bicycle.contains(&Some("NonMotor")) {
        return Ok(Seen::Nothing(Skipped::NoVehicle));
    }
    let mut sighting = Sighting::new(plate(read), time(data)?);
    if !sighting.plate.is_empty() {
        let score = object.and_then(|object| object.text("Confidence"));
        sighting.confidence = confidence(score, 100.0).filter(|confidence| *confidence > 0.0);
    }
    sighting.cameras = texts(data, &["TrafficCar/MachineName", "MachineName", "TrafficCar/DeviceAddress", "DeviceID"]);
    sighting.motion = motion(data);
    let group = data.text("GroupID").filter(|group| *group != "0").map(str::to_owned);
    if let Some(group) = &group {
        sighting.identity = Identity::Vendor(group.clone());
    }
    Ok(Seen::Vehicle(Box::new((group, sighting))))
}

/// Towards the camera or away from it, in the words of both protocols.
pub(super) fn motion_of(word: Option<&str>) -> Motion {
    match word.unwrap_or_default() {
        "Approach" | "Obverse" => Motion::Approaching,
        "Leave" | "Reverse" => Motion::Leaving,
        _ => Motion::Unknown,
    }
}

fn motion(data: &Tree) -> Motion {
    let driven = motion_of(data.text("TrafficCar/DrivingDirection/0"));
    if driven == Motion::Unknown {
        return motion_of(data.text("JunctionDirection").or_else(|| data.text("TrafficCar/Direction")));
    }
    driven
}

fn time(data: &Tree) -> Result<Moment, Refusal> {
    let millis: i64 =
        data.text("UTCMS").and_then(|text| text.parse().ok()).filter(|ms| (0..1_000).contains(ms)).unwrap_or(0);
    if let Some(seconds) = data.text("RealUTC") {
        return Ok(Moment::Utc(since_epoch("RealUTC", seconds)?.plus_millis(millis)));
    }
    let shown = if let Some(text) = data.text("LocaleTime") {
        moment("LocaleTime", text)?
    } else {
        let seconds = data.text("UTC").or_else(|| data.text("TrafficCar/UTC")).ok_or_else(|| missing("RealUTC"))?;
        wall_clock_since_epoch("UTC", seconds)?
    };
    Ok(match shown {
        Moment::Local(time) => Moment::Local(time + TimeDelta::milliseconds(millis)),
        other @ (Moment::Utc(_) | Moment::Received) => other,
    })
}
