//! Pins the rules of a ledger: compares the rules it was written with and the rules an operator gives.
//!
//! One step decides with the same rules before and after an event. So the rules that shape sessions must not change
//! while a ledger has events: a rule that is not given is the ledger's, and a given rule that differs is refused. The
//! hold time does not affect the final sessions and may change freely. The adapters decide where the rules are stored.
//!
//! The stored text is JSON. A member that an older program did not write has the value that this program used. A member
//! that this program does not know is a rule it can't follow, so the ledger is refused; a member can therefore be added
//! without a new schema version.

use std::collections::{BTreeMap, BTreeSet};

use parking::{GivenRules, LotId, PLATE_NORMAL_FORM, Plate, Rules, exact_duration, plate_list};
use serde::{Deserialize, Serialize};

use super::Error;

/// Limits the lots that a message names.
const NAMED_LOTS_MAX: usize = 3;

/// The rules that shape sessions, in their stored form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRules {
    re_read_window_ms: i64,
    #[serde(default)]
    re_read_window_of_lot_ms: BTreeMap<LotId, i64>,
    max_stay_ms: i64,
    max_stay_of_lot_ms: BTreeMap<LotId, i64>,
    unread_plates: BTreeSet<Plate>,
    #[serde(default = "first_normal_form")]
    plate_normal_form: u16,
}

/// The normal form of the programs that did not store one.
fn first_normal_form() -> u16 {
    1
}

/// The result of comparing the given rules with those of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckedRules {
    /// The rules to decide with.
    pub(super) rules: Rules,
    /// The text to store, if it changes.
    pub(super) text: Option<String>,
}

/// Compares the `given` rules with the `stored` ones of a ledger that has events of `lots`.
///
/// # Errors
///
/// [`Error::Config`] if other rules decided the existing events, or if a newer program stored the rules.
pub(super) fn check(stored: Option<&str>, lots: &[LotId], given: &GivenRules) -> Result<CheckedRules, Error> {
    let stored = stored.map(read).transpose()?;
    let base = stored.clone().unwrap_or_else(|| StoredRules::from(&Rules::default()));
    let rules = given.over(base.into());
    let wanted = StoredRules::from(&rules);
    if stored.as_ref() == Some(&wanted) {
        return Ok(CheckedRules { rules, text: None });
    }
    let differences = match &stored {
        Some(stored) if !lots.is_empty() => stored.differences(&wanted, lots),
        _ => Vec::new(),
    };
    if !differences.is_empty() {
        return Err(Error::Config(format!(
            "the ledger has events that were decided by other rules: {}. Set the old value again, or remove the \
             setting to keep the ledger's; or start a new ledger with another DWELL_DATABASE_URL (or DWELL_DATA_DIR) \
             and send the events again, for instance with dwell publish",
            differences.join("; ")
        )));
    }
    let text = serde_json::to_string(&wanted);
    let text = text.map_err(|error| Error::Corrupt(format!("its rules can't be written: {error}")))?;
    Ok(CheckedRules { rules, text: Some(text) })
}

fn read(stored: &str) -> Result<StoredRules, Error> {
    let newer = |what: &str| {
        Error::Config(format!(
            "the ledger was written by a newer program: {what}. Start the newer program, or name another ledger in \
             DWELL_DATABASE_URL"
        ))
    };
    let stored_rules: StoredRules = serde_json::from_str(stored).map_err(|error| match error.to_string() {
        text if text.starts_with("unknown field") => newer(&format!("its rules have an {text}")),
        text => Error::Corrupt(format!("its rules can't be read: {text}")),
    })?;
    match stored_rules.plate_normal_form {
        PLATE_NORMAL_FORM => Ok(stored_rules),
        other => Err(newer(&format!(
            "its plates are in version {other} of the normal form, and this program knows version {PLATE_NORMAL_FORM}"
        ))),
    }
}

impl From<&Rules> for StoredRules {
    fn from(rules: &Rules) -> Self {
        Self {
            re_read_window_ms: rules.re_read_window_ms,
            re_read_window_of_lot_ms: rules.re_read_window_of_lot_ms.clone(),
            max_stay_ms: rules.max_stay_ms,
            max_stay_of_lot_ms: rules.max_stay_of_lot_ms.clone(),
            unread_plates: rules.unread_plates.clone(),
            plate_normal_form: rules.plate_normal_form,
        }
    }
}

impl From<StoredRules> for Rules {
    fn from(stored_rules: StoredRules) -> Self {
        Self {
            re_read_window_ms: stored_rules.re_read_window_ms,
            re_read_window_of_lot_ms: stored_rules.re_read_window_of_lot_ms,
            hold_ms: Self::default().hold_ms,
            max_stay_ms: stored_rules.max_stay_ms,
            max_stay_of_lot_ms: stored_rules.max_stay_of_lot_ms,
            unread_plates: stored_rules.unread_plates,
            plate_normal_form: stored_rules.plate_normal_form,
        }
    }
}

impl StoredRules {
    /// Returns each rule that differs, with the old and the new value. A lot without events may get other rules of its
    /// own.
    fn differences(&self, new: &Self, lots: &[LotId]) -> Vec<String> {
        let (old, new) = (Rules::from(self.clone()), Rules::from(new.clone()));
        let mut differences = Vec::new();
        let mut compare = |what: &str, old: String, new: String| {
            if old != new {
                differences.push(format!("{what} was {old} and is now {new}"));
            }
        };
        let window = (old.re_read_window_ms, new.re_read_window_ms);
        compare("DWELL_RE_READ_WINDOW", exact_duration(window.0), exact_duration(window.1));
        compare("DWELL_UNREAD_PLATES", plate_list(&old.unread_plates), plate_list(&new.unread_plates));
        compare("DWELL_MAX_STAY", exact_duration(old.max_stay_ms), exact_duration(new.max_stay_ms));
        let own_window = |rules: &Rules, lot: &LotId| rules.re_read_window_of_lot_ms.contains_key(lot);
        let own_stay = |rules: &Rules, lot: &LotId| rules.max_stay_of_lot_ms.contains_key(lot);
        let mut of_lots = |member, has_own: fn(&Rules, &LotId) -> bool, value: fn(&Rules, &LotId) -> i64| {
            let differs =
                |lot: &&LotId| (has_own(&old, lot) || has_own(&new, lot)) && value(&old, lot) != value(&new, lot);
            for lot in lots.iter().filter(differs).take(NAMED_LOTS_MAX) {
                let what = format!("the {member} of the lot {lot} (DWELL_LOTS)");
                compare(&what, exact_duration(value(&old, lot)), exact_duration(value(&new, lot)));
            }
        };
        of_lots("re_read_window", own_window, Rules::re_read_window_of);
        of_lots("max_stay", own_stay, Rules::max_stay_of);
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules stored by the release before lots had re-read windows of their own.
    const OLD: &str = r#"{"re_read_window_ms":10000,"max_stay_ms":2592000000,"max_stay_of_lot_ms":{"P3":43200000},"unread_plates":["NOPLATE","NULL","UNKNOWN"]}"#;

    fn lot(name: &str) -> LotId {
        LotId::parse(name).unwrap()
    }

    fn text(rules: &Rules) -> String {
        serde_json::to_string(&StoredRules::from(rules)).unwrap()
    }

    fn given(rules: &Rules) -> GivenRules {
        GivenRules::from(rules)
    }

    fn refusal(stored: &str, lots: &[LotId], given: &GivenRules) -> String {
        match check(Some(stored), lots, given) {
            Err(Error::Config(text)) => text,
            other => panic!("it was not refused: {other:?}"),
        }
    }

    #[test]
    fn a_ledger_of_an_older_release_goes_on_with_its_rules_when_nothing_is_given() {
        let checked = check(Some(OLD), &[lot("P3")], &GivenRules::default()).unwrap();

        let unread_plates = ["NOPLATE", "NULL", "UNKNOWN"].map(|plate| Plate::from_read(plate).unwrap());
        let rules = Rules {
            re_read_window_ms: 10_000,
            max_stay_of_lot_ms: [(lot("P3"), 43_200_000)].into(),
            unread_plates: unread_plates.into(),
            ..Rules::default()
        };
        assert_eq!(checked, CheckedRules { rules: rules.clone(), text: None });
        assert_eq!(rules.plate_normal_form, 1);
        assert_eq!(check(Some(OLD), &[lot("P3")], &given(&rules)).unwrap().rules, rules);
    }

    #[test]
    fn a_new_ledger_has_the_rules_of_a_new_ledger_where_none_are_given() {
        let one = GivenRules { max_stay_ms: Some(60_000), hold_ms: Some(1), ..GivenRules::default() };
        let checked = check(None, &[], &one).unwrap();
        assert_eq!(checked.rules, Rules { max_stay_ms: 60_000, hold_ms: 1, ..Rules::default() });
        assert_eq!(checked.text, Some(text(&checked.rules)));
    }

    #[test]
    fn each_rule_that_differs_is_named_with_both_values() {
        let old = Rules {
            re_read_window_of_lot_ms: [(lot("P4"), 5_000)].into(),
            max_stay_of_lot_ms: [(lot("P3"), 43_200_000)].into(),
            unread_plates: ["NOPLATE", "NULL"].map(|plate| Plate::from_read(plate).unwrap()).into(),
            ..Rules::default()
        };
        let new = GivenRules {
            re_read_window_ms: Some(1_500),
            re_read_window_of_lot_ms: [(lot("P4"), 7_000)].into(),
            hold_ms: Some(1),
            max_stay_ms: Some(7 * 86_400_000),
            max_stay_of_lot_ms: [(lot("P3"), 1_000), (lot("P9"), 1_000)].into(),
            unread_plates: Some(BTreeSet::new()),
        };

        assert_eq!(
            refusal(&text(&old), &[lot("P3"), lot("P4")], &new),
            "the ledger has events that were decided by other rules: DWELL_RE_READ_WINDOW was 1m and is now 1500ms; \
             DWELL_UNREAD_PLATES was NOPLATE,NULL and is now empty; DWELL_MAX_STAY was 30d and is now 7d; the \
             re_read_window of the lot P4 (DWELL_LOTS) was 5s and is now 7s; the max_stay of the lot P3 (DWELL_LOTS) \
             was 12h and is now 1s. Set the old value again, or remove the setting to keep the ledger's; or start \
             a new ledger with another DWELL_DATABASE_URL (or DWELL_DATA_DIR) and send the events again, for instance \
             with dwell publish"
        );
        let free = check(Some(&text(&old)), &[], &new).unwrap();
        assert_eq!(free, CheckedRules { rules: new.over(old), text: Some(text(&free.rules)) });
    }

    #[test]
    fn rules_that_give_the_same_sessions_are_no_difference() {
        let old = Rules::default();
        let held = Rules { hold_ms: 1, ..Rules::default() };
        let same = Rules { max_stay_of_lot_ms: [(lot("P3"), old.max_stay_ms)].into(), ..Rules::default() };
        let elsewhere = Rules {
            max_stay_of_lot_ms: [(lot("P9"), 1_000)].into(),
            re_read_window_of_lot_ms: [(lot("P9"), 1_000)].into(),
            ..Rules::default()
        };

        let checked = |new| check(Some(&text(&old)), &[lot("P3")], &given(new)).unwrap();

        assert_eq!(checked(&held), CheckedRules { rules: held.clone(), text: None });
        assert_eq!(checked(&same), CheckedRules { rules: same.clone(), text: Some(text(&same)) });
        assert_eq!(checked(&elsewhere), CheckedRules { rules: elsewhere.clone(), text: Some(text(&elsewhere)) });
    }

    #[test]
    fn a_lots_file_that_says_nothing_of_a_lot_takes_what_the_ledger_has_of_it() {
        let own = [(lot("P3"), 5_000)];
        let old =
            Rules { re_read_window_of_lot_ms: own.clone().into(), max_stay_of_lot_ms: own.into(), ..Rules::default() };
        let checked = check(Some(&text(&old)), &[lot("P3")], &GivenRules::default()).unwrap();
        assert_eq!(checked, CheckedRules { rules: old, text: None });
    }

    #[test]
    fn rules_of_a_newer_program_are_refused() {
        let nothing = GivenRules::default();
        let other_form = text(&Rules { plate_normal_form: 2, ..Rules::default() });
        let told = refusal(&other_form, &[], &nothing);
        assert!(
            told.starts_with(
                "the ledger was written by a newer program: its plates are in version 2 of the normal form"
            ),
            "{told}"
        );
        let another = OLD.replacen('{', r#"{"misreads":"on","#, 1);
        let told = refusal(&another, &[], &nothing);
        assert!(told.contains("its rules have an unknown field `misreads`"), "{told}");
        assert!(matches!(check(Some("{}"), &[], &nothing), Err(Error::Corrupt(_))));
    }
}
