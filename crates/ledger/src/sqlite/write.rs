//! Records units and saves summaries within one transaction.

use std::collections::{BTreeSet, HashMap, HashSet};

use parking::{GateId, LotId, SessionId, Timestamp, Vehicle};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::event_index::{Added, Unindexed};
use super::heads::{self, Head, Heads, Turn};
use super::{quarters, read, vehicles};
use crate::batch::Batch;
use crate::encoding::{self, Code as _, code_of, column};
use crate::merge::{Answers, Found, Work};
use crate::rows::{BatchVehicle, ChangeWrite, EventWrite, ExitsBefore, LotWrite, SessionWrite, StoredVehicle};
use crate::unit::names_older_events;
use crate::{Error, SessionRow};

/// What a transaction has written, for when it is committed.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) answers: Answers,
    /// The vehicles that are ahead of their rows.
    pub(super) ahead: Vec<(Vehicle, Head)>,
    /// The last entry of their log.
    pub(super) log_end: i64,
    /// How many vehicles of the turn are done.
    pub(super) turned: usize,
    /// What was added to the index of events.
    pub(super) indexed: Added,
}

/// Carries out merged work, and writes the next rows of the turn.
pub(super) fn write(
    connection: &Connection,
    heads: &Heads,
    turn: &Turn,
    unindexed: &Unindexed,
    work: &Work<'_>,
) -> Result<Written, Error> {
    let (answers, mut batch) = work.decide(find(connection, heads, work)?)?;
    write_rows(connection, &mut batch)?;
    let indexed = unindexed.add(connection, batch.events.iter().map(|row| &row.event.key))?;
    let (new, ahead): (Vec<_>, Vec<_>) = batch.into_changed_vehicles().into_iter().partition(|(_, of)| of.is_new);
    insert_vehicles(connection, &new)?;
    let ahead: Vec<_> = ahead.into_iter().map(|(vehicle, changed)| (vehicle, Head::new(&changed.row))).collect();
    let log_end = heads::log(connection, &ahead)?;
    let turned = turn.write_slice(connection, heads, ahead.len())?;
    Ok(Written { answers, ahead, log_end, turned, indexed })
}

/// What the work needs to know, the vehicles looked up in the order of their index.
fn find(connection: &Connection, heads: &Heads, work: &Work<'_>) -> Result<Found, Error> {
    let names = work.vehicles();
    let lots = lot_numbers(connection, &names)?;
    let mut next_vehicle = next_number(connection, NEXT_VEHICLE)?;
    let mut vehicles = HashMap::with_capacity(names.len());
    let states = heads.states();
    for name in names {
        let lot_number = lots[&name.lot];
        let found = match states.get(name)? {
            Some(state) => Some(state),
            None => vehicles::find(connection, name.plate.as_str(), lot_number)?,
        };
        let is_new = found.is_none();
        let row = found.unwrap_or_else(|| StoredVehicle::new(next_vehicle, lot_number));
        next_vehicle += i64::from(is_new);
        vehicles.insert(name.clone(), BatchVehicle { row, is_new, is_changed: false, older: HashMap::new() });
    }
    for unit in work.units() {
        let Some(vehicle) = vehicles.get_mut(&unit.vehicle) else { continue };
        if vehicle.older.is_empty() && names_older_events(unit, &vehicle.row) {
            let chain = vehicles::chain(connection, vehicle.row.last_event)?;
            vehicle.older = chain.into_iter().map(|event| (event.key, event.number)).collect();
        }
    }
    let next_event = next_number(connection, NEXT_EVENT)?;
    Ok(Found {
        vehicles,
        unread: unread(connection, work)?,
        exits_before: exits_before(connection, work)?,
        summaries: summaries(connection, work)?,
        next_event,
    })
}

fn exits_before(connection: &Connection, work: &Work<'_>) -> Result<ExitsBefore, Error> {
    let mut exits = ExitsBefore::new();
    let mut find = connection.prepare_cached("SELECT exit_ms FROM session WHERE session_id = ?1 AND state = 2")?;
    for id in work.of_changed_exit() {
        let exit_ms = find.query_row(params![id.as_uuid().as_bytes()], |row| row.get(0)).optional()?;
        exits.insert(id, exit_ms.map(Timestamp::from_millis));
    }
    Ok(exits)
}

fn unread(connection: &Connection, work: &Work<'_>) -> Result<HashSet<SessionId>, Error> {
    let mut known = HashSet::new();
    let mut find = connection.prepare_cached("SELECT 1 FROM session WHERE session_id = ?1")?;
    for id in work.unread() {
        let row = find.query_row(params![id.as_uuid().as_bytes()], |_| Ok(())).optional()?;
        known.extend(row.map(|()| id));
    }
    Ok(known)
}

fn summaries(connection: &Connection, work: &Work<'_>) -> Result<HashMap<SessionId, SessionRow>, Error> {
    let rows = work.summaries().map(|summary| read::session(connection, summary.id()));
    rows.filter_map(|row| row.map(|row| row.map(|row| (row.session.id, row))).transpose()).collect()
}

/// The numbers of the lots of these vehicles; new lots get one.
fn lot_numbers<'a>(connection: &Connection, names: &[&'a Vehicle]) -> Result<HashMap<&'a LotId, i64>, Error> {
    let lots: BTreeSet<&LotId> = names.iter().map(|vehicle| &vehicle.lot).collect();
    let number = |lot: &'a LotId| {
        if let Some(number) = vehicles::lot_number(connection, lot)? {
            return Ok((lot, number));
        }
        connection.prepare_cached("INSERT INTO lot (lot_id) VALUES (?1)")?.execute(params![lot.as_str()])?;
        Ok((lot, connection.last_insert_rowid()))
    };
    lots.into_iter().map(number).collect()
}

const NEXT_EVENT: &str = "SELECT coalesce(max(event_no), 0) + 1 FROM event";
const NEXT_VEHICLE: &str = "SELECT coalesce(max(vehicle_no), 0) + 1 FROM vehicle";
const NEXT_CHANGE: &str = "SELECT coalesce(max(sequence), 0) + 1 FROM change";

fn next_number(connection: &Connection, sql: &str) -> Result<i64, Error> {
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn write_rows(connection: &Connection, batch: &mut Batch<'_>) -> Result<(), Error> {
    write_events(connection, &batch.events)?;
    let mut flag = connection.prepare_cached("UPDATE event SET flags = ?2 WHERE event_no = ?1")?;
    for (number, flags) in batch.take_flags() {
        flag.execute(params![number, flags.bits()])?;
    }
    write_sessions(connection, &batch.take_sessions())?;
    write_lots(connection, batch)?;
    quarters::add(connection, &batch.quarters)?;
    write_changes(connection, &batch.changes)
}

fn write_events(connection: &Connection, events: &[EventWrite<'_>]) -> Result<(), Error> {
    let mut insert =
        connection.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
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
        ])?;
    }
    Ok(())
}

fn insert_vehicles(connection: &Connection, vehicles: &[(Vehicle, BatchVehicle)]) -> Result<(), Error> {
    let mut insert = connection.prepare_cached("INSERT INTO vehicle VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for (vehicle, BatchVehicle { row, .. }) in vehicles {
        let (version, digest) = (column(row.base.version), row.base.digest.cast_signed());
        let timeline = encoding::write_timeline(&row.timeline, &row.event_numbers);
        let (plate, last, listed_after) = (vehicle.plate.as_str(), row.last_event, row.listed_after);
        let values = params![row.number, row.lot_number, plate, version, digest, last, listed_after, timeline];
        insert.execute(values)?;
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

fn write_sessions(connection: &Connection, sessions: &[SessionWrite]) -> Result<(), Error> {
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

fn write_lots(connection: &Connection, batch: &Batch<'_>) -> Result<(), Error> {
    let mut update = connection.prepare_cached(
        "UPDATE lot SET inside = inside + ?2, time_ms = coalesce(max(time_ms, ?3), time_ms, ?3) WHERE lot_no = ?1",
    )?;
    for (number, lot) in batch.lots.iter().filter(|(_, lot)| **lot != LotWrite::default()) {
        update.execute(params![number, lot.inside, lot.newest.map(Timestamp::as_millis)])?;
    }
    Ok(())
}

fn write_changes(connection: &Connection, changes: &[ChangeWrite]) -> Result<(), Error> {
    let first = next_number(connection, NEXT_CHANGE)?;
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
