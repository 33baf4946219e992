//! The ids to look at because one event supersedes another: they become due with the later one of the two.
//!
//! The rows are written together with those of the events, so an id is due until it was looked at, also after a crash.
//! What follows for the superseded event's vehicle is decided elsewhere.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::vehicles::uuid;
use crate::rows::EventWrite;
use crate::{Error, SupersededId};

/// The event that supersedes the event `e`: of several the one recorded first.
macro_rules! superseded_by {
    () => {
        "(
            SELECT n.event_id FROM event n
            WHERE n.supersedes = e.event_id AND n.gate IS e.gate AND n.event_id <> e.event_id
                AND (SELECT lot_no FROM vehicle WHERE vehicle_no = n.vehicle_no)
                    = (SELECT lot_no FROM vehicle WHERE vehicle_no = e.vehicle_no)
            ORDER BY n.event_no LIMIT 1
        )"
    };
}
pub(super) use superseded_by;

const MARK: &str = "
    INSERT INTO superseded_due VALUES (?1, 1) ON CONFLICT (event_id) DO UPDATE SET marks = marks + 1";

pub(super) const IS_NAMED: &str = "SELECT 1 FROM event WHERE supersedes = ?1 LIMIT 1";

/// Marks the ids that these new events name, and the ids of those that are named themselves.
pub(super) fn mark(connection: &Connection, events: &[EventWrite]) -> Result<(), Error> {
    let named: Vec<_> = events.iter().filter_map(|row| row.event.supersedes).collect();
    if !named.is_empty() {
        connection.prepare_cached("UPDATE ledger SET has_superseding = 1")?.execute([])?;
        let mut mark = connection.prepare_cached(MARK)?;
        for id in &named {
            mark.execute(params![id.as_bytes()])?;
        }
    }
    // Nearly every ledger has none: then an event costs no look-up.
    let has_superseding: bool =
        connection.prepare_cached("SELECT has_superseding FROM ledger")?.query_row([], |row| row.get(0))?;
    if has_superseding {
        let mut is_named = connection.prepare_cached(IS_NAMED)?;
        let mut mark = connection.prepare_cached(MARK)?;
        for id in events.iter().map(|row| row.event.key.id) {
            if is_named.query_row(params![id.as_bytes()], |_| Ok(())).optional()?.is_some() {
                mark.execute(params![id.as_bytes()])?;
            }
        }
    }
    Ok(())
}

/// The ids that are due.
pub(super) fn due(connection: &Connection, most: u32) -> Result<Vec<SupersededId>, Error> {
    let mut statement = connection.prepare_cached("SELECT event_id, marks FROM superseded_due LIMIT ?1")?;
    let rows = statement.query_map(params![most], |row| Ok(SupersededId { id: uuid(row, 0)?, marks: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes ids that were looked at, unless they became due again.
pub(super) fn done(connection: &Connection, looked: &[SupersededId]) -> Result<(), Error> {
    let mut delete = connection.prepare_cached("DELETE FROM superseded_due WHERE event_id = ?1 AND marks = ?2")?;
    for SupersededId { id, marks } in looked {
        delete.execute(params![id.as_bytes(), marks])?;
    }
    Ok(())
}
