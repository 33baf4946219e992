//! Reads the list of changes.

use matching::Rule;
use parking::{SessionId, State, Timestamp};
use rusqlite::{Connection, Row, params};

use super::vehicles::uuid;
use crate::encoding::{self, Code as _, column, word_of};
use crate::{CHANGES_OF_SESSION_MAX, ChangeRow, Error};

const AFTER: &str = "
    SELECT sequence, session_id, vehicle_version, from_state, to_state, rule, recorded_ms
    FROM change WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

const OF_SESSION: &str = "
    SELECT sequence, session_id, vehicle_version, from_state, to_state, rule, recorded_ms
    FROM change WHERE sequence >= ?1 AND sequence < ?2 AND session_id = ?3 ORDER BY sequence LIMIT ?4";

/// Finds the first change recorded at or after a time, or the end of the list. Binary search, because the list is
/// approximately in order of time.
const FIRST_AT: &str = "
    WITH RECURSIVE search (low, high) AS (
        SELECT CAST(1 AS bigint), coalesce(max(sequence), 0) + 1 FROM change
        UNION ALL
        SELECT CASE WHEN recorded_ms < ?1 THEN (low + high) / 2 + 1 ELSE low END,
            CASE WHEN recorded_ms < ?1 THEN high ELSE (low + high) / 2 END
        FROM search CROSS JOIN change WHERE low < high AND sequence = (low + high) / 2
    )
    SELECT low FROM search WHERE low >= high";

/// Returns the changes after a sequence number.
pub(super) fn after(connection: &Connection, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Error> {
    let mut statement = connection.prepare_cached(AFTER)?;
    let mut rows = statement.query(params![column(after), limit])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(change(row)?);
    }
    Ok(changes)
}

/// Returns the changes to a session that were recorded between two times.
pub(super) fn between(
    connection: &Connection,
    session: SessionId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<ChangeRow>, Error> {
    let (first, behind) = (first_at(connection, from)?, first_at(connection, to.plus_millis(1))?);
    let mut statement = connection.prepare_cached(OF_SESSION)?;
    let mut rows = statement.query(params![first, behind, session.as_uuid().as_bytes(), CHANGES_OF_SESSION_MAX])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(change(row)?);
    }
    Ok(changes)
}

fn first_at(connection: &Connection, moment: Timestamp) -> Result<i64, Error> {
    let mut statement = connection.prepare_cached(FIRST_AT)?;
    Ok(statement.query_row(params![moment.as_millis()], |row| row.get(0))?)
}

fn change(row: &Row<'_>) -> Result<ChangeRow, Error> {
    Ok(ChangeRow {
        sequence: encoding::count(row.get(0)?)?,
        session: SessionId::from_uuid(uuid(row, 1)?),
        vehicle_version: encoding::count(row.get(2)?)?,
        from: word_of::<State>(row.get(3)?)?,
        to: State::from_code(row.get(4)?)?,
        rule: word_of::<Rule>(row.get(5)?)?,
        recorded_at: Timestamp::from_millis(row.get(6)?),
    })
}

/// Returns the number of the newest change.
pub(super) fn last_change(connection: &Connection) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached("SELECT max(sequence) FROM change")?;
    let newest: Option<i64> = statement.query_row([], |row| row.get(0))?;
    newest.map_or(Ok(0), encoding::count)
}
