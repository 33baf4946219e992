//! Writes a layer of what is committed to the tables, within one transaction. Nothing is decided here.

use parking::{GateId, Timestamp, Vehicle};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::event_index::{Added, Unindexed};
use super::overlay::{Layer, LayerVehicle};
use super::{quarters, superseding};
use crate::Error;
use crate::encoding::{self, Code as _, code_of, column};
use crate::receipt;
use crate::rows::{ChangeWrite, EventWrite, LotWrite, SessionWrite};

/// Writes the rows of a layer, each once and in the order of its key, and the number of the last journal
/// entry that it has. Returns what was added to the index of events.
pub(super) fn apply(connection: &Connection, unindexed: &Unindexed, layer: &Layer) -> Result<Added, Error> {
    insert_lots(connection, layer)?;
    write_events(connection, &layer.events)?;
    let mut flag = connection.prepare_cached("UPDATE event SET flags = ?2 WHERE event_no = ?1")?;
    for (number, flags) in &layer.flags {
        flag.execute(params![number, flags.bits()])?;
    }
    let mut sessions: Vec<&SessionWrite> = layer.sessions.values().collect();
    sessions.sort_unstable_by_key(|session| session.id);
    write_sessions(connection, &sessions)?;
    write_lots(connection, layer)?;
    quarters::add(connection, &layer.quarters)?;
    write_changes(connection, layer.first_change, &layer.changes)?;
    let mut vehicles: Vec<(&Vehicle, &LayerVehicle)> = layer.vehicles.iter().collect();
    vehicles.sort_unstable_by_key(|(_, vehicle)| vehicle.row.number);
    write_vehicles(connection, &vehicles)?;
    superseding::mark(connection, &layer.events)?;
    let indexed = unindexed.add(connection, layer.events.iter().map(|row| &row.event.key))?;
    connection.prepare_cached("UPDATE ledger SET applied_entry = ?1")?.execute(params![layer.last_entry])?;
    Ok(indexed)
}

fn insert_lots(connection: &Connection, layer: &Layer) -> Result<(), Error> {
    let mut insert = connection.prepare_cached("INSERT INTO lot (lot_no, lot_id) VALUES (?1, ?2)")?;
    for (number, lot) in &layer.lots {
        insert.execute(params![number, lot.as_str()])?;
    }
    Ok(())
}

fn write_events(connection: &Connection, events: &[EventWrite]) -> Result<(), Error> {
    let mut insert = connection
        .prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)")?;
    for EventWrite { number, previous, vehicle_number, event, recorded_at } in events {
        insert.execute(params![
            number,
            previous,
            vehicle_number,
            event.key.time.as_millis(),
            event.key.direction.code(),
            event.key.id.as_bytes(),
            event.gate.as_ref().map(GateId::as_str),
            event.plate_as_read.as_str(),
            event.confidence,
            event.received_at.as_millis(),
            recorded_at.as_millis(),
            event.flags.bits(),
            receipt::write(event, &mut receipt::Buffer::default()),
            event.supersedes.as_ref().map(Uuid::as_bytes),
        ])?;
    }
    Ok(())
}

const UPDATE_VEHICLE: &str = "
    UPDATE vehicle SET version = ?2, digest = ?3, last_event_no = ?4, listed_after_no = ?5, timeline = ?6
    WHERE vehicle_no = ?1";

fn write_vehicles(connection: &Connection, vehicles: &[(&Vehicle, &LayerVehicle)]) -> Result<(), Error> {
    let mut insert = connection.prepare_cached("INSERT INTO vehicle VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let mut update = connection.prepare_cached(UPDATE_VEHICLE)?;
    for (vehicle, LayerVehicle { row, is_new }) in vehicles {
        let (version, digest) = (column(row.base.version), row.base.digest.cast_signed());
        let timeline = encoding::write_timeline(&row.timeline, &row.event_numbers);
        let (last, listed_after) = (row.last_event, row.listed_after);
        if *is_new {
            let plate = vehicle.plate.as_str();
            let values = params![row.number, row.lot_number, plate, version, digest, last, listed_after, timeline];
            insert.execute(values)?;
        } else if update.execute(params![row.number, version, digest, last, listed_after, timeline])? != 1 {
            return Err(Error::Corrupt(format!("the vehicle {} is missing", row.number)));
        }
    }
    Ok(())
}

/// A hold counts from the moment its exit was recorded, which the event's row says.
const INSERT_SESSION: &str = "
    INSERT INTO session VALUES (
        ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
        CASE WHEN ?4 = 1 THEN (SELECT recorded_ms FROM event WHERE event_no = ?8) END, 0
    )";

/// The entry of a session gives it its id, so that it never gets another one.
const UPDATE_SESSION: &str = "
    UPDATE session SET state = ?2, reason = ?3, exit_no = ?4, exit_ms = ?5, superseded_by = ?6, updated_ms = ?7,
        held_since_ms = CASE WHEN ?2 = 1 THEN (SELECT recorded_ms FROM event WHERE event_no = ?4) END,
        leased_until_ms = 0
    WHERE session_id = ?1";

fn write_sessions(connection: &Connection, sessions: &[&SessionWrite]) -> Result<(), Error> {
    let mut insert = connection.prepare_cached(INSERT_SESSION)?;
    let mut update = connection.prepare_cached(UPDATE_SESSION)?;
    for session in sessions {
        let (id, state, reason) = (*session.id.as_uuid().as_bytes(), session.state.code(), code_of(session.reason));
        let exit_number = session.exit.and_then(|end| end.event_number);
        let exit_ms = session.exit.map(|end| end.time.as_millis());
        let superseded_by = session.superseded_by.as_ref().map(|id| *id.as_uuid().as_bytes());
        let updated_ms = session.updated_at.as_millis();
        if !session.is_new {
            let values = params![id, state, reason, exit_number, exit_ms, superseded_by, updated_ms];
            if update.execute(values)? != 1 {
                return Err(Error::Corrupt(format!("the session {} is missing", session.id)));
            }
            continue;
        }
        insert.execute(params![
            id,
            session.vehicle_number,
            session.lot_number,
            state,
            reason,
            session.source.code(),
            session.entry.and_then(|end| end.event_number),
            exit_number,
            session.entry.map(|end| end.time.as_millis()),
            exit_ms,
            superseded_by,
            session.is_listed,
            session.recorded_at.as_millis(),
            updated_ms,
        ])?;
    }
    Ok(())
}

fn write_lots(connection: &Connection, layer: &Layer) -> Result<(), Error> {
    let mut update = connection.prepare_cached(
        "UPDATE lot SET inside = inside + ?2, time_ms = coalesce(max(time_ms, ?3), time_ms, ?3) WHERE lot_no = ?1",
    )?;
    for (number, lot) in layer.lot_writes.iter().filter(|(_, lot)| **lot != LotWrite::default()) {
        update.execute(params![number, lot.inside, lot.newest.map(Timestamp::as_millis)])?;
    }
    Ok(())
}

fn write_changes(connection: &Connection, first: i64, changes: &[ChangeWrite]) -> Result<(), Error> {
    let mut insert = connection.prepare_cached("INSERT INTO change VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (sequence, change) in (first..).zip(changes) {
        insert.execute(params![
            sequence,
            change.session.as_uuid().as_bytes(),
            column(change.vehicle_version),
            code_of(change.from),
            change.to.code(),
            code_of(change.rule),
            change.recorded_at.as_millis(),
        ])?;
    }
    Ok(())
}
