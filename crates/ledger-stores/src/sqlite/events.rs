//! Reads complete events: by id, and around a time of a vehicle.

use std::ops::ControlFlow;

use matching::Timeline;
use parking::{Timestamp, Vehicle};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::read::optional_uuid;
use super::superseding::superseded_by;
use super::vehicles::{self, uuid};
use super::{event_index, read};
use crate::chain;
use crate::encoding::StoredEvent;
use crate::{EVENTS_OF_ID_MAX, Error, EventRow};

pub(super) const WHOLE: &str = concat!(
    "SELECT vehicle_no, time_ms, direction, event_id, gate, plate_as_read, confidence, received_ms, recorded_ms, flags,
        receipt, supersedes, ",
    superseded_by!(),
    " FROM event e WHERE event_no = ?1"
);

/// The events with an id, the first recorded first.
pub(super) fn with_id(connection: &Connection, id: Uuid) -> Result<Vec<EventRow>, Error> {
    let mut found = Vec::new();
    event_index::look_up(connection, id, |number| {
        let (vehicle_number, event) = whole(connection, number)?;
        if event.id == id {
            let (vehicle, stored) = vehicles::by_number(connection, vehicle_number)?;
            found.push(event.row(vehicle, &stored.timeline)?);
        }
        Ok(if found.len() < EVENTS_OF_ID_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

/// Events of a vehicle around a time, or the newest.
pub(super) fn of_vehicle(
    connection: &Connection,
    vehicle: &Vehicle,
    around: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<EventRow>, Error> {
    let Some(stored) = read::stored(connection, vehicle)? else { return Ok(Vec::new()) };
    let chain = vehicles::chain(connection, stored.last_event)?;
    let numbers = chain::window(chain, around, limit).into_iter().map(|event| event.number);
    let row = |number, timeline: &Timeline| whole(connection, number)?.1.row(vehicle.clone(), timeline);
    numbers.map(|number| row(number, &stored.timeline)).collect()
}

/// Returns the number of an event's vehicle, and the event's columns.
fn whole(connection: &Connection, number: i64) -> Result<(i64, StoredEvent), Error> {
    let mut statement = connection.prepare_cached(WHOLE)?;
    let mut rows = statement.query(params![number])?;
    let row = rows.next()?.ok_or_else(|| Error::Corrupt(format!("the event {number} is missing")))?;
    let event = StoredEvent {
        time_ms: row.get(1)?,
        direction: row.get(2)?,
        id: uuid(row, 3)?,
        gate: row.get(4)?,
        plate_as_read: row.get(5)?,
        confidence: row.get(6)?,
        received_ms: row.get(7)?,
        recorded_ms: row.get(8)?,
        flags: row.get(9)?,
        receipt: row.get(10)?,
        supersedes: optional_uuid(row, 11)?,
        superseded_by: optional_uuid(row, 12)?,
    };
    Ok((row.get(0)?, event))
}
