//! Recounts the sessions of each quarter hour, to compare the result with the stored counts.

use parking::{State, Timestamp};
use tokio_postgres::{IsolationLevel, Row};

use super::audit::{WHOLE_TABLES, each};
use super::failure::Failure;
use super::quarters::tally;
use super::store::Store;
use crate::encoding::Code as _;
use crate::recount::{Recount, lot_names};
use crate::rollup::Standing;
use crate::{QuarterPlace, Recounted};

/// The sessions of gate events (source 0) that are not void (state 5).
const SESSIONS: &str = "
    SELECT lot_no, state, entry_ms, exit_ms FROM session WHERE source = 0 AND state <> 5 AND lot_no >= $1";

const STORED: &str = "
    SELECT lot_no, quarter_no, entries, exits, matched, unmatched_exits, unmatched_entries, inside_ms, dwell_ms, dwells
    FROM lot_quarter WHERE (lot_no, quarter_no) >= ($1, $2) AND (lot_no, quarter_no) < ($3, $4)
    ORDER BY lot_no, quarter_no";

/// Compares some quarter hours from a start on.
pub(super) async fn recount(store: &Store, from: QuarterPlace) -> Result<Recounted, Failure> {
    let mut client = store.connection().await?;
    let moment = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let moment = moment.start().await?;
    moment.batch_execute(WHOLE_TABLES).await?;
    let lots = moment.query("SELECT lot_no, lot_id FROM lot", &[]).await?;
    let lot = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let lots: Vec<(i64, String)> = lots.iter().map(lot).collect::<Result<_, Failure>>()?;
    let mut recount = Recount::new(from, lot_names(lots)?);
    let first_lot = recount.range()[0];
    each(&moment, SESSIONS, &[first_lot], |row| {
        recount.session(row.try_get(0)?, standing(row)?);
        Ok(())
    })
    .await?;
    let range = recount.range();
    each(&moment, STORED, &range, |row| Ok(recount.stored(row.try_get(0)?, row.try_get(1)?, tally(row, 2)?)?)).await?;
    moment.commit().await?;
    client.end_well();
    Ok(recount.finish()?)
}

fn standing(row: &Row) -> Result<Standing, Failure> {
    let time = |column: usize| -> Result<Option<Timestamp>, Failure> {
        Ok(row.try_get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
    };
    Ok(Standing { state: State::from_code(row.try_get(1)?)?, entry: time(2)?, exit: time(3)? })
}
