//! Puts the sessions of a span of time into the order of their ids and writes them as rows.
//!
//! Ids grow with time, so spans one behind the other are all sessions in order.

use event_files::session_file::Row;
use parking::{Direction, EventKey, SessionId, State, Timestamp};
use uuid::Uuid;

use super::names::{KnownNames, PlateRoom};
use super::settling::{SessionRecord, giving_of};
use super::spread::{Spread, place_bits};

/// The time of a session's id stands in its first 48 bits.
const TIME_SHIFT: u32 = u128::BITS - 48;
/// So many records are fetched at once: they lie far apart, and the processor waits for all of them together.
const FETCHED: usize = 64;

/// Puts sessions in order, in room of its own.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Each id, as a number to be compared at once, and its session's place.
    ids: Vec<(u128, u32)>,
    sorted: Vec<(u128, u32)>,
    spread: Spread,
    identity: Vec<u8>,
    fetched: Vec<SessionRecord>,
}

impl Order {
    /// Visits the sessions in the order of their ids.
    pub(super) fn for_each(&mut self, records: &[SessionRecord], names: &KnownNames, mut visit: impl FnMut(&Row<'_>)) {
        let mut room = PlateRoom::default();
        self.ids.clear();
        self.ids.extend((0..).zip(records).map(|(place, record)| {
            let lot = names.lots()[names.lot(record[0])].as_str();
            let id =
                SessionId::of_names(lot, names.plate(record[0], &mut room), &giving_key(record), &mut self.identity);
            (id.as_uuid().as_u128(), place)
        }));
        self.sort();
        for ids in self.sorted.chunks(FETCHED) {
            self.fetched.clear();
            self.fetched.extend(ids.iter().map(|(_, place)| records[*place as usize]));
            for ((id, _), record) in ids.iter().zip(&self.fetched) {
                visit(&row(SessionId::from_uuid(Uuid::from_u128(*id)), record, names, &mut room));
            }
        }
    }

    /// By time, which ids begin with, and then as a whole.
    fn sort(&mut self) {
        let time = |id: u128| u64::try_from(id >> TIME_SHIFT).unwrap_or(u64::MAX);
        let times = self.ids.iter().map(|(id, _)| time(*id));
        let (first, last) = times.fold((u64::MAX, 0), |(first, last), time| (first.min(time), last.max(time)));
        let span = last.saturating_sub(first);
        let shift = (u64::BITS - span.leading_zeros()).saturating_sub(place_bits(self.ids.len()));
        let place_of = |id: u128| usize::try_from((time(id) - first) >> shift).unwrap_or(usize::MAX);
        let places = usize::try_from(span >> shift).unwrap_or(0) + 1;
        self.spread.sort(&self.ids, &mut self.sorted, places, |(id, _)| place_of(*id));
    }
}

fn giving_key(record: &SessionRecord) -> EventKey {
    let (time, (state, _)) = giving_of(record);
    let direction = match state {
        State::UnmatchedExit | State::HeldExit => Direction::Exit,
        State::Matched | State::Open | State::UnmatchedEntry | State::Void => Direction::Entry,
    };
    EventKey { time, direction, id: Uuid::from_u64_pair(record[2], record[3]) }
}

fn row<'a>(id: SessionId, record: &SessionRecord, names: &'a KnownNames, room: &'a mut PlateRoom) -> Row<'a> {
    let (_, (state, reason)) = giving_of(record);
    let giving = giving_key(record);
    let (entry, exit) = match giving.direction {
        Direction::Exit => (None, Some((giving.id, giving.time))),
        Direction::Entry => {
            let exit = || (Uuid::from_u64_pair(record[5], record[6]), Timestamp::from_millis(record[4].cast_signed()));
            (Some((giving.id, giving.time)), (state == State::Matched).then(exit))
        }
    };
    Row {
        id,
        lot: names.lots()[names.lot(record[0])].as_str(),
        plate: names.plate(record[0], room),
        entry_event_id: entry.map(|(id, _)| id),
        entry_time: entry.map(|(_, time)| time),
        exit_event_id: exit.map(|(id, _)| id),
        exit_time: exit.map(|(_, time)| time),
        state,
        reason,
    }
}

#[cfg(test)]
mod tests;
