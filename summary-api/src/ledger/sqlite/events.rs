//! Reads events whole: by their id, and around a time of their vehicle.

use matching::Timeline;
use parking::{Timestamp, Vehicle};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::heads::Heads;
use super::vehicles::{self, uuid};
use super::{event_index, read};
use crate::ledger::chain;
use crate::ledger::stored::StoredEvent;
use crate::ledger::{EVENTS_OF_ID, Error, EventRow};

pub(super) const WHOLE: &str = "
    SELECT vehicle_no, time_ms, direction, event_id, gate, plate_as_read, confidence, received_ms, recorded_ms, flags
    FROM event WHERE event_no = ?1";

/// The events with an id, the first recorded first.
pub(super) fn with_id(connection: &Connection, heads: &Heads, id: Uuid) -> Result<Vec<EventRow>, Error> {
    let mut events = Vec::new();
    for number in event_index::numbers(connection, id)? {
        let (vehicle_number, event) = whole(connection, number)?;
        if event.id == id {
            let (vehicle, row) = vehicles::by_number(connection, heads, vehicle_number)?;
            events.push(event.row(vehicle, &row.timeline)?);
        }
        if events.len() == EVENTS_OF_ID {
            break;
        }
    }
    Ok(events)
}

/// Events of a vehicle around a time, or the newest.
pub(super) fn of_vehicle(
    connection: &Connection,
    heads: &Heads,
    vehicle: &Vehicle,
    around: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<EventRow>, Error> {
    // Before anything is read, so that the rows are no older.
    let ahead = heads.states().get(vehicle)?;
    let stored = ahead.map_or_else(|| read::find(connection, vehicle), |stored| Ok(Some(stored)))?;
    let Some(stored) = stored else { return Ok(Vec::new()) };
    let chain = vehicles::chain(connection, stored.last_event)?;
    let numbers = chain::window(chain, around, limit).into_iter().map(|event| event.number);
    let row = |number, timeline: &Timeline| whole(connection, number)?.1.row(vehicle.clone(), timeline);
    numbers.map(|number| row(number, &stored.timeline)).collect()
}

/// The number of an event's vehicle, and its columns.
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
    };
    Ok((row.get(0)?, event))
}
