//! Reads everything that the ledger has about a range of vehicles, to compare it with the definition of sessions.

use deadpool_postgres::Transaction;
use futures::{TryStreamExt as _, pin_mut};
use parking::{Rules, Vehicle};
use tokio_postgres::{IsolationLevel, Row};

use super::failure::Failure;
use super::store::Store;
use super::superseding::superseded_by;
use crate::Audited;
use crate::audit::{Collector, EventColumns, PART_EVENTS, SessionColumns, VehicleRow};
use crate::{Error, encoding};

/// Allows full table scans, which are disabled elsewhere. Their duration grows with the ledger.
pub(super) const WHOLE_TABLES: &str = "SET LOCAL enable_seqscan = on; SET LOCAL statement_timeout = 0";

/// The first vehicle after this part. Every event raises its vehicle's version, so the sum of the versions bounds the
/// number of events.
const NEXT: &str = "
    SELECT min(vehicle_no) FROM (
        SELECT vehicle_no, (sum(version) OVER (ORDER BY vehicle_no))::bigint - version AS before
        FROM vehicle WHERE vehicle_no >= $1
    ) AS counted WHERE before >= $2";

const VEHICLES: &str = "
    SELECT v.vehicle_no, l.lot_id, v.plate, v.timeline, v.last_event_no
    FROM vehicle v JOIN lot l ON l.lot_no = v.lot_no
    WHERE v.vehicle_no >= $1 AND v.vehicle_no < $2 ORDER BY v.vehicle_no";

const EVENTS: &str = concat!(
    "SELECT e.event_no, e.previous_no, e.vehicle_no, e.time_ms, e.direction, e.event_id, e.flags, ",
    superseded_by!(),
    " IS NOT NULL, EXISTS (SELECT 1 FROM superseded_due d WHERE d.event_id = e.event_id)
    FROM event e WHERE e.vehicle_no >= $1 AND e.vehicle_no < $2"
);

const SESSIONS: &str = "
    SELECT session_id, vehicle_no, state, reason, source, entry_no, entry_ms, exit_no, exit_ms FROM session
    WHERE vehicle_no >= $1 AND vehicle_no < $2";

/// Reads the vehicles from the number `from` on, until the part has enough events.
pub(super) async fn audit(store: &Store, rules: &Rules, from: i64) -> Result<Audited, Failure> {
    let mut client = store.connection().await?;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await?;
    transaction.batch_execute(WHOLE_TABLES).await?;
    let next: Option<i64> = transaction.query_one(NEXT, &[&from, &encoding::column(PART_EVENTS)]).await?.try_get(0)?;
    let end = next.unwrap_or(i64::MAX);
    let rows = transaction.query(VEHICLES, &[&from, &end]).await?;
    let vehicles = rows.iter().map(vehicle_row).collect::<Result<Vec<_>, _>>()?;
    let mut collector = Collector::new(vehicles, |vehicle| rules.is_unread(&vehicle.plate));
    each(&transaction, EVENTS, &[from, end], |row| Ok(collector.event(&event_columns(row)?)?)).await?;
    each(&transaction, SESSIONS, &[from, end], |row| Ok(collector.session(&session_columns(row)?)?)).await?;
    transaction.commit().await?;
    client.end_well();
    Ok(collector.finish(next))
}

/// Streams the rows of a query, which together may not fit into memory.
pub(super) async fn each(
    transaction: &Transaction<'_>,
    question: &str,
    values: &[i64],
    mut take: impl FnMut(&Row) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let rows = transaction.query_raw(question, values).await?;
    pin_mut!(rows);
    while let Some(row) = rows.try_next().await? {
        take(&row)?;
    }
    Ok(())
}

fn vehicle_row(row: &Row) -> Result<VehicleRow, Failure> {
    let (lot, plate): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
    Ok(VehicleRow {
        number: row.try_get(0)?,
        vehicle: Vehicle { lot: encoding::lot_id(lot)?, plate: encoding::plate(plate)? },
        timeline: encoding::read_timeline(row.try_get(3)?)?.0,
        last_event: row.try_get(4)?,
    })
}

fn event_columns(row: &Row) -> Result<EventColumns, Failure> {
    let flags: i16 = row.try_get(6)?;
    Ok(EventColumns {
        number: row.try_get(0)?,
        previous: row.try_get(1)?,
        vehicle: row.try_get(2)?,
        time_ms: row.try_get(3)?,
        direction: row.try_get(4)?,
        id: row.try_get(5)?,
        flags: u8::try_from(flags).map_err(|_| Error::Corrupt(format!("{flags} is not a set of flags")))?,
        is_superseded: row.try_get(7)?,
        is_due: row.try_get(8)?,
    })
}

fn session_columns(row: &Row) -> Result<SessionColumns, Failure> {
    Ok(SessionColumns {
        id: row.try_get(0)?,
        vehicle: row.try_get(1)?,
        state: row.try_get(2)?,
        reason: row.try_get(3)?,
        source: row.try_get(4)?,
        entry: (row.try_get(5)?, row.try_get(6)?),
        exit: (row.try_get(7)?, row.try_get(8)?),
    })
}
