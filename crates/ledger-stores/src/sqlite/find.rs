//! Looks up what a decision needs: in the overlay, then in the tables.

use std::collections::{BTreeSet, HashMap, HashSet};

use matching::Unit;
use parking::{EventKey, LotId, SessionId, State, Timestamp, Vehicle};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::backlog::Backlog;
use super::overlay::{Layers, Overlay};
use super::{read, vehicles};
use crate::encoding::column;
use crate::group::{LoadedState, PendingWrites};
use crate::plan::{Plan, names_older_events, numbered};
use crate::rows::{End, ExitsBefore, PlannedVehicle, StoredVehicle};
use crate::{Error, SessionRow};

pub(super) const ENDS: &str = "SELECT entry_no, exit_no FROM session WHERE session_id = ?1";

/// The next numbers of events, vehicles, changes and lots, counting what is not applied.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) event: i64,
    pub(super) vehicle: i64,
    pub(super) change: i64,
    lots: HashMap<LotId, i64>,
    next_lot: i64,
}

impl Numbers {
    /// The numbers after those in the tables.
    pub(super) fn of(tables: &Connection) -> Result<Self, Error> {
        let next = |sql| Ok::<i64, Error>(tables.query_row(sql, [], |row| row.get(0))?);
        let mut lots = HashMap::new();
        let mut statement = tables.prepare("SELECT lot_id, lot_no FROM lot")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            lots.insert(crate::encoding::lot_id(&row.get::<_, String>(0)?)?, row.get(1)?);
        }
        Ok(Self {
            event: next("SELECT coalesce(max(event_no), 0) + 1 FROM event")?,
            vehicle: next("SELECT coalesce(max(vehicle_no), 0) + 1 FROM vehicle")?,
            change: next("SELECT coalesce(max(sequence), 0) + 1 FROM change")?,
            next_lot: next("SELECT coalesce(max(lot_no), 0) + 1 FROM lot")?,
            lots,
        })
    }

    /// Adds the plan of a journal entry to the overlay and advances the numbers; returns its count of events and summaries.
    pub(super) fn commit(&mut self, plan: Plan, entry: i64, lots: Vec<(i64, LotId)>, backlog: &Backlog) -> usize {
        let change = self.change;
        self.event += column(plan.events.len());
        self.change += column(plan.changes.len());
        // Those that lost have taken numbers in between.
        let last = plan.new_vehicles().map(|row| row.number).max();
        self.vehicle = last.map_or(self.vehicle, |last| last + 1);
        for (number, lot) in &lots {
            self.lots.insert(lot.clone(), *number);
            self.next_lot = self.next_lot.max(number + 1);
        }
        backlog.overlay.absorb(plan, entry, lots, change, backlog.pace.most_events)
    }

    /// The number of the newest change; 0 before the first.
    pub(super) fn last_change(&self) -> u64 {
        u64::try_from(self.change - 1).unwrap_or(0)
    }

    /// The numbers of the lots of these vehicles, and those of them that are new.
    fn of_lots<'a>(&self, names: &[&'a Vehicle]) -> (HashMap<&'a LotId, i64>, Vec<(i64, LotId)>) {
        let lots: BTreeSet<&LotId> = names.iter().map(|vehicle| &vehicle.lot).collect();
        let mut new = Vec::new();
        let number = |lot: &'a LotId| {
            let number = self.lots.get(lot).copied().unwrap_or_else(|| {
                let number = self.next_lot + column(new.len());
                new.push((number, lot.clone()));
                number
            });
            (lot, number)
        };
        let numbers = lots.into_iter().map(number).collect();
        (numbers, new)
    }
}

/// What the work needs to know, and the lots that it makes known. Nothing may have been read from `tables` in this
/// moment.
pub(super) fn find(
    tables: &Connection,
    overlay: &Overlay,
    numbers: &Numbers,
    work: &PendingWrites<'_>,
) -> Result<(LoadedState, Vec<(i64, LotId)>), Error> {
    // Held to the end: otherwise a layer could be applied and removed between the two look-ups.
    let layers = overlay.layers();
    let names = work.vehicles();
    let (lots, new_lots) = numbers.of_lots(&names);
    let mut next_vehicle = numbers.vehicle;
    let mut vehicles = HashMap::with_capacity(names.len());
    for name in names {
        let lot_number = lots[&name.lot];
        let found = match layers.vehicle(name) {
            Some(state) => Some(state.clone()),
            None => vehicles::find(tables, name.plate.as_str(), lot_number)?,
        };
        let is_new = found.is_none();
        let row = found.unwrap_or_else(|| StoredVehicle::new(next_vehicle, lot_number));
        next_vehicle += i64::from(is_new);
        vehicles.insert(name.clone(), PlannedVehicle::new(row, is_new));
    }
    for unit in work.units() {
        let Some(vehicle) = vehicles.get_mut(&unit.vehicle) else { continue };
        if vehicle.older.is_empty() && names_older_events(unit, &vehicle.row) {
            let chain = layers.chain(tables, vehicle.row.last_event)?;
            vehicle.older = chain.into_iter().map(|event| (event.key, event.number)).collect();
            if vehicle.older.is_empty() {
                vehicle.older = ends(tables, &layers, unit)?;
            }
        }
    }
    let found = LoadedState {
        vehicles,
        unread: unread(tables, &layers, work)?,
        exits_before: exits_before(tables, &layers, work)?,
        summaries: summaries(tables, &layers, work)?,
        next_event: numbers.event,
    };
    Ok((found, new_lots))
}

/// The numbers of the events of a unit's sessions. Events whose plate was not read are in no chain.
fn ends(tables: &Connection, layers: &Layers, unit: &Unit) -> Result<HashMap<EventKey, i64>, Error> {
    let mut numbers = HashMap::new();
    let mut find = tables.prepare_cached(ENDS)?;
    for change in &unit.changes {
        let number = |end: Option<End>| end.and_then(|end| end.event_number);
        let found = if let Some(session) = layers.session(change.session) {
            Some((number(session.entry), number(session.exit)))
        } else {
            let id = change.session.as_uuid();
            find.query_row(params![id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?
        };
        numbers.extend(found.into_iter().flat_map(|(entry, exit)| numbered(change, entry, exit)));
    }
    Ok(numbers)
}

fn exits_before(tables: &Connection, layers: &Layers, work: &PendingWrites<'_>) -> Result<ExitsBefore, Error> {
    let mut exits = ExitsBefore::new();
    let mut find = tables.prepare_cached("SELECT exit_ms FROM session WHERE session_id = ?1 AND state = 2")?;
    for id in work.of_changed_exit() {
        let exit = if let Some(session) = layers.session(id) {
            session.exit.filter(|_| session.state == State::Matched).map(|end| end.time)
        } else {
            let exit_ms = find.query_row(params![id.as_uuid().as_bytes()], |row| row.get(0)).optional()?;
            exit_ms.map(Timestamp::from_millis)
        };
        exits.insert(id, exit);
    }
    Ok(exits)
}

fn unread(tables: &Connection, layers: &Layers, work: &PendingWrites<'_>) -> Result<HashSet<SessionId>, Error> {
    let mut known = HashSet::new();
    let mut find = tables.prepare_cached("SELECT 1 FROM session WHERE session_id = ?1")?;
    for id in work.unread() {
        let is_known = layers.session(id).is_some()
            || find.query_row(params![id.as_uuid().as_bytes()], |_| Ok(())).optional()?.is_some();
        known.extend(is_known.then_some(id));
    }
    Ok(known)
}

fn summaries(
    tables: &Connection,
    layers: &Layers,
    work: &PendingWrites<'_>,
) -> Result<HashMap<SessionId, SessionRow>, Error> {
    let mut known = HashMap::new();
    for summary in work.summaries() {
        let row = match layers.session(summary.id()) {
            Some(saved) => Some(summary.row(saved.recorded_at)),
            None => read::session(tables, summary.id())?,
        };
        known.extend(row.map(|row| (summary.id(), row)));
    }
    Ok(known)
}
