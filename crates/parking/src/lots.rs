//! The lots that are known beforehand: capacity, kind, time zone, permitted and longest stay, re-read window, traffic.
//! A TOML file.
//!
//! Events of any other lot are taken too; they only have no capacity and no rules of their own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use chrono_tz::Tz;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{LotId, PermittedStay, Timestamp, text_file};

/// What a car park serves; it says how vehicles come and how long they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LotKind {
    /// Guests: hours to days.
    Hotel,
    /// Shoppers: an hour or two, some all day.
    Mall,
    /// Market visitors: half an hour, in the morning.
    Market,
    /// Workers: a shift.
    Industrial,
    /// Residents: a night, some for weeks.
    Community,
}

impl LotKind {
    /// The word for it, as in a lots file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hotel => "hotel",
            Self::Mall => "mall",
            Self::Market => "market",
            Self::Industrial => "industrial",
            Self::Community => "community",
        }
    }
}

/// One known car park.
#[derive(Debug, Clone, PartialEq)]
pub struct Lot {
    /// Its name.
    pub id: LotId,
    /// What it serves.
    pub kind: LotKind,
    /// How many vehicles fit in, when it is known.
    pub capacity: Option<u32>,
    /// The zone of its local time.
    pub time_zone: Tz,
    /// How long vehicles may stay, when there is such a rule.
    pub permitted_stay: Option<PermittedStay>,
    /// Its longest stay, when it has one of its own.
    pub max_stay: Option<Duration>,
    /// How far apart reads of one passage are at most, when it has a window of its own.
    pub re_read_window: Option<Duration>,
    /// Simulated vehicles an hour, the mean of a day.
    pub arrivals_per_hour: f64,
}

impl Lot {
    /// How long a vehicle may stay that enters at this time, milliseconds; `None` where there is no such rule.
    pub fn permitted_stay_ms(&self, entry: Timestamp) -> Option<i64> {
        self.permitted_stay.as_ref().map(|permitted| permitted.of_entry_ms(self.time_zone, entry))
    }

    /// The times of entry of the vehicles that have stayed for longer than permitted at `now`; none without such a rule.
    pub fn overstayed(&self, now: Timestamp) -> Vec<Range<Timestamp>> {
        self.permitted_stay.as_ref().map_or_else(Vec::new, |permitted| permitted.overstayed(self.time_zone, now))
    }
}

/// All known lots, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Lots(BTreeMap<LotId, Lot>);

/// Why a lots file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LotsError {
    /// The file is not TOML of the known shape; the text has the line.
    #[error("{0}")]
    Shape(String),
    /// A value is out of its range.
    #[error("line {line}: lot {lot}: {problem}")]
    Value {
        /// Where it stands in the file, from 1.
        line: usize,
        /// Which lot, as the file names it.
        lot: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    lot: Vec<Written>,
    /// Checked by the gateway, whose gates and filters they are.
    #[serde(default, rename = "gates")]
    _gates: IgnoredAny,
    #[serde(default, rename = "filters")]
    _filters: IgnoredAny,
}

/// A problem, and the byte of the file at which it stands.
type Placed = (usize, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Spanned<String>,
    kind: LotKind,
    capacity: Option<u32>,
    time_zone: Option<Spanned<String>>,
    permitted_stay: Option<Spanned<toml::Value>>,
    max_stay: Option<Spanned<String>>,
    re_read_window: Option<Spanned<String>>,
    arrivals_per_hour: Option<Spanned<f64>>,
}

/// The traffic of a lot that says nothing else: enough to look at, vehicles an hour.
const ARRIVALS_PER_HOUR: f64 = 600.0;
/// The most that the simulator makes for one lot, vehicles an hour.
const MAX_ARRIVALS_PER_HOUR: f64 = 10_000_000.0;

impl Lots {
    /// Reads the text of a lots file.
    ///
    /// # Errors
    /// Where the text is not of the known shape, or which value of which lot is wrong.
    pub fn parse(toml: &str) -> Result<Self, LotsError> {
        let toml = text_file::without_byte_order_mark(toml);
        let file: File = toml::from_str(toml).map_err(|error| LotsError::Shape(error.to_string()))?;
        let mut lots = BTreeMap::new();
        for written in file.lot {
            let (name, start) = (written.id.get_ref().clone(), written.id.span().start);
            let wrong = |(at, problem): Placed| LotsError::Value {
                line: text_file::line_of(toml, at),
                lot: name.clone(),
                problem,
            };
            let lot = written.check().map_err(wrong)?;
            if lots.insert(lot.id.clone(), lot).is_some() {
                return Err(wrong((start, "is there twice".to_owned())));
            }
        }
        Ok(Self(lots))
    }

    /// The lot of that name, when it is known.
    pub fn get(&self, id: &LotId) -> Option<&Lot> {
        self.0.get(id)
    }

    /// All known lots, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Lot> {
        self.0.values()
    }
}

impl Default for Lots {
    /// Three lots of different kinds, for a first look without a lots file.
    fn default() -> Self {
        let lot = |id: &str, kind, capacity, arrivals_per_hour| {
            let id = LotId::parse(id).expect("the names below are plain");
            Lot {
                id,
                kind,
                capacity: Some(capacity),
                time_zone: Tz::UTC,
                permitted_stay: None,
                max_stay: None,
                re_read_window: None,
                arrivals_per_hour,
            }
        };
        let lots = [
            lot("central-mall", LotKind::Mall, 120, ARRIVALS_PER_HOUR),
            lot("grand-hotel", LotKind::Hotel, 100, ARRIVALS_PER_HOUR / 2.0),
            lot("old-market", LotKind::Market, 60, ARRIVALS_PER_HOUR),
        ];
        Self(lots.into_iter().map(|lot| (lot.id.clone(), lot)).collect())
    }
}

impl Written {
    fn check(self) -> Result<Lot, Placed> {
        let id = read(&self.id, |id| LotId::parse(id).map_err(|problem| format!("its id {problem}")))?;
        let time_zone = self.time_zone.map(|zone| read(&zone, |zone| check_time_zone(zone))).transpose()?;
        let arrivals = self.arrivals_per_hour.map(|arrivals| read(&arrivals, |arrivals| check_arrivals(*arrivals)));
        let permitted_stay = self.permitted_stay.map(|stay| read(&stay, PermittedStay::parse)).transpose()?;
        let max_stay = self.max_stay.map(|stay| read(&stay, |stay| check_max_stay(stay))).transpose()?;
        let re_read_window = self.re_read_window.map(|window| read(&window, |window| check_window(window)));
        Ok(Lot {
            id,
            kind: self.kind,
            capacity: self.capacity,
            time_zone: time_zone.unwrap_or(Tz::UTC),
            permitted_stay,
            max_stay,
            re_read_window: re_read_window.transpose()?,
            arrivals_per_hour: arrivals.transpose()?.unwrap_or(ARRIVALS_PER_HOUR),
        })
    }
}

/// What a value says, or what is wrong at its place.
fn read<T, R>(written: &Spanned<T>, check: impl FnOnce(&T) -> Result<R, String>) -> Result<R, Placed> {
    check(written.get_ref()).map_err(|problem| (written.span().start, problem))
}

fn check_time_zone(zone: &str) -> Result<Tz, String> {
    zone.parse()
        .map_err(|_| format!("time_zone {zone:?} is not a zone of the IANA data base such as \"Europe/Berlin\""))
}

fn check_arrivals(arrivals: f64) -> Result<f64, String> {
    if (0.0..=MAX_ARRIVALS_PER_HOUR).contains(&arrivals) {
        return Ok(arrivals);
    }
    Err(format!("arrivals_per_hour {arrivals} is not between 0 and {MAX_ARRIVALS_PER_HOUR}"))
}

fn check_max_stay(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_mins(1);
    match humantime::parse_duration(text) {
        Ok(stay) if stay >= SHORTEST => Ok(stay),
        _ => Err(format!("max_stay {text:?} is not a duration of at least 1m such as \"12h\" or \"30d\"")),
    }
}

fn check_window(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("re_read_window {text:?} is not a duration such as \"60s\" or \"2m\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[lot]]\nid = \"P3\"\nkind = \"mall\"\ncapacity = 350\ntime_zone = \"Asia/Shanghai\"\nmax_stay = \"7d\"\nre_read_window = \"90s\"\narrivals_per_hour = 12.5\n\n[[lot]]\nid = \"P10\"\nkind = \"community\"\n";

    #[test]
    fn a_lots_file_says_what_is_known_of_each_lot() {
        let lots = Lots::parse(FILE).unwrap();
        let expected = Lot {
            id: LotId::parse("P3").unwrap(),
            kind: LotKind::Mall,
            capacity: Some(350),
            time_zone: Tz::Asia__Shanghai,
            permitted_stay: None,
            max_stay: Some(Duration::from_hours(7 * 24)),
            re_read_window: Some(Duration::from_secs(90)),
            arrivals_per_hour: 12.5,
        };
        assert_eq!(lots.get(&expected.id), Some(&expected));
        assert_eq!(lots.iter().map(|lot| lot.id.to_string()).collect::<Vec<_>>(), ["P10", "P3"]);
    }

    #[test]
    fn a_byte_order_mark_before_a_lots_file_is_ignored() {
        assert_eq!(Lots::parse(&format!("\u{feff}{FILE}")), Lots::parse(FILE));
        assert!(Lots::parse(FILE).is_ok());
        let twice = format!("\u{feff}{}", FILE.replace("P10", "P3"));
        assert_eq!(Lots::parse(&twice).unwrap_err().to_string(), "line 11: lot P3: is there twice");
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_lot_and_its_line() {
        let refusal = |from: &str, to: &str| Lots::parse(&FILE.replace(from, to)).unwrap_err().to_string();
        assert_eq!(
            refusal("Asia/Shanghai", "Moon"),
            "line 5: lot P3: time_zone \"Moon\" is not a zone of the IANA data base such as \"Europe/Berlin\""
        );
        assert_eq!(
            refusal("7d", "-1d"),
            "line 6: lot P3: max_stay \"-1d\" is not a duration of at least 1m such as \"12h\" or \"30d\""
        );
        assert_eq!(
            refusal("90s", "90"),
            "line 7: lot P3: re_read_window \"90\" is not a duration such as \"60s\" or \"2m\""
        );
        let schedule = "max_stay = \"7d\"\npermitted_stay = [{ hours = \"8-18\", stay = \"soon\" }]";
        assert_eq!(
            refusal("max_stay = \"7d\"", schedule),
            "line 7: lot P3: permitted_stay, rule 1: stay \"soon\" is not a duration from 1m to 366d such as \"90m\" or \"4h\""
        );
        assert_eq!(refusal("P10", "P3"), "line 11: lot P3: is there twice");
        assert!(refusal("capacity", "capactiy").contains("unknown field `capactiy`"));
    }
}
