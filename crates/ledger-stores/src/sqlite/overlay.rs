//! An in-memory overlay of the tables: what is committed and not applied, in layers, the newest one last.
//!
//! The writer adds each commit to the last layer. The applier closes that layer, writes it to the tables, and removes
//! it. Comparisons and loads look here first and then in the tables: rows in memory win. A cache keeps the vehicles
//! applied last, because vehicles come back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use matching::Flags;
use parking::{LotId, SessionId, Source, Vehicle};
use rusqlite::Connection;

use super::vehicles;
use crate::Error;
use crate::chain::ChainEvent;
use crate::plan::Plan;
use crate::rollup::Rollup;
use crate::rows::{ChangeWrite, EventWrite, LotWrite, SessionWrite, StoredVehicle};

/// The size of one of the two generations of cached vehicles, unless one layer is larger.
const KEPT_VEHICLES: usize = if cfg!(test) { 3 } else { 32_768 };

/// The rows that are committed and not applied.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    layers: RwLock<Layers>,
}

/// The layers as of one moment.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// Closed, to be written to the tables in this order.
    closed: VecDeque<Arc<Layer>>,
    /// The layer that takes commits.
    open: Layer,
    /// Cached vehicles that the tables have too.
    kept: [HashMap<Vehicle, StoredVehicle>; 2],
}

/// What some commits changed, merged: each row once.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// The last entry of the journal that is in it.
    pub(super) last_entry: i64,
    /// Events and summaries.
    pub(super) events_and_summaries: usize,
    pub(super) vehicles: HashMap<Vehicle, LayerVehicle>,
    pub(super) lots: Vec<(i64, LotId)>,
    /// By number, without gaps.
    pub(super) events: Vec<EventWrite>,
    /// Of events of earlier layers.
    pub(super) flags: BTreeMap<i64, Flags>,
    pub(super) sessions: HashMap<SessionId, SessionWrite>,
    pub(super) first_change: i64,
    pub(super) changes: Vec<ChangeWrite>,
    pub(super) lot_writes: BTreeMap<i64, LotWrite>,
    pub(super) quarters: Rollup,
}

/// A vehicle as a layer leaves it.
#[derive(Debug)]
pub(super) struct LayerVehicle {
    pub(super) row: StoredVehicle,
    /// It has no row in the tables before this layer.
    pub(super) is_new: bool,
}

impl Overlay {
    /// The layers of this moment; none is taken away while they are held.
    pub(super) fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a commit changed, which the journal has as its entry with this number; how many events and summaries
    /// that is. The changes are numbered from `first_change` on. A layer with `most` events and summaries takes no more.
    pub(super) fn absorb(
        &self,
        plan: Plan,
        entry: i64,
        lots: Vec<(i64, LotId)>,
        first_change: i64,
        most: usize,
    ) -> usize {
        let mut layers = self.layers_mut();
        let before = layers.open.events_and_summaries;
        layers.open.absorb(plan, entry, lots, first_change);
        let absorbed = layers.open.events_and_summaries - before;
        if layers.open.events_and_summaries >= most {
            layers.close();
        }
        absorbed
    }

    /// The layer to write next. It stays until [`written`](Self::written).
    pub(super) fn next(&self) -> Option<Arc<Layer>> {
        if let Some(next) = self.layers().closed.front() {
            return Some(Arc::clone(next));
        }
        let mut layers = self.layers_mut();
        if layers.open.last_entry > 0 {
            layers.close();
        }
        layers.closed.front().map(Arc::clone)
    }

    /// Takes away the first layer, which the tables have now.
    pub(super) fn written(&self, layer: Arc<Layer>) {
        let mut layers = self.layers_mut();
        drop(layers.closed.pop_front());
        let mut layer = Arc::into_inner(layer);
        // In the same step: an older state of a vehicle may be kept.
        let forgotten = layer.as_mut().map(|layer| layers.keep(std::mem::take(&mut layer.vehicles)));
        // The memory is given back after the lock.
        drop(layers);
        drop((layer, forgotten));
    }

    /// Forgets the states that the tables have.
    pub(super) fn forget(&self) {
        let forgotten = std::mem::take(&mut self.layers_mut().kept);
        drop(forgotten);
    }
}

impl Layers {
    fn close(&mut self) {
        let closed = std::mem::take(&mut self.open);
        self.closed.push_back(Arc::new(closed));
    }

    /// Keeps the states of vehicles; those that are forgotten for them.
    fn keep(&mut self, vehicles: HashMap<Vehicle, LayerVehicle>) -> HashMap<Vehicle, StoredVehicle> {
        let mut forgotten = HashMap::new();
        if self.kept[0].len() + vehicles.len() > KEPT_VEHICLES {
            self.kept.swap(0, 1);
            forgotten = std::mem::take(&mut self.kept[0]);
        }
        // All of them: an older state of one that was left out would be found.
        self.kept[0].extend(vehicles.into_iter().map(|(vehicle, written)| (vehicle, written.row)));
        forgotten
    }

    fn newest_first(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.open).chain(self.closed.iter().rev().map(|layer| &**layer))
    }

    /// How a vehicle stands, unless only its row says it.
    pub(super) fn vehicle(&self, vehicle: &Vehicle) -> Option<&StoredVehicle> {
        let ahead = self.newest_first().find_map(|layer| layer.vehicles.get(vehicle));
        ahead.map(|ahead| &ahead.row).or_else(|| self.kept.iter().find_map(|kept| kept.get(vehicle)))
    }

    /// A session, unless only its row says it.
    pub(super) fn session(&self, id: SessionId) -> Option<&SessionWrite> {
        self.newest_first().find_map(|layer| layer.sessions.get(&id))
    }

    /// The events of the chain that ends at `last`, the newest recorded first. Nothing may have been read from the tables
    /// before these layers were taken.
    pub(super) fn chain(&self, tables: &Connection, last: Option<i64>) -> Result<Vec<ChainEvent>, Error> {
        let (mut events, mut next) = (Vec::new(), last);
        while let Some((event, previous)) = next.and_then(|number| self.event(number)) {
            events.push(event);
            next = previous;
        }
        for event in vehicles::chain(tables, next)? {
            let flags = self.flags(event.number).unwrap_or(event.flags);
            events.push(ChainEvent { flags, ..event });
        }
        Ok(events)
    }

    /// An event that the tables lack: it, and the one of its vehicle before it.
    fn event(&self, number: i64) -> Option<(ChainEvent, Option<i64>)> {
        let layer = self.newest_first().find(|layer| layer.first_event().is_some_and(|first| first <= number))?;
        let place = usize::try_from(number - layer.first_event()?).ok()?;
        let row = layer.events.get(place)?;
        let flags = self.flags(number).unwrap_or(row.event.flags);
        Some((ChainEvent { number, key: row.event.key, flags }, row.previous))
    }

    /// Flags of an event that its row lacks.
    fn flags(&self, number: i64) -> Option<Flags> {
        self.newest_first().find_map(|layer| layer.flags.get(&number).copied())
    }
}

impl Layer {
    fn first_event(&self) -> Option<i64> {
        self.events.first().map(|event| event.number)
    }

    fn absorb(&mut self, mut plan: Plan, entry: i64, lots: Vec<(i64, LotId)>, first_change: i64) {
        if self.last_entry == 0 {
            self.first_change = first_change;
        }
        self.last_entry = entry;
        let flags = plan.take_flags();
        for session in plan.take_sessions() {
            self.events_and_summaries += usize::from(session.source == Source::Summary);
            self.take_session(session);
        }
        self.events_and_summaries += plan.events.len();
        self.lots.extend(lots);
        self.events.append(&mut plan.events);
        self.changes.append(&mut plan.changes);
        for (number, flags) in flags {
            self.take_flags(number, flags);
        }
        for (number, write) in std::mem::take(&mut plan.lots) {
            let known = self.lot_writes.entry(number).or_default();
            known.newest = known.newest.max(write.newest);
            known.inside += write.inside;
        }
        self.quarters.merge(std::mem::take(&mut plan.quarters));
        for (vehicle, planned) in plan.into_changed_vehicles() {
            let is_new = planned.is_new || self.vehicles.get(&vehicle).is_some_and(|known| known.is_new);
            self.vehicles.insert(vehicle, LayerVehicle { row: planned.row, is_new });
        }
    }

    fn take_session(&mut self, mut session: SessionWrite) {
        if let Some(known) = self.sessions.get(&session.id) {
            session.recorded_at = known.recorded_at;
            session.is_new = known.is_new;
            session.is_listed = known.is_listed;
        }
        self.sessions.insert(session.id, session);
    }

    fn take_flags(&mut self, number: i64, flags: Flags) {
        let place = self.first_event().and_then(|first| usize::try_from(number - first).ok());
        match place.and_then(|place| self.events.get_mut(place)) {
            Some(row) => row.event.flags = flags,
            None => drop(self.flags.insert(number, flags)),
        }
    }
}
