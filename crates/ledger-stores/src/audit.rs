//! Collects everything that a ledger has about some vehicles, to compare it with the definition of sessions in
//! `matching::history`.
//!
//! Both adapters scan whole tables in storage order, for one range of vehicle numbers at a time: an index by vehicle
//! would cost one more page write for each recorded event.

use std::collections::{HashMap, HashSet};

use matching::history::Account;
use matching::{Flags, Timeline, TimelineEvent};
use parking::{EventKey, Session, SessionId, Source, State, Timestamp, Vehicle};
use uuid::Uuid;

use super::encoding::{Code as _, event_key, word_of};
use super::{Audited, AuditedVehicle, Error};

/// Events are read in parts of about this size, about 300 bytes each with their sessions. Tests use a small number, to
/// have several parts.
pub(super) const PART_EVENTS: u64 = if cfg!(test) { 20 } else { 500_000 };

/// The row of a vehicle.
pub(super) struct VehicleRow {
    pub(super) number: i64,
    pub(super) vehicle: Vehicle,
    pub(super) timeline: Timeline,
    pub(super) last_event: Option<i64>,
}

/// The row of an event.
pub(super) struct EventColumns {
    pub(super) number: i64,
    pub(super) previous: Option<i64>,
    pub(super) vehicle: i64,
    pub(super) time_ms: i64,
    pub(super) direction: i16,
    pub(super) id: Uuid,
    pub(super) flags: u8,
    /// Whether another event supersedes it.
    pub(super) is_superseded: bool,
    /// Whether it is due to be looked at for that.
    pub(super) is_due: bool,
}

/// The row of a session. Events are stored as numbers.
pub(super) struct SessionColumns {
    pub(super) id: Uuid,
    pub(super) vehicle: i64,
    pub(super) state: i16,
    pub(super) reason: Option<i16>,
    pub(super) source: i16,
    pub(super) entry: (Option<i64>, Option<i64>),
    pub(super) exit: (Option<i64>, Option<i64>),
}

/// Collects the rows of a range of vehicles.
pub(super) struct Collector {
    rows: Vec<VehicleRow>,
    indexes: HashMap<i64, usize>,
    vehicles: Vec<AuditedVehicle>,
    events: HashMap<i64, (Option<i64>, EventKey)>,
    unread: Vec<bool>,
}

impl Collector {
    /// Starts with the vehicles of a range. `is_unread` tells which plates were not read.
    pub(super) fn new(rows: Vec<VehicleRow>, is_unread: impl Fn(&Vehicle) -> bool) -> Self {
        let of = |row: &VehicleRow| AuditedVehicle {
            number: row.number,
            vehicle: row.vehicle.clone(),
            account: Account { timeline: row.timeline.clone(), ..Account::default() },
            unchained: Vec::new(),
            mismarked: Vec::new(),
            summaries: Vec::new(),
        };
        Self {
            indexes: rows.iter().enumerate().map(|(index, row)| (row.number, index)).collect(),
            vehicles: rows.iter().map(of).collect(),
            unread: rows.iter().map(|row| is_unread(&row.vehicle)).collect(),
            events: HashMap::new(),
            rows,
        }
    }

    /// Adds an event. Its flags come from the stored timeline as long as the event is in it.
    pub(super) fn event(&mut self, event: &EventColumns) -> Result<(), Error> {
        let key = event_key(event.time_ms, event.direction, event.id)?;
        let index = self.index_of(event.vehicle)?;
        let AuditedVehicle { account, mismarked, .. } = &mut self.vehicles[index];
        let decided = account.timeline.position(&key).map(|index| account.timeline.events()[index].flags);
        let flags = decided.unwrap_or_else(|| Flags::from_bits(event.flags));
        account.events.push(TimelineEvent { key, flags });
        let is_wrong = !event.is_due && flags.has(Flags::SUPERSEDED) != event.is_superseded;
        mismarked.extend(is_wrong.then_some(event.id));
        self.events.insert(event.number, (event.previous, key));
        Ok(())
    }

    /// Adds a session. All events must have been added before.
    pub(super) fn session(&mut self, row: &SessionColumns) -> Result<(), Error> {
        let index = self.index_of(row.vehicle)?;
        let id = SessionId::from_uuid(row.id);
        let end = |(number, time_ms): (Option<i64>, Option<i64>)| {
            let event = number.and_then(|number| self.events.get(&number)).map(|(_, key)| key.id);
            (event, time_ms.map(Timestamp::from_millis))
        };
        let ((entry_event_id, entry_time), (exit_event_id, exit_time)) = (end(row.entry), end(row.exit));
        let vehicle = &mut self.vehicles[index];
        let session = Session {
            id,
            vehicle: vehicle.vehicle.clone(),
            entry_event_id,
            entry_time,
            exit_event_id,
            exit_time,
            state: State::from_code(row.state)?,
            reason: word_of(row.reason)?,
        };
        match (Source::from_code(row.source)?, session.state) {
            (Source::Summary, _) => vehicle.summaries.push(session),
            (Source::Events, State::Void) => vehicle.account.void.push(id),
            (Source::Events, _) => vehicle.account.standing.push(session),
        }
        Ok(())
    }

    /// Returns the vehicles, with their events in order.
    pub(super) fn finish(mut self, next: Option<i64>) -> Audited {
        for (index, row) in self.rows.iter().enumerate() {
            let vehicle = &mut self.vehicles[index];
            vehicle.account.events.sort_unstable_by_key(|event| event.key);
            if !self.unread[index] {
                vehicle.unchained = unchained(&self.events, row.last_event, &vehicle.account.events);
            }
        }
        Audited { vehicles: self.vehicles, next }
    }

    fn index_of(&self, vehicle: i64) -> Result<usize, Error> {
        let index = self.indexes.get(&vehicle).copied();
        index.ok_or_else(|| Error::Corrupt(format!("a row belongs to the vehicle {vehicle}, which is missing")))
    }
}

/// Returns the events that the chain does not reach. Event numbers do not give the order: concurrent writers reserve
/// numbers before they write the vehicle.
fn unchained(events: &HashMap<i64, (Option<i64>, EventKey)>, last: Option<i64>, all: &[TimelineEvent]) -> Vec<Uuid> {
    let mut chained = HashSet::with_capacity(all.len());
    let mut next = last;
    while let Some((previous, key)) = next.and_then(|number| events.get(&number)) {
        if !chained.insert(*key) {
            chained.clear();
            break;
        }
        next = *previous;
    }
    all.iter().filter(|event| !chained.contains(&event.key)).map(|event| event.key.id).collect()
}
