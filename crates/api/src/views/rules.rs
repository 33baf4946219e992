//! The matching rules of a ledger.

use std::collections::BTreeSet;

use parking::{LotId, Plate, Rules, exact_duration};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The matching rules of the ledger. Durations have the format of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Rules)]
pub struct RulesView {
    /// Reads in one direction at most this long apart are one passage.
    #[schema(example = "1m")]
    pub re_read_window: String,
    /// The longest stay that can match.
    #[schema(example = "30d")]
    pub max_stay: String,
    /// How long an exit waits for a late entry.
    #[schema(example = "30s")]
    pub hold: String,
    /// Plates that mean that nothing was read, besides all zeros and reads without letters and digits.
    pub unread_plates: Vec<String>,
    /// The version of the normal form of plates.
    pub plate_normal_form: u16,
    /// The lots that override rules, ordered by name.
    pub lots: Vec<LotRulesView>,
}

/// The rules of a lot that overrides some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LotRules)]
pub struct LotRulesView {
    /// The car park.
    #[schema(example = "P3")]
    pub lot_id: String,
    /// Reads in one direction at most this long apart are one passage.
    #[schema(example = "2m")]
    pub re_read_window: String,
    /// The longest stay that can match.
    #[schema(example = "12h")]
    pub max_stay: String,
}

impl From<&Rules> for RulesView {
    fn from(rules: &Rules) -> Self {
        let own = rules.re_read_window_of_lot_ms.keys().chain(rules.max_stay_of_lot_ms.keys());
        let of_lot = |lot: &LotId| LotRulesView {
            lot_id: lot.to_string(),
            re_read_window: exact_duration(rules.re_read_window_of(lot)),
            max_stay: exact_duration(rules.max_stay_of(lot)),
        };
        Self {
            re_read_window: exact_duration(rules.re_read_window_ms),
            max_stay: exact_duration(rules.max_stay_ms),
            hold: exact_duration(rules.hold_ms),
            unread_plates: rules.unread_plates.iter().map(Plate::to_string).collect(),
            plate_normal_form: rules.plate_normal_form,
            lots: own.collect::<BTreeSet<_>>().into_iter().map(of_lot).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_the_format_of_the_settings() {
        let lot = |name| LotId::parse(name).unwrap();
        let rules = Rules {
            re_read_window_of_lot_ms: [(lot("P3"), 90_000)].into(),
            max_stay_of_lot_ms: [(lot("P1"), 43_200_000), (lot("P3"), 86_400_000)].into(),
            unread_plates: [Plate::from_read("NONE").unwrap()].into(),
            ..Rules::default()
        };
        let own = |lot: &str, window: &str, stay: &str| LotRulesView {
            lot_id: lot.into(),
            re_read_window: window.into(),
            max_stay: stay.into(),
        };
        assert_eq!(
            RulesView::from(&rules),
            RulesView {
                re_read_window: "1m".into(),
                max_stay: "30d".into(),
                hold: "30s".into(),
                unread_plates: vec!["NONE".into()],
                plate_normal_form: 1,
                lots: vec![own("P1", "1m", "12h"), own("P3", "90s", "1d")],
            }
        );
    }
}
