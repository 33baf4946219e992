//! Reads timelines, single sessions and lots.

use matching::{Limits, LoadRequest, Snapshot};
use parking::{Rules, SessionId, Timestamp, Vehicle};
use rusqlite::{Connection, Row, params};

use super::overlay::Overlay;
use super::vehicles;
use crate::encoding::{StoredEnd, StoredSession, count, lot_id};
use crate::rows::StoredVehicle;
use crate::{Error, LotRow, SessionRow};

/// The snapshots of many vehicles, in the order asked for; nothing may have been read in this moment.
pub(super) fn load(
    connection: &Connection,
    overlay: &Overlay,
    requests: &[LoadRequest],
    rules: &Rules,
) -> Result<Vec<Snapshot>, Error> {
    let ahead = ahead(connection, overlay, requests, rules)?;
    let load = |(LoadRequest { vehicle, reaching }, ahead): (&LoadRequest, Option<Snapshot>)| {
        if let Some(snapshot) = ahead {
            return Ok(snapshot);
        }
        let Some(stored) = stored(connection, vehicle)? else { return Ok(Snapshot::default()) };
        match reaching {
            Some(time) if !stored.timeline.reaches(*time) => {
                vehicles::reaching(connection, &stored, *time, Limits::of(rules, &vehicle.lot))
            }
            _ => Ok(stored.into_snapshot()),
        }
    };
    requests.iter().zip(ahead).map(load).collect()
}

/// The snapshots of vehicles that are ahead of their rows, before anything else is read: a vehicle that is not in
/// memory by then is whole in the tables of a later moment.
fn ahead(
    connection: &Connection,
    overlay: &Overlay,
    requests: &[LoadRequest],
    rules: &Rules,
) -> Result<Vec<Option<Snapshot>>, Error> {
    let layers = overlay.layers();
    let snapshot = |LoadRequest { vehicle, reaching }: &LoadRequest| {
        let Some(state) = layers.vehicle(vehicle) else { return Ok(None) };
        match reaching {
            Some(time) if !state.timeline.reaches(*time) => {
                let chain = layers.chain(connection, state.last_event)?;
                Ok(Some(state.reaching(*time, &chain, Limits::of(rules, &vehicle.lot))))
            }
            _ => Ok(Some(state.snapshot())),
        }
    };
    requests.iter().map(snapshot).collect()
}

/// What the tables have of a vehicle.
pub(super) fn stored(connection: &Connection, vehicle: &Vehicle) -> Result<Option<StoredVehicle>, Error> {
    let Some(lot_number) = vehicles::lot_number(connection, &vehicle.lot)? else { return Ok(None) };
    vehicles::find(connection, vehicle.plate.as_str(), lot_number)
}

// What belongs to a session is looked up on its own: a join would be prepared again for each.

pub(super) const SESSION: &str = "
    SELECT vehicle_no, lot_no, state, reason, source, superseded_by, entry_no, entry_ms, exit_no, exit_ms, recorded_ms,
        updated_ms
    FROM session WHERE session_id = ?1";

pub(super) const PLATE: &str = "SELECT plate FROM vehicle WHERE vehicle_no = ?1";

pub(super) const END: &str = "SELECT event_id, gate FROM event WHERE event_no = ?1";

/// Returns one session.
pub(super) fn session(connection: &Connection, id: SessionId) -> Result<Option<SessionRow>, Error> {
    let mut statement = connection.prepare_cached(SESSION)?;
    let mut rows = statement.query(params![id.as_uuid().as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let vehicle_number: i64 = row.get(0)?;
    let plate: String = connection.prepare_cached(PLATE)?.query_row(params![vehicle_number], |row| row.get(0))?;
    let session = StoredSession {
        id: id.as_uuid(),
        lot: vehicles::lot(connection, row.get(1)?)?.as_str().to_owned(),
        plate,
        state: row.get(2)?,
        reason: row.get(3)?,
        source: row.get(4)?,
        superseded_by: optional_uuid(row, 5)?,
        entry: end(connection, row.get(6)?, row.get(7)?)?,
        exit: end(connection, row.get(8)?, row.get(9)?)?,
        recorded_ms: row.get(10)?,
        updated_ms: row.get(11)?,
    };
    session.row().map(Some)
}

/// Returns the sessions with these ids, in the order of the ids.
pub(super) fn sessions(connection: &Connection, ids: &[SessionId]) -> Result<Vec<SessionRow>, Error> {
    ids.iter().filter_map(|id| session(connection, *id).transpose()).collect()
}

fn end(connection: &Connection, event_number: Option<i64>, time_ms: Option<i64>) -> Result<StoredEnd, Error> {
    let Some(number) = event_number else { return Ok(StoredEnd { event_id: None, gate: None, time_ms }) };
    let mut statement = connection.prepare_cached(END)?;
    let event = |row: &Row<'_>| Ok((optional_uuid(row, 0)?, row.get(1)?));
    let (event_id, gate) = statement.query_row(params![number], event)?;
    Ok(StoredEnd { event_id, gate, time_ms })
}

/// A UUID from its bytes, unless it is null.
pub(super) fn optional_uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<uuid::Uuid>> {
    let bytes: Option<[u8; 16]> = row.get(column)?;
    Ok(bytes.map(uuid::Uuid::from_bytes))
}

/// Returns every lot that has events or saved summaries, by name.
pub(super) fn lots(connection: &Connection) -> Result<Vec<LotRow>, Error> {
    let mut statement = connection.prepare_cached("SELECT lot_id, inside, time_ms FROM lot ORDER BY lot_id")?;
    let mut rows = statement.query([])?;
    let mut lots = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, time_ms): (String, Option<i64>) = (row.get(0)?, row.get(2)?);
        let (id, time) = (lot_id(&name)?, time_ms.map(Timestamp::from_millis));
        lots.push(LotRow { id, inside: count(row.get(1)?)?, time });
    }
    Ok(lots)
}
