//! Writes the rows of a plan: one statement for each kind, sent without waiting for the answer to the one before.
//!
//! `append` adds the new rows, `quarters` counts quarter hours; the rows that change are written here.

use deadpool_postgres::Transaction;
use parking::{SessionId, State, Timestamp};
use uuid::Uuid;

use super::failure::Failure;
use super::{append, quarters, superseding};
use crate::Error;
use crate::encoding::{self, Code as _, code_of, column};
use crate::plan::Plan;
use crate::rows::{LotWrite, SessionWrite};

const FLAGS: &str = "
    UPDATE event e SET flags = new.flags
    FROM unnest($1::bigint[], $2::smallint[]) AS new (event_no, flags) WHERE e.event_no = new.event_no";

/// Compare and set: a vehicle that has another version than the one read is left unchanged, and the count shows it.
const VEHICLES: &str = "
    UPDATE vehicle v SET
        version = new.version, digest = new.digest, last_event_no = new.last_event_no,
        listed_after_no = new.listed_after_no, timeline = new.timeline
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[])
        AS new (vehicle_no, version, digest, last_event_no, listed_after_no, timeline, read_version)
    WHERE v.vehicle_no = new.vehicle_no AND v.version = new.read_version";

/// The entry of a session gives it its id, so that it never gets another one. A hold counts from the moment its exit
/// was recorded, which the event's row has.
const SESSIONS: &str = "
    UPDATE session s SET
        state = new.state, reason = new.reason, exit_no = new.exit_no, exit_ms = new.exit_ms,
        superseded_by = new.superseded_by, updated_ms = new.updated_ms,
        held_since_ms = CASE WHEN new.state = 1 THEN (
            SELECT e.recorded_ms FROM event e WHERE e.event_no = new.exit_no
        ) END, leased_until_ms = 0, exceptional = new.state >= 3
    FROM unnest(
        $1::uuid[], $2::smallint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::uuid[], $7::bigint[]
    ) AS new (session_id, state, reason, exit_no, exit_ms, superseded_by, updated_ms)
    WHERE s.session_id = new.session_id";

const REOPENED: &str = "
    INSERT INTO open_stay SELECT * FROM unnest($1::bigint[], $2::uuid[]) ON CONFLICT DO NOTHING";

const CLOSED: &str = "
    DELETE FROM open_stay o USING unnest($1::bigint[], $2::uuid[]) AS closed (lot_no, session_id)
    WHERE o.lot_no = closed.lot_no AND o.session_id = closed.session_id";

const LOTS: &str = "
    UPDATE lot l SET inside = l.inside + new.inside, time_ms = greatest(l.time_ms, new.time_ms)
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS new (lot_no, inside, time_ms)
    WHERE l.lot_no = new.lot_no";

const STATEMENTS: [&str; 16] = [
    VEHICLES,
    append::VEHICLES,
    append::EVENTS,
    append::SESSIONS,
    append::OPEN_STAYS,
    FLAGS,
    append::HELD_SINCE,
    SESSIONS,
    REOPENED,
    CLOSED,
    quarters::MAKE,
    quarters::LOCK,
    quarters::WRITE,
    LOTS,
    append::CHANGE_COUNT,
    append::CHANGES,
];

/// Writes the rows of a plan.
///
/// # Errors
/// [`Failure::Conflict`] if another transaction has changed a vehicle since it was read.
pub(super) async fn apply(transaction: &Transaction<'_>, mut plan: Plan) -> Result<(), Failure> {
    let (flags, sessions) = (plan.take_flags(), plan.take_sessions());
    let (new, known): (Vec<&SessionWrite>, Vec<&SessionWrite>) = sessions.iter().partition(|session| session.is_new);
    let (reopened, closed): (Vec<&SessionWrite>, Vec<&SessionWrite>) =
        known.iter().partition(|session| session.state == State::Open);
    // All are prepared first, so that the statements go out in this order: sessions look events up, and what many
    // transactions want is locked last, and by all in one order.
    for sql in STATEMENTS.into_iter().chain(superseding::STATEMENTS) {
        transaction.prepare_cached(sql).await?;
    }
    // Alone: a `COPY` that is sent while another statement fails leaves the connection unusable, and a conflict is
    // usual.
    futures::try_join!(write_vehicles(transaction, &plan), append::vehicles(transaction, &plan))?;
    let (.., quarters, (), before) = futures::try_join!(
        append::events(transaction, &plan.events),
        append::sessions(transaction, &new, &plan.events),
        append::open_stays(transaction, &new),
        superseding::mark(transaction, &plan.events),
        write_flags(transaction, &flags),
        write_sessions(transaction, &known),
        write_open_stays(transaction, REOPENED, &reopened),
        write_open_stays(transaction, CLOSED, &closed),
        quarters::lock(transaction, &plan.quarters),
        write_lots(transaction, &plan),
        append::count_changes(transaction, &plan.changes),
    )?;
    futures::try_join!(quarters::write(transaction, &quarters), append::changes(transaction, &plan.changes, before),)?;
    Ok(())
}

async fn write_flags(transaction: &Transaction<'_>, flags: &[(i64, matching::Flags)]) -> Result<(), Failure> {
    if flags.is_empty() {
        return Ok(());
    }
    let (numbers, flags): (Vec<i64>, Vec<i16>) =
        flags.iter().map(|(number, flags)| (*number, i16::from(flags.bits()))).unzip();
    transaction.execute(&transaction.prepare_cached(FLAGS).await?, &[&numbers, &flags]).await?;
    Ok(())
}

async fn write_vehicles(transaction: &Transaction<'_>, plan: &Plan) -> Result<(), Failure> {
    let changed = plan.changed_vehicles().into_iter().map(|(_, vehicle)| vehicle);
    let known: Vec<_> = changed.filter(|vehicle| !vehicle.is_new).collect();
    if known.is_empty() {
        return Ok(());
    }
    let rows = || known.iter().map(|vehicle| &vehicle.row);
    let numbers: Vec<i64> = rows().map(|row| row.number).collect();
    let versions: Vec<i64> = rows().map(|row| column(row.base.version)).collect();
    let digests: Vec<i64> = rows().map(|row| row.base.digest.cast_signed()).collect();
    let last: Vec<Option<i64>> = rows().map(|row| row.last_event).collect();
    let listed_after: Vec<Option<i64>> = rows().map(|row| row.listed_after).collect();
    let timelines: Vec<Vec<u8>> =
        rows().map(|row| encoding::write_timeline(&row.timeline, &row.event_numbers)).collect();
    let read: Vec<i64> = known.iter().map(|vehicle| column(vehicle.read_version)).collect();
    let statement = transaction.prepare_cached(VEHICLES).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&numbers, &versions, &digests, &last, &listed_after, &timelines, &read];
    let written = transaction.execute(&statement, &values).await?;
    if written != known.len() as u64 {
        return Err(Failure::contended());
    }
    Ok(())
}

async fn write_sessions(transaction: &Transaction<'_>, sessions: &[&SessionWrite]) -> Result<(), Failure> {
    if sessions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = sessions.iter().map(|row| row.id.as_uuid()).collect();
    let states: Vec<i16> = sessions.iter().map(|row| row.state.code()).collect();
    let reasons: Vec<Option<i16>> = sessions.iter().map(|row| code_of(row.reason)).collect();
    let exits: Vec<Option<i64>> = sessions.iter().map(|row| row.exit.and_then(|end| end.event_number)).collect();
    let exited: Vec<Option<i64>> = sessions.iter().map(|row| row.exit.map(|end| end.time.as_millis())).collect();
    let superseded: Vec<Option<Uuid>> = sessions.iter().map(|row| row.superseded_by.map(SessionId::as_uuid)).collect();
    let updated: Vec<i64> = sessions.iter().map(|row| row.updated_at.as_millis()).collect();
    let statement = transaction.prepare_cached(SESSIONS).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&ids, &states, &reasons, &exits, &exited, &superseded, &updated];
    let written = transaction.execute(&statement, &values).await?;
    if written != ids.len() as u64 {
        return Err(Error::Corrupt(format!("of {} sessions to change, {written} are there", ids.len())).into());
    }
    Ok(())
}

/// Notes which of the stays that have a row are open again, or no longer are.
async fn write_open_stays(transaction: &Transaction<'_>, sql: &str, sessions: &[&SessionWrite]) -> Result<(), Failure> {
    if sessions.is_empty() {
        return Ok(());
    }
    let lots: Vec<i64> = sessions.iter().map(|row| row.lot_number).collect();
    let ids: Vec<Uuid> = sessions.iter().map(|row| row.id.as_uuid()).collect();
    transaction.execute(&transaction.prepare_cached(sql).await?, &[&lots, &ids]).await?;
    Ok(())
}

async fn write_lots(transaction: &Transaction<'_>, plan: &Plan) -> Result<(), Failure> {
    let changed: Vec<_> = plan.lots.iter().filter(|(_, lot)| **lot != LotWrite::default()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = changed.iter().map(|(number, _)| **number).collect();
    let inside: Vec<i64> = changed.iter().map(|(_, lot)| lot.inside).collect();
    let times: Vec<Option<i64>> = changed.iter().map(|(_, lot)| lot.newest.map(Timestamp::as_millis)).collect();
    transaction.execute(&transaction.prepare_cached(LOTS).await?, &[&numbers, &inside, &times]).await?;
    Ok(())
}
