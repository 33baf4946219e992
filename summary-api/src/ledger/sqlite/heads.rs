//! The newest state of vehicles, ahead of their rows.
//!
//! Vehicles come back in no order: with a row to change for each, nearly every event would cost a page of the file. So
//! a transaction appends what it changed of vehicles to `vehicle_log`, and the state stands here. The rows follow in
//! turns, each in the order of vehicle numbers, a slice with every transaction; then the log before that turn goes.
//! After a crash the log has what the rows miss.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use parking::Vehicle;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::ledger::Error;
use crate::ledger::batch::StoredVehicle;
use crate::ledger::stored::{self, column};

/// A turn begins when so many vehicles are ahead of their rows; tests have many turns.
const TURN_VEHICLES: usize = if cfg!(test) { 5 } else { 16_384 };
/// A slice has at least so many vehicles.
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
    changed: HashMap<Vehicle, StoredVehicle>,
    /// What that turn writes or has written.
    turned: HashMap<Vehicle, StoredVehicle>,
}

impl States {
    /// A vehicle's state, unless its row says it.
    pub(super) fn get(&self, vehicle: &Vehicle) -> Option<&StoredVehicle> {
        self.changed.get(vehicle).or_else(|| self.turned.get(vehicle))
    }
}

impl Heads {
    /// The states of this moment. Rows read while they are held are no older.
    pub(super) fn states(&self) -> RwLockReadGuard<'_, States> {
        self.states.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a transaction changed, once it is committed.
    pub(super) fn absorb(&self, changed: Vec<(Vehicle, StoredVehicle)>) {
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
                && let Some(state) = states.turned.get(vehicle)
            {
                update(connection, state, &stored::write_timeline(&state.timeline, &state.event_numbers))?;
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

/// A vehicle in the log.
#[derive(Serialize, Deserialize)]
struct Logged {
    number: i64,
    version: u64,
    digest: u64,
    last_event: Option<i64>,
    listed_after: Option<i64>,
    timeline: Vec<u8>,
}

/// Appends the states of vehicles to the log; the number of the log's last entry.
pub(super) fn log<'a>(connection: &Connection, states: impl Iterator<Item = &'a StoredVehicle>) -> Result<i64, Error> {
    let logged = |state: &StoredVehicle| Logged {
        number: state.number,
        version: state.base.version,
        digest: state.base.digest,
        last_event: state.last_event,
        listed_after: state.listed_after,
        timeline: stored::write_timeline(&state.timeline, &state.event_numbers),
    };
    let logged: Vec<Logged> = states.map(logged).collect();
    if !logged.is_empty() {
        let bytes = postcard::to_stdvec(&logged).map_err(|error| Error::Corrupt(format!("vehicles: {error}")))?;
        connection.prepare_cached("INSERT INTO vehicle_log (vehicles) VALUES (?1)")?.execute(params![bytes])?;
    }
    let last = "SELECT coalesce(max(number), 0) FROM vehicle_log";
    Ok(connection.prepare_cached(last)?.query_row([], |row| row.get(0))?)
}

/// Writes the rows that the log is ahead of.
pub(super) fn catch_up(connection: &Connection) -> Result<(), Error> {
    let mut newest = BTreeMap::new();
    let mut statement = connection.prepare("SELECT number, vehicles FROM vehicle_log ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let vehicles: Vec<Logged> = postcard::from_bytes(bytes)
            .map_err(|error| Error::Corrupt(format!("the log of vehicles is damaged: {error}")))?;
        newest.extend(vehicles.into_iter().map(|vehicle| (vehicle.number, vehicle)));
    }
    for Logged { number, version, digest, last_event, listed_after, timeline } in newest.into_values() {
        let values = params![number, column(version), digest.cast_signed(), last_event, listed_after, timeline];
        connection.prepare_cached(UPDATE)?.execute(values)?;
    }
    connection.execute("DELETE FROM vehicle_log", [])?;
    Ok(())
}

const UPDATE: &str = "
    UPDATE vehicle SET version = ?2, digest = ?3, last_event_no = ?4, listed_after_no = ?5, timeline = ?6
    WHERE vehicle_no = ?1";

fn update(connection: &Connection, state: &StoredVehicle, timeline: &[u8]) -> Result<(), Error> {
    let (version, digest) = (column(state.base.version), state.base.digest.cast_signed());
    let values = params![state.number, version, digest, state.last_event, state.listed_after, timeline];
    connection.prepare_cached(UPDATE)?.execute(values)?;
    Ok(())
}
