//! Writes the rows of a plan: one statement for each kind, all sent at once.

use deadpool_postgres::Transaction;
use parking::{GateId, State, Timestamp};
use tokio_postgres::Statement;
use uuid::Uuid;

use super::failure::Failure;
use super::quarters;
use crate::Error;
use crate::encoding::{self, Code as _, code_of, column};
use crate::plan::Plan;
use crate::rows::{ChangeWrite, EventWrite, LotWrite, SessionWrite};

const EVENTS: &str = "
    INSERT INTO event SELECT * FROM unnest(
        $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::uuid[], $7::text[], $8::bytea[],
        $9::real[], $10::bigint[], $11::bigint[], $12::smallint[]
    )";

const FLAGS: &str = "
    UPDATE event e SET flags = new.flags
    FROM unnest($1::bigint[], $2::smallint[]) AS new (event_no, flags) WHERE e.event_no = new.event_no";

const VEHICLES: &str = "
    UPDATE vehicle v SET
        version = new.version, digest = new.digest, last_event_no = new.last_event_no,
        listed_after_no = new.listed_after_no, timeline = new.timeline
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])
        AS new (vehicle_no, version, digest, last_event_no, listed_after_no, timeline)
    WHERE v.vehicle_no = new.vehicle_no";

/// A hold counts from the moment its exit was recorded, which the event's row says.
const NEW_SESSIONS: &str = "
    INSERT INTO session SELECT new.*,
        CASE WHEN new.state = 1 THEN (SELECT e.recorded_ms FROM event e WHERE e.event_no = new.exit_no) END, 0,
        new.state >= 3
    FROM unnest(
        $1::uuid[], $2::bigint[], $3::bigint[], $4::smallint[], $5::smallint[], $6::smallint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::uuid[], $12::boolean[], $13::bigint[], $14::bigint[]
    ) AS new (
        session_id, vehicle_no, lot_no, state, reason, source, entry_no, exit_no, entry_ms, exit_ms, superseded_by,
        listed, recorded_ms, updated_ms
    )";

/// The entry of a session gives it its id, so that it never gets another one.
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

const OPENED: &str = "
    INSERT INTO open_stay SELECT * FROM unnest($1::bigint[], $2::uuid[]) ON CONFLICT DO NOTHING";

const CLOSED: &str = "
    DELETE FROM open_stay o USING unnest($1::bigint[], $2::uuid[]) AS closed (lot_no, session_id)
    WHERE o.lot_no = closed.lot_no AND o.session_id = closed.session_id";

const LOTS: &str = "
    UPDATE lot l SET inside = l.inside + new.inside, time_ms = greatest(l.time_ms, new.time_ms)
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS new (lot_no, inside, time_ms)
    WHERE l.lot_no = new.lot_no";

/// The row of the count is locked until the transaction ends: so the numbers are in the order of commit, and without
/// gaps. Last of all, to hold that lock as shortly as can be.
const CHANGES: &str = "
    WITH counted AS (UPDATE change_count SET changes = changes + $1 RETURNING changes - $1 AS before)
    INSERT INTO change SELECT counted.before + new.place, new.session_id, new.vehicle_version, new.from_state,
        new.to_state, new.rule, new.recorded_ms
    FROM counted CROSS JOIN unnest(
        $2::uuid[], $3::bigint[], $4::smallint[], $5::smallint[], $6::smallint[], $7::bigint[]
    ) WITH ORDINALITY AS new (session_id, vehicle_version, from_state, to_state, rule, recorded_ms, place)";

/// Writes the rows of a plan.
pub(super) async fn apply(transaction: &Transaction<'_>, mut plan: Plan) -> Result<(), Failure> {
    let (flags, sessions) = (plan.take_flags(), plan.take_sessions());
    let (new, known): (Vec<&SessionWrite>, Vec<&SessionWrite>) = sessions.iter().partition(|session| session.is_new);
    let (opened, others): (Vec<&SessionWrite>, Vec<&SessionWrite>) =
        sessions.iter().partition(|session| session.state == State::Open);
    let closed: Vec<&SessionWrite> = others.into_iter().filter(|session| !session.is_new).collect();
    // All are prepared first, so that the statements go out in this order: sessions look events up.
    let mut statements = Vec::with_capacity(9);
    for sql in [EVENTS, FLAGS, VEHICLES, NEW_SESSIONS, SESSIONS, OPENED, CLOSED, LOTS, CHANGES] {
        statements.push(transaction.prepare_cached(sql).await?);
    }
    futures::try_join!(
        write_events(transaction, &statements[0], &plan.events),
        write_flags(transaction, &statements[1], &flags),
        write_vehicles(transaction, &statements[2], &plan),
        write_new_sessions(transaction, &statements[3], &new),
        write_sessions(transaction, &statements[4], &known),
        write_open_stays(transaction, &statements[5], &opened),
        write_open_stays(transaction, &statements[6], &closed),
    )?;
    // Many transactions want the same quarter hours: they are locked as late as possible.
    let quarters = quarters::lock(transaction, &plan.quarters).await?;
    futures::try_join!(
        quarters::write(transaction, &quarters),
        write_lots(transaction, &statements[7], &plan),
        write_changes(transaction, &statements[8], &plan.changes),
    )?;
    Ok(())
}

async fn write_events(
    transaction: &Transaction<'_>,
    statement: &Statement,
    events: &[EventWrite],
) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = events.iter().map(|row| row.number).collect();
    let previous: Vec<Option<i64>> = events.iter().map(|row| row.previous).collect();
    let vehicles: Vec<i64> = events.iter().map(|row| row.vehicle_number).collect();
    let times: Vec<i64> = events.iter().map(|row| row.event.key.time.as_millis()).collect();
    let directions: Vec<i16> = events.iter().map(|row| row.event.key.direction.code()).collect();
    let ids: Vec<Uuid> = events.iter().map(|row| row.event.key.id).collect();
    let gates: Vec<Option<&str>> = events.iter().map(|row| row.event.gate.as_ref().map(GateId::as_str)).collect();
    let plates: Vec<&[u8]> = events.iter().map(|row| row.event.plate_as_read.as_bytes()).collect();
    let confidences: Vec<Option<f32>> = events.iter().map(|row| row.event.confidence).collect();
    let received: Vec<i64> = events.iter().map(|row| row.event.received_at.as_millis()).collect();
    let recorded: Vec<i64> = events.iter().map(|row| row.recorded_at.as_millis()).collect();
    let flags: Vec<i16> = events.iter().map(|row| row.event.flags.bits().into()).collect();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 12] = [
        &numbers,
        &previous,
        &vehicles,
        &times,
        &directions,
        &ids,
        &gates,
        &plates,
        &confidences,
        &received,
        &recorded,
        &flags,
    ];
    transaction.execute(statement, &values).await?;
    Ok(())
}

async fn write_flags(
    transaction: &Transaction<'_>,
    statement: &Statement,
    flags: &[(i64, matching::Flags)],
) -> Result<(), Failure> {
    if flags.is_empty() {
        return Ok(());
    }
    let (numbers, flags): (Vec<i64>, Vec<i16>) =
        flags.iter().map(|(number, flags)| (*number, i16::from(flags.bits()))).unzip();
    transaction.execute(statement, &[&numbers, &flags]).await?;
    Ok(())
}

async fn write_vehicles(transaction: &Transaction<'_>, statement: &Statement, plan: &Plan) -> Result<(), Failure> {
    let rows: Vec<_> = plan.changed_vehicles().into_iter().map(|(_, vehicle)| &vehicle.row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    let versions: Vec<i64> = rows.iter().map(|row| column(row.base.version)).collect();
    let digests: Vec<i64> = rows.iter().map(|row| row.base.digest.cast_signed()).collect();
    let last: Vec<Option<i64>> = rows.iter().map(|row| row.last_event).collect();
    let listed_after: Vec<Option<i64>> = rows.iter().map(|row| row.listed_after).collect();
    let timelines: Vec<Vec<u8>> =
        rows.iter().map(|row| encoding::write_timeline(&row.timeline, &row.event_numbers)).collect();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&numbers, &versions, &digests, &last, &listed_after, &timelines];
    transaction.execute(statement, &values).await?;
    Ok(())
}

async fn write_new_sessions(
    transaction: &Transaction<'_>,
    statement: &Statement,
    sessions: &[&SessionWrite],
) -> Result<(), Failure> {
    if sessions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = sessions.iter().map(|row| row.id.as_uuid()).collect();
    let vehicles: Vec<i64> = sessions.iter().map(|row| row.vehicle_number).collect();
    let lots: Vec<i64> = sessions.iter().map(|row| row.lot_number).collect();
    let states: Vec<i16> = sessions.iter().map(|row| row.state.code()).collect();
    let reasons: Vec<Option<i16>> = sessions.iter().map(|row| code_of(row.reason)).collect();
    let sources: Vec<i16> = sessions.iter().map(|row| row.source.code()).collect();
    let entries: Vec<Option<i64>> = sessions.iter().map(|row| row.entry.and_then(|end| end.event_number)).collect();
    let exits: Vec<Option<i64>> = sessions.iter().map(|row| row.exit.and_then(|end| end.event_number)).collect();
    let entered: Vec<Option<i64>> = sessions.iter().map(|row| row.entry.map(|end| end.time.as_millis())).collect();
    let exited: Vec<Option<i64>> = sessions.iter().map(|row| row.exit.map(|end| end.time.as_millis())).collect();
    let superseded: Vec<Option<Uuid>> =
        sessions.iter().map(|row| row.superseded_by.map(parking::SessionId::as_uuid)).collect();
    let listed: Vec<bool> = sessions.iter().map(|row| row.is_listed).collect();
    let recorded: Vec<i64> = sessions.iter().map(|row| row.recorded_at.as_millis()).collect();
    let updated: Vec<i64> = sessions.iter().map(|row| row.updated_at.as_millis()).collect();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 14] = [
        &ids,
        &vehicles,
        &lots,
        &states,
        &reasons,
        &sources,
        &entries,
        &exits,
        &entered,
        &exited,
        &superseded,
        &listed,
        &recorded,
        &updated,
    ];
    transaction.execute(statement, &values).await?;
    Ok(())
}

async fn write_sessions(
    transaction: &Transaction<'_>,
    statement: &Statement,
    sessions: &[&SessionWrite],
) -> Result<(), Failure> {
    if sessions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = sessions.iter().map(|row| row.id.as_uuid()).collect();
    let states: Vec<i16> = sessions.iter().map(|row| row.state.code()).collect();
    let reasons: Vec<Option<i16>> = sessions.iter().map(|row| code_of(row.reason)).collect();
    let exits: Vec<Option<i64>> = sessions.iter().map(|row| row.exit.and_then(|end| end.event_number)).collect();
    let exited: Vec<Option<i64>> = sessions.iter().map(|row| row.exit.map(|end| end.time.as_millis())).collect();
    let superseded: Vec<Option<Uuid>> =
        sessions.iter().map(|row| row.superseded_by.map(parking::SessionId::as_uuid)).collect();
    let updated: Vec<i64> = sessions.iter().map(|row| row.updated_at.as_millis()).collect();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&ids, &states, &reasons, &exits, &exited, &superseded, &updated];
    let written = transaction.execute(statement, &values).await?;
    if written != ids.len() as u64 {
        return Err(Error::Corrupt(format!("of {} sessions to change, {written} are there", ids.len())).into());
    }
    Ok(())
}

/// Notes which stays are open from now on, or no longer are.
async fn write_open_stays(
    transaction: &Transaction<'_>,
    statement: &Statement,
    sessions: &[&SessionWrite],
) -> Result<(), Failure> {
    if sessions.is_empty() {
        return Ok(());
    }
    let lots: Vec<i64> = sessions.iter().map(|row| row.lot_number).collect();
    let ids: Vec<Uuid> = sessions.iter().map(|row| row.id.as_uuid()).collect();
    transaction.execute(statement, &[&lots, &ids]).await?;
    Ok(())
}

async fn write_lots(transaction: &Transaction<'_>, statement: &Statement, plan: &Plan) -> Result<(), Failure> {
    let changed: Vec<_> = plan.lots.iter().filter(|(_, lot)| **lot != LotWrite::default()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = changed.iter().map(|(number, _)| **number).collect();
    let inside: Vec<i64> = changed.iter().map(|(_, lot)| lot.inside).collect();
    let times: Vec<Option<i64>> = changed.iter().map(|(_, lot)| lot.newest.map(Timestamp::as_millis)).collect();
    transaction.execute(statement, &[&numbers, &inside, &times]).await?;
    Ok(())
}

async fn write_changes(
    transaction: &Transaction<'_>,
    statement: &Statement,
    changes: &[ChangeWrite],
) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let count = column(changes.len());
    let sessions: Vec<Uuid> = changes.iter().map(|row| row.session.as_uuid()).collect();
    let versions: Vec<i64> = changes.iter().map(|row| column(row.vehicle_version)).collect();
    let from: Vec<Option<i16>> = changes.iter().map(|row| code_of(row.from)).collect();
    let to: Vec<i16> = changes.iter().map(|row| row.to.code()).collect();
    let rules: Vec<Option<i16>> = changes.iter().map(|row| code_of(row.rule)).collect();
    let recorded: Vec<i64> = changes.iter().map(|row| row.recorded_at.as_millis()).collect();
    transaction.execute(statement, &[&count, &sessions, &versions, &from, &to, &rules, &recorded]).await?;
    Ok(())
}
