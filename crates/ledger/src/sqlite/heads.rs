//! The newest state of vehicles, ahead of their rows.
//!
//! Vehicles come back in no order: with a row to change for each, most events would cost a page of the file. So a
//! transaction appends what it changed of vehicles to `vehicle_log`, and the state stands here. The rows follow in
//! turns, each in the order of vehicle numbers, a slice with every transaction; then the log before that turn goes.
//! After a crash the log has what the rows miss.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use matching::ExpectedVersion;
use parking::Vehicle;
use rusqlite::{Connection, params};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;
use crate::encoding::{self, column};
use crate::rows::StoredVehicle;

/// A checkpoint begins when this many vehicles are ahead of their rows, which take about 20 MB; tests have many of
/// them.
const TURN_VEHICLES: usize = if cfg!(test) { 5 } else { 65_536 };
/// A slice has at least this many vehicles.
const SLICE_VEHICLES: usize = if cfg!(test) { 1 } else { 64 };

/// The states ahead of the rows, for the writer and for readers.
#[derive(Debug, Default)]
pub(super) struct Heads {
    states: RwLock<States>,
}

/// States of vehicles; one that is in neither map is as its row says.
#[derive(Debug, Default)]
pub(super) struct States {
    /// Changed since the last turn began.
    changed: HashMap<Vehicle, Head>,
    /// What that turn writes or has written.
    turned: HashMap<Vehicle, Head>,
}

/// The state of a vehicle as a row has it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    number: i64,
    lot_number: i64,
    version: u64,
    digest: u64,
    last_event: Option<i64>,
    listed_after: Option<i64>,
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    timeline: Box<[u8]>,
}

/// All at once: one by one they would take longer than all else of a head.
#[expect(clippy::borrowed_box, reason = "serde hands over the field")]
fn write_bytes<S: Serializer>(bytes: &Box<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
    <&[u8]>::deserialize(deserializer).map(Box::from)
}

impl Head {
    pub(super) fn new(state: &StoredVehicle) -> Self {
        let StoredVehicle { number, lot_number, base, last_event, listed_after, .. } = *state;
        let timeline = encoding::write_timeline(&state.timeline, &state.event_numbers).into();
        Self { number, lot_number, version: base.version, digest: base.digest, last_event, listed_after, timeline }
    }

    pub(super) fn state(&self) -> Result<StoredVehicle, Error> {
        let Self { number, lot_number, version, digest, last_event, listed_after, .. } = *self;
        let (timeline, event_numbers) = encoding::read_timeline(&self.timeline)?;
        let base = ExpectedVersion { version, digest };
        Ok(StoredVehicle { number, lot_number, base, timeline, event_numbers, last_event, listed_after })
    }

    fn write_row(&self, connection: &Connection) -> Result<(), Error> {
        let Self { number, version, digest, last_event, listed_after, timeline, .. } = self;
        let values = params![number, column(*version), digest.cast_signed(), last_event, listed_after, timeline];
        let mut update = connection.prepare_cached(
            "UPDATE vehicle SET version = ?2, digest = ?3, last_event_no = ?4, listed_after_no = ?5, timeline = ?6
             WHERE vehicle_no = ?1",
        )?;
        update.execute(values)?;
        Ok(())
    }
}

impl States {
    /// A vehicle's state, unless its row says it.
    pub(super) fn get(&self, vehicle: &Vehicle) -> Result<Option<StoredVehicle>, Error> {
        self.changed.get(vehicle).or_else(|| self.turned.get(vehicle)).map(Head::state).transpose()
    }
}

impl Heads {
    /// The states of this moment. Rows read while they are held are no older.
    pub(super) fn states(&self) -> RwLockReadGuard<'_, States> {
        self.states.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a transaction changed, once it is committed.
    pub(super) fn absorb(&self, changed: Vec<(Vehicle, Head)>) {
        self.states.write().unwrap_or_else(PoisonError::into_inner).changed.extend(changed);
    }

    fn begin_turn(&self) -> Vec<Vehicle> {
        let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
        states.turned = std::mem::take(&mut states.changed);
        let mut order: Vec<_> = states.turned.iter().map(|(vehicle, state)| (state.number, vehicle)).collect();
        order.sort_unstable_by(|one, other| other.cmp(one));
        order.into_iter().map(|(_, vehicle)| vehicle.clone()).collect()
    }
}

/// How far the rows of a turn are written.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The vehicles to write, the next one last.
    waiting: Vec<Vehicle>,
    /// The last entry of the log that the turn makes superfluous.
    log_end: i64,
}

impl Turn {
    /// Writes a slice of rows, with what else a transaction does for `vehicles`; tells how many are done with it.
    pub(super) fn write_slice(&self, connection: &Connection, heads: &Heads, vehicles: usize) -> Result<usize, Error> {
        // Faster than vehicles change, so that a turn ends before the next one is due.
        let slice = vehicles.saturating_mul(2).max(SLICE_VEHICLES).min(self.waiting.len());
        let states = heads.states();
        for vehicle in self.waiting.iter().rev().take(slice) {
            // One that changed again is written by the next turn.
            if !states.changed.contains_key(vehicle)
                && let Some(head) = states.turned.get(vehicle)
            {
                head.write_row(connection)?;
            }
        }
        if slice > 0 && slice == self.waiting.len() {
            connection.prepare_cached("DELETE FROM vehicle_log WHERE number <= ?1")?.execute(params![self.log_end])?;
        }
        Ok(slice)
    }

    /// Goes on after a slice that is committed; `log_end` is the last entry of the log.
    pub(super) fn advance(&mut self, written: usize, heads: &Heads, log_end: i64) {
        self.waiting.truncate(self.waiting.len().saturating_sub(written));
        if self.waiting.is_empty() && heads.states().changed.len() >= TURN_VEHICLES {
            *self = Self { waiting: heads.begin_turn(), log_end };
        }
    }
}

/// Appends states to the log; the number of the log's last entry.
pub(super) fn log(connection: &Connection, ahead: &[(Vehicle, Head)]) -> Result<i64, Error> {
    if !ahead.is_empty() {
        let heads: Vec<&Head> = ahead.iter().map(|(_, head)| head).collect();
        let bytes = postcard::to_stdvec(&heads).expect("serializing into a Vec cannot fail");
        connection.prepare_cached("INSERT INTO vehicle_log (heads) VALUES (?1)")?.execute(params![bytes])?;
    }
    let last = "SELECT coalesce(max(number), 0) FROM vehicle_log";
    Ok(connection.prepare_cached(last)?.query_row([], |row| row.get(0))?)
}

/// As much room as a batch takes.
const ROOM_BYTES: i64 = 64 * 1024;

/// Appends an entry of no vehicle that takes up room: zeros, of which the first is the count of states.
pub(super) fn fill(connection: &Connection) -> Result<(), Error> {
    connection.execute("INSERT INTO vehicle_log (heads) VALUES (zeroblob(?1))", params![ROOM_BYTES])?;
    Ok(())
}

/// Takes away the entries of no vehicle.
pub(super) fn clear(connection: &Connection) -> Result<(), Error> {
    connection
        .execute("DELETE FROM vehicle_log WHERE length(heads) = ?1 AND heads = zeroblob(?1)", params![ROOM_BYTES])?;
    Ok(())
}

/// The states that the log has, the newest of each vehicle, by number.
pub(super) fn logged(connection: &Connection) -> Result<BTreeMap<i64, Head>, Error> {
    let mut newest = BTreeMap::new();
    let mut statement = connection.prepare("SELECT heads FROM vehicle_log ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let heads: Vec<Head> = postcard::from_bytes(bytes)
            .map_err(|error| Error::Corrupt(format!("the log of vehicles is damaged: {error}")))?;
        newest.extend(heads.into_iter().map(|head| (head.number, head)));
    }
    Ok(newest)
}

/// Writes the rows that the log is ahead of.
pub(super) fn catch_up(connection: &Connection) -> Result<(), Error> {
    for head in logged(connection)?.values() {
        head.write_row(connection)?;
    }
    connection.execute("DELETE FROM vehicle_log", [])?;
    Ok(())
}
