//! Loads what a group commit needs: lots, vehicles, numbers for new events, existing sessions.
//!
//! Nothing is locked: `apply` compares each vehicle's version when it writes. Only the retry of a transaction that lost
//! that comparison locks its vehicles.

use std::collections::{BTreeSet, HashMap, HashSet};

use deadpool_postgres::{GenericClient, Transaction};
use matching::{SessionChange, Unit};
use parking::{EventKey, LotId, SessionId, Timestamp, Vehicle};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::failure::Failure;
use super::known::Known;
use super::{read, vehicles};
use crate::group::{LoadedState, PendingWrites};
use crate::plan::{names_older_events, numbered};
use crate::rows::{ExitsBefore, PlannedVehicle, StoredVehicle};
use crate::{Error, SessionRow, encoding};

const KNOWN: &str = "
    SELECT v.vehicle_no, v.lot_no, v.version, v.digest, v.last_event_no, v.listed_after_no, v.timeline, wanted.place
    FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS wanted (lot_no, plate, place)
        JOIN vehicle v ON v.plate = wanted.plate AND v.lot_no = wanted.lot_no";

/// Locks in the order in which `apply` updates.
const KNOWN_AND_LOCKED: &str = "
    SELECT v.vehicle_no, v.lot_no, v.version, v.digest, v.last_event_no, v.listed_after_no, v.timeline, wanted.place
    FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS wanted (lot_no, plate, place)
        JOIN vehicle v ON v.plate = wanted.plate AND v.lot_no = wanted.lot_no
    ORDER BY v.vehicle_no FOR UPDATE OF v";

/// Conflicts with the lock of a migration, like `FOR UPDATE` does. Without it a transaction that has read sessions, and
/// only then writes vehicles, and a migration that has locked vehicles, and then sessions, would wait for each other.
const SHARED: &str = "LOCK TABLE vehicle IN ROW SHARE MODE";

const VEHICLE_NUMBERS: &str = "
    SELECT nextval('vehicle_vehicle_no_seq') FROM generate_series(1, $1::bigint)";

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

/// Whether a transaction locks the vehicles that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locking {
    /// Another transaction may change them; the write finds out.
    Optimistic,
    /// They stay as they are until the transaction ends.
    Pessimistic,
}

/// Loads what the transaction needs.
pub(super) async fn find(
    transaction: &Transaction<'_>,
    lots: &HashMap<LotId, i64>,
    work: &PendingWrites<'_>,
    next_event: i64,
    locking: Locking,
) -> Result<LoadedState, Failure> {
    let names = work.vehicles();
    let mut vehicles = known_vehicles(transaction, lots, &names, locking).await?;
    add_unknown(transaction, lots, work, &names, &mut vehicles).await?;
    for unit in work.units() {
        let Some(vehicle) = vehicles.get_mut(&unit.vehicle) else { continue };
        if vehicle.older.is_empty() && names_older_events(unit, &vehicle.row) {
            let chain = vehicles::chain(transaction, vehicle.row.last_event).await?;
            vehicle.older = chain.into_iter().map(|event| (event.key, event.number)).collect();
            if vehicle.older.is_empty() {
                vehicle.older = ends(transaction, unit).await?;
            }
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

/// The numbers of the events of a unit's sessions. Events whose plate was not read are in no chain.
async fn ends(transaction: &Transaction<'_>, unit: &Unit) -> Result<HashMap<EventKey, i64>, Failure> {
    let changes: HashMap<Uuid, &SessionChange> =
        unit.changes.iter().map(|change| (change.session.as_uuid(), change)).collect();
    let ids: Vec<Uuid> = unit.changes.iter().map(|change| change.session.as_uuid()).collect();
    let select = "SELECT session_id, entry_no, exit_no FROM session WHERE session_id = ANY ($1)";
    let mut numbers = HashMap::new();
    for row in transaction.query(&transaction.prepare_cached(select).await?, &[&ids]).await? {
        if let Some(change) = changes.get(&row.try_get(0)?) {
            numbers.extend(numbered(change, row.try_get(1)?, row.try_get(2)?));
        }
    }
    Ok(numbers)
}

/// Reads the vehicles that have a row.
async fn known_vehicles(
    transaction: &Transaction<'_>,
    lots: &HashMap<LotId, i64>,
    names: &[&Vehicle],
    locking: Locking,
) -> Result<HashMap<Vehicle, PlannedVehicle>, Failure> {
    let lot_numbers: Vec<i64> = names.iter().map(|vehicle| lots[&vehicle.lot]).collect();
    let plates: Vec<&str> = names.iter().map(|vehicle| vehicle.plate.as_str()).collect();
    let select = match locking {
        Locking::Optimistic => KNOWN,
        Locking::Pessimistic => KNOWN_AND_LOCKED,
    };
    let select = transaction.prepare_cached(select).await?;
    // Sent together, and carried out in this order.
    let wanted: [&(dyn ToSql + Sync); 2] = [&lot_numbers, &plates];
    let ((), rows) = futures::try_join!(transaction.batch_execute(SHARED), transaction.query(&select, &wanted))?;
    let mut vehicles = HashMap::with_capacity(names.len());
    for row in rows {
        let place: i64 = row.try_get(7)?;
        let name = usize::try_from(place - 1).ok().and_then(|place| names.get(place));
        let name = name.ok_or_else(|| Error::Corrupt(format!("no vehicle has the index {place}")))?;
        vehicles.insert((*name).clone(), PlannedVehicle::new(vehicles::stored_vehicle(&row)?, false));
    }
    Ok(vehicles)
}

/// Adds the vehicles that have no row. Those that may get one take a number.
async fn add_unknown(
    transaction: &Transaction<'_>,
    lots: &HashMap<LotId, i64>,
    work: &PendingWrites<'_>,
    names: &[&Vehicle],
    vehicles: &mut HashMap<Vehicle, PlannedVehicle>,
) -> Result<(), Failure> {
    let of_units = work.units().filter(|unit| unit.base.is_none_or(|base| base.version == 0)).map(|unit| &unit.vehicle);
    let maybe_new: HashSet<&Vehicle> = of_units.chain(work.summaries().map(|summary| &summary.vehicle)).collect();
    let unknown: Vec<&Vehicle> = names.iter().copied().filter(|vehicle| !vehicles.contains_key(*vehicle)).collect();
    let new = unknown.iter().filter(|vehicle| maybe_new.contains(*vehicle)).count();
    let mut numbers = Vec::new();
    if new > 0 {
        let select = transaction.prepare_cached(VEHICLE_NUMBERS).await?;
        for row in transaction.query(&select, &[&encoding::column(new)]).await? {
            numbers.push(row.try_get(0)?);
        }
    }
    let mut numbers = numbers.into_iter();
    for vehicle in unknown {
        let lot = lots[&vehicle.lot];
        // A unit that was decided from a version of a vehicle without a row conflicts with an empty vehicle, which is
        // not written.
        let number = if maybe_new.contains(vehicle) { numbers.next() } else { None };
        let row = StoredVehicle::new(number.unwrap_or(0), lot);
        vehicles.insert(vehicle.clone(), PlannedVehicle::new(row, number.is_some()));
    }
    Ok(())
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
