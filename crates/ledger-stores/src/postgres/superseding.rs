//! The ids to look at because one event supersedes another: they become due with the later one of the two.
//!
//! Two transactions that record the two at the same time don't see each other. So the id of a new superseding event is
//! looked at twice: at once, and when every transaction of that time has ended. What follows for the superseded event's
//! vehicle is decided elsewhere.

use deadpool_postgres::Transaction;
use parking::Timestamp;
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;
use crate::rows::EventWrite;
use crate::{CLOCK_SKEW_MAX_MS, SupersededId};

/// When every transaction of the time of a commit has ended, with room for clocks that differ.
const SECOND_LOOK_MS: i64 = 120_000;

/// The event that supersedes the event `e`: of several the one recorded first.
macro_rules! superseded_by {
    () => {
        "(
            SELECT n.event_id FROM event n JOIN vehicle named ON named.vehicle_no = n.vehicle_no
            WHERE n.supersedes = e.event_id AND n.gate IS NOT DISTINCT FROM e.gate AND n.event_id <> e.event_id
                AND named.lot_no = (SELECT own.lot_no FROM vehicle own WHERE own.vehicle_no = e.vehicle_no)
            ORDER BY n.event_no LIMIT 1
        )"
    };
}
pub(super) use superseded_by;

const NOTE: &str = "UPDATE ledger SET has_superseding = true WHERE NOT has_superseding";

const HAS_SUPERSEDING: &str = "SELECT has_superseding FROM ledger";

/// In the order of the ids, like all transactions.
const MARK: &str = "
    INSERT INTO superseded_due SELECT event_id, $2::bigint, $3::bigint, 1 FROM unnest($1::uuid[]) AS new (event_id)
    ON CONFLICT (event_id) DO UPDATE SET
        due_ms = least(superseded_due.due_ms, excluded.due_ms),
        until_ms = greatest(superseded_due.until_ms, excluded.until_ms), marks = superseded_due.marks + 1";

pub(super) const NAMED: &str = "
    SELECT DISTINCT n.supersedes FROM unnest($1::uuid[]) AS new (event_id) JOIN event n ON n.supersedes = new.event_id
    WHERE n.supersedes IS NOT NULL";

/// A time that is further ahead than a second look comes from a wrong clock.
const DUE: &str = "
    SELECT event_id, marks FROM superseded_due WHERE due_ms <= $1 OR due_ms > $1 + $2 ORDER BY event_id LIMIT $3";

const DONE: &str = "
    DELETE FROM superseded_due d USING unnest($1::uuid[], $2::bigint[]) AS looked (event_id, marks)
    WHERE d.event_id = looked.event_id AND d.marks = looked.marks AND d.until_ms <= $3";

const AGAIN: &str = "
    UPDATE superseded_due d SET due_ms = d.until_ms
    FROM unnest($1::uuid[], $2::bigint[]) AS looked (event_id, marks)
    WHERE d.event_id = looked.event_id AND d.marks = looked.marks AND d.until_ms > $3";

pub(super) const STATEMENTS: [&str; 4] = [NOTE, HAS_SUPERSEDING, MARK, NAMED];

/// Marks the ids that these new events name, and the ids of those that are named themselves.
pub(super) async fn mark(transaction: &Transaction<'_>, events: &[EventWrite]) -> Result<(), Failure> {
    let Some(now) = events.iter().map(|row| row.recorded_at).max() else { return Ok(()) };
    let mut named: Vec<Uuid> = events.iter().filter_map(|row| row.event.supersedes).collect();
    if !named.is_empty() {
        transaction.execute(&transaction.prepare_cached(NOTE).await?, &[]).await?;
        write(transaction, &mut named, now, SECOND_LOOK_MS).await?;
    }
    // Nearly every ledger has none: then an event costs no look-up.
    let has_superseding = transaction.prepare_cached(HAS_SUPERSEDING).await?;
    if transaction.query_one(&has_superseding, &[]).await?.try_get(0)? {
        let ids: Vec<Uuid> = events.iter().map(|row| row.event.key.id).collect();
        let rows = transaction.query(&transaction.prepare_cached(NAMED).await?, &[&ids]).await?;
        let mut named = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Uuid>, _>>()?;
        write(transaction, &mut named, now, 0).await?;
    }
    Ok(())
}

async fn write(
    transaction: &Transaction<'_>,
    ids: &mut Vec<Uuid>,
    now: Timestamp,
    again_after_ms: i64,
) -> Result<(), Failure> {
    ids.sort_unstable();
    ids.dedup();
    if !ids.is_empty() {
        let (due_ms, until_ms) = (now.as_millis(), now.as_millis() + again_after_ms);
        transaction.execute(&transaction.prepare_cached(MARK).await?, &[&*ids, &due_ms, &until_ms]).await?;
    }
    Ok(())
}

/// The ids that are due at `now`.
pub(super) async fn due(store: &Store, most: u32, now: Timestamp) -> Result<Vec<SupersededId>, Failure> {
    let client = store.connection().await?;
    let ahead_ms = SECOND_LOOK_MS + CLOCK_SKEW_MAX_MS;
    let due = client.prepare_cached(DUE).await?;
    let rows = client.query(&due, &[&now.as_millis(), &ahead_ms, &i64::from(most)]).await?;
    client.end_well();
    rows.iter().map(|row| Ok(SupersededId { id: row.try_get(0)?, marks: row.try_get(1)? })).collect()
}

/// Removes ids that were looked at, or puts off those that are to be looked at again.
pub(super) async fn done(store: &Store, looked: &[SupersededId], now: Timestamp) -> Result<(), Failure> {
    let (ids, marks): (Vec<Uuid>, Vec<i64>) = looked.iter().map(|looked| (looked.id, looked.marks)).unzip();
    let mut client = store.connection().await?;
    let transaction = client.transaction().await?;
    for sql in [AGAIN, DONE] {
        let statement = transaction.prepare_cached(sql).await?;
        transaction.execute(&statement, &[&ids, &marks, &now.as_millis()]).await?;
    }
    transaction.commit().await?;
    client.end_well();
    Ok(())
}
