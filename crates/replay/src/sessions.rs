//! Sorts the sessions of one span of time by id and turns them into rows.
//!
//! Ids begin with the time, so the sorted spans one after the other are all sessions in order.

use event_files::session_file::Row;
use parking::{Direction, EventKey, SessionId, State, Timestamp};
use uuid::Uuid;

use super::interner::{InternedNames, PlateBuffer};
use super::settling::{SessionRecord, anchor_of};

/// Records fetched together: they are far apart in memory, so their cache misses overlap.
const FETCH_RECORDS: usize = 64;

/// Sorts sessions, in reusable buffers.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The id of each session as one comparable number, and its session's index.
    ids: Vec<(u128, u32)>,
    identity: Vec<u8>,
    fetched: Vec<SessionRecord>,
}

impl Order {
    /// Visits the sessions in the order of their ids.
    pub(super) fn for_each(
        &mut self,
        records: &[SessionRecord],
        names: &InternedNames,
        mut visit: impl FnMut(&Row<'_>),
    ) {
        let mut buffer = PlateBuffer::default();
        self.ids.clear();
        self.ids.extend((0..).zip(records).map(|(index, record)| {
            let lot = names.lots()[names.lot(record[0])].as_str();
            let id =
                SessionId::of_names(lot, names.plate(record[0], &mut buffer), &anchor_key(record), &mut self.identity);
            (id.as_uuid().as_u128(), index)
        }));
        self.ids.sort_unstable();
        for ids in self.ids.chunks(FETCH_RECORDS) {
            self.fetched.clear();
            self.fetched.extend(ids.iter().map(|(_, index)| records[*index as usize]));
            for ((id, _), record) in ids.iter().zip(&self.fetched) {
                visit(&row(SessionId::from_uuid(Uuid::from_u128(*id)), record, names, &mut buffer));
            }
        }
    }
}

fn anchor_key(record: &SessionRecord) -> EventKey {
    let (time, (state, _)) = anchor_of(record);
    let direction = match state {
        State::UnmatchedExit | State::HeldExit => Direction::Exit,
        State::Matched | State::Open | State::UnmatchedEntry | State::Void => Direction::Entry,
    };
    EventKey { time, direction, id: Uuid::from_u64_pair(record[2], record[3]) }
}

fn row<'a>(id: SessionId, record: &SessionRecord, names: &'a InternedNames, buffer: &'a mut PlateBuffer) -> Row<'a> {
    let (_, (state, reason)) = anchor_of(record);
    let anchor = anchor_key(record);
    let (entry, exit) = match anchor.direction {
        Direction::Exit => (None, Some((anchor.id, anchor.time))),
        Direction::Entry => {
            let exit = || (Uuid::from_u64_pair(record[5], record[6]), Timestamp::from_millis(record[4].cast_signed()));
            (Some((anchor.id, anchor.time)), (state == State::Matched).then(exit))
        }
    };
    Row {
        id,
        lot: names.lots()[names.lot(record[0])].as_str(),
        plate: names.plate(record[0], buffer),
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
