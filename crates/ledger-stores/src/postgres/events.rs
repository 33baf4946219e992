//! Reads complete events: by id, and around a time of a vehicle.

use deadpool_postgres::GenericClient;
use parking::{Timestamp, Vehicle};
use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;
use super::superseding::superseded_by;
use super::vehicles;
use crate::chain;
use crate::encoding::{self, StoredEvent};
use crate::{EVENTS_OF_ID_MAX, Error, EventRow};

/// The index on ids finds pages that may contain an id, which needs a bitmap scan, disabled elsewhere.
pub(super) const BY_PAGES: &str = "SET LOCAL enable_bitmapscan = on; SET LOCAL enable_indexscan = off";

pub(super) const WITH_ID: &str = "SELECT event_no FROM event WHERE event_id = $1 ORDER BY event_no LIMIT $2";

const WHOLE: &str = concat!(
    "SELECT ",
    vehicles::columns!(),
    ", e.time_ms, e.direction, e.event_id, e.gate, e.plate_as_read, e.confidence, e.received_ms, e.recorded_ms, e.flags,
        e.receipt, e.supersedes, ",
    superseded_by!(),
    " FROM unnest($1::bigint[]) WITH ORDINALITY AS wanted (event_no, place)
        JOIN event e ON e.event_no = wanted.event_no
        JOIN vehicle v ON v.vehicle_no = e.vehicle_no JOIN lot l ON l.lot_no = v.lot_no
    ORDER BY wanted.place"
);

const VEHICLE: &str = concat!(
    "SELECT ",
    vehicles::columns!(),
    " FROM lot l JOIN vehicle v ON v.lot_no = l.lot_no WHERE l.lot_id = $1 AND v.plate = $2"
);

/// Returns the events with an id in order of recording.
pub(super) async fn with_id(store: &Store, id: Uuid) -> Result<Vec<EventRow>, Failure> {
    let mut client = store.connection().await?;
    let transaction = client.transaction().await?;
    transaction.batch_execute(BY_PAGES).await?;
    let most = encoding::column(EVENTS_OF_ID_MAX);
    let found = transaction.query(&transaction.prepare_cached(WITH_ID).await?, &[&id, &most]).await?;
    transaction.commit().await?;
    let numbers = found.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    let events = whole(&*client, &numbers).await?;
    client.end_well();
    Ok(events)
}

/// Returns events of a vehicle around a time, or the newest.
pub(super) async fn of_vehicle(
    store: &Store,
    vehicle: &Vehicle,
    around: Option<Timestamp>,
    limit: u32,
) -> Result<Vec<EventRow>, Failure> {
    let client = store.connection().await?;
    let select = client.prepare_cached(VEHICLE).await?;
    let row = client.query_opt(&select, &[&vehicle.lot.as_str(), &vehicle.plate.as_str()]).await?;
    let last = row.map(|row| vehicles::stored_vehicle(&row)).transpose()?.and_then(|stored| stored.last_event);
    let chain = vehicles::chain(&*client, last).await?;
    let numbers: Vec<i64> = chain::window(chain, around, limit).into_iter().map(|event| event.number).collect();
    let events = whole(&*client, &numbers).await?;
    client.end_well();
    Ok(events)
}

/// Returns the events with these numbers, in order of their numbers.
async fn whole(client: &impl GenericClient, numbers: &[i64]) -> Result<Vec<EventRow>, Failure> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client.query(&client.prepare_cached(WHOLE).await?, &[&numbers]).await?;
    rows.iter().map(event).collect()
}

fn event(row: &Row) -> Result<EventRow, Failure> {
    let (vehicle, stored) = vehicles::named_vehicle(row)?;
    let (plate_as_read, flags): (Vec<u8>, i16) = (row.try_get(13)?, row.try_get(17)?);
    let event = StoredEvent {
        time_ms: row.try_get(9)?,
        direction: row.try_get(10)?,
        id: row.try_get(11)?,
        gate: row.try_get(12)?,
        plate_as_read: String::from_utf8_lossy(&plate_as_read).into_owned(),
        confidence: row.try_get(14)?,
        received_ms: row.try_get(15)?,
        recorded_ms: row.try_get(16)?,
        flags: u8::try_from(flags).map_err(|_| Error::Corrupt(format!("{flags} is not a set of flags")))?,
        receipt: row.try_get(18)?,
        supersedes: row.try_get(19)?,
        superseded_by: row.try_get(20)?,
    };
    Ok(event.row(vehicle, &stored.timeline)?)
}
