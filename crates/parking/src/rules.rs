//! The matching rules: how long is a re-read, a hold, the longest stay, and which plates say that nothing was read.
//!
//! [`Rules`] are those that decide. [`GivenRules`] are what an operator set: a ledger keeps the rules that it was
//! written with, so a rule that is not given is the ledger's. Comparing the two is left to the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{LotId, PLATE_NORMAL_FORM, Plate};

/// What cameras write when they read no plate; the list of a new ledger.
const UNREAD_PLATES: [&str; 18] = [
    "NOPLATE",
    "NOPLATEDETECTED",
    "NOTREAD",
    "UNREAD",
    "UNREADABLE",
    "UNRECOGNIZED",
    "UNKNOWN",
    "UNKNOWNPLATE",
    "UNLICENSED",
    "UNDEFINED",
    "NODATA",
    "NONE",
    "NULL",
    "NAN",
    "NA",
    "无车牌",
    "无牌车",
    "未识别",
];
/// The most lots with rules of their own that the text of the rules names.
const LOTS_NAMED: usize = 16;

/// The rules that all correlators and the replay decide by. Live, they are the summary API's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Neighbours of one direction at most this far apart are one passage, milliseconds.
    pub re_read_window_ms: i64,
    /// Lots with a re-read window of their own, milliseconds.
    pub re_read_window_of_lot_ms: BTreeMap<LotId, i64>,
    /// How long an exit without an entry is held, since it was first recorded, milliseconds.
    pub hold_ms: i64,
    /// An exit at most this long after the entry matches it, milliseconds.
    pub max_stay_ms: i64,
    /// Lots with a longest stay of their own, milliseconds.
    pub max_stay_of_lot_ms: BTreeMap<LotId, i64>,
    /// Plates that say that nothing was read, besides the empty one and all zeros.
    pub unread_plates: BTreeSet<Plate>,
    /// The version of the normal form that plates are compared in.
    pub plate_normal_form: u16,
}

impl Default for Rules {
    /// The rules of a new ledger.
    ///
    /// Cameras repeat a car that waits at the barrier, often for half a minute, and nobody drives in twice within one: so
    /// reads up to 60 s apart are one passage.
    fn default() -> Self {
        Self {
            re_read_window_ms: 60_000,
            re_read_window_of_lot_ms: BTreeMap::new(),
            hold_ms: 30_000,
            max_stay_ms: 30 * 24 * 3_600_000,
            max_stay_of_lot_ms: BTreeMap::new(),
            unread_plates: UNREAD_PLATES.iter().filter_map(|plate| Plate::from_read(plate).ok()).collect(),
            plate_normal_form: PLATE_NORMAL_FORM,
        }
    }
}

impl Rules {
    /// Leaves out the rules of lots that are not wanted.
    pub fn retain_lots(&mut self, is_wanted: impl Fn(&LotId) -> bool) {
        self.re_read_window_of_lot_ms.retain(|lot, _| is_wanted(lot));
        self.max_stay_of_lot_ms.retain(|lot, _| is_wanted(lot));
    }

    /// The re-read window in `lot`, milliseconds.
    pub fn re_read_window_of(&self, lot: &LotId) -> i64 {
        self.re_read_window_of_lot_ms.get(lot).copied().unwrap_or(self.re_read_window_ms)
    }

    /// The longest stay in `lot`, milliseconds.
    pub fn max_stay_of(&self, lot: &LotId) -> i64 {
        self.max_stay_of_lot_ms.get(lot).copied().unwrap_or(self.max_stay_ms)
    }

    /// How long an exit is held.
    pub fn hold(&self) -> Duration {
        Duration::from_millis(self.hold_ms.unsigned_abs())
    }

    /// Whether the plate says that nothing was read: it has no letter and no digit, is all zeros, or is on the list.
    pub fn is_unread(&self, plate: &Plate) -> bool {
        plate.as_str().bytes().all(|byte| byte == b'0') || self.unread_plates.contains(plate)
    }
}

impl fmt::Display for Rules {
    /// On one line, as the settings name them; of lots with rules of their own the first few.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (window, stay) = (exact_duration(self.re_read_window_ms), exact_duration(self.max_stay_ms));
        let (hold, unread) = (exact_duration(self.hold_ms), plate_list(&self.unread_plates));
        write!(f, "re_read_window={window} max_stay={stay} hold={hold} unread_plates={unread}")?;
        write!(f, " plate_normal_form={}", self.plate_normal_form)?;
        let lots: BTreeSet<&LotId> =
            self.re_read_window_of_lot_ms.keys().chain(self.max_stay_of_lot_ms.keys()).collect();
        for lot in lots.iter().take(LOTS_NAMED) {
            let (window, stay) = (self.re_read_window_of(lot), self.max_stay_of(lot));
            write!(f, " {lot}(re_read_window={} max_stay={})", exact_duration(window), exact_duration(stay))?;
        }
        if lots.len() > LOTS_NAMED { write!(f, " and {} more lots", lots.len() - LOTS_NAMED) } else { Ok(()) }
    }
}

/// The rules that an operator set. One that is not given is the ledger's own, or that of a new ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GivenRules {
    /// See [`Rules::re_read_window_ms`].
    pub re_read_window_ms: Option<i64>,
    /// The lots whose re-read window the lots file says.
    pub re_read_window_of_lot_ms: BTreeMap<LotId, i64>,
    /// See [`Rules::hold_ms`]. No session rests on it in the end, so it is no rule of the ledger.
    pub hold_ms: Option<i64>,
    /// See [`Rules::max_stay_ms`].
    pub max_stay_ms: Option<i64>,
    /// The lots whose longest stay the lots file says.
    pub max_stay_of_lot_ms: BTreeMap<LotId, i64>,
    /// See [`Rules::unread_plates`].
    pub unread_plates: Option<BTreeSet<Plate>>,
}

impl GivenRules {
    /// `base`, overridden by the given rules.
    pub fn over(&self, base: Rules) -> Rules {
        let with = |mut own: BTreeMap<LotId, i64>, given: &BTreeMap<LotId, i64>| {
            own.extend(given.iter().map(|(lot, millis)| (lot.clone(), *millis)));
            own
        };
        Rules {
            re_read_window_ms: self.re_read_window_ms.unwrap_or(base.re_read_window_ms),
            re_read_window_of_lot_ms: with(base.re_read_window_of_lot_ms, &self.re_read_window_of_lot_ms),
            hold_ms: self.hold_ms.unwrap_or(base.hold_ms),
            max_stay_ms: self.max_stay_ms.unwrap_or(base.max_stay_ms),
            max_stay_of_lot_ms: with(base.max_stay_of_lot_ms, &self.max_stay_of_lot_ms),
            unread_plates: self.unread_plates.clone().unwrap_or(base.unread_plates),
            plate_normal_form: base.plate_normal_form,
        }
    }
}

impl From<&Rules> for GivenRules {
    /// All of them, given.
    fn from(rules: &Rules) -> Self {
        Self {
            re_read_window_ms: Some(rules.re_read_window_ms),
            re_read_window_of_lot_ms: rules.re_read_window_of_lot_ms.clone(),
            hold_ms: Some(rules.hold_ms),
            max_stay_ms: Some(rules.max_stay_ms),
            max_stay_of_lot_ms: rules.max_stay_of_lot_ms.clone(),
            unread_plates: Some(rules.unread_plates.clone()),
        }
    }
}

/// A length of time as a setting may be written, exact: `30d`, `90m`, `1500ms`.
pub fn exact_duration(millis: i64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let fits = units.iter().find(|(_, unit)| millis != 0 && millis % unit == 0);
    fits.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

/// The milliseconds of a length of time as a setting may be written; `None` if it is none, or longer than the calendar.
pub fn duration_ms(text: &str) -> Option<i64> {
    i64::try_from(humantime::parse_duration(text).ok()?.as_millis()).ok()
}

/// Plates as the setting lists them.
pub fn plate_list(plates: &BTreeSet<Plate>) -> String {
    let plates: Vec<&str> = plates.iter().map(Plate::as_str).collect();
    if plates.is_empty() { "empty".to_owned() } else { plates.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(name: &str) -> LotId {
        LotId::parse(name).unwrap()
    }

    #[test]
    fn plates_that_say_nothing_are_unread() {
        let rules = Rules::default();
        let unread = |plate: &str| rules.is_unread(&Plate::from_read(plate).unwrap());
        for plate in
            UNREAD_PLATES.into_iter().chain(["no plate", "None", "n/a", "null", "0", "000-000", "--", "???", ""])
        {
            assert!(unread(plate), "{plate}");
        }
        assert_eq!(rules.unread_plates.len(), UNREAD_PLATES.len());
        assert!(!unread("ABC123") && !unread("N0PLATE") && !unread("0001") && !unread("NONE1"));
        let no_list = Rules { unread_plates: BTreeSet::new(), ..Rules::default() };
        assert!(no_list.is_unread(&Plate::from_read("?").unwrap()));
    }

    #[test]
    fn what_is_not_given_is_that_of_the_base() {
        let base = Rules {
            re_read_window_ms: 10_000,
            re_read_window_of_lot_ms: [(lot("P3"), 1_000), (lot("P4"), 2_000)].into(),
            max_stay_of_lot_ms: [(lot("P3"), 3_000)].into(),
            unread_plates: BTreeSet::new(),
            ..Rules::default()
        };
        assert_eq!(GivenRules::default().over(base.clone()), base);

        let given = GivenRules {
            max_stay_ms: Some(7),
            re_read_window_of_lot_ms: [(lot("P4"), 9)].into(),
            ..GivenRules::default()
        };
        let rules = given.over(base);

        assert_eq!(["P3", "P4", "P5"].map(|name| rules.re_read_window_of(&lot(name))), [1_000, 9, 10_000]);
        assert_eq!(["P3", "P4"].map(|name| rules.max_stay_of(&lot(name))), [3_000, 7]);
        assert_eq!(GivenRules::from(&rules).over(Rules::default()), rules);
    }

    #[test]
    fn the_text_of_the_rules_names_each_of_them_and_a_few_lots() {
        let unread_plates: BTreeSet<_> = ["NONE", "X"].map(|plate| Plate::from_read(plate).unwrap()).into();
        let mut rules = Rules { unread_plates, ..Rules::default() };
        rules.re_read_window_of_lot_ms.insert(lot("P3"), 90_000);
        rules.max_stay_of_lot_ms = (10..30).map(|number| (lot(&format!("Q{number}")), 86_400_000)).collect();

        let text = rules.to_string();

        assert!(
            text.starts_with(
                "re_read_window=1m max_stay=30d hold=30s unread_plates=NONE,X plate_normal_form=1 \
             P3(re_read_window=90s max_stay=30d) Q10(re_read_window=1m max_stay=1d) "
            ),
            "{text}"
        );
        assert!(text.ends_with(" and 5 more lots"), "{text}");
    }
}
