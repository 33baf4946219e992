//! Leases what has ended: holds of exits, and stays that exceed the maximum on their lot's own clock.
//!
//! Leases are columns of the sessions, so they apply to all summary APIs on one database. `SKIP LOCKED` skips rows that
//! another summary API is leasing.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use matching::{Due, Limits};
use parking::{EventKey, Rules, Timestamp, Vehicle};
use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;
use super::vehicles;
use crate::list::IdRange;
use crate::rows::StoredVehicle;
use crate::{CLOCK_SKEW_MAX_MS, Pending, encoding};

/// Asks for what has ended at `now`, and for its lease.
#[derive(Debug)]
pub(super) struct Call {
    /// The maximum number of vehicles.
    pub(super) most: u32,
    pub(super) rules: Rules,
    pub(super) now: Timestamp,
    pub(super) lease_until: Timestamp,
}

/// Finds holds that began in a range of time. A range, because an `OR` would scan all holds.
const HOLDS: &str = "
    SELECT s.session_id, s.vehicle_no, e.time_ms, e.direction, e.event_id
    FROM session s JOIN event e ON e.event_no = s.exit_no
    WHERE s.held_since_ms BETWEEN $1 AND $2 AND s.leased_until_ms NOT BETWEEN $3::bigint + 1 AND $4
    ORDER BY s.held_since_ms LIMIT $5 FOR UPDATE OF s SKIP LOCKED";

const STAYS: &str = "
    SELECT stay.* FROM unnest($1::bigint[], $2::uuid[]) AS overdue (lot_no, last) CROSS JOIN LATERAL (
        SELECT s.session_id, s.vehicle_no, e.time_ms, e.direction, e.event_id
        FROM open_stay o JOIN session s ON s.session_id = o.session_id JOIN event e ON e.event_no = s.entry_no
        WHERE o.lot_no = overdue.lot_no AND o.session_id <= overdue.last AND s.leased_until_ms NOT BETWEEN $3::bigint + 1 AND $4
        ORDER BY o.session_id LIMIT $5 FOR UPDATE OF s SKIP LOCKED
    ) AS stay LIMIT $5";

const VEHICLES: &str = concat!(
    "SELECT ",
    vehicles::columns!(),
    " FROM vehicle v JOIN lot l ON l.lot_no = v.lot_no WHERE v.vehicle_no = ANY ($1) ORDER BY v.vehicle_no"
);

/// A session whose hold or stay has ended.
struct Ended {
    session: Uuid,
    vehicle_number: i64,
    key: EventKey,
}

/// Leases the vehicles of which a hold or a stay has ended.
pub(super) async fn lease(store: &Store, call: &Call) -> Result<Vec<Due>, Failure> {
    let mut client = store.connection().await?;
    let transaction = client.transaction().await?;
    let (most, now) = (i64::from(call.most), call.now.as_millis());
    let held_until = call.now.plus_millis(call.rules.hold_ms.saturating_neg()).as_millis();
    let (no_future, no_lease) =
        (call.now.plus_millis(CLOCK_SKEW_MAX_MS), call.lease_until.plus_millis(CLOCK_SKEW_MAX_MS));
    let (after_now, no_lease) = (no_future.as_millis().saturating_add(1), no_lease.as_millis());
    let holds = transaction.prepare_cached(HOLDS).await?;
    let mut found = transaction.query(&holds, &[&i64::MIN, &held_until, &now, &no_lease, &most]).await?;
    let left = most - i64::try_from(found.len()).unwrap_or(most);
    found.extend(transaction.query(&holds, &[&after_now, &i64::MAX, &now, &no_lease, &left]).await?);
    let left = most - i64::try_from(found.len()).unwrap_or(most);
    if left > 0 {
        let (lots, last): (Vec<i64>, Vec<Uuid>) = overdue_ranges(&transaction, &call.rules).await?.into_iter().unzip();
        let stays = transaction.prepare_cached(STAYS).await?;
        found.extend(transaction.query(&stays, &[&lots, &last, &now, &no_lease, &left]).await?);
    }
    let ended = found.iter().map(ended).collect::<Result<Vec<_>, _>>()?;
    let sessions: Vec<Uuid> = ended.iter().map(|ended| ended.session).collect();
    let update = "UPDATE session SET leased_until_ms = $2 WHERE session_id = ANY ($1)";
    let update = transaction.prepare_cached(update).await?;
    transaction.execute(&update, &[&sessions, &call.lease_until.as_millis()]).await?;
    let mut of_vehicles: BTreeMap<i64, Vec<EventKey>> = BTreeMap::new();
    for Ended { vehicle_number, key, .. } in ended {
        of_vehicles.entry(vehicle_number).or_default().push(key);
    }
    let numbers: Vec<i64> = of_vehicles.keys().copied().collect();
    let rows = transaction.query(&transaction.prepare_cached(VEHICLES).await?, &[&numbers]).await?;
    let mut leased = Vec::with_capacity(rows.len());
    for row in rows {
        let (vehicle, row) = vehicles::named_vehicle(&row)?;
        let keys = of_vehicles.remove(&row.number).unwrap_or_default();
        leased.push(due(&transaction, vehicle, row, keys, &call.rules).await?);
    }
    transaction.commit().await?;
    client.end_well();
    Ok(leased)
}

async fn due(
    client: &impl GenericClient,
    vehicle: Vehicle,
    row: StoredVehicle,
    mut ended: Vec<EventKey>,
    rules: &Rules,
) -> Result<Due, Failure> {
    ended.sort_unstable();
    let snapshot = match ended.first() {
        Some(oldest) if !row.holds(&ended) => {
            vehicles::reaching(client, &row, oldest.time, Limits::of(rules, &vehicle.lot)).await?
        }
        _ => row.into_snapshot(),
    };
    Ok(Due { vehicle, snapshot, ended })
}

fn ended(row: &Row) -> Result<Ended, Failure> {
    let key = encoding::event_key(row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)?;
    Ok(Ended { session: row.try_get(0)?, vehicle_number: row.try_get(1)?, key })
}

/// Returns each lot with the highest id of a stay that exceeds the lot's maximum.
async fn overdue_ranges(client: &impl GenericClient, rules: &Rules) -> Result<Vec<(i64, Uuid)>, Failure> {
    let lots = client.prepare_cached("SELECT lot_no, lot_id, time_ms FROM lot WHERE time_ms IS NOT NULL").await?;
    let mut ranges = Vec::new();
    for row in client.query(&lots, &[]).await? {
        let longest = rules.max_stay_of(&encoding::lot_id(row.try_get(1)?)?);
        let oldest = Timestamp::from_millis(row.try_get(2)?).plus_millis(longest.saturating_neg());
        if let Some(range) = IdRange::before(oldest) {
            ranges.push((row.try_get(0)?, range.last));
        }
    }
    Ok(ranges)
}

/// Counts the holds and the overdue stays.
pub(super) async fn pending(store: &Store, rules: &Rules) -> Result<Pending, Failure> {
    let client = store.connection().await?;
    let held = client.prepare_cached("SELECT count(*) FROM session WHERE held_since_ms IS NOT NULL").await?;
    let held_exits: i64 = client.query_one(&held, &[]).await?.try_get(0)?;
    let (lots, last): (Vec<i64>, Vec<Uuid>) = overdue_ranges(&*client, rules).await?.into_iter().unzip();
    let overdue = "
        SELECT count(*) FROM unnest($1::bigint[], $2::uuid[]) AS overdue (lot_no, last)
            JOIN open_stay o ON o.lot_no = overdue.lot_no AND o.session_id <= overdue.last";
    let overdue = client.prepare_cached(overdue).await?;
    let overdue_stays: i64 = client.query_one(&overdue, &[&lots, &last]).await?.try_get(0)?;
    client.end_well();
    Ok(Pending { held_exits: encoding::count(held_exits)?, overdue_stays: encoding::count(overdue_stays)? })
}
