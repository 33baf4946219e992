//! Recounts the sessions of each quarter hour and compares the result with the stored counts. Pure: the adapters read
//! the rows.
//!
//! Memory is bounded: a part holds the first [`PART_QUARTERS`] quarter hours after its start, ordered by lot and
//! quarter. When it finds more, it drops the last one and ends before it. Each part reads all sessions once.

use std::collections::BTreeMap;

use parking::LotId;

use super::rollup::{Rollup, Standing};
use super::{Error, QuarterDifference, QuarterPlace, Recounted, Tally, encoding};

/// The quarter hours that a part holds in memory, a few hundred bytes each. Tests use a small number, to have several
/// parts.
const PART_QUARTERS: usize = if cfg!(test) { 3 } else { 50_000 };
/// The most differences that a part lists; the others are counted.
const LISTED_DIFFERENCES_MAX: usize = 100;

/// Counts the sessions of a part, then compares them with the stored rows of its quarter hours.
pub(super) struct Recount {
    from: (i64, i64),
    end: Option<(i64, i64)>,
    lots: BTreeMap<i64, LotId>,
    counted: Rollup,
    found: Recounted,
}

impl Recount {
    /// Starts a part. `lots` has the names of all lots by their numbers.
    pub(super) fn new(from: QuarterPlace, lots: BTreeMap<i64, LotId>) -> Self {
        let QuarterPlace { lot_number, quarter } = from;
        Self { from: (lot_number, quarter), end: None, lots, counted: Rollup::default(), found: Recounted::default() }
    }

    /// Counts a session of gate events. Ends of the session that are outside of the part are ignored.
    pub(super) fn session(&mut self, lot_number: i64, session: Standing) {
        self.counted.add(lot_number, session);
        self.end = self.counted.keep(self.from, self.end, PART_QUARTERS);
    }

    /// The range of the part, once all sessions are counted: lot and quarter hour of its start, and of its end (exclusive).
    pub(super) fn range(&self) -> [i64; 4] {
        let (end_lot, end_quarter) = self.end.unwrap_or((i64::MAX, i64::MAX));
        [self.from.0, self.from.1, end_lot, end_quarter]
    }

    /// Compares a stored row inside the range.
    pub(super) fn stored(&mut self, lot_number: i64, quarter: i64, stored: Tally) -> Result<(), Error> {
        let recounted = self.counted.remove(lot_number, quarter);
        self.compare(lot_number, quarter, stored, recounted)
    }

    /// Compares the quarter hours that have no stored row.
    pub(super) fn finish(mut self) -> Result<Recounted, Error> {
        for ((lot_number, quarter), recounted) in std::mem::take(&mut self.counted).into_quarters() {
            self.compare(lot_number, quarter, Tally::default(), recounted)?;
        }
        self.found.differences.sort_by(|one, other| (&one.lot, one.quarter).cmp(&(&other.lot, other.quarter)));
        self.found.next = self.end.map(|(lot_number, quarter)| QuarterPlace { lot_number, quarter });
        Ok(self.found)
    }

    fn compare(&mut self, lot_number: i64, quarter: i64, stored: Tally, recounted: Tally) -> Result<(), Error> {
        self.found.quarters += 1;
        if stored == recounted {
            return Ok(());
        }
        self.found.different += 1;
        if self.found.differences.len() < LISTED_DIFFERENCES_MAX {
            let missing = || Error::Corrupt(format!("the lot {lot_number} is missing"));
            let lot = self.lots.get(&lot_number).ok_or_else(missing)?.clone();
            self.found.differences.push(QuarterDifference { lot, quarter, stored, recounted });
        }
        Ok(())
    }
}

/// The names of lots by their numbers.
pub(super) fn lot_names(rows: Vec<(i64, String)>) -> Result<BTreeMap<i64, LotId>, Error> {
    rows.into_iter().map(|(number, name)| Ok((number, encoding::lot_id(&name)?))).collect()
}
