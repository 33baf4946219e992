//! Takes out the reads that other reads supersede: their vehicles are decided again without them.
//!
//! The ledger keeps the ids to look at, together with the events that made them due, until they are looked at: so a
//! crash between two steps costs another look, and several owners of a ledger may look at the same ids. Each decision
//! is recorded like a correlator's: a vehicle that has changed meanwhile is decided again.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{EventRow, SupersededId};
use matching::{Flags, Limits, LoadRequest, Outcome, Snapshot, Unit, superseding_unit, superseding_unread_unit};
use parking::{EventKey, Vehicle};
use uuid::Uuid;

use super::{CallOptions, Error, Inner, Service, within};

/// The ids of one look.
const IDS_MAX: u32 = 256;

impl Service {
    /// Looks at some of the ids that are due. Returns whether there were any.
    pub(crate) async fn supersede_due(&self) -> Result<bool, Error> {
        let inner = &self.inner;
        let due = within(inner.superseded_due(IDS_MAX)).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let mut superseded: BTreeMap<Vehicle, Vec<EventKey>> = BTreeMap::new();
        for SupersededId { id, .. } in &due {
            for event in within(inner.superseded_events(*id)).await? {
                superseded.entry(event.vehicle).or_default().push(event.key);
            }
        }
        let units = within(inner.superseding_units(&superseded)).await?;
        let vehicles: Vec<Vehicle> = units.iter().map(|unit| unit.vehicle.clone()).collect();
        let outcomes = if units.is_empty() { Vec::new() } else { self.record(units, CallOptions::default()).await? };
        let mut lost = BTreeSet::new();
        for (vehicle, outcome) in vehicles.iter().zip(&outcomes) {
            match outcome {
                Outcome::Recorded(_) => inner.log_superseded(vehicle, superseded[vehicle].len()),
                // The vehicle has changed: its ids stay due.
                Outcome::Lost(_) => lost.extend(superseded[vehicle].iter().map(|key| key.id)),
            }
        }
        let done: Vec<SupersededId> = due.into_iter().filter(|looked| !lost.contains(&looked.id)).collect();
        within(async { Ok(inner.ledger.superseded_done(&done, inner.clock.now()).await?) }).await?;
        Ok(true)
    }
}

impl Inner {
    pub(super) async fn superseded_due(&self, most: u32) -> Result<Vec<SupersededId>, Error> {
        Ok(self.ledger.superseded_due(most, self.clock.now()).await?)
    }

    /// The events with this id that another one supersedes, and that count so far.
    async fn superseded_events(&self, id: Uuid) -> Result<Vec<EventRow>, Error> {
        let counts = |event: &EventRow| event.superseded_by.is_some() && !event.flags.has(Flags::SUPERSEDED);
        Ok(self.ledger.events_with_id(id).await?.into_iter().filter(counts).collect())
    }

    /// The units by which these events count as not having happened.
    async fn superseding_units(&self, superseded: &BTreeMap<Vehicle, Vec<EventKey>>) -> Result<Vec<Unit>, Error> {
        let request = |(vehicle, keys): (&Vehicle, &Vec<EventKey>)| LoadRequest {
            vehicle: vehicle.clone(),
            reaching: keys.iter().map(|key| key.time).min(),
        };
        let requests: Vec<LoadRequest> = superseded.iter().map(request).collect();
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let snapshots = self.ledger.load(&requests, &self.rules).await?;
        let mut units = Vec::new();
        for ((vehicle, keys), snapshot) in superseded.iter().zip(snapshots) {
            let unit = if self.rules.is_unread(&vehicle.plate) {
                self.superseding_unread(vehicle, keys, &snapshot).await?
            } else {
                let limits = Limits::of(&self.rules, &vehicle.lot);
                superseding_unit(vehicle, &snapshot, limits, keys).map_err(|_| Error::Defect)?
            };
            units.extend(unit);
        }
        Ok(units)
    }

    /// The unit of events with an unread plate. They are on no timeline, so which of them count is read after the version
    /// that the unit is compared with.
    async fn superseding_unread(
        &self,
        vehicle: &Vehicle,
        keys: &[EventKey],
        snapshot: &Snapshot,
    ) -> Result<Option<Unit>, Error> {
        let mut counting = Vec::new();
        for key in keys {
            let events = self.superseded_events(key.id).await?;
            counting.extend(events.iter().any(|event| event.vehicle == *vehicle && event.key == *key).then_some(*key));
        }
        Ok((!counting.is_empty()).then(|| superseding_unread_unit(vehicle, snapshot.base, &counting)))
    }

    fn log_superseded(&self, vehicle: &Vehicle, events: usize) {
        let lot = &vehicle.lot;
        self.decisions.decision("superseded", || tracing::info!(%lot, events, "read superseded by a later one"));
    }
}
