//! The counts of each quarter hour of a lot. The adapters keep the counts beside the sessions.

use parking::Timestamp;

use crate::Dwells;

/// The length of a quarter hour in milliseconds.
pub const QUARTER_MS: i64 = 900_000;

/// Returns the number of the quarter hour that contains `time`, counted since 1970.
pub fn quarter_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(QUARTER_MS)
}

/// Returns the start of a quarter hour.
pub fn start_of(quarter: i64) -> Timestamp {
    Timestamp::from_millis(quarter.saturating_mul(QUARTER_MS))
}

/// Counts of a lot over some time. Also used as a difference, which may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Entries that belong to a session.
    pub entries: i64,
    /// Exits that belong to a session.
    pub exits: i64,
    /// Exits matched to an entry.
    pub matched: i64,
    /// Exits without an entry, except held ones.
    pub unmatched_exits: i64,
    /// Entries whose exit was missed or whose plate was not read.
    pub unmatched_entries: i64,
    /// Vehicle-milliseconds that this quarter adds to those of the vehicles already inside at its start: each stay that
    /// begins adds the time until the quarter ends, each stay that ends subtracts it.
    pub inside_ms: i64,
    /// The total duration of the stays that ended, in milliseconds.
    pub dwell_ms: i64,
}

impl Counts {
    /// Adds the counts of another time.
    pub fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.exits += other.exits;
        self.matched += other.matched;
        self.unmatched_exits += other.unmatched_exits;
        self.unmatched_entries += other.unmatched_entries;
        self.inside_ms += other.inside_ms;
        self.dwell_ms += other.dwell_ms;
    }

    /// Returns the change in the number of vehicles inside. Stays with a missed entry or exit were never inside.
    pub fn inside(&self) -> i64 {
        self.entries - self.unmatched_entries - self.matched
    }
}

/// Counts of a lot over some time, and the durations of the stays that ended in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// The counts.
    pub counts: Counts,
    /// The durations of the stays that ended.
    pub dwells: Dwells,
}

impl Tally {
    /// Adds the counts of another time.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.dwells.merge(&other.dwells);
    }
}
