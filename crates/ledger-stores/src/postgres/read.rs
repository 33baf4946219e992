//! Reads timelines, sessions and lots.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use matching::{Limits, LoadRequest, Snapshot};
use parking::{Rules, SessionId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;
use super::vehicles;
use crate::encoding::{self, StoredEnd, StoredSession};
use crate::{LotRow, SessionRow};

const LOAD: &str = concat!(
    "SELECT ",
    vehicles::columns!(),
    ", wanted.place
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (lot_id, plate, place)
        JOIN lot l ON l.lot_id = wanted.lot_id
        JOIN vehicle v ON v.plate = wanted.plate AND v.lot_no = l.lot_no"
);

/// Returns the snapshots of many vehicles, in the order of the requests.
pub(super) async fn load(store: &Store, requests: &[LoadRequest], rules: &Rules) -> Result<Vec<Snapshot>, Failure> {
    let client = store.connection().await?;
    let lots: Vec<&str> = requests.iter().map(|request| request.vehicle.lot.as_str()).collect();
    let plates: Vec<&str> = requests.iter().map(|request| request.vehicle.plate.as_str()).collect();
    let rows = client.query(&client.prepare_cached(LOAD).await?, &[&lots, &plates]).await?;
    let mut snapshots = vec![Snapshot::default(); requests.len()];
    for row in rows {
        // `WITH ORDINALITY` counts from one.
        let index: i64 = row.try_get(9)?;
        let index = usize::try_from(index - 1).unwrap_or(usize::MAX);
        let (Some(request), Some(snapshot)) = (requests.get(index), snapshots.get_mut(index)) else { continue };
        let vehicle = vehicles::stored_vehicle(&row)?;
        *snapshot = match request.reaching {
            Some(time) if !vehicle.timeline.reaches(time) => {
                vehicles::reaching(&*client, &vehicle, time, Limits::of(rules, &request.vehicle.lot)).await?
            }
            _ => vehicle.into_snapshot(),
        };
    }
    client.end_well();
    Ok(snapshots)
}

const SESSIONS: &str = "
    SELECT s.session_id, l.lot_id, v.plate, s.state, s.reason, s.source, s.superseded_by,
        entered.event_id, entered.gate, s.entry_ms, exited.event_id, exited.gate, s.exit_ms, s.recorded_ms, s.updated_ms
    FROM session s
        JOIN vehicle v ON v.vehicle_no = s.vehicle_no
        JOIN lot l ON l.lot_no = s.lot_no
        LEFT JOIN event entered ON entered.event_no = s.entry_no
        LEFT JOIN event exited ON exited.event_no = s.exit_no
    WHERE s.session_id = ANY ($1)";

/// Returns the existing sessions with these ids.
pub(super) async fn rows(
    client: &impl GenericClient,
    ids: &[SessionId],
) -> Result<HashMap<SessionId, SessionRow>, Failure> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = client.query(&client.prepare_cached(SESSIONS).await?, &[&ids]).await?;
    let keyed = |row: &Row| {
        let row = stored_session(row)?.row()?;
        Ok((row.session.id, row))
    };
    rows.iter().map(keyed).collect()
}

/// Returns one session.
pub(super) async fn session(store: &Store, id: SessionId) -> Result<Option<SessionRow>, Failure> {
    let client = store.connection().await?;
    let row = rows(&*client, &[id]).await?.remove(&id);
    client.end_well();
    Ok(row)
}

/// Returns the sessions with these ids, in the order of the ids.
pub(super) async fn sessions(store: &Store, ids: &[SessionId]) -> Result<Vec<SessionRow>, Failure> {
    let client = store.connection().await?;
    let found = rows(&*client, ids).await?;
    client.end_well();
    Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
}

fn stored_session(row: &Row) -> Result<StoredSession, Failure> {
    Ok(StoredSession {
        id: row.try_get(0)?,
        lot: row.try_get(1)?,
        plate: row.try_get(2)?,
        state: row.try_get(3)?,
        reason: row.try_get(4)?,
        source: row.try_get(5)?,
        superseded_by: row.try_get(6)?,
        entry: StoredEnd { event_id: row.try_get(7)?, gate: row.try_get(8)?, time_ms: row.try_get(9)? },
        exit: StoredEnd { event_id: row.try_get(10)?, gate: row.try_get(11)?, time_ms: row.try_get(12)? },
        recorded_ms: row.try_get(13)?,
        updated_ms: row.try_get(14)?,
    })
}

/// Returns every lot that has events or saved summaries, by name.
pub(super) async fn lots(store: &Store) -> Result<Vec<LotRow>, Failure> {
    let client = store.connection().await?;
    let select = "SELECT lot_id, inside, time_ms FROM lot ORDER BY lot_id";
    let rows = client.query(&client.prepare_cached(select).await?, &[]).await?;
    client.end_well();
    let lot = |row: &Row| {
        let time_ms: Option<i64> = row.try_get(2)?;
        let (id, time) = (encoding::lot_id(row.try_get(0)?)?, time_ms.map(Timestamp::from_millis));
        Ok(LotRow { id, inside: encoding::count(row.try_get(1)?)?, time })
    };
    rows.iter().map(lot).collect()
}
