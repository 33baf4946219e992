//! What units change: decided here, in memory, for both adapters.
//!
//! An adapter loads the vehicles of its units, hands them over, gives the units one after the other, and applies the
//! rows that come out. Two units of one vehicle are compared one after the other. Nothing here waits. `unit` takes one
//! unit into a plan.
//!
//! An event's row points to the row of the vehicle's event recorded before it: a late event and the search for a plate
//! walk this chain, so that no index has to be kept for them. A vehicle that is seen again and again would have a
//! long one, hence the sessions of a vehicle with more than
//! [`CHAINED_EVENTS`](unit::CHAINED_EVENTS) are listed in a small index instead.

use std::collections::{BTreeMap, HashMap, HashSet};

use matching::{Flags, Outcome, Unit};
use parking::{SessionId, Source, State, Timestamp, Vehicle};

use self::unit::UnitWriter;
use super::rollup::Rollup;
use super::rows::{ChangeWrite, End, EventWrite, ExitsBefore, LotWrite, PlannedVehicle, SessionWrite, StoredVehicle};
use super::{Error, SessionRow, Summary};

mod unit;

pub(super) use self::unit::{names_older_events, numbered};

/// Units being recorded, and the rows that they write.
#[derive(Debug)]
pub(super) struct Plan {
    vehicles: HashMap<Vehicle, PlannedVehicle>,
    /// Sessions of unread plates that are there.
    known_unread: HashSet<SessionId>,
    exits_before: ExitsBefore,
    next_event: i64,
    pub(super) events: Vec<EventWrite>,
    flags: Vec<(i64, Flags)>,
    pub(super) changes: Vec<ChangeWrite>,
    pub(super) lots: BTreeMap<i64, LotWrite>,
    pub(super) quarters: Rollup,
    sessions: Vec<SessionWrite>,
}

impl Plan {
    /// A plan about `vehicles`, whose new events are numbered from `first_event` on. `known_unread` are those sessions
    /// of units without a base that are recorded; `exits_before` has the sessions of which a unit changes the exit.
    pub(super) fn new(
        vehicles: HashMap<Vehicle, PlannedVehicle>,
        known_unread: HashSet<SessionId>,
        exits_before: ExitsBefore,
        first_event: i64,
    ) -> Self {
        Self {
            vehicles,
            known_unread,
            exits_before,
            next_event: first_event,
            events: Vec::new(),
            flags: Vec::new(),
            changes: Vec::new(),
            lots: BTreeMap::new(),
            quarters: Rollup::default(),
            sessions: Vec::new(),
        }
    }

    /// Compares a unit with its vehicle and takes it or leaves it. After an error nothing of the plan may be written.
    pub(super) fn take(&mut self, unit: &Unit, now: Timestamp) -> Result<Outcome, Error> {
        let Some(vehicle) = self.vehicles.get_mut(&unit.vehicle) else {
            return Err(Error::Corrupt("a vehicle of the plan was not loaded".into()));
        };
        let mut writer = UnitWriter {
            next_event: &mut self.next_event,
            events: &mut self.events,
            sessions: &mut self.sessions,
            changes: &mut self.changes,
            quarters: &mut self.quarters,
            exits_before: &mut self.exits_before,
            lot: self.lots.entry(vehicle.row.lot_number).or_default(),
            vehicle,
            now,
        };
        match unit.base {
            Some(base) if base != writer.vehicle.row.base => Ok(Outcome::Lost(writer.vehicle.row.snapshot())),
            Some(_) => writer.take_decided(unit, &mut self.flags).map(Outcome::Recorded),
            None => writer.take_unread(unit, &mut self.known_unread).map(Outcome::Recorded),
        }
    }

    /// Writes a summary as a new session, and returns that as it will be read.
    pub(super) fn save(&mut self, summary: &Summary, now: Timestamp) -> Result<SessionRow, Error> {
        let Some(vehicle) = self.vehicles.get_mut(&summary.vehicle) else {
            return Err(Error::Corrupt("the vehicle of a summary was not loaded".into()));
        };
        vehicle.is_changed |= vehicle.is_new;
        let id = summary.id();
        self.sessions.push(SessionWrite {
            id,
            vehicle_number: vehicle.row.number,
            lot_number: vehicle.row.lot_number,
            state: State::Matched,
            reason: None,
            source: Source::Summary,
            entry: Some(End { event_number: None, time: summary.entry }),
            exit: Some(End { event_number: None, time: summary.exit }),
            superseded_by: None,
            is_new: true,
            is_listed: true,
            recorded_at: now,
            updated_at: now,
        });
        let to = State::Matched;
        self.changes.push(ChangeWrite {
            session: id,
            vehicle_version: 0,
            from: None,
            to,
            rule: None,
            recorded_at: now,
        });
        Ok(summary.row(now))
    }

    /// The vehicles whose rows have to be written, by number.
    pub(super) fn changed_vehicles(&self) -> Vec<(&Vehicle, &PlannedVehicle)> {
        let mut changed: Vec<_> = self.vehicles.iter().filter(|(_, vehicle)| vehicle.is_changed).collect();
        changed.sort_unstable_by_key(|(_, vehicle)| vehicle.row.number);
        changed
    }

    /// Returns the vehicles that get a new row.
    pub(super) fn new_vehicles(&self) -> impl Iterator<Item = &StoredVehicle> {
        self.vehicles.values().filter(|vehicle| vehicle.is_new && vehicle.is_changed).map(|vehicle| &vehicle.row)
    }

    /// Like `changed_vehicles`, but consumes the plan, once everything else is written.
    pub(super) fn into_changed_vehicles(self) -> Vec<(Vehicle, PlannedVehicle)> {
        let mut changed: Vec<_> = self.vehicles.into_iter().filter(|(_, vehicle)| vehicle.is_changed).collect();
        changed.sort_unstable_by_key(|(_, vehicle)| vehicle.row.number);
        changed
    }

    /// The flags to write, each event once and by number.
    pub(super) fn take_flags(&mut self) -> Vec<(i64, Flags)> {
        let mut flags = std::mem::take(&mut self.flags);
        flags.sort_by_key(|(number, _)| *number);
        flags.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                *kept = *later;
            }
            is_same
        });
        flags
    }

    /// The sessions to write, each once and by id.
    pub(super) fn take_sessions(&mut self) -> Vec<SessionWrite> {
        let mut sessions = std::mem::take(&mut self.sessions);
        sessions.sort_by_key(|session| session.id);
        sessions.dedup_by(|later, kept| {
            let is_same = later.id == kept.id;
            if is_same {
                std::mem::swap(kept, later);
                kept.recorded_at = later.recorded_at;
                kept.is_new = later.is_new;
                kept.is_listed = later.is_listed;
            }
            is_same
        });
        sessions
    }
}
