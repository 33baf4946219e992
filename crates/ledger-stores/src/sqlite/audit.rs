//! Reads everything that the ledger has about a range of vehicles, to compare it with the definition of sessions.

use std::time::Duration;

use parking::{Rules, Vehicle};
use rusqlite::{Connection, params};

use super::superseding::superseded_by;
use super::vehicles::{self, uuid};
use crate::Audited;
use crate::audit::{Collector, EventColumns, PART_EVENTS, SessionColumns, VehicleRow};
use crate::{Error, encoding};

/// Limits the duration of one part, which scans the events and the sessions.
pub(super) const PART_DURATION_MAX: Duration = Duration::from_mins(5);
/// Limits how long a part waits until what was recorded before it is applied.
pub(super) const CATCH_UP_MAX: Duration = Duration::from_secs(30);

const VEHICLES: &str =
    "SELECT vehicle_no, lot_no, plate, version, timeline, last_event_no FROM vehicle WHERE vehicle_no >= ?1
    ORDER BY vehicle_no";

const EVENTS: &str = concat!(
    "SELECT event_no, previous_no, vehicle_no, time_ms, direction, event_id, flags, ",
    superseded_by!(),
    " IS NOT NULL, EXISTS (SELECT 1 FROM superseded_due d WHERE d.event_id = e.event_id)
    FROM event e WHERE vehicle_no BETWEEN ?1 AND ?2 ORDER BY event_no"
);

const SESSIONS: &str = "
    SELECT session_id, vehicle_no, state, reason, source, entry_no, entry_ms, exit_no, exit_ms FROM session
    NOT INDEXED WHERE vehicle_no BETWEEN ?1 AND ?2";

/// Reads the vehicles from the number `from` on, until the part has enough events.
pub(super) fn audit(connection: &Connection, rules: &Rules, from: i64) -> Result<Audited, Error> {
    let mut statement = connection.prepare_cached(VEHICLES)?;
    let mut rows = statement.query(params![from])?;
    let (mut vehicles, mut events, mut next) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        if events >= PART_EVENTS {
            next = Some(number);
            break;
        }
        let plate: String = row.get(2)?;
        let vehicle = Vehicle { lot: vehicles::lot(connection, row.get(1)?)?, plate: encoding::plate(&plate)? };
        let bytes = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
        let (version, timeline, last_event) =
            (encoding::count(row.get(3)?)?, encoding::read_timeline(bytes)?.0, row.get(5)?);
        // Each event raises the version, so that there are at most as many.
        events += version;
        vehicles.push(VehicleRow { number, vehicle, timeline, last_event });
    }
    let last = vehicles.last().map_or(from, |row| row.number);
    let mut collector = Collector::new(vehicles, |vehicle| rules.is_unread(&vehicle.plate));
    read_events(connection, from, last, &mut collector)?;
    read_sessions(connection, from, last, &mut collector)?;
    Ok(collector.finish(next))
}

fn read_events(connection: &Connection, first: i64, last: i64, collector: &mut Collector) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(EVENTS)?;
    let mut rows = statement.query(params![first, last])?;
    while let Some(row) = rows.next()? {
        collector.event(&EventColumns {
            number: row.get(0)?,
            previous: row.get(1)?,
            vehicle: row.get(2)?,
            time_ms: row.get(3)?,
            direction: row.get(4)?,
            id: uuid(row, 5)?,
            flags: row.get(6)?,
            is_superseded: row.get(7)?,
            is_due: row.get(8)?,
        })?;
    }
    Ok(())
}

fn read_sessions(connection: &Connection, first: i64, last: i64, collector: &mut Collector) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(SESSIONS)?;
    let mut rows = statement.query(params![first, last])?;
    while let Some(row) = rows.next()? {
        collector.session(&SessionColumns {
            id: uuid(row, 0)?,
            vehicle: row.get(1)?,
            state: row.get(2)?,
            reason: row.get(3)?,
            source: row.get(4)?,
            entry: (row.get(5)?, row.get(6)?),
            exit: (row.get(7)?, row.get(8)?),
        })?;
    }
    Ok(())
}
