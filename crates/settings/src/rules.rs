//! The matching rules from the settings and the file of lots.
//!
//! For a rule that is not given, the ledger's own applies; see `parking::Rules`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking::{GivenRules, Lot, LotId, Lots, Plate};

use super::{Error, HOLD, MAX_STAY, RE_READ_WINDOW, Setting, Settings, UNREAD_PLATES};

/// The maximum duration of a rule: far beyond any stay, and safe to add to any time.
const RULE_MAX: Duration = Duration::from_hours(100 * 366 * 24);

impl Settings {
    /// The matching rules from the settings and the lots.
    ///
    /// # Errors
    /// The invalid setting.
    pub fn rules(&self, lots: &Lots) -> Result<GivenRules, Error> {
        let of_lots = |rule: fn(&Lot) -> Option<Duration>| -> BTreeMap<LotId, i64> {
            lots.iter().filter_map(|lot| Some((lot.id.clone(), millis_of(rule(lot)?.min(RULE_MAX))))).collect()
        };
        Ok(GivenRules {
            re_read_window_ms: self.rule_millis(&RE_READ_WINDOW, Duration::ZERO)?,
            re_read_window_of_lot_ms: of_lots(|lot| lot.re_read_window),
            hold_ms: self.rule_millis(&HOLD, Duration::ZERO)?,
            max_stay_ms: self.rule_millis(&MAX_STAY, Duration::from_secs(1))?,
            max_stay_of_lot_ms: of_lots(|lot| lot.max_stay),
            unread_plates: self.text(&UNREAD_PLATES).map(|_| self.unread_plates()).transpose()?,
        })
    }

    /// The duration of a setting, if it is given.
    fn rule_millis(&self, setting: &Setting, least: Duration) -> Result<Option<i64>, Error> {
        if self.text(setting).is_none() {
            return Ok(None);
        }
        let length = self.duration(setting)?;
        if length < least || length > RULE_MAX {
            let least = least.as_millis();
            return Err(self.wrong(setting, format!("it is not between {least} ms and 100 years")));
        }
        Ok(Some(millis_of(length)))
    }

    /// The given list. A word without a letter or digit is left out: such reads are never matched anyway.
    fn unread_plates(&self) -> Result<BTreeSet<Plate>, Error> {
        let wrong = |problem| self.wrong(&UNREAD_PLATES, format!("one of the plates {problem}"));
        let plates = self.list(&UNREAD_PLATES);
        let plates = plates.iter().map(|plate| Plate::from_read(plate).map_err(wrong));
        plates.filter(|plate| !plate.as_ref().is_ok_and(Plate::is_empty)).collect()
    }
}

fn millis_of(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use parking::Rules;

    use super::*;
    use crate::LOTS;

    fn read(variables: &[(&str, &str)]) -> GivenRules {
        let settings = Settings::from_variables(variables.iter().copied()).unwrap();
        settings.rules(&settings.lots(&LOTS).unwrap()).unwrap()
    }

    #[test]
    fn a_lot_has_the_longest_stay_and_the_re_read_window_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lots.toml");
        let lots = "[[lot]]\nid = \"P3\"\nkind = \"mall\"\nmax_stay = \"12h\"\nre_read_window = \"2m\"\n";
        std::fs::write(&path, lots).unwrap();

        let given = read(&[("DWELL_LOTS", path.to_str().unwrap()), ("DWELL_MAX_STAY", "7d")]);

        let rules = given.over(Rules::default());
        let hours = |name: &str| rules.max_stay_of(&LotId::parse(name).unwrap()) / 3_600_000;
        let seconds = |name: &str| rules.re_read_window_of(&LotId::parse(name).unwrap()) / 1_000;
        assert_eq!((hours("P3"), hours("P4"), seconds("P3"), seconds("P4")), (12, 7 * 24, 120, 60));
    }

    #[test]
    fn a_rule_that_is_not_set_or_set_to_nothing_is_not_given() {
        let empty = [("DWELL_RE_READ_WINDOW", ""), ("DWELL_MAX_STAY", ""), ("DWELL_UNREAD_PLATES", "")];
        let not_given = GivenRules { hold_ms: Some(30_000), ..GivenRules::default() };
        assert_eq!([read(&[]), read(&empty)], [not_given.clone(), not_given.clone()]);

        let set = [("DWELL_RE_READ_WINDOW", "10s"), ("DWELL_UNREAD_PLATES", "no plate, --, ???")];
        let no_plate = Plate::from_read("NOPLATE").unwrap();
        assert_eq!(
            read(&set),
            GivenRules { re_read_window_ms: Some(10_000), unread_plates: Some([no_plate].into()), ..not_given }
        );
    }

    #[test]
    fn the_help_of_a_rule_says_the_value_of_a_new_ledger() {
        let rules = Rules::default();
        let unread: BTreeSet<Plate> = rules.unread_plates.clone();
        for (setting, value) in
            [(&RE_READ_WINDOW, "60s".to_owned()), (&MAX_STAY, parking::exact_duration(rules.max_stay_ms))]
        {
            assert!(setting.help.contains(&format!("{value} in a new ledger")), "{}", setting.help);
        }
        assert_eq!(rules.re_read_window_ms, 60_000);
        let (_, listed) = UNREAD_PLATES.help.split_once("in a new ledger ").unwrap();
        let listed = listed.trim_end_matches(" (summary API)").split(", ");
        assert_eq!(listed.map(|plate| Plate::from_read(plate).unwrap()).collect::<BTreeSet<_>>(), unread);
    }
}
