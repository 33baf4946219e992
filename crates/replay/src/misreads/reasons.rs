//! The file of reasons: one row for each misread match, and for each pair that was nearly one.
//!
//! `matching::misread::reasons` has the words.

use std::path::Path;

use event_files::atomic_file::{AtomicFile, Error};
use matching::misread::Reasoner;
use matching::misread::reasons::Reasons;
use parking::{LotId, Timestamp};

const HEADER: &str = "lot_id,exit_event_id,exit_date_time,exit_vehicle_plate,entry_event_id,entry_date_time,\
                      vehicle_plate,match_probability,decision,reasons\n";

/// A pair that is no match is listed from this probability on, in ten thousandths.
const UNCERTAIN_FROM: u16 = 2_000;

/// The file of reasons being written. It gets its final name when it is [finished](Self::finish).
#[derive(Debug)]
pub(super) struct ReasonsFile(AtomicFile);

impl ReasonsFile {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let mut file = AtomicFile::create(path)?;
        file.write(HEADER.as_bytes())?;
        Ok(Self(file))
    }

    /// Writes the rows of one lot with this many exits without an entry, in the order of the exits.
    pub(super) fn write(&mut self, lot: &LotId, reasoner: &Reasoner<'_>, exits: usize) -> Result<(), Error> {
        (0..exits).filter_map(|exit| row(lot, &reasoner.exit(exit))).try_for_each(|row| self.0.write(row.as_bytes()))
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        self.0.finish()
    }
}

fn row(lot: &LotId, reasons: &Reasons) -> Option<String> {
    let best = reasons.candidates.first().filter(|best| best.posterior >= UNCERTAIN_FROM)?;
    let (exit, entry) = (&reasons.read, &best.other);
    let decision = if best.stands { "matched" } else { "uncertain" };
    // The text has commas but no quotes: neither plates nor gates may contain one.
    Some(format!(
        "{lot},{},{},{},{},{},{},{}.{:04},{decision},\"{}\"\n",
        exit.key.id,
        exit.key.time,
        exit.plate,
        entry.key.id,
        entry.key.time,
        entry.plate,
        best.posterior / 10_000,
        best.posterior % 10_000,
        reasons.text(&|time: Timestamp| time.to_string()).replace('"', "\"\""),
    ))
}
