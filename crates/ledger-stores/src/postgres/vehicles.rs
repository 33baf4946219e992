//! Reads vehicles with their timelines and the chain of their events.

use deadpool_postgres::GenericClient;
use matching::{ExpectedVersion, Flags, Limits, Snapshot};
use parking::{Timestamp, Vehicle};
use tokio_postgres::Row;

use super::failure::Failure;
use crate::chain::ChainEvent;
use crate::looking::{VEHICLES_OF_PREFIX_MAX, after_prefix};
use crate::rows::StoredVehicle;
use crate::{Error, encoding};

/// The columns that [`stored_vehicle`] and [`named_vehicle`] read, from `vehicle v` and `lot l`.
macro_rules! columns {
    () => {
        "v.vehicle_no, v.lot_no, v.version, v.digest, v.last_event_no, v.listed_after_no, v.timeline, v.plate, l.lot_id"
    };
}
pub(super) use columns;

/// `UNION` terminates even if the chain of a damaged ledger is circular.
const CHAIN: &str = "
    WITH RECURSIVE chain AS (
        SELECT event_no, previous_no, time_ms, direction, event_id, flags FROM event WHERE event_no = $1
        UNION
        SELECT e.event_no, e.previous_no, e.time_ms, e.direction, e.event_id, e.flags
        FROM chain c JOIN event e ON e.event_no = c.previous_no
    )
    SELECT event_no, time_ms, direction, event_id, flags FROM chain";

const BY_PLATE: &str =
    concat!("SELECT ", columns!(), " FROM vehicle v JOIN lot l ON l.lot_no = v.lot_no WHERE v.plate = $1");

/// Plates are compared by their bytes.
const BY_PREFIX: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM vehicle v JOIN lot l ON l.lot_no = v.lot_no WHERE v.plate >= $1 AND v.plate < $2 ORDER BY v.plate LIMIT $3"
);

/// Returns the vehicles of a plate, in any lot.
pub(super) async fn by_plate(
    client: &impl GenericClient,
    plate: &str,
) -> Result<Vec<(Vehicle, StoredVehicle)>, Failure> {
    let rows = client.query(&client.prepare_cached(BY_PLATE).await?, &[&plate]).await?;
    rows.iter().map(named_vehicle).collect()
}

/// Returns the vehicles whose plates begin with `prefix`, in any lot; `None` if there are more than can be searched one
/// by one.
pub(super) async fn by_prefix(
    client: &impl GenericClient,
    prefix: &str,
) -> Result<Option<Vec<(Vehicle, StoredVehicle)>>, Failure> {
    let most = i64::from(VEHICLES_OF_PREFIX_MAX);
    let select = client.prepare_cached(BY_PREFIX).await?;
    let rows = client.query(&select, &[&prefix, &after_prefix(prefix), &(most + 1)]).await?;
    if encoding::column(rows.len()) > most {
        return Ok(None);
    }
    Ok(Some(rows.iter().map(named_vehicle).collect::<Result<_, _>>()?))
}

/// Returns the events of the chain that ends at `last`, newest recorded first.
pub(super) async fn chain(client: &impl GenericClient, last: Option<i64>) -> Result<Vec<ChainEvent>, Failure> {
    let Some(last) = last else { return Ok(Vec::new()) };
    let statement = client.prepare_cached(CHAIN).await?;
    let rows = client.query(&statement, &[&last]).await?;
    let event = |row: &Row| {
        let flags: i16 = row.try_get(4)?;
        let flags = u8::try_from(flags).map_err(|_| Error::Corrupt(format!("{flags} is not a set of flags")))?;
        Ok(ChainEvent {
            number: row.try_get(0)?,
            key: encoding::event_key(row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)?,
            flags: Flags::from_bits(flags),
        })
    };
    rows.iter().map(event).collect()
}

/// Returns the snapshot of a vehicle with a timeline that reaches back to `time`.
pub(super) async fn reaching(
    client: &impl GenericClient,
    vehicle: &StoredVehicle,
    time: Timestamp,
    limits: Limits,
) -> Result<Snapshot, Failure> {
    Ok(vehicle.reaching(time, &chain(client, vehicle.last_event).await?, limits))
}

/// Reads a vehicle and its stored row.
pub(super) fn named_vehicle(row: &Row) -> Result<(Vehicle, StoredVehicle), Failure> {
    let (plate, lot): (&str, &str) = (row.try_get(7)?, row.try_get(8)?);
    let vehicle = Vehicle { lot: encoding::lot_id(lot)?, plate: encoding::plate(plate)? };
    Ok((vehicle, stored_vehicle(row)?))
}

/// Reads the stored row of a vehicle.
pub(super) fn stored_vehicle(row: &Row) -> Result<StoredVehicle, Failure> {
    let (timeline, event_numbers) = encoding::read_timeline(row.try_get(6)?)?;
    let digest: i64 = row.try_get(3)?;
    Ok(StoredVehicle {
        number: row.try_get(0)?,
        lot_number: row.try_get(1)?,
        base: ExpectedVersion { version: encoding::count(row.try_get(2)?)?, digest: digest.cast_unsigned() },
        timeline,
        event_numbers,
        last_event: row.try_get(4)?,
        listed_after: row.try_get(5)?,
    })
}
