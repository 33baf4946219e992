//! Reads the list of changes.

use deadpool_postgres::GenericClient;
use matching::Rule;
use parking::{SessionId, State, Timestamp};
use tokio_postgres::Row;

use super::failure::Failure;
use super::store::Store;
use crate::encoding::{self, Code as _, column, word_of};
use crate::{CHANGES_OF_SESSION_MAX, ChangeRow};

const AFTER: &str = "
    SELECT sequence, session_id, vehicle_version, from_state, to_state, rule, recorded_ms
    FROM change WHERE sequence > $1 ORDER BY sequence LIMIT $2";

const OF_SESSION: &str = "
    SELECT sequence, session_id, vehicle_version, from_state, to_state, rule, recorded_ms
    FROM change WHERE sequence >= $1 AND sequence < $2 AND session_id = $3 ORDER BY sequence LIMIT $4";

/// Finds the first change recorded at or after a time, or the end of the list. Binary search, because the list is
/// approximately in order of time.
const FIRST_AT: &str = "
    WITH RECURSIVE search (low, high) AS (
        SELECT CAST(1 AS bigint), coalesce(max(sequence), 0) + 1 FROM change
        UNION ALL
        SELECT CASE WHEN recorded_ms < $1 THEN (low + high) / 2 + 1 ELSE low END,
            CASE WHEN recorded_ms < $1 THEN high ELSE (low + high) / 2 END
        FROM search CROSS JOIN change WHERE low < high AND sequence = (low + high) / 2
    )
    SELECT low FROM search WHERE low >= high";

/// Returns the changes after a sequence number.
pub(super) async fn after(store: &Store, after: u64, limit: u32) -> Result<Vec<ChangeRow>, Failure> {
    let client = store.connection().await?;
    let select = client.prepare_cached(AFTER).await?;
    let rows = client.query(&select, &[&column(after), &i64::from(limit)]).await?;
    client.end_well();
    rows.iter().map(change).collect()
}

/// Returns the changes to a session that were recorded between two times.
pub(super) async fn between(
    store: &Store,
    session: SessionId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<ChangeRow>, Failure> {
    let client = store.connection().await?;
    let (first, behind) = (first_at(&*client, from).await?, first_at(&*client, to.plus_millis(1)).await?);
    let select = client.prepare_cached(OF_SESSION).await?;
    let most = i64::from(CHANGES_OF_SESSION_MAX);
    let rows = client.query(&select, &[&first, &behind, &session.as_uuid(), &most]).await?;
    client.end_well();
    rows.iter().map(change).collect()
}

async fn first_at(client: &impl GenericClient, moment: Timestamp) -> Result<i64, Failure> {
    let search = client.prepare_cached(FIRST_AT).await?;
    Ok(client.query_one(&search, &[&moment.as_millis()]).await?.try_get(0)?)
}

fn change(row: &Row) -> Result<ChangeRow, Failure> {
    Ok(ChangeRow {
        sequence: encoding::count(row.try_get(0)?)?,
        session: SessionId::from_uuid(row.try_get(1)?),
        vehicle_version: encoding::count(row.try_get(2)?)?,
        from: word_of::<State>(row.try_get(3)?)?,
        to: State::from_code(row.try_get(4)?)?,
        rule: word_of::<Rule>(row.try_get(5)?)?,
        recorded_at: Timestamp::from_millis(row.try_get(6)?),
    })
}

/// Returns the number of the newest change.
pub(super) async fn last_change(client: &impl GenericClient) -> Result<u64, Failure> {
    let row = client.query_one(&client.prepare_cached("SELECT max(sequence) FROM change").await?, &[]).await?;
    let newest: Option<i64> = row.try_get(0)?;
    Ok(newest.map_or(Ok(0), encoding::count)?)
}
