//! Writes the counts of quarter hours together with the sessions they follow from, and reads them for statistics.
//!
//! All transactions lock quarter hours in the order of lot and quarter, after vehicles and before lots. Missing rows
//! are inserted first, so that there is a row to lock.

use std::ops::Range;

use deadpool_postgres::{GenericClient, Transaction};
use parking::{LotId, Source, State, Timestamp};
use tokio_postgres::{IsolationLevel, Row};
use uuid::Uuid;

use super::failure::Failure;
use super::schema::STARTUP_LOCK_KEY;
use super::store::Store;
use crate::encoding::{self, Code as _};
use crate::list::IdRange;
use crate::rollup::{Rollup, Standing};
use crate::{Connected, Counts, Dwells, Error, Quarters, Recent, RecentOf, Tally};

/// While all sessions are counted, one transaction counts this many.
const SESSIONS_PER_TRANSACTION: i64 = if cfg!(test) { 3 } else { 10_000 };

pub(super) const MAKE: &str = "
    INSERT INTO lot_quarter (lot_no, quarter_no) SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING";

pub(super) const LOCK: &str = "
    SELECT q.lot_no, q.quarter_no, q.entries, q.exits, q.matched, q.unmatched_exits, q.unmatched_entries, q.inside_ms,
        q.dwell_ms, q.dwells
    FROM unnest($1::bigint[], $2::bigint[]) AS wanted (lot_no, quarter_no)
        JOIN lot_quarter q ON q.lot_no = wanted.lot_no AND q.quarter_no = wanted.quarter_no
    ORDER BY q.lot_no, q.quarter_no FOR UPDATE OF q";

pub(super) const WRITE: &str = "
    UPDATE lot_quarter q SET
        entries = new.entries, exits = new.exits, matched = new.matched, unmatched_exits = new.unmatched_exits,
        unmatched_entries = new.unmatched_entries, inside_ms = new.inside_ms, dwell_ms = new.dwell_ms,
        dwells = new.dwells
    FROM unnest(
        $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bytea[]
    ) AS new (
        lot_no, quarter_no, entries, exits, matched, unmatched_exits, unmatched_entries, inside_ms, dwell_ms, dwells
    )
    WHERE q.lot_no = new.lot_no AND q.quarter_no = new.quarter_no";

const UNCOUNTED: &str = "
    SELECT session_id, lot_no, source, state, entry_ms, exit_ms FROM session
    WHERE session_id > $1 ORDER BY session_id LIMIT $2";

/// Locks the quarters that change, and returns their new counts, by lot and quarter.
pub(super) async fn lock(transaction: &Transaction<'_>, rollup: &Rollup) -> Result<Vec<(i64, i64, Tally)>, Failure> {
    let (lots, quarters): (Vec<i64>, Vec<i64>) = rollup.changed().map(|(lot, quarter, _)| (lot, quarter)).unzip();
    if lots.is_empty() {
        return Ok(Vec::new());
    }
    let (make, lock) = (transaction.prepare_cached(MAKE).await?, transaction.prepare_cached(LOCK).await?);
    let rows = async { transaction.query(&lock, &[&lots, &quarters]).await };
    let make = async { transaction.execute(&make, &[&lots, &quarters]).await };
    let (_, rows) = futures::try_join!(make, rows)?;
    let mut tallies = Vec::with_capacity(rows.len());
    for (row, (lot, quarter, difference)) in rows.iter().zip(rollup.changed()) {
        let mut tally = tally(row, 2)?;
        if (row.try_get(0)?, row.try_get(1)?) != (lot, quarter) {
            return Err(Error::Corrupt(format!("the quarter {quarter} of the lot {lot} is missing")).into());
        }
        tally.add(difference);
        tallies.push((lot, quarter, tally));
    }
    Ok(tallies)
}

/// Writes quarters that are locked.
pub(super) async fn write(transaction: &Transaction<'_>, tallies: &[(i64, i64, Tally)]) -> Result<(), Failure> {
    if tallies.is_empty() {
        return Ok(());
    }
    let lots: Vec<i64> = tallies.iter().map(|(lot, _, _)| *lot).collect();
    let quarters: Vec<i64> = tallies.iter().map(|(_, quarter, _)| *quarter).collect();
    let column = |member: fn(&Counts) -> i64| tallies.iter().map(|(_, _, tally)| member(&tally.counts)).collect();
    let entries: Vec<i64> = column(|counts| counts.entries);
    let exits: Vec<i64> = column(|counts| counts.exits);
    let matched: Vec<i64> = column(|counts| counts.matched);
    let unmatched_exits: Vec<i64> = column(|counts| counts.unmatched_exits);
    let unmatched_entries: Vec<i64> = column(|counts| counts.unmatched_entries);
    let inside: Vec<i64> = column(|counts| counts.inside_ms);
    let dwell: Vec<i64> = column(|counts| counts.dwell_ms);
    let dwells: Vec<Vec<u8>> = tallies.iter().map(|(_, _, tally)| tally.dwells.to_bytes()).collect();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 10] =
        [&lots, &quarters, &entries, &exits, &matched, &unmatched_exits, &unmatched_entries, &inside, &dwell, &dwells];
    transaction.execute(&transaction.prepare_cached(WRITE).await?, &values).await?;
    Ok(())
}

/// Adds the next uncounted sessions to their quarters, and returns their number; zero at the end.
pub(super) async fn count_some(store: &Store) -> Result<usize, Failure> {
    let mut client = store.connection().await?;
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&STARTUP_LOCK_KEY]).await?;
    let after = transaction.query_one("SELECT quarters_missing_after FROM ledger", &[]).await?;
    let Some(after) = after.try_get::<_, Option<Uuid>>(0)? else { return Ok(0) };
    let sessions = transaction.query(UNCOUNTED, &[&after, &SESSIONS_PER_TRANSACTION]).await?;
    let mut rollup = Rollup::default();
    for row in &sessions {
        let time = |column: usize| -> Result<Option<Timestamp>, Failure> {
            Ok(row.try_get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
        };
        if Source::from_code(row.try_get(2)?)? != Source::Summary {
            let session = Standing { state: State::from_code(row.try_get(3)?)?, entry: time(4)?, exit: time(5)? };
            rollup.add(row.try_get(1)?, session);
        }
    }
    write(&transaction, &lock(&transaction, &rollup).await?).await?;
    let last = sessions.last().map(|row| row.try_get::<_, Uuid>(0)).transpose()?;
    transaction.execute("UPDATE ledger SET quarters_missing_after = $1", &[&last]).await?;
    transaction.commit().await?;
    client.end_well();
    Ok(sessions.len())
}

const QUARTERS: &str = "
    SELECT q.quarter_no, q.entries, q.exits, q.matched, q.unmatched_exits, q.unmatched_entries, q.inside_ms, q.dwell_ms,
        q.dwells
    FROM lot l JOIN lot_quarter q ON q.lot_no = l.lot_no
    WHERE l.lot_id = $1 AND q.quarter_no >= $2 AND q.quarter_no < $3 ORDER BY q.quarter_no";

/// The vehicles inside now, minus the change since the start of a quarter hour.
const INSIDE_BEFORE: &str = "
    SELECT l.inside - coalesce((
        SELECT sum(q.entries - q.unmatched_entries - q.matched) FROM lot_quarter q
        WHERE q.lot_no = l.lot_no AND q.quarter_no >= $2
    ), 0)::bigint FROM lot l WHERE l.lot_id = $1";

const FIRST: &str = "
    SELECT (SELECT min(q.quarter_no) FROM lot_quarter q WHERE q.lot_no = l.lot_no)
    FROM (SELECT (SELECT lot_no FROM lot WHERE lot_id = $1) AS lot_no) l";

/// Returns a range of a lot's quarters.
pub(super) async fn of_lot(store: &Store, lot: &LotId, quarters: &Range<i64>) -> Result<Quarters, Failure> {
    let mut client = store.connection().await?;
    let moment = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let moment = moment.start().await?;
    let select = moment.prepare_cached(QUARTERS).await?;
    let rows = moment.query(&select, &[&lot.as_str(), &quarters.start, &quarters.end]).await?;
    let quarter = |row: &Row| Ok((row.try_get(0)?, tally(row, 1)?));
    let found = rows.iter().map(quarter).collect::<Result<_, Failure>>()?;
    let inside = moment.prepare_cached(INSIDE_BEFORE).await?;
    let inside = moment.query_opt(&inside, &[&lot.as_str(), &quarters.end]).await?;
    let inside_after = inside.map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
    let first = moment.query_one(&moment.prepare_cached(FIRST).await?, &[&lot.as_str()]).await?.try_get(0)?;
    moment.commit().await?;
    client.end_well();
    Ok(Quarters { quarters: found, inside_after, first })
}

/// Records that a correlator was connected in a quarter hour.
pub(super) async fn note_connected(store: &Store, quarter: i64) -> Result<(), Failure> {
    let client = store.connection().await?;
    let insert = "INSERT INTO connected_quarter VALUES ($1) ON CONFLICT DO NOTHING";
    client.execute(&client.prepare_cached(insert).await?, &[&quarter]).await?;
    client.end_well();
    Ok(())
}

const CONNECTED: &str = "SELECT quarter_no FROM connected_quarter WHERE quarter_no >= $1 AND quarter_no < $2";

/// Entries from before the ledger was created come from a wrong clock.
const CONNECTED_SINCE: &str = "
    SELECT min(quarter_no) FROM connected_quarter WHERE quarter_no >= (SELECT created_ms FROM ledger) / 900000";

/// Returns those of these quarter hours in which a correlator was connected.
pub(super) async fn connected(store: &Store, quarters: &Range<i64>) -> Result<Connected, Failure> {
    let client = store.connection().await?;
    let select = client.prepare_cached(CONNECTED).await?;
    let rows = client.query(&select, &[&quarters.start, &quarters.end]).await?;
    let quarters = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let first = client.query_one(&client.prepare_cached(CONNECTED_SINCE).await?, &[]).await?;
    client.end_well();
    Ok(Connected { quarters, since: first.try_get(0)? })
}

const RECENT: &str = "
    SELECT wanted.place, q.quarter_no, q.entries, q.exits, q.matched, q.unmatched_exits, q.unmatched_entries, q.inside_ms,
        q.dwell_ms
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS wanted (lot_id, first, last, place)
        JOIN lot l ON l.lot_id = wanted.lot_id
        JOIN lot_quarter q ON q.lot_no = l.lot_no AND q.quarter_no BETWEEN wanted.first AND wanted.last
    ORDER BY wanted.place, q.quarter_no";

const OPEN_WITHIN: &str = "
    SELECT wanted.place, count(*)
    FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[]) AS wanted (lot_id, first, last, place)
        JOIN lot l ON l.lot_id = wanted.lot_id
        JOIN open_stay o ON o.lot_no = l.lot_no AND o.session_id BETWEEN wanted.first AND wanted.last
    GROUP BY wanted.place";

/// Returns the recent counts of several lots, in the order of the requests.
pub(super) async fn recent(store: &Store, asked: &[RecentOf]) -> Result<Vec<Recent>, Failure> {
    let client = store.connection().await?;
    let lots: Vec<&str> = asked.iter().map(|asked| asked.lot.as_str()).collect();
    let (first, last): (Vec<i64>, Vec<i64>) =
        asked.iter().map(|asked| (*asked.quarters.start(), *asked.quarters.end())).unzip();
    let mut recent = vec![Recent::default(); asked.len()];
    let quarters = client.query(&client.prepare_cached(RECENT).await?, &[&lots, &first, &last]).await?;
    for row in quarters {
        if let Some(recent) = recent.get_mut(index(&row)?) {
            recent.quarters.push((row.try_get(1)?, counts(&row, 2)?));
        }
    }
    add_open(&*client, asked, &mut recent).await?;
    client.end_well();
    Ok(recent)
}

/// The numbers of open stays of one lot that are counted: before each of two times, and within ranges of time.
const COUNTS_OF_OPEN: usize = 3;

/// Counts the open stays of several lots in one query. The place of a range is that of its lot and of its count.
async fn add_open(client: &impl GenericClient, asked: &[RecentOf], recent: &mut [Recent]) -> Result<(), Failure> {
    let (mut lots, mut first, mut last, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, RecentOf { lot, open_before, open_within, .. }) in asked.iter().enumerate() {
        let before = open_before.iter().map(|time| IdRange::before(*time)).enumerate();
        let within = open_within.iter().map(|times| (COUNTS_OF_OPEN - 1, IdRange::within(times)));
        for (count, range) in before.chain(within).filter_map(|(count, range)| Some((count, range?))) {
            lots.push(lot.as_str());
            first.push(range.first);
            last.push(range.last);
            places.push(encoding::column(index * COUNTS_OF_OPEN + count));
        }
    }
    let counted = client.prepare_cached(OPEN_WITHIN).await?;
    for row in client.query(&counted, &[&lots, &first, &last, &places]).await? {
        let place = usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or(usize::MAX);
        let Some(recent) = recent.get_mut(place / COUNTS_OF_OPEN) else { continue };
        let stays = encoding::count(row.try_get(1)?)?;
        match recent.open_before.get_mut(place % COUNTS_OF_OPEN) {
            Some(before) => *before = stays,
            None => recent.open_within = stays,
        }
    }
    Ok(())
}

/// `WITH ORDINALITY` counts from one.
fn index(row: &Row) -> Result<usize, Failure> {
    let index: i64 = row.try_get(0)?;
    Ok(usize::try_from(index - 1).unwrap_or(usize::MAX))
}

pub(super) fn tally(row: &Row, first: usize) -> Result<Tally, Failure> {
    Ok(Tally { counts: counts(row, first)?, dwells: Dwells::from_bytes(row.try_get(first + 7)?)? })
}

fn counts(row: &Row, first: usize) -> Result<Counts, tokio_postgres::Error> {
    Ok(Counts {
        entries: row.try_get(first)?,
        exits: row.try_get(first + 1)?,
        matched: row.try_get(first + 2)?,
        unmatched_exits: row.try_get(first + 3)?,
        unmatched_entries: row.try_get(first + 4)?,
        inside_ms: row.try_get(first + 5)?,
        dwell_ms: row.try_get(first + 6)?,
    })
}
