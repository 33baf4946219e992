//! The truth: each stay with the reads of its passages. Reads it from a CSV table, which an operator may write by hand,
//! and writes such a table.

use std::collections::BTreeSet;
use std::io;

use parking::{LotId, Timestamp};
use uuid::Uuid;

use crate::table::{Table, TableError};

/// The first line of a table of the truth.
pub const HEADER: &str = "lot_id,vehicle_plate,entry_event_id,entry_date_time,exit_event_id,exit_date_time,\
                          re_read_event_ids\n";

/// One stay as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// The true plate.
    pub plate: String,
    /// When it came.
    pub entered: Timestamp,
    /// When it left.
    pub left: Timestamp,
    /// Its entry, when that was read.
    pub entry: Option<Uuid>,
    /// Its exit, when that was read.
    pub exit: Option<Uuid>,
    /// Second reads of its passages.
    pub re_reads: Vec<Uuid>,
}

/// All stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Truth {
    /// The stays.
    pub visits: Vec<Visit>,
    /// Exits from here on are judged.
    pub judged_from: Timestamp,
}

impl Truth {
    /// Reads a table: `vehicle_plate` (or `plate`), `entry_event_id` and `exit_event_id`, and if known the times and
    /// `re_read_event_ids`. An id is empty where the passage was not read.
    ///
    /// # Errors
    /// It is not such a table.
    pub fn read(from: impl io::Read) -> Result<Self, TableError> {
        let mut table = Table::new(from)?;
        let plate = table.required("vehicle_plate").or_else(|missing| table.required("plate").map_err(|_| missing))?;
        let [entry, exit] = [table.required("entry_event_id")?, table.required("exit_event_id")?];
        let [entered, left] = ["entry_date_time", "exit_date_time"].map(|name| table.column(name));
        let re_reads = table.column("re_read_event_ids");
        let mut truth = Self::default();
        while let Some(row) = table.next_row()? {
            let (came, went) = (row.time(entered)?, row.time(left)?);
            truth.visits.push(Visit {
                plate: row.text(plate).unwrap_or_default().to_owned(),
                entered: came.or(went).unwrap_or_default(),
                left: went.or(came).unwrap_or_default(),
                entry: row.id(entry)?,
                exit: row.id(exit)?,
                re_reads: row.ids(re_reads)?,
            });
        }
        Ok(truth)
    }

    /// An id that stands in two places: then nothing can be judged.
    pub fn repeated_id(&self) -> Option<Uuid> {
        let mut seen = BTreeSet::new();
        self.ids().find(|id| !seen.insert(*id))
    }

    /// The ids of all reads.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.visits.iter().flat_map(|visit| visit.entry.iter().chain(&visit.exit).chain(&visit.re_reads)).copied()
    }
}

/// Adds the line of one stay to `text`.
pub fn append_row(lot: &LotId, visit: &Visit, text: &mut Vec<u8>) {
    let id = |id: Option<Uuid>| id.map_or_else(String::new, |id| id.to_string());
    let re_reads: Vec<String> = visit.re_reads.iter().map(Uuid::to_string).collect();
    let line = format!(
        "{lot},{},{},{},{},{},{}\n",
        visit.plate,
        id(visit.entry),
        visit.entered,
        id(visit.exit),
        visit.left,
        re_reads.join(" ")
    );
    text.extend_from_slice(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_truth_is_read_back() {
        let visit = Visit {
            plate: "AB12CDE".into(),
            entered: Timestamp::from_millis(1_000),
            left: Timestamp::from_millis(2_000),
            entry: Some(Uuid::from_u128(1)),
            exit: None,
            re_reads: vec![Uuid::from_u128(2), Uuid::from_u128(3)],
        };
        let mut table = HEADER.as_bytes().to_vec();
        append_row(&LotId::default(), &visit, &mut table);
        assert_eq!(Truth::read(&*table).unwrap().visits, [visit]);
    }

    #[test]
    fn a_truth_by_hand_needs_no_times_and_no_order_of_columns() {
        let table = "exit_event_id, plate, entry_event_id\n,AB1,00000000-0000-0000-0000-000000000001\n";
        let truth = Truth::read(table.as_bytes()).unwrap();
        assert_eq!((truth.visits[0].exit, truth.visits[0].entry), (None, Some(Uuid::from_u128(1))));
        let twice = format!("{table},AB2,00000000-0000-0000-0000-000000000001\n");
        assert_eq!(Truth::read(twice.as_bytes()).unwrap().repeated_id(), Some(Uuid::from_u128(1)));
    }

    #[test]
    fn an_error_names_line_and_column_and_no_value() {
        let error = |table: &str| Truth::read(table.as_bytes()).unwrap_err().to_string();
        assert_eq!(error("plate,entry_event_id\n"), "its header has no column exit_event_id");
        assert_eq!(error("plate,entry_event_id,exit_event_id\nAB1,SECRET,\n"), "line 2: entry_event_id is not a UUID");
    }
}
