//! Adds the new rows of a plan: vehicles, events, sessions and changes.

use deadpool_postgres::Transaction;
use parking::{GateId, SessionId, State, Timestamp};
use uuid::Uuid;

use super::copy::CopyRows;
use super::failure::Failure;
use crate::encoding::{self, Code as _, code_of, column};
use crate::plan::Plan;
use crate::receipt;
use crate::rows::{ChangeWrite, EventWrite, SessionWrite};

pub(super) const VEHICLES: &str = "
    COPY vehicle (vehicle_no, lot_no, plate, version, digest, last_event_no, listed_after_no, timeline)
    FROM STDIN (FORMAT binary)";

pub(super) const EVENTS: &str = "
    COPY event (
        event_no, previous_no, vehicle_no, time_ms, direction, event_id, gate, plate_as_read, confidence, received_ms,
        recorded_ms, flags, receipt, supersedes
    ) FROM STDIN (FORMAT binary)";

pub(super) const SESSIONS: &str = "
    COPY session (
        session_id, vehicle_no, lot_no, state, reason, source, entry_no, exit_no, entry_ms, exit_ms, superseded_by,
        listed, recorded_ms, updated_ms, held_since_ms, leased_until_ms, exceptional
    ) FROM STDIN (FORMAT binary)";

pub(super) const OPEN_STAYS: &str = "COPY open_stay (lot_no, session_id) FROM STDIN (FORMAT binary)";

/// Holds of exits that an earlier transaction recorded.
pub(super) const HELD_SINCE: &str = "
    UPDATE session s SET held_since_ms = e.recorded_ms FROM event e
    WHERE s.session_id = ANY ($1) AND e.event_no = s.exit_no";

/// The row of the count is locked until the transaction ends: so the numbers are in the order of commit, and without
/// gaps.
pub(super) const CHANGE_COUNT: &str = "UPDATE change_count SET changes = changes + $1 RETURNING changes - $1";

pub(super) const CHANGES: &str = "
    COPY change (sequence, session_id, vehicle_version, from_state, to_state, rule, recorded_ms)
    FROM STDIN (FORMAT binary)";

/// Adds vehicles in the order of plate and lot, like all transactions.
pub(super) async fn vehicles(transaction: &Transaction<'_>, plan: &Plan) -> Result<(), Failure> {
    let mut new: Vec<_> = plan.changed_vehicles().into_iter().filter(|(_, vehicle)| vehicle.is_new).collect();
    new.sort_unstable_by_key(|(name, _)| (&name.plate, &name.lot));
    let mut rows = CopyRows::new();
    for (name, vehicle) in new {
        let row = &vehicle.row;
        rows.add([
            &row.number,
            &row.lot_number,
            &name.plate.as_str(),
            &column(row.base.version),
            &row.base.digest.cast_signed(),
            &row.last_event,
            &row.listed_after,
            &encoding::write_timeline(&row.timeline, &row.event_numbers).as_slice(),
        ]);
    }
    rows.send(transaction, VEHICLES).await
}

pub(super) async fn events(transaction: &Transaction<'_>, events: &[EventWrite]) -> Result<(), Failure> {
    let mut rows = CopyRows::new();
    for row in events {
        rows.add([
            &row.number,
            &row.previous,
            &row.vehicle_number,
            &row.event.key.time.as_millis(),
            &row.event.key.direction.code(),
            &row.event.key.id,
            &row.event.gate.as_ref().map(GateId::as_str),
            &row.event.plate_as_read.as_bytes(),
            &row.event.confidence,
            &row.event.received_at.as_millis(),
            &row.recorded_at.as_millis(),
            &i16::from(row.event.flags.bits()),
            &receipt::write(&row.event, &mut receipt::Buffer::default()),
            &row.event.supersedes,
        ]);
    }
    rows.send(transaction, EVENTS).await
}

/// Adds sessions. A hold counts from the moment its exit was recorded, which the event's row has.
pub(super) async fn sessions(
    transaction: &Transaction<'_>,
    sessions: &[&SessionWrite],
    events: &[EventWrite],
) -> Result<(), Failure> {
    let mut rows = CopyRows::new();
    let mut held_before = Vec::new();
    for row in sessions {
        let [entry, exit] = [row.entry, row.exit];
        let held_exit = exit.and_then(|exit| exit.event_number).filter(|_| row.state == State::HeldExit);
        let held_since = held_exit.and_then(|number| recorded_at(events, number));
        if held_exit.is_some() && held_since.is_none() {
            held_before.push(row.id.as_uuid());
        }
        rows.add([
            &row.id.as_uuid(),
            &row.vehicle_number,
            &row.lot_number,
            &row.state.code(),
            &code_of(row.reason),
            &row.source.code(),
            &entry.and_then(|end| end.event_number),
            &exit.and_then(|end| end.event_number),
            &entry.map(|end| end.time.as_millis()),
            &exit.map(|end| end.time.as_millis()),
            &row.superseded_by.map(SessionId::as_uuid),
            &row.is_listed,
            &row.recorded_at.as_millis(),
            &row.updated_at.as_millis(),
            &held_since.map(Timestamp::as_millis),
            &0_i64,
            &is_exceptional(row),
        ]);
    }
    rows.send(transaction, SESSIONS).await?;
    set_held_since(transaction, &held_before).await
}

/// Notes which of the new sessions are open.
pub(super) async fn open_stays(transaction: &Transaction<'_>, sessions: &[&SessionWrite]) -> Result<(), Failure> {
    let mut rows = CopyRows::new();
    for row in sessions.iter().filter(|row| row.state == State::Open) {
        rows.add([&row.lot_number, &row.id.as_uuid()]);
    }
    rows.send(transaction, OPEN_STAYS).await
}

/// Unmatched and void sessions have an index.
fn is_exceptional(session: &SessionWrite) -> bool {
    matches!(session.state, State::UnmatchedExit | State::UnmatchedEntry | State::Void)
}

/// When an event of the plan was recorded; `None` for one of an earlier transaction.
fn recorded_at(events: &[EventWrite], number: i64) -> Option<Timestamp> {
    let place = events.binary_search_by_key(&number, |event| event.number).ok()?;
    Some(events[place].recorded_at)
}

async fn set_held_since(transaction: &Transaction<'_>, sessions: &[Uuid]) -> Result<(), Failure> {
    if !sessions.is_empty() {
        transaction.execute(&transaction.prepare_cached(HELD_SINCE).await?, &[&sessions]).await?;
    }
    Ok(())
}

/// Reserves the sequence numbers of the changes: the number before the first.
pub(super) async fn count_changes(transaction: &Transaction<'_>, changes: &[ChangeWrite]) -> Result<i64, Failure> {
    if changes.is_empty() {
        return Ok(0);
    }
    let statement = transaction.prepare_cached(CHANGE_COUNT).await?;
    Ok(transaction.query_one(&statement, &[&column(changes.len())]).await?.try_get(0)?)
}

/// Adds changes with the sequence numbers after `before`.
pub(super) async fn changes(
    transaction: &Transaction<'_>,
    changes: &[ChangeWrite],
    before: i64,
) -> Result<(), Failure> {
    let mut rows = CopyRows::new();
    for (sequence, row) in (before + 1..).zip(changes) {
        rows.add([
            &sequence,
            &row.session.as_uuid(),
            &column(row.vehicle_version),
            &code_of(row.from),
            &row.to.code(),
            &code_of(row.rule),
            &row.recorded_at.as_millis(),
        ]);
    }
    rows.send(transaction, CHANGES).await
}
