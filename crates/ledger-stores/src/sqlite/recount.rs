//! Recounts the sessions of each quarter hour, to compare the result with the stored counts.

use parking::{State, Timestamp};
use rusqlite::{Connection, params};

use super::quarters::tally;
use crate::Error;
use crate::encoding::Code as _;
use crate::recount::{Recount, lot_names};
use crate::rollup::Standing;
use crate::{QuarterPlace, Recounted};

/// The sessions of gate events (source 0) that are not void (state 5).
const SESSIONS: &str = "
    SELECT lot_no, state, entry_ms, exit_ms FROM session NOT INDEXED
    WHERE source = 0 AND state <> 5 AND lot_no >= ?1";

const STORED: &str = "
    SELECT lot_no, quarter_no, entries, exits, matched, unmatched_exits, unmatched_entries, inside_ms, dwell_ms, dwells
    FROM lot_quarter WHERE (lot_no, quarter_no) >= (?1, ?2) AND (lot_no, quarter_no) < (?3, ?4)
    ORDER BY lot_no, quarter_no";

/// Compares some quarter hours from a start on.
pub(super) fn recount(connection: &Connection, from: QuarterPlace) -> Result<Recounted, Error> {
    let mut lots = connection.prepare_cached("SELECT lot_no, lot_id FROM lot")?;
    let lots = lots.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let lots: Vec<(i64, String)> = lots.collect::<Result<_, _>>()?;
    let mut recount = Recount::new(from, lot_names(lots)?);
    let [lot_number, quarter, end_lot, end_quarter] = count(connection, &mut recount)?;
    let mut stored = connection.prepare_cached(STORED)?;
    let mut rows = stored.query(params![lot_number, quarter, end_lot, end_quarter])?;
    while let Some(row) = rows.next()? {
        recount.stored(row.get(0)?, row.get(1)?, tally(row, 2)?)?;
    }
    recount.finish()
}

/// Counts all sessions; returns the range of quarter hours that are complete.
fn count(connection: &Connection, recount: &mut Recount) -> Result<[i64; 4], Error> {
    let mut sessions = connection.prepare_cached(SESSIONS)?;
    let mut rows = sessions.query(params![recount.range()[0]])?;
    while let Some(row) = rows.next()? {
        let time = |column| row.get(column).map(|millis: Option<i64>| millis.map(Timestamp::from_millis));
        let session = Standing { state: State::from_code(row.get(1)?)?, entry: time(2)?, exit: time(3)? };
        recount.session(row.get(0)?, session);
    }
    Ok(recount.range())
}
