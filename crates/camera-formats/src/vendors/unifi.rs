//! `UniFi` Protect: webhooks of its Alarm Manager.
//!
//! A trigger's `timestamp` is the detection; the one beside `alarm` is when the message was sent. Several triggers with
//! one `eventId` are looks at one vehicle. The value of a *known* plate can be the name that somebody gave the vehicle:
//! it is taken as a plate only when it has two digits or the gate's `known_plates` maps it. There is no confidence and
//! no direction; `conditions` and `sources` describe the rule, not the vehicle.

use parking::Refusal;

use super::{merged, missing};
use crate::body::Tree;
use crate::identity::Identity;
use crate::sighting::{Found, Sighting};
use crate::time::moment;
use crate::values::plate;
use crate::{Gate, Skipped};

pub(super) fn read(tree: &Tree, gate: &Gate) -> Result<Vec<Found>, Refusal> {
    let alarm = tree.at("alarm").unwrap_or(tree);
    if alarm.at("triggers").is_none() {
        return Err(missing("alarm.triggers"));
    }
    let triggers = alarm.list("triggers");
    let mut found = Vec::new();
    let mut looks = Vec::new();
    // Plates first: a sibling without one then adds nothing.
    let is_plate = |trigger: &&Tree| trigger.text("key").is_some_and(|key| key.starts_with("license_plate"));
    let is_vehicle = |trigger: &&Tree| trigger.text("key") == Some("vehicle");
    let sorted = triggers.iter().filter(is_plate).chain(triggers.iter().filter(is_vehicle));
    for trigger in sorted {
        match look(trigger, tree, gate) {
            Ok(look) => looks.push(look),
            Err(refusal) => found.push(Found::Refused(refusal)),
        }
    }
    let others = triggers.iter().filter(|trigger| !is_plate(trigger) && !is_vehicle(trigger));
    found.extend(others.map(|_| Found::from(Skipped::OtherEvent)));
    if triggers.is_empty() {
        found.push(Skipped::OtherEvent.into());
    }
    // A name that is no plate beside a plate of the same event is no loss.
    if !looks.is_empty() {
        found.retain(|found| !matches!(found, Found::Refused(refusal) if refusal.member() == NAME));
    }
    found.extend(merged(looks).into_iter().map(Found::from));
    Ok(found)
}

const NAME: &str = "alarm.triggers.value";

fn look(trigger: &Tree, message: &Tree, gate: &Gate) -> Result<(Option<String>, Sighting), Refusal> {
    let key = trigger.text("key").unwrap_or_default();
    let value = trigger.text("value").or_else(|| trigger.text("group/name"));
    let digits = value.unwrap_or_default().chars().filter(char::is_ascii_digit).count();
    let mapped = value.and_then(|value| gate.known_plates.get(value)).map(String::as_str);
    let read = match (key, mapped) {
        (_, Some(plate)) => Some(plate),
        ("license_plate_known", None) if digits < 2 => {
            let problem = "is the name of a known vehicle and no plate: give its plate in the gate's known_plates";
            return Err(Refusal::new(NAME, problem));
        }
        ("vehicle", None) => value.filter(|_| digits >= 2),
        (_, None) => value,
    };
    let time = trigger.text("timestamp").or_else(|| message.text("timestamp")).ok_or_else(|| missing("timestamp"))?;
    let mut sighting = Sighting::new(plate(read), moment("timestamp", time)?);
    sighting.cameras.extend(trigger.text("device").map(str::to_owned));
    let event = trigger.text("eventId").map(str::to_owned);
    if let Some(event) = &event {
        sighting.identity = Identity::Vendor(event.clone());
    }
    Ok((event, sighting))
}
