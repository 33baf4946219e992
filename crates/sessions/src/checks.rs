//! Refuses what no correct caller sends, before it reaches the ledger.
//!
//! Correlators are trusted with decisions, not with sizes and shapes: one of another version, or a wrong one, must not
//! put into the ledger what nobody can read any more.

use std::collections::BTreeSet;

use ledger::Summary;
use matching::{LoadRequest, RecordedEvent, Unit, timeline};
use parking::{FormatName, GateId, LotId, Plate, Timestamp, Vehicle};
use recorder::wire;

use super::Error;

/// The most events of one record call.
const MAX_EVENTS: usize = 200_000;

pub(super) fn load(requests: &[LoadRequest]) -> Result<(), Error> {
    at_most("vehicles in one load", requests.len(), wire::VEHICLES_MAX)?;
    requests.iter().try_for_each(|request| vehicle(&request.vehicle))
}

pub(super) fn record(units: &[Unit]) -> Result<(), Error> {
    at_most("units in one record", units.len(), wire::VEHICLES_MAX)?;
    at_most("events in one record", units.iter().map(|unit| unit.events.len()).sum(), MAX_EVENTS)?;
    let mut vehicles = BTreeSet::new();
    for (place, unit) in units.iter().enumerate() {
        vehicle(&unit.vehicle)?;
        at_most("events in one timeline", unit.timeline.events().len(), timeline::MAX_EVENTS)?;
        unit.events.iter().try_for_each(event)?;
        if !unit.timeline.events().is_sorted_by(|one, next| one.key < next.key) {
            return Err(refused(format!("the timeline of unit {place} is not sorted")));
        }
        let of_timeline = unit.timeline.events().iter().map(|event| event.key.time);
        let flagged = unit.flags.iter().map(|(key, _)| key.time);
        let of_sessions = unit.changes.iter().flat_map(|change| [change.entry, change.exit]).flatten();
        of_timeline
            .chain(unit.timeline.complete_after())
            .chain(flagged)
            .chain(of_sessions.map(|event| event.time))
            .try_for_each(time)?;
        if !vehicles.insert(&unit.vehicle) {
            return Err(refused(format!("unit {place} is of a vehicle that has a unit already")));
        }
        if unit.base.is_none() && unit.events.len() != unit.changes.len() {
            let (events, changes) = (unit.events.len(), unit.changes.len());
            return Err(refused(format!("unit {place} has no base and {changes} changes for {events} events")));
        }
    }
    Ok(())
}

pub(super) fn summary(summary: &Summary) -> Result<(), Error> {
    vehicle(&summary.vehicle)?;
    if summary.exit < summary.entry { Err(refused("the exit is before the entry")) } else { Ok(()) }
}

/// A vehicle that came over the wire has not passed through the parsers of its parts.
fn vehicle(vehicle: &Vehicle) -> Result<(), Error> {
    let plate = vehicle.plate.as_str();
    LotId::parse(vehicle.lot.as_str()).map_err(|problem| refused(format!("a lot's name {problem}")))?;
    match Plate::from_read(plate) {
        Ok(normal) if normal.as_str() == plate => Ok(()),
        Ok(_) => Err(refused("a plate is not in its normal form")),
        Err(problem) => Err(refused(format!("a plate {problem}"))),
    }
}

fn event(event: &RecordedEvent) -> Result<(), Error> {
    time(event.key.time)?;
    time(event.received_at)?;
    at_most("bytes in a plate as read", event.plate_as_read.len(), Plate::AS_READ_BYTES_MAX)?;
    if let Some(gate) = &event.gate {
        GateId::parse(gate.as_str()).map_err(|problem| refused(format!("a gate's name {problem}")))?;
    }
    if let Some(receipt) = &event.receipt {
        let format = receipt.format.as_ref().map_or(Ok(()), |name| FormatName::parse(name.as_str()).map(drop));
        format.map_err(|problem| refused(format!("a format's name {problem}")))?;
        receipt.received_at.map_or(Ok(()), time)?;
    }
    match event.confidence {
        Some(confidence) if !(0.0..=1.0).contains(&confidence) => Err(refused("a confidence is not from 0 to 1")),
        Some(_) | None => Ok(()),
    }
}

fn time(time: Timestamp) -> Result<(), Error> {
    if time.is_in_calendar() { Ok(()) } else { Err(refused("a time is not between 1970 and 9999")) }
}

fn at_most(what: &str, count: usize, most: usize) -> Result<(), Error> {
    if count > most { Err(refused(format!("{count} {what}; allowed are {most}"))) } else { Ok(()) }
}

fn refused(problem: impl Into<String>) -> Error {
    Error::Refused(problem.into())
}
