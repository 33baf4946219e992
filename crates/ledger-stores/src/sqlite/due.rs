//! Leases what has ended: holds of exits, and stays that exceed the maximum on their lot's own clock.

use std::collections::BTreeMap;

use matching::{Due, Limits};
use parking::{EventKey, Rules, Timestamp};
use rusqlite::{Connection, ToSql, params};
use uuid::Uuid;

use super::vehicles::{self, uuid};
use crate::encoding::{self, column};
use crate::list::IdRange;
use crate::{CLOCK_SKEW_MAX_MS, Error, Pending};

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
    FROM session s INDEXED BY session_held CROSS JOIN event e
    WHERE s.state = 1 AND s.held_since_ms BETWEEN ?1 AND ?2 AND s.leased_until_ms NOT BETWEEN ?3 + 1 AND ?4
        AND e.event_no = s.exit_no
    ORDER BY s.held_since_ms LIMIT ?5";

const STAYS: &str = "
    SELECT s.session_id, s.vehicle_no, e.time_ms, e.direction, e.event_id
    FROM session s INDEXED BY session_open CROSS JOIN event e
    WHERE s.state = 0 AND s.lot_no = ?1 AND s.session_id <= ?2 AND s.leased_until_ms NOT BETWEEN ?3 + 1 AND ?4
        AND e.event_no = s.entry_no
    ORDER BY s.session_id LIMIT ?5";

/// A session whose hold or stay has ended.
struct Ended {
    session: Uuid,
    vehicle_number: i64,
    key: EventKey,
}

/// Leases vehicles of which something has ended.
pub(super) fn lease(connection: &Connection, call: &Call) -> Result<Vec<Due>, Error> {
    let most = usize::try_from(call.most).unwrap_or(usize::MAX);
    let held_until = call.now.plus_millis(call.rules.hold_ms.saturating_neg()).as_millis();
    let (now, no_future) = (call.now.as_millis(), call.now.plus_millis(CLOCK_SKEW_MAX_MS).as_millis());
    let no_lease = call.lease_until.plus_millis(CLOCK_SKEW_MAX_MS).as_millis();
    let mut ended = Vec::new();
    for (first, last) in [(i64::MIN, held_until), (no_future.saturating_add(1), i64::MAX)] {
        let left = column(most.saturating_sub(ended.len()));
        ended.extend(find(connection, HOLDS, params![first, last, now, no_lease, left])?);
    }
    for (lot_number, overdue) in overdue_ranges(connection, &call.rules)? {
        let left = most.saturating_sub(ended.len());
        if left == 0 {
            break;
        }
        ended.extend(find(
            connection,
            STAYS,
            params![lot_number, overdue.last.as_bytes(), now, no_lease, column(left)],
        )?);
    }
    let mut lease = connection.prepare_cached("UPDATE session SET leased_until_ms = ?2 WHERE session_id = ?1")?;
    let mut of_vehicles: BTreeMap<i64, Vec<EventKey>> = BTreeMap::new();
    for Ended { session, vehicle_number, key } in ended {
        lease.execute(params![session.as_bytes(), call.lease_until.as_millis()])?;
        of_vehicles.entry(vehicle_number).or_default().push(key);
    }
    of_vehicles.into_iter().map(|(number, keys)| due(connection, number, keys, &call.rules)).collect()
}

fn due(connection: &Connection, vehicle_number: i64, mut ended: Vec<EventKey>, rules: &Rules) -> Result<Due, Error> {
    ended.sort_unstable();
    let (vehicle, row) = vehicles::by_number(connection, vehicle_number)?;
    let snapshot = match ended.first() {
        Some(oldest) if !row.holds(&ended) => {
            vehicles::reaching(connection, &row, oldest.time, Limits::of(rules, &vehicle.lot))?
        }
        _ => row.into_snapshot(),
    };
    Ok(Due { vehicle, snapshot, ended })
}

fn find(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<Ended>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut ended = Vec::new();
    while let Some(row) = rows.next()? {
        let key = encoding::event_key(row.get(2)?, row.get(3)?, uuid(row, 4)?)?;
        ended.push(Ended { session: uuid(row, 0)?, vehicle_number: row.get(1)?, key });
    }
    Ok(ended)
}

/// Returns each lot with the ids of the stays that exceed the lot's maximum.
fn overdue_ranges(connection: &Connection, rules: &Rules) -> Result<Vec<(i64, IdRange)>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT lot_no, lot_id, time_ms FROM lot WHERE time_ms IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut ranges = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, time_ms): (String, i64) = (row.get(1)?, row.get(2)?);
        let longest = rules.max_stay_of(&encoding::lot_id(&name)?);
        let oldest = Timestamp::from_millis(time_ms).plus_millis(longest.saturating_neg());
        ranges.extend(IdRange::before(oldest).map(|range| Ok::<_, Error>((row.get(0)?, range))).transpose()?);
    }
    Ok(ranges)
}

/// Counts the holds and the overdue stays.
pub(super) fn pending(connection: &Connection, rules: &Rules) -> Result<Pending, Error> {
    let held = "SELECT count(*) FROM session INDEXED BY session_held WHERE state = 1";
    let held_exits: i64 = connection.prepare_cached(held)?.query_row([], |row| row.get(0))?;
    let mut count = connection.prepare_cached(
        "SELECT count(*) FROM session INDEXED BY session_open WHERE state = 0 AND lot_no = ?1 AND session_id <= ?2",
    )?;
    let mut overdue_stays = 0;
    for (lot_number, overdue) in overdue_ranges(connection, rules)? {
        let stays = count.query_row(params![lot_number, overdue.last.as_bytes()], |row| row.get(0))?;
        overdue_stays += encoding::count(stays)?;
    }
    Ok(Pending { held_exits: encoding::count(held_exits)?, overdue_stays })
}
