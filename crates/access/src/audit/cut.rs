//! Cutting off old records, a whole day (UTC) at a time.
//!
//! The last record that goes becomes the start of the rest, and a record at the end of the chain names it, so that only
//! the holder of the key can cut. In one transaction the ledger appends [`cut_entry`] and deletes the records before.

use std::time::Duration;

use parking::Timestamp;

use super::{Action, Entry, Head, Record};
use crate::Who;

const DAY_MS: i64 = 86_400_000;

/// The last record that may go: the one before the first whose day is not wholly older than `keep`. None, when there is
/// nothing to cut.
///
/// Takes records in order of their numbers. The first that is too new ends the search, whatever comes behind it: a
/// clock that was wrong for a while keeps records for too long, rather than cutting them too early.
pub fn cut_point<'a>(records: impl IntoIterator<Item = &'a Record>, keep: Duration, now: Timestamp) -> Option<Head> {
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let first_day_kept = day(now.plus_millis(keep_ms.saturating_neg()));
    records.into_iter().take_while(|record| day(record.at) < first_day_kept).last().map(Record::head)
}

/// The record that a cut leaves behind.
pub fn cut_entry(who: &Who, through: &Head, records: u64) -> Entry {
    Entry::new(who, Action::CutAudit).with_object(&through.to_string()).with_rows(records)
}

fn day(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY_MS)
}
