//! Refuses what no correct caller sends, before it reaches the ledger.
//!
//! Correlators are trusted with decisions, not with sizes and shapes: one of another version, or a wrong one, must not
//! put into the ledger what nobody can read any more.

use std::collections::BTreeSet;

use ledger::Summary;
use matching::{LoadRequest, Unit, timeline};
use parking::{LotId, Plate, Vehicle};
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

fn at_most(what: &str, count: usize, most: usize) -> Result<(), Error> {
    if count > most { Err(refused(format!("{count} {what}; allowed are {most}"))) } else { Ok(()) }
}

fn refused(problem: impl Into<String>) -> Error {
    Error::Refused(problem.into())
}
