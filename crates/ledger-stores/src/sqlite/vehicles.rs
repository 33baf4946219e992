//! Reads vehicles, their timelines, and the chain of their events.

use matching::{ExpectedVersion, Flags, Limits, Snapshot};
use parking::{LotId, Timestamp, Vehicle};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use crate::Error;
use crate::chain::ChainEvent;
use crate::encoding;
use crate::looking::{VEHICLES_OF_PREFIX_MAX, after_prefix};
use crate::rows::StoredVehicle;

// A join makes SQLite prepare a statement again for each new value, so lots are looked up on their own.

pub(super) const FIND: &str = "
    SELECT vehicle_no, lot_no, version, digest, last_event_no, listed_after_no, timeline
    FROM vehicle WHERE plate = ?1 AND lot_no = ?2";

pub(super) const BY_NUMBER: &str = "
    SELECT vehicle_no, lot_no, version, digest, last_event_no, listed_after_no, timeline, plate
    FROM vehicle WHERE vehicle_no = ?1";

pub(super) const BY_PLATE: &str = "
    SELECT vehicle_no, lot_no, version, digest, last_event_no, listed_after_no, timeline, plate
    FROM vehicle WHERE plate = ?1";

/// Plates are compared by their bytes.
const BY_PREFIX: &str = "
    SELECT vehicle_no, lot_no, version, digest, last_event_no, listed_after_no, timeline, plate
    FROM vehicle WHERE plate >= ?1 AND plate < ?2 ORDER BY plate LIMIT ?3";

pub(super) const LOT: &str = "SELECT lot_id FROM lot WHERE lot_no = ?1";

pub(super) const EVENT: &str = "SELECT previous_no, time_ms, direction, event_id, flags FROM event WHERE event_no = ?1";

/// The number of a lot.
pub(super) fn lot_number(connection: &Connection, lot: &LotId) -> Result<Option<i64>, Error> {
    let mut statement = connection.prepare_cached("SELECT lot_no FROM lot WHERE lot_id = ?1")?;
    Ok(statement.query_row(params![lot.as_str()], |row| row.get(0)).optional()?)
}

/// The lot with a number.
pub(super) fn lot(connection: &Connection, number: i64) -> Result<LotId, Error> {
    let name = connection.prepare_cached(LOT)?.query_row(params![number], |row| row.get::<_, String>(0)).optional()?;
    encoding::lot_id(&name.ok_or_else(|| Error::Corrupt(format!("the lot {number} is missing")))?)
}

/// A vehicle by its plate in a lot.
pub(super) fn find(connection: &Connection, plate: &str, lot_number: i64) -> Result<Option<StoredVehicle>, Error> {
    let mut statement = connection.prepare_cached(FIND)?;
    let mut rows = statement.query(params![plate, lot_number])?;
    rows.next()?.map(stored_vehicle).transpose()
}

/// A vehicle by its number.
pub(super) fn by_number(connection: &Connection, number: i64) -> Result<(Vehicle, StoredVehicle), Error> {
    let mut statement = connection.prepare_cached(BY_NUMBER)?;
    let mut rows = statement.query(params![number])?;
    let row = rows.next()?.ok_or_else(|| missing(number))?;
    named_vehicle(connection, row)
}

/// The vehicles of a plate, in any lot.
pub(super) fn by_plate(connection: &Connection, plate: &str) -> Result<Vec<(Vehicle, StoredVehicle)>, Error> {
    let mut statement = connection.prepare_cached(BY_PLATE)?;
    let mut rows = statement.query(params![plate])?;
    let mut vehicles = Vec::new();
    while let Some(row) = rows.next()? {
        vehicles.push(named_vehicle(connection, row)?);
    }
    Ok(vehicles)
}

/// The vehicles whose plates begin with `prefix`, in any lot; `None` if there are more than can be searched one by one.
pub(super) fn by_prefix(connection: &Connection, prefix: &str) -> Result<Option<Vec<(Vehicle, StoredVehicle)>>, Error> {
    let mut statement = connection.prepare_cached(BY_PREFIX)?;
    let mut rows = statement.query(params![prefix, after_prefix(prefix), VEHICLES_OF_PREFIX_MAX + 1])?;
    let mut vehicles = Vec::new();
    while let Some(row) = rows.next()? {
        vehicles.push(named_vehicle(connection, row)?);
    }
    Ok(Some(vehicles).filter(|vehicles| encoding::column(vehicles.len()) <= i64::from(VEHICLES_OF_PREFIX_MAX)))
}

/// The events of the chain that ends at `last`, the newest recorded first.
pub(super) fn chain(connection: &Connection, last: Option<i64>) -> Result<Vec<ChainEvent>, Error> {
    let mut statement = connection.prepare_cached(EVENT)?;
    let mut events = Vec::new();
    let mut next = last;
    while let Some(number) = next {
        let mut rows = statement.query(params![number])?;
        let row = rows.next()?.ok_or_else(|| Error::Corrupt(format!("the event {number} is missing")))?;
        next = row.get(0)?;
        if next.is_some_and(|next| next >= number) {
            return Err(Error::Corrupt(format!("the event {number} has a later one before it")));
        }
        let key = encoding::event_key(row.get(1)?, row.get(2)?, uuid(row, 3)?)?;
        events.push(ChainEvent { number, key, flags: Flags::from_bits(row.get(4)?) });
    }
    Ok(events)
}

/// The snapshot of a vehicle with a timeline that reaches `time`.
pub(super) fn reaching(
    connection: &Connection,
    vehicle: &StoredVehicle,
    time: Timestamp,
    limits: Limits,
) -> Result<Snapshot, Error> {
    Ok(vehicle.reaching(time, &chain(connection, vehicle.last_event)?, limits))
}

/// A UUID from its bytes.
pub(super) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    Ok(Uuid::from_bytes(row.get(column)?))
}

fn missing(number: i64) -> Error {
    Error::Corrupt(format!("the vehicle {number} is missing"))
}

fn named_vehicle(connection: &Connection, row: &Row<'_>) -> Result<(Vehicle, StoredVehicle), Error> {
    let (plate, lot_number): (String, i64) = (row.get(7)?, row.get(1)?);
    let vehicle = Vehicle { lot: lot(connection, lot_number)?, plate: encoding::plate(&plate)? };
    Ok((vehicle, stored_vehicle(row)?))
}

fn stored_vehicle(row: &Row<'_>) -> Result<StoredVehicle, Error> {
    let bytes = row.get_ref(6)?.as_blob().map_err(rusqlite::Error::from)?;
    let (timeline, event_numbers) = encoding::read_timeline(bytes)?;
    let digest: i64 = row.get(3)?;
    Ok(StoredVehicle {
        number: row.get(0)?,
        lot_number: row.get(1)?,
        base: ExpectedVersion { version: encoding::count(row.get(2)?)?, digest: digest.cast_unsigned() },
        timeline,
        event_numbers,
        last_event: row.get(4)?,
        listed_after: row.get(5)?,
    })
}
