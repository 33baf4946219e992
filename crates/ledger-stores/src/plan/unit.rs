//! Takes one unit into a plan: the vehicle as it stands from then on, and the rows of its events and sessions.

use std::collections::{HashMap, HashSet};

use matching::{Applied, ExpectedVersion, Flags, RecordedEvent, SessionChange, Timeline, Unit};
use parking::{Direction, EventKey, SessionId, Source, State, Timestamp};

use crate::Error;
use crate::rollup::Rollup;
use crate::rows::{ChangeWrite, End, EventWrite, ExitsBefore, LotWrite, PlannedVehicle, SessionWrite, StoredVehicle};

/// The sessions of a vehicle with more events than this are in the index of listed sessions.
pub(super) const CHAINED_EVENTS: u64 = 256;

/// Whether a unit names events that are neither new nor in the stored timeline, so that `older` has to be loaded.
pub(crate) fn names_older_events(unit: &Unit, stored: &StoredVehicle) -> bool {
    let mut new: Vec<EventKey> = unit.events.iter().map(|event| event.key).collect();
    new.sort_unstable();
    let is_known = |key: &EventKey| stored.timeline.position(key).is_some() || new.binary_search(key).is_ok();
    let knows_all = unit.timeline.events().iter().all(|event| is_known(&event.key))
        && unit.flags.iter().all(|(key, _)| is_known(key))
        && unit.changes.iter().flat_map(ends_of).all(|key| is_known(&key));
    unit.base.is_some() && !knows_all
}

fn ends_of(change: &SessionChange) -> impl Iterator<Item = EventKey> {
    entry_key(change).into_iter().chain(exit_key(change))
}

/// The ends of a changed session with the numbers of their events, as far as both are known.
pub(crate) fn numbered(
    change: &SessionChange,
    entry: Option<i64>,
    exit: Option<i64>,
) -> impl Iterator<Item = (EventKey, i64)> {
    entry_key(change).zip(entry).into_iter().chain(exit_key(change).zip(exit))
}

fn entry_key(change: &SessionChange) -> Option<EventKey> {
    change.entry.map(|event| EventKey { time: event.time, direction: Direction::Entry, id: event.id })
}

fn exit_key(change: &SessionChange) -> Option<EventKey> {
    change.exit.map(|event| EventKey { time: event.time, direction: Direction::Exit, id: event.id })
}

/// The numbers of the events that a unit names: of its new ones, and of those in the timeline before.
struct EventNumbers {
    new: Vec<(EventKey, i64)>,
    before: Timeline,
    before_numbers: Vec<i64>,
}

impl EventNumbers {
    fn of(&self, key: &EventKey, older: &HashMap<EventKey, i64>) -> Result<i64, Error> {
        if let Some(place) = self.before.position(key) {
            return Ok(self.before_numbers[place]);
        }
        let new = self.new.binary_search_by_key(key, |(known, _)| *known).ok();
        let number = new.map(|place| self.new[place].1).or_else(|| older.get(key).copied());
        number.ok_or_else(|| Error::Corrupt(format!("a unit names the event {}, which is not recorded", key.id)))
    }
}

/// Writes one unit into the rows of its plan.
pub(super) struct UnitWriter<'b> {
    pub(super) vehicle: &'b mut PlannedVehicle,
    pub(super) lot: &'b mut LotWrite,
    pub(super) next_event: &'b mut i64,
    pub(super) events: &'b mut Vec<EventWrite>,
    pub(super) sessions: &'b mut Vec<SessionWrite>,
    pub(super) changes: &'b mut Vec<ChangeWrite>,
    pub(super) quarters: &'b mut Rollup,
    pub(super) exits_before: &'b mut ExitsBefore,
    pub(super) now: Timestamp,
}

impl UnitWriter<'_> {
    /// Takes a unit whose base is that of the vehicle.
    pub(super) fn take_decided(&mut self, unit: &Unit, flags: &mut Vec<(i64, Flags)>) -> Result<Applied, Error> {
        let version = unit.next_version();
        let applied = Applied {
            events: u32::try_from(unit.events.len()).unwrap_or(u32::MAX),
            matched: unit.first_matched,
            unmatched: unit.first_unmatched,
        };
        let row = &mut self.vehicle.row;
        let is_frequent = row.base.version > CHAINED_EVENTS;
        if is_frequent && row.listed_after.is_none() {
            row.listed_after = row.last_event;
        }
        row.base = ExpectedVersion { version, digest: unit.timeline.digest() };
        let mut numbers = EventNumbers {
            new: Vec::with_capacity(unit.events.len()),
            before: std::mem::replace(&mut row.timeline, unit.timeline.clone()),
            before_numbers: std::mem::take(&mut row.event_numbers),
        };
        for event in &unit.events {
            let previous = self.vehicle.row.last_event.replace(*self.next_event);
            numbers.new.push((event.key, *self.next_event));
            self.write_event(event, previous);
        }
        numbers.new.sort_unstable_by_key(|(key, _)| *key);
        for change in &unit.changes {
            self.write_change(change, version, is_frequent, |key, older| numbers.of(key, older))?;
        }
        self.write_flags(&unit.flags, &numbers, flags)?;
        let keys = self.vehicle.row.timeline.events().iter().map(|event| &event.key);
        let event_numbers = keys.map(|key| numbers.of(key, &self.vehicle.older)).collect::<Result<_, _>>()?;
        self.vehicle.row.event_numbers = event_numbers;
        self.vehicle.is_changed = true;
        self.keep_what_was_cut(numbers);
        Ok(applied)
    }

    /// While an event is in the stored timeline, that has its flags; its row gets them when it leaves.
    fn write_flags(
        &self,
        changed: &[(EventKey, Flags)],
        numbers: &EventNumbers,
        flags: &mut Vec<(i64, Flags)>,
    ) -> Result<(), Error> {
        let timeline = &self.vehicle.row.timeline;
        let left = numbers.before.events().iter().map(|event| (event.key, event.flags));
        let gone = left.chain(changed.iter().copied()).filter(|(key, _)| timeline.position(key).is_none());
        for (key, decided) in gone {
            flags.push((numbers.of(&key, &self.vehicle.older)?, decided));
        }
        Ok(())
    }

    /// A later unit of the plan may name what this one cut from the timeline.
    fn keep_what_was_cut(&mut self, numbers: EventNumbers) {
        let before = numbers.before.events().iter().map(|event| event.key).zip(numbers.before_numbers);
        let timeline = &self.vehicle.row.timeline;
        let cut = before.chain(numbers.new).filter(|(key, _)| timeline.position(key).is_none());
        self.vehicle.older.extend(cut);
    }

    /// Takes the events of an unread plate that are not known.
    pub(super) fn take_unread(&mut self, unit: &Unit, known: &mut HashSet<SessionId>) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        for (event, change) in unit.events.iter().zip(&unit.changes) {
            if !known.insert(change.session) {
                continue;
            }
            let key = event.key;
            let number = *self.next_event;
            // Outside of the chain: should the rules change, no timeline is made of unread events.
            self.write_event(event, None);
            self.vehicle.row.base.version = self.vehicle.row.base.version.saturating_add(1);
            self.vehicle.is_changed = true;
            self.write_change(change, self.vehicle.row.base.version, true, |_, _| Ok(number))?;
            applied.events += 1;
            applied.unmatched += u32::from(key.direction == Direction::Exit);
        }
        Ok(applied)
    }

    fn write_event(&mut self, event: &RecordedEvent, previous: Option<i64>) {
        self.lot.newest = self.lot.newest.max(Some(event.key.time));
        let (number, vehicle_number) = (*self.next_event, self.vehicle.row.number);
        *self.next_event += 1;
        let event = event.clone();
        self.events.push(EventWrite { number, previous, vehicle_number, event, recorded_at: self.now });
    }

    fn write_change(
        &mut self,
        change: &SessionChange,
        vehicle_version: u64,
        is_listed: bool,
        number: impl Fn(&EventKey, &HashMap<EventKey, i64>) -> Result<i64, Error>,
    ) -> Result<(), Error> {
        let end = |key: Option<EventKey>| -> Result<Option<End>, Error> {
            let Some(key) = key else { return Ok(None) };
            Ok(Some(End { event_number: Some(number(&key, &self.vehicle.older)?), time: key.time }))
        };
        let (entry, exit) = (end(entry_key(change))?, end(exit_key(change))?);
        self.count(change)?;
        self.lot.inside += i64::from(change.to == State::Open) - i64::from(change.from == Some(State::Open));
        self.sessions.push(SessionWrite {
            id: change.session,
            vehicle_number: self.vehicle.row.number,
            lot_number: self.vehicle.row.lot_number,
            state: change.to,
            reason: change.reason,
            source: Source::Events,
            entry,
            exit,
            superseded_by: change.superseded_by,
            is_new: change.from.is_none(),
            is_listed,
            recorded_at: self.now,
            updated_at: self.now,
        });
        self.changes.push(ChangeWrite {
            session: change.session,
            vehicle_version,
            from: change.from,
            to: change.to,
            rule: Some(change.rule),
            recorded_at: self.now,
        });
        Ok(())
    }

    fn count(&mut self, change: &SessionChange) -> Result<(), Error> {
        // Nearly no plan changes an exit that was matched.
        let known = if self.exits_before.is_empty() { None } else { self.exits_before.get_mut(&change.session) };
        let exit_before = known.as_ref().and_then(|exit| **exit);
        if let Some(exit) = known {
            *exit = change.exit.filter(|_| change.to == State::Matched).map(|event| event.time);
        }
        self.quarters.take(self.vehicle.row.lot_number, change, exit_before)
    }
}
