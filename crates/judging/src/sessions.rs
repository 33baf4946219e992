//! What a matcher decided: the rows of a session file, as far as they can be judged.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use parking::{Reason, State, Timestamp};
use uuid::Uuid;

use crate::score::Paired;
use crate::table::{Table, TableError};
use crate::truth::{Truth, Visit};

/// The sessions of one or more files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decided {
    /// The sessions with both ends.
    pub pairs: Vec<Paired>,
    /// The exits of exact matches that carry a doubt.
    pub doubtful: BTreeSet<Uuid>,
    /// Entries that have a session.
    pub entries: BTreeSet<Uuid>,
    /// Exits that have a session, with their times.
    pub exits: BTreeMap<Uuid, Timestamp>,
    /// Exits among them whose plate was not read.
    pub unread: BTreeSet<Uuid>,
}

impl Decided {
    /// Adds the rows of a session file. Void sessions are left out. A pair counts as one of different plates when it has a
    /// `match_probability`, or an `exit_vehicle_plate` (which is then certain).
    ///
    /// # Errors
    /// It is not a session file.
    pub fn read(&mut self, from: impl io::Read) -> Result<(), TableError> {
        let mut table = Table::new(from)?;
        let [entry, exit] = [table.required("entry_event_id")?, table.required("exit_event_id")?];
        let [left, state, reason] = ["exit_date_time", "state", "reason"].map(|name| table.column(name));
        let exit_plate = table.column("exit_vehicle_plate");
        let [probability, doubt] = ["match_probability", "doubt"].map(|name| table.column(name));
        while let Some(row) = table.next_row()? {
            if row.text(state) == Some(State::Void.as_str()) {
                continue;
            }
            let (entry, exit) = (row.id(entry)?, row.id(exit)?);
            self.entries.extend(entry);
            let Some(exit) = exit else { continue };
            self.exits.insert(exit, row.time(left)?.unwrap_or_default());
            if row.text(reason) == Some(Reason::Unread.as_str()) {
                self.unread.insert(exit);
            }
            let Some(entry) = entry else { continue };
            let certain = || row.text(exit_plate).map(|_| 1.0);
            self.pairs.push(Paired { entry, exit, probability: row.share(probability)?.or_else(certain) });
            if row.share(doubt)?.is_some() {
                self.doubtful.insert(exit);
            }
        }
        Ok(())
    }

    /// The truth with the exits that it does not name: strangers, whose entry was not seen. Reads that say that nothing was
    /// read are not among them.
    #[must_use]
    pub fn with_strangers(&self, mut truth: Truth) -> Truth {
        let known: BTreeSet<Uuid> = truth.ids().collect();
        let strangers = self.exits.iter().filter(|(id, _)| !known.contains(id) && !self.unread.contains(id));
        let visit = |(id, left): (&Uuid, &Timestamp)| Visit {
            plate: String::new(),
            entered: *left,
            left: *left,
            entry: None,
            exit: Some(*id),
            re_reads: Vec::new(),
        };
        truth.visits.extend(strangers.map(visit));
        truth
    }

    /// Whether any read of the truth has a session: else the two do not belong together.
    pub fn knows(&self, truth: &Truth) -> bool {
        truth.ids().any(|id| self.entries.contains(&id) || self.exits.contains_key(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn of_a_session_file_all_but_void_sessions_are_judged() {
        let rows = [(1, 2, "matched", "", "0.9500"), (3, 4, "void", "", ""), (0, 5, "unmatched_exit", "unread", "")];
        let mut lines = vec!["entry_event_id,exit_event_id,exit_date_time,state,reason,match_probability".to_owned()];
        for (entry, exit, state, reason, probability) in rows {
            let entry = if entry == 0 { String::new() } else { id(entry).to_string() };
            lines.push(format!("{entry},{},2024-09-24T09:00:00Z,{state},{reason},{probability}", id(exit)));
        }
        let file = lines.join("\n");
        let mut decided = Decided::default();
        decided.read(file.as_bytes()).unwrap();

        assert_eq!(decided.pairs, [Paired { entry: id(1), exit: id(2), probability: Some(0.95) }]);
        assert_eq!((decided.entries.len(), decided.exits.len()), (1, 2));
        let strangers = decided.with_strangers(Truth::default()).visits;
        assert_eq!(strangers.iter().map(|visit| visit.exit).collect::<Vec<_>>(), [Some(id(2))]);
    }
}
