//! Writes the counts of quarter hours together with the sessions they follow from, and reads them for statistics.

use std::ops::Range;

use parking::{LotId, State, Timestamp};
use rusqlite::{Connection, Row, params};

use super::vehicles;
use crate::encoding::{self, Code as _};
use crate::list::IdRange;
use crate::progress::Progress;
use crate::rollup::{Rollup, Standing};
use crate::{Connected, Counts, Dwells, Error, Quarters, Recent, RecentOf, Tally};

/// While all sessions are counted, write the quarter hours once this many are in memory.
const BUFFERED_QUARTERS_MAX: usize = if cfg!(test) { 3 } else { 10_000 };

const FIND: &str = "
    SELECT entries, exits, matched, unmatched_exits, unmatched_entries, inside_ms, dwell_ms, dwells
    FROM lot_quarter WHERE lot_no = ?1 AND quarter_no = ?2";

const WRITE: &str = "INSERT OR REPLACE INTO lot_quarter VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// While all sessions are counted, report the progress after this many.
const SESSIONS_PER_REPORT: usize = 10_000;

/// Adds differences to the stored quarters.
pub(super) fn add(connection: &Connection, rollup: &Rollup) -> Result<(), Error> {
    let mut find = connection.prepare_cached(FIND)?;
    let mut write = connection.prepare_cached(WRITE)?;
    for (lot_number, quarter, difference) in rollup.changed() {
        let mut rows = find.query(params![lot_number, quarter])?;
        let mut tally = rows.next()?.map(|row| tally(row, 0)).transpose()?.unwrap_or_default();
        drop(rows);
        tally.add(difference);
        let Counts { entries, exits, matched, unmatched_exits, unmatched_entries, inside_ms, dwell_ms } = tally.counts;
        let dwells = tally.dwells.to_bytes();
        let (of_exits, of_entries) = (unmatched_exits, unmatched_entries);
        let values =
            params![lot_number, quarter, entries, exits, matched, of_exits, of_entries, inside_ms, dwell_ms, dwells];
        write.execute(values)?;
    }
    Ok(())
}

/// Counts the quarters of all sessions in bounded memory.
pub(super) fn count_all(connection: &Connection) -> Result<(), Error> {
    let mut sessions = connection
        .prepare("SELECT lot_no, state, entry_ms, exit_ms FROM session WHERE source = 0 ORDER BY session_id")?;
    let mut rows = sessions.query([])?;
    let (mut rollup, mut progress, mut unreported) = (Rollup::default(), Progress::default(), 0);
    while let Some(row) = rows.next()? {
        let time = |column| row.get(column).map(|millis: Option<i64>| millis.map(Timestamp::from_millis));
        let session = Standing { state: State::from_code(row.get(1)?)?, entry: time(2)?, exit: time(3)? };
        rollup.add(row.get(0)?, session);
        if rollup.len() >= BUFFERED_QUARTERS_MAX {
            add(connection, &std::mem::take(&mut rollup))?;
        }
        unreported += 1;
        if unreported == SESSIONS_PER_REPORT {
            progress.add(std::mem::take(&mut unreported));
        }
    }
    add(connection, &rollup)?;
    progress.add(unreported);
    progress.finish();
    Ok(())
}

const QUARTERS: &str = "
    SELECT quarter_no, entries, exits, matched, unmatched_exits, unmatched_entries, inside_ms, dwell_ms, dwells
    FROM lot_quarter WHERE lot_no = ?1 AND quarter_no >= ?2 AND quarter_no < ?3 ORDER BY quarter_no";

/// The change in the number of vehicles inside since the start of a quarter hour.
const SINCE: &str = "
    SELECT coalesce(sum(entries - unmatched_entries - matched), 0) FROM lot_quarter WHERE lot_no = ?1 AND quarter_no >= ?2";

const FIRST: &str = "SELECT min(quarter_no) FROM lot_quarter WHERE lot_no = ?1";

/// Returns a range of a lot's quarters.
pub(super) fn of_lot(connection: &Connection, lot: &LotId, quarters: &Range<i64>) -> Result<Quarters, Error> {
    let Some(lot_number) = vehicles::lot_number(connection, lot)? else { return Ok(Quarters::default()) };
    let mut statement = connection.prepare_cached(QUARTERS)?;
    let mut rows = statement.query(params![lot_number, quarters.start, quarters.end])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, tally(row, 1)?));
    }
    let inside: i64 = connection
        .prepare_cached("SELECT inside FROM lot WHERE lot_no = ?1")?
        .query_row(params![lot_number], |row| row.get(0))?;
    let since: i64 =
        connection.prepare_cached(SINCE)?.query_row(params![lot_number, quarters.end], |row| row.get(0))?;
    let first = connection.prepare_cached(FIRST)?.query_row(params![lot_number], |row| row.get(0))?;
    Ok(Quarters { quarters: found, inside_after: inside - since, first })
}

/// Records that a correlator was connected in a quarter hour.
pub(super) fn note_connected(connection: &Connection, quarter: i64) -> Result<(), Error> {
    connection.prepare_cached("INSERT OR IGNORE INTO connected_quarter VALUES (?1)")?.execute(params![quarter])?;
    Ok(())
}

const CONNECTED: &str = "SELECT quarter_no FROM connected_quarter WHERE quarter_no >= ?1 AND quarter_no < ?2";

/// Entries from before the ledger was created come from a wrong clock.
const CONNECTED_SINCE: &str = "
    SELECT min(quarter_no) FROM connected_quarter WHERE quarter_no >= (SELECT created_ms FROM ledger) / 900000";

/// Returns those of these quarter hours in which a correlator was connected.
pub(super) fn connected(connection: &Connection, quarters: &Range<i64>) -> Result<Connected, Error> {
    let mut statement = connection.prepare_cached(CONNECTED)?;
    let rows = statement.query_map(params![quarters.start, quarters.end], |row| row.get(0))?;
    let quarters = rows.collect::<Result<_, _>>()?;
    let mut first = connection.prepare_cached(CONNECTED_SINCE)?;
    Ok(Connected { quarters, since: first.query_row([], |row| row.get(0))? })
}

const RECENT: &str = "
    SELECT quarter_no, entries, exits, matched, unmatched_exits, unmatched_entries, inside_ms, dwell_ms
    FROM lot_quarter WHERE lot_no = ?1 AND quarter_no BETWEEN ?2 AND ?3 ORDER BY quarter_no";

const OPEN_WITHIN: &str = "
    SELECT count(*) FROM session INDEXED BY session_open
    WHERE state = 0 AND lot_no = ?1 AND session_id BETWEEN ?2 AND ?3";

/// Returns the recent counts of a lot.
pub(super) fn recent(connection: &Connection, asked: &RecentOf) -> Result<Recent, Error> {
    let Some(lot_number) = vehicles::lot_number(connection, &asked.lot)? else { return Ok(Recent::default()) };
    let mut statement = connection.prepare_cached(RECENT)?;
    let mut rows = statement.query(params![lot_number, asked.quarters.start(), asked.quarters.end()])?;
    let mut recent = Recent::default();
    while let Some(row) = rows.next()? {
        recent.quarters.push((row.get(0)?, counts(row, 1)?));
    }
    let mut statement = connection.prepare_cached(OPEN_WITHIN)?;
    let mut count = |range: Option<IdRange>| {
        let Some(IdRange { first, last }) = range else { return Ok(0) };
        let stays = statement.query_row(params![lot_number, first.as_bytes(), last.as_bytes()], |row| row.get(0))?;
        encoding::count(stays)
    };
    for (stays, before) in recent.open_before.iter_mut().zip(asked.open_before) {
        *stays = count(IdRange::before(before))?;
    }
    for times in &asked.open_within {
        recent.open_within += count(IdRange::within(times))?;
    }
    Ok(recent)
}

pub(super) fn tally(row: &Row<'_>, first: usize) -> Result<Tally, Error> {
    let dwells = row.get_ref(first + 7)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(Tally { counts: counts(row, first)?, dwells: Dwells::from_bytes(dwells)? })
}

fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
    Ok(Counts {
        entries: row.get(first)?,
        exits: row.get(first + 1)?,
        matched: row.get(first + 2)?,
        unmatched_exits: row.get(first + 3)?,
        unmatched_entries: row.get(first + 4)?,
        inside_ms: row.get(first + 5)?,
        dwell_ms: row.get(first + 6)?,
    })
}
