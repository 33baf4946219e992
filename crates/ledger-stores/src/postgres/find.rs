//! Locks and loads what a group commit needs: lots, vehicles, numbers for new events, existing sessions.

use std::collections::{BTreeSet, HashMap, HashSet};

use deadpool_postgres::{GenericClient, Transaction};
use parking::{LotId, SessionId, Timestamp, Vehicle};
use uuid::Uuid;

use super::failure::Failure;
use super::known::Known;
use super::{read, vehicles};
use crate::group::{LoadedState, PendingWrites};
use crate::plan::names_older_events;
use crate::rows::{ExitsBefore, PlannedVehicle, StoredVehicle};
use crate::{Error, SessionRow, encoding};

/// The size of a block of event numbers, which is the increment of the sequence. The unused rest of a block is lost.
const EVENT_NUMBERS_PER_BLOCK: i64 = 1_048_576;

/// Returns the numbers of the lots; inserts new lots.
pub(super) async fn lot_numbers(
    client: &impl GenericClient,
    known: &Known,
    generation: u64,
    work: &PendingWrites<'_>,
) -> Result<HashMap<LotId, i64>, Failure> {
    let lots: BTreeSet<&LotId> = work.vehicles().into_iter().map(|vehicle| &vehicle.lot).collect();
    let mut numbers = known.lot_numbers(generation, lots.iter().copied());
    let missing = lots.into_iter().filter(|lot| !numbers.contains_key(*lot));
    let names: Vec<&str> = missing.map(LotId::as_str).collect();
    if names.is_empty() {
        return Ok(numbers);
    }
    let insert = "INSERT INTO lot (lot_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING";
    client.execute(&client.prepare_cached(insert).await?, &[&names]).await?;
    let select = "SELECT lot_id, lot_no FROM lot WHERE lot_id = ANY ($1::text[])";
    let rows = client.query(&client.prepare_cached(select).await?, &[&names]).await?;
    for row in rows {
        numbers.insert(encoding::lot_id(row.try_get(0)?)?, row.try_get(1)?);
    }
    Ok(numbers)
}

/// Reserves consecutive numbers for the new events and returns the first.
pub(super) async fn event_numbers(
    client: &impl GenericClient,
    known: &Known,
    generation: u64,
    work: &PendingWrites<'_>,
) -> Result<i64, Failure> {
    let events: usize = work.units().map(|unit| unit.events.len()).sum();
    let count = encoding::column(events);
    if count > EVENT_NUMBERS_PER_BLOCK {
        return Err(Error::Corrupt(format!(
            "{count} new events in one transaction, but at most {EVENT_NUMBERS_PER_BLOCK} are allowed"
        ))
        .into());
    }
    if let Some(first) = known.take_event_numbers(generation, count) {
        return Ok(first);
    }
    let block = client.prepare_cached("SELECT nextval('event_block')").await?;
    let first: i64 = client.query_one(&block, &[]).await?.try_get(0)?;
    known.remember_event_numbers(generation, first + count..first + EVENT_NUMBERS_PER_BLOCK);
    Ok(first)
}

/// Loads what the transaction needs. Its vehicles stay locked until the transaction ends.
pub(super) async fn find(
    transaction: &Transaction<'_>,
    lots: &HashMap<LotId, i64>,
    work: &PendingWrites<'_>,
    next_event: i64,
) -> Result<LoadedState, Failure> {
    let names = work.vehicles();
    insert_new(transaction, lots, work, &names).await?;
    let mut vehicles = lock(transaction, lots, &names).await?;
    for unit in work.units() {
        let Some(vehicle) = vehicles.get_mut(&unit.vehicle) else { continue };
        if vehicle.older.is_empty() && names_older_events(unit, &vehicle.row) {
            let chain = vehicles::chain(transaction, vehicle.row.last_event).await?;
            vehicle.older = chain.into_iter().map(|event| (event.key, event.number)).collect();
        }
    }
    Ok(LoadedState {
        vehicles,
        unread: unread(transaction, work).await?,
        exits_before: exits_before(transaction, work).await?,
        summaries: summaries(transaction, work).await?,
        next_event,
    })
}

/// Inserts rows for vehicles that may be new, so that there is a row to lock. All transactions do so in the same order.
async fn insert_new(
    transaction: &Transaction<'_>,
    lots: &HashMap<LotId, i64>,
    work: &PendingWrites<'_>,
    names: &[&Vehicle],
) -> Result<(), Failure> {
    let of_units = work.units().filter(|unit| unit.base.is_none_or(|base| base.version == 0)).map(|unit| &unit.vehicle);
    let maybe_new: HashSet<&Vehicle> = of_units.chain(work.summaries().map(|summary| &summary.vehicle)).collect();
    let new: Vec<&&Vehicle> = names.iter().filter(|vehicle| maybe_new.contains(*vehicle)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let lot_numbers: Vec<i64> = new.iter().map(|vehicle| lots[&vehicle.lot]).collect();
    let plates: Vec<&str> = new.iter().map(|vehicle| vehicle.plate.as_str()).collect();
    let empty = encoding::write_timeline(&matching::Timeline::default(), &[]);
    let insert = "
        INSERT INTO vehicle (lot_no, plate, version, digest, timeline)
        SELECT lot_no, plate, 0, 0, $3 FROM unnest($1::bigint[], $2::text[]) AS new (lot_no, plate)
        ON CONFLICT (plate, lot_no) DO NOTHING";
    let insert = transaction.prepare_cached(insert).await?;
    transaction.execute(&insert, &[&lot_numbers, &plates, &empty]).await?;
    Ok(())
}

/// Locks the vehicles in the order of plate and lot, like all transactions.
async fn lock(
    transaction: &Transaction<'_>,
    lots: &HashMap<LotId, i64>,
    names: &[&Vehicle],
) -> Result<HashMap<Vehicle, PlannedVehicle>, Failure> {
    let lot_numbers: Vec<i64> = names.iter().map(|vehicle| lots[&vehicle.lot]).collect();
    let plates: Vec<&str> = names.iter().map(|vehicle| vehicle.plate.as_str()).collect();
    let select = "
        SELECT v.vehicle_no, v.lot_no, v.version, v.digest, v.last_event_no, v.listed_after_no, v.timeline, wanted.place
        FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS wanted (lot_no, plate, place)
            JOIN vehicle v ON v.plate = wanted.plate AND v.lot_no = wanted.lot_no
        ORDER BY v.plate, v.lot_no FOR UPDATE OF v";
    let rows = transaction.query(&transaction.prepare_cached(select).await?, &[&lot_numbers, &plates]).await?;
    let batch = |row, is_new| PlannedVehicle { row, is_new, is_changed: false, older: HashMap::new() };
    let mut vehicles = HashMap::with_capacity(names.len());
    for row in rows {
        let place: i64 = row.try_get(7)?;
        let name = usize::try_from(place - 1).ok().and_then(|place| names.get(place));
        let name = name.ok_or_else(|| Error::Corrupt(format!("no vehicle has the index {place}")))?;
        vehicles.insert((*name).clone(), batch(vehicles::stored_vehicle(&row)?, false));
    }
    // A unit that was decided from a version of a vehicle without a row conflicts with this empty vehicle, which is not
    // written.
    for vehicle in names {
        vehicles.entry((*vehicle).clone()).or_insert_with(|| batch(StoredVehicle::new(0, lots[&vehicle.lot]), false));
    }
    Ok(vehicles)
}

async fn unread(transaction: &Transaction<'_>, work: &PendingWrites<'_>) -> Result<HashSet<SessionId>, Failure> {
    let ids: Vec<Uuid> = work.unread().map(SessionId::as_uuid).collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let select = "SELECT session_id FROM session WHERE session_id = ANY ($1)";
    let rows = transaction.query(&transaction.prepare_cached(select).await?, &[&ids]).await?;
    rows.iter().map(|row| Ok(SessionId::from_uuid(row.try_get(0)?))).collect()
}

async fn exits_before(transaction: &Transaction<'_>, work: &PendingWrites<'_>) -> Result<ExitsBefore, Failure> {
    let mut exits: ExitsBefore = work.of_changed_exit().map(|id| (id, None)).collect();
    if exits.is_empty() {
        return Ok(exits);
    }
    let ids: Vec<Uuid> = work.of_changed_exit().map(SessionId::as_uuid).collect();
    let select = "SELECT session_id, exit_ms FROM session WHERE session_id = ANY ($1) AND state = 2";
    for row in transaction.query(&transaction.prepare_cached(select).await?, &[&ids]).await? {
        let exit_ms: Option<i64> = row.try_get(1)?;
        exits.insert(SessionId::from_uuid(row.try_get(0)?), exit_ms.map(Timestamp::from_millis));
    }
    Ok(exits)
}

async fn summaries(
    transaction: &Transaction<'_>,
    work: &PendingWrites<'_>,
) -> Result<HashMap<SessionId, SessionRow>, Failure> {
    let ids: Vec<SessionId> = work.summaries().map(crate::Summary::id).collect();
    read::rows(transaction, &ids).await
}
