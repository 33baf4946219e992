//! Reads timelines, single sessions, lots and changes.

use matching::{Limits, LoadRequest, Rule, Snapshot};
use parking::{Rules, SessionId, State, Timestamp, Vehicle};
use rusqlite::{Connection, Row, params};

use super::heads::Heads;
use super::vehicles::{self, uuid};
use crate::ledger::batch::StoredVehicle;
use crate::ledger::stored::{self, Code as _, StoredEnd, StoredSession, column, word_of};
use crate::ledger::{ChangeRow, Error, LotRow, SessionRow};

/// The snapshots of many vehicles, in the order asked for.
pub(super) fn load(
    connection: &Connection,
    heads: &Heads,
    requests: &[LoadRequest],
    rules: &Rules,
) -> Result<Vec<Snapshot>, Error> {
    // Before anything is read, so that the rows are no older.
    let ahead: Vec<Option<StoredVehicle>> = {
        let states = heads.states();
        requests.iter().map(|request| states.get(&request.vehicle).cloned()).collect()
    };
    let load = |(LoadRequest { vehicle, reaching }, ahead): (&LoadRequest, Option<StoredVehicle>)| {
        let Some(stored) = ahead.map_or_else(|| find(connection, vehicle), |stored| Ok(Some(stored)))? else {
            return Ok(Snapshot::default());
        };
        match reaching {
            Some(time) if !stored.timeline.reaches(*time) => {
                vehicles::reaching(connection, &stored, *time, Limits::of(rules, &vehicle.lot))
            }
            _ => Ok(stored.into_snapshot()),
        }
    };
    requests.iter().zip(ahead).map(load).collect()
}

fn find(connection: &Connection, vehicle: &Vehicle) -> Result<Option<StoredVehicle>, Error> {
    let Some(lot_number) = vehicles::lot_number(connection, &vehicle.lot)? else { return Ok(None) };
    vehicles::find(connection, vehicle.plate.as_str(), lot_number)
}

const SESSION: &str = "
    SELECT s.session_id, l.lot_id, v.plate, s.state, s.reason, s.source, s.superseded_by,
        entered.event_id, entered.gate, s.entry_ms, exited.event_id, exited.gate, s.exit_ms, s.recorded_ms, s.updated_ms
    FROM session s CROSS JOIN vehicle v CROSS JOIN lot l
        LEFT JOIN event entered ON entered.event_no = s.entry_no
        LEFT JOIN event exited ON exited.event_no = s.exit_no
    WHERE s.session_id = ?1 AND v.vehicle_no = s.vehicle_no AND l.lot_no = s.lot_no";

/// One session.
pub(super) fn session(connection: &Connection, id: SessionId) -> Result<Option<SessionRow>, Error> {
    let mut statement = connection.prepare_cached(SESSION)?;
    let mut rows = statement.query(params![id.as_uuid().as_bytes()])?;
    rows.next()?.map(|row| stored_session(row)?.row()).transpose()
}

fn stored_session(row: &Row<'_>) -> Result<StoredSession, Error> {
    Ok(StoredSession {
        id: uuid(row, 0)?,
        lot: row.get(1)?,
        plate: row.get(2)?,
        state: row.get(3)?,
        reason: row.get(4)?,
        source: row.get(5)?,
        superseded_by: optional_uuid(row, 6)?,
        entry: StoredEnd { event_id: optional_uuid(row, 7)?, gate: row.get(8)?, time_ms: row.get(9)? },
        exit: StoredEnd { event_id: optional_uuid(row, 10)?, gate: row.get(11)?, time_ms: row.get(12)? },
        recorded_ms: row.get(13)?,
        updated_ms: row.get(14)?,
    })
}

fn optional_uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<uuid::Uuid>> {
    let bytes: Option<[u8; 16]> = row.get(column)?;
    Ok(bytes.map(uuid::Uuid::from_bytes))
}

/// Every lot that has events, by name.
pub(super) fn lots(connection: &Connection) -> Result<Vec<LotRow>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT lot_id, inside, time_ms FROM lot WHERE time_ms IS NOT NULL ORDER BY lot_id")?;
    let mut rows = statement.query([])?;
    let mut lots = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, time_ms): (String, Option<i64>) = (row.get(0)?, row.get(2)?);
        let (id, time) = (stored::lot_id(&name)?, time_ms.map(Timestamp::from_millis));
        lots.push(LotRow { id, inside: stored::count(row.get(1)?)?, time });
    }
    Ok(lots)
}

/// Changes after a sequence number.
pub(super) fn changes(connection: &Connection, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, session_id, vehicle_version, from_state, to_state, rule, recorded_ms
         FROM change WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
    )?;
    let mut rows = statement.query(params![column(after), limit])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(ChangeRow {
            sequence: stored::count(row.get(0)?)?,
            session: SessionId::from_uuid(uuid(row, 1)?),
            vehicle_version: stored::count(row.get(2)?)?,
            from: word_of::<State>(row.get(3)?)?,
            to: State::from_code(row.get(4)?)?,
            rule: word_of::<Rule>(row.get(5)?)?,
            recorded_at: Timestamp::from_millis(row.get(6)?),
        });
    }
    Ok(changes)
}
