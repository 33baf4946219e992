//! The rules that the events of a ledger were decided by, and whether those of today may decide further ones.
//!
//! A step takes the sessions before an event from the same rules as those after it. So while a ledger has events, what
//! gives their sessions must stay as it was; how long an exit is held gives none and may change freely. Where the rules
//! are kept is the adapters'.

use std::collections::{BTreeMap, BTreeSet};

use parking::{LotId, Plate, Rules};
use serde::{Deserialize, Serialize};

use super::Error;

/// A message names at most so many lots.
const LOTS_NAMED: usize = 3;

/// The rules that give the sessions, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Agreed {
    re_read_window_ms: i64,
    max_stay_ms: i64,
    max_stay_of_lot_ms: BTreeMap<LotId, i64>,
    unread_plates: BTreeSet<Plate>,
}

/// Compares `rules` with the `stored` ones of a ledger that has events of `lots`. `Some` is what to store from now on.
///
/// # Errors
/// [`Error::Config`] when the events that are there were decided by other rules.
pub(super) fn settle(stored: Option<&str>, lots: &[LotId], rules: &Rules) -> Result<Option<String>, Error> {
    let wanted = Agreed::from(rules);
    let stored = stored.map(serde_json::from_str::<Agreed>).transpose();
    let stored = stored.map_err(|error| Error::Corrupt(format!("its rules can't be read: {error}")))?;
    if stored.as_ref() == Some(&wanted) {
        return Ok(None);
    }
    let differences = match &stored {
        Some(stored) if !lots.is_empty() => stored.differences(&wanted, lots),
        _ => Vec::new(),
    };
    if !differences.is_empty() {
        return Err(Error::Config(format!(
            "the ledger has events that were decided by other rules: {}. Set the old value again, or begin a new ledger \
             with another DWELL_DATABASE_URL (or DWELL_DATA_DIR) and send the events again, for instance with dwell \
             publish",
            differences.join("; ")
        )));
    }
    let text = serde_json::to_string(&wanted);
    text.map(Some).map_err(|error| Error::Corrupt(format!("its rules can't be written: {error}")))
}

impl From<&Rules> for Agreed {
    fn from(rules: &Rules) -> Self {
        Self {
            re_read_window_ms: rules.re_read_window_ms,
            max_stay_ms: rules.max_stay_ms,
            max_stay_of_lot_ms: rules.max_stay_of_lot_ms.clone(),
            unread_plates: rules.unread_plates.clone(),
        }
    }
}

impl Agreed {
    fn max_stay_of(&self, lot: &LotId) -> i64 {
        self.max_stay_of_lot_ms.get(lot).copied().unwrap_or(self.max_stay_ms)
    }

    /// What differs, with the old and the new value. A lot without events may get another longest stay.
    fn differences(&self, new: &Self, lots: &[LotId]) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, old: String, new: String| {
            if old != new {
                differences.push(format!("{what} was {old} and is now {new}"));
            }
        };
        compare("DWELL_RE_READ_WINDOW", duration(self.re_read_window_ms), duration(new.re_read_window_ms));
        compare("DWELL_UNREAD_PLATES", list(&self.unread_plates), list(&new.unread_plates));
        compare("DWELL_MAX_STAY", duration(self.max_stay_ms), duration(new.max_stay_ms));
        let own = |lot: &&LotId| [self, new].iter().any(|rules| rules.max_stay_of_lot_ms.contains_key(*lot));
        for lot in lots.iter().filter(own).filter(|lot| self.max_stay_of(lot) != new.max_stay_of(lot)).take(LOTS_NAMED)
        {
            let what = format!("the max_stay of the lot {lot} (DWELL_LOTS)");
            compare(&what, duration(self.max_stay_of(lot)), duration(new.max_stay_of(lot)));
        }
        differences
    }
}

/// A duration as a setting may be written, exact.
fn duration(millis: i64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let fits = units.iter().find(|(_, unit)| millis != 0 && millis % unit == 0);
    fits.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

fn list(plates: &BTreeSet<Plate>) -> String {
    let plates: Vec<&str> = plates.iter().map(Plate::as_str).collect();
    if plates.is_empty() { "empty".to_owned() } else { plates.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(name: &str) -> LotId {
        LotId::parse(name).unwrap()
    }

    fn stored(rules: &Rules) -> String {
        settle(None, &[], rules).unwrap().unwrap()
    }

    #[test]
    fn each_rule_that_differs_is_named_with_both_values() {
        let old = Rules { max_stay_of_lot_ms: [(lot("P3"), 43_200_000)].into(), ..Rules::default() };
        let new = Rules {
            re_read_window_ms: 1_500,
            hold_ms: 1,
            max_stay_ms: 7 * 86_400_000,
            max_stay_of_lot_ms: [(lot("P9"), 1_000)].into(),
            unread_plates: BTreeSet::new(),
        };

        let refusal = settle(Some(&stored(&old)), &[lot("P3"), lot("P4")], &new).unwrap_err();

        assert_eq!(
            refusal,
            Error::Config(
                "the ledger has events that were decided by other rules: DWELL_RE_READ_WINDOW was 10s and is now 1500ms; \
                 DWELL_UNREAD_PLATES was NOPLATE,NULL,UNKNOWN and is now empty; DWELL_MAX_STAY was 30d and is now 7d; \
                 the max_stay of the lot P3 (DWELL_LOTS) was 12h and is now 7d. Set the old value again, or begin a new \
                 ledger with another DWELL_DATABASE_URL (or DWELL_DATA_DIR) and send the events again, for instance \
                 with dwell publish"
                    .into()
            )
        );
        assert_eq!(settle(Some(&stored(&old)), &[], &new), Ok(Some(stored(&new))));
    }

    #[test]
    fn rules_that_give_the_same_sessions_are_no_difference() {
        let old = Rules::default();
        let held = Rules { hold_ms: 1, ..Rules::default() };
        let same = Rules { max_stay_of_lot_ms: [(lot("P3"), old.max_stay_ms)].into(), ..Rules::default() };
        let elsewhere = Rules { max_stay_of_lot_ms: [(lot("P9"), 1_000)].into(), ..Rules::default() };

        let settled = |new| settle(Some(&stored(&old)), &[lot("P3")], new);

        assert_eq!(settled(&held), Ok(None));
        assert_eq!(settled(&same), Ok(Some(stored(&same))));
        assert_eq!(settled(&elsewhere), Ok(Some(stored(&elsewhere))));
    }
}
