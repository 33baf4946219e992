//! The matching rules: how long is a re-read, a hold, the longest stay, and which plates say nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{LotId, Plate};

/// The rules that all correlators and the replay decide by. Live, they are the summary API's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Neighbours of one direction at most this far apart are one passage, milliseconds.
    pub re_read_window_ms: i64,
    /// How long an exit without an entry is held, since it was first recorded, milliseconds.
    pub hold_ms: i64,
    /// An exit at most this long after the entry matches it, milliseconds.
    pub max_stay_ms: i64,
    /// Lots with a longest stay of their own, milliseconds.
    pub max_stay_of_lot_ms: BTreeMap<LotId, i64>,
    /// Plates that say that nothing was read; all zeros always do.
    pub unread_plates: BTreeSet<Plate>,
}

impl Default for Rules {
    fn default() -> Self {
        let unread = ["NOPLATE", "UNKNOWN", "NULL"];
        Self {
            re_read_window_ms: 10_000,
            hold_ms: 30_000,
            max_stay_ms: 30 * 24 * 3_600_000,
            max_stay_of_lot_ms: BTreeMap::new(),
            unread_plates: unread.iter().filter_map(|plate| Plate::from_read(plate).ok()).collect(),
        }
    }
}

impl Rules {
    /// The longest stay in `lot`, milliseconds.
    pub fn max_stay_of(&self, lot: &LotId) -> i64 {
        self.max_stay_of_lot_ms.get(lot).copied().unwrap_or(self.max_stay_ms)
    }

    /// How long an exit is held.
    pub fn hold(&self) -> Duration {
        Duration::from_millis(self.hold_ms.unsigned_abs())
    }

    /// Whether the plate says that nothing was read.
    pub fn is_unread(&self, plate: &Plate) -> bool {
        plate.as_str().bytes().all(|byte| byte == b'0') || self.unread_plates.contains(plate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_that_say_nothing_are_unread() {
        let rules = Rules::default();
        let unread = |plate: &str| rules.is_unread(&Plate::from_read(plate).unwrap());
        assert!(unread("no plate") && unread("unknown") && unread("NULL") && unread("0") && unread("000-000"));
        assert!(!unread("ABC123") && !unread("N0PLATE") && !unread("0001"));
    }
}
