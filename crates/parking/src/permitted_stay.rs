//! How long a vehicle may stay in a lot: one duration, or one for each hour of the week in which it may enter.
//!
//! The hour of the entry decides, on the lot's own clock: a vehicle that enters in an hour of two hours may stay for
//! two hours, even into an hour of twelve. A stay is a duration, so it does not change where clocks change. Pure: the
//! time zone and the time are arguments.

use std::ops::Range;
use std::time::Duration;

use chrono::{Datelike as _, Timelike as _};
use chrono_tz::Tz;
use toml::Value;

use crate::Timestamp;

/// The hours of a week.
const HOURS: usize = 7 * 24;
/// Every time zone is a multiple of this from UTC, so within it the local hour does not change.
const QUARTER_MS: i64 = 900_000;
const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// The weekdays, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// How long a vehicle may stay, by the hour of the week in which it enters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermittedStay {
    /// Milliseconds, from Monday midnight on.
    by_hour_ms: Box<[i64; HOURS]>,
}

impl PermittedStay {
    /// How long a vehicle may stay that enters at this time in this zone, milliseconds.
    pub fn of_entry_ms(&self, zone: Tz, entry: Timestamp) -> i64 {
        let quarter = Timestamp::from_millis(entry.as_millis().div_euclid(QUARTER_MS) * QUARTER_MS);
        let local = quarter.to_datetime().with_timezone(&zone);
        let hour = local.weekday().num_days_from_monday() * 24 + local.hour();
        usize::try_from(hour).ok().and_then(|hour| self.by_hour_ms.get(hour)).copied().unwrap_or(i64::MAX)
    }

    /// The times of entry of which a vehicle has stayed for longer than permitted at `now`: ascending, disjoint, and as
    /// few ranges as possible. One range when the stay is the same all week.
    pub fn overstayed(&self, zone: Tz, now: Timestamp) -> Vec<Range<Timestamp>> {
        let (shortest, longest) =
            self.by_hour_ms.iter().fold((i64::MAX, 0), |(least, most), stay| (least.min(*stay), most.max(*stay)));
        let (certain, last) = (now.plus_millis(-longest), now.plus_millis(-shortest));
        let mut ranges = vec![Timestamp::from_millis(i64::MIN)..certain];
        // Only the hour of an entry tells whether a stay between the shortest and the longest is too long.
        let mut quarter = certain.as_millis().div_euclid(QUARTER_MS) * QUARTER_MS;
        while quarter < last.as_millis() {
            let begin = Timestamp::from_millis(quarter);
            let start = begin.max(certain);
            let end = begin.plus_millis(QUARTER_MS).min(now.plus_millis(-self.of_entry_ms(zone, begin)));
            match ranges.last_mut() {
                _ if start >= end => {}
                Some(range) if range.end == start => range.end = end,
                _ => ranges.push(start..end),
            }
            quarter += QUARTER_MS;
        }
        ranges
    }

    /// Reads what stands in a lots file.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub(crate) fn parse(written: &Value) -> Result<Self, String> {
        if let Some(text) = written.as_str() {
            let stay = duration(text).map_err(|problem| format!("permitted_stay {problem}"))?;
            return Ok(Self { by_hour_ms: Box::new([stay; HOURS]) });
        }
        let rules = written.as_array().filter(|rules| !rules.is_empty()).ok_or(
            "permitted_stay is neither a duration such as \"4h\" nor a list of rules such as \
             [{ days = \"mon-fri\", hours = \"8-18\", stay = \"2h\" }, { stay = \"12h\" }]",
        )?;
        let mut by_hour_ms = Box::new([0; HOURS]);
        let mut is_complete = false;
        // From the last to the first, because the first that fits decides.
        for (index, rule) in rules.iter().enumerate().rev() {
            let rule = rule_of(rule).map_err(|problem| format!("permitted_stay, rule {}: {problem}", index + 1))?;
            if index + 1 == rules.len() {
                is_complete = rule.hours.iter().all(|applies| *applies);
            }
            for (stay, _) in by_hour_ms.iter_mut().zip(rule.hours).filter(|(_, applies)| *applies) {
                *stay = rule.stay_ms;
            }
        }
        if !is_complete {
            return Err("permitted_stay: the last rule has days or hours; add one with a stay alone, for all other \
                        times, such as { stay = \"12h\" }"
                .to_owned());
        }
        Ok(Self { by_hour_ms })
    }
}

/// One rule of the list: the hours of the week to which it applies, and the stay.
struct Rule {
    hours: [bool; HOURS],
    stay_ms: i64,
}

fn rule_of(written: &Value) -> Result<Rule, String> {
    let table = written.as_table().ok_or("is not a table such as { hours = \"8-18\", stay = \"2h\" }")?;
    let text = |name: &str| match table.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name} is not a text in quotes")),
    };
    if let Some(unknown) = table.keys().find(|name| !["days", "hours", "stay"].contains(&name.as_str())) {
        return Err(format!("{unknown:?} is unknown; a rule has stay, and may have days and hours"));
    }
    let stay = text("stay")?.ok_or("stay is missing; it is a duration such as \"2h\"")?;
    let stay_ms = duration(stay).map_err(|problem| format!("stay {problem}"))?;
    let days = text("days")?.map_or(Ok([true; 7]), days)?;
    let of_day = text("hours")?.map_or(Ok([true; 24]), hours)?;
    let mut hours = [false; HOURS];
    for (index, applies) in hours.iter_mut().enumerate() {
        *applies = days[index / 24] && of_day[index % 24];
    }
    Ok(Rule { hours, stay_ms })
}

fn duration(text: &str) -> Result<i64, String> {
    let stay = humantime::parse_duration(text).ok().filter(|stay| (SHORTEST..=LONGEST).contains(stay));
    stay.and_then(|stay| i64::try_from(stay.as_millis()).ok())
        .ok_or_else(|| format!("{text:?} is not a duration from 1m to 366d such as \"90m\" or \"4h\""))
}

/// Reads weekdays and ranges of weekdays, separated by commas. A range may go on over the end of the week.
fn days(text: &str) -> Result<[bool; 7], String> {
    let number = |word: &str| DAYS.iter().position(|day| *day == word.trim());
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(format!(
                "days {text:?} are not weekdays such as \"sat,sun\" or \"mon-fri\"; the weekdays are {}",
                DAYS.join(", ")
            ));
        };
        let count = (last + 7 - first) % 7 + 1;
        (first..first + count).for_each(|day| days[day % 7] = true);
    }
    Ok(days)
}

/// Reads a range of whole hours; the last hour ends it. A range may go on over midnight.
fn hours(text: &str) -> Result<[bool; 24], String> {
    let parsed = text.split_once('-').and_then(|(first, end)| {
        let (first, end): (usize, usize) = (first.trim().parse().ok()?, end.trim().parse().ok()?);
        (first < 24 && end <= 24 && first != end).then_some((first, end))
    });
    let (first, end) = parsed.ok_or_else(|| {
        format!("hours {text:?} are not two different hours from 0 to 24 such as \"8-18\", or \"22-6\" over midnight")
    })?;
    let count = if end > first { end - first } else { end + 24 - first };
    let mut hours = [false; 24];
    (first..first + count).for_each(|hour| hours[hour % 24] = true);
    Ok(hours)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(written: &str) -> Result<PermittedStay, String> {
        let table: toml::Table = toml::from_str(&format!("stay = {written}")).unwrap();
        PermittedStay::parse(&table["stay"])
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    /// Two hours by day on working days, four on Saturdays, twelve otherwise.
    const WEEK: &str = r#"[
        { days = "mon-fri", hours = "8-18", stay = "2h" }, { days = "sat", stay = "4h" }, { stay = "12h" }
    ]"#;
    const BERLIN: Tz = Tz::Europe__Berlin;

    #[test]
    fn the_first_rule_that_fits_the_local_time_of_the_entry_decides() {
        let week = parsed(WEEK).unwrap();
        let hours = |entry: &str| week.of_entry_ms(BERLIN, at(entry)) / 3_600_000;
        // 2024-09-24 is a Tuesday.
        assert_eq!(hours("2024-09-24T07:59:59+02:00"), 12);
        assert_eq!(hours("2024-09-24T08:00:00+02:00"), 2);
        assert_eq!(hours("2024-09-24T17:59:59.999+02:00"), 2);
        assert_eq!(hours("2024-09-24T18:00:00+02:00"), 12);
        assert_eq!(hours("2024-09-28T00:00:00+02:00"), 4);
        assert_eq!(hours("2024-09-27T22:00:00Z"), 4, "it is Saturday there already");
        assert_eq!(hours("2024-09-29T12:00:00+02:00"), 12);
        let nights = parsed(r#"[{ days = "fri-mon", hours = "22-6", stay = "10h" }, { stay = "1h" }]"#).unwrap();
        let hours = |entry: &str| nights.of_entry_ms(Tz::UTC, at(entry)) / 3_600_000;
        assert_eq!((hours("2024-09-23T23:00:00Z"), hours("2024-09-24T23:00:00Z")), (10, 1));
        assert_eq!((hours("2024-09-29T05:59:00Z"), hours("2024-09-29T06:00:00Z")), (10, 1));
    }

    #[test]
    fn one_duration_for_all_is_one_range_of_entries() {
        let stay = parsed("\"90m\"").unwrap();
        let now = at("2024-09-24T12:00:00Z");
        assert_eq!(stay.overstayed(BERLIN, now), [Timestamp::from_millis(i64::MIN)..at("2024-09-24T10:30:00Z")]);
    }

    #[test]
    fn a_stay_of_one_hour_can_be_too_long_before_that_of_an_earlier_one() {
        let week = parsed(WEEK).unwrap();
        // Tuesday, 11:00: of the entries since eight, those before nine; of the night, those before 23:00.
        let ranges = week.overstayed(BERLIN, at("2024-09-24T11:00:00+02:00"));
        let expected = [
            Timestamp::from_millis(i64::MIN)..at("2024-09-23T23:00:00+02:00"),
            at("2024-09-24T08:00:00+02:00")..at("2024-09-24T09:00:00+02:00"),
        ];
        assert_eq!(ranges, expected);
    }

    #[test]
    fn a_stay_lasts_as_long_where_clocks_change() {
        let night = parsed(r#"[{ days = "sun", hours = "2-3", stay = "1h" }, { stay = "5h" }]"#).unwrap();
        let hours = |entry: &str| night.of_entry_ms(BERLIN, at(entry)) / 3_600_000;
        // Clocks go back from three to two: the hour comes twice.
        assert_eq!(hours("2024-10-27T02:30:00+02:00"), 1);
        assert_eq!(hours("2024-10-27T02:30:00+01:00"), 1);
        assert_eq!(hours("2024-10-27T03:00:00+01:00"), 5);
        // Clocks go forward from two to three: the hour does not come.
        assert_eq!(hours("2024-03-31T01:59:59+01:00"), 5);
        assert_eq!(hours("2024-03-31T03:00:00+02:00"), 5);
        let ranges = night.overstayed(BERLIN, at("2024-10-27T03:30:00+01:00"));
        let expected = [
            Timestamp::from_millis(i64::MIN)..at("2024-10-26T23:30:00+02:00"),
            at("2024-10-27T02:00:00+02:00")..at("2024-10-27T02:30:00+01:00"),
        ];
        assert_eq!(ranges, expected);
        let odd = parsed(r#"[{ days = "sun", hours = "2-3", stay = "1h" }, { stay = "3h" }]"#).unwrap();
        // Half past one comes again when clocks go back from two.
        let lord_howe = |entry: &str| odd.of_entry_ms(Tz::Australia__Lord_Howe, at(entry)) / 3_600_000;
        assert_eq!((lord_howe("2024-04-07T01:45:00+11:00"), lord_howe("2024-04-07T01:45:00+10:30")), (3, 3));
        assert_eq!(lord_howe("2024-04-07T02:00:00+10:30"), 1);
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_is_allowed() {
        let refusal = |written: &str| parsed(written).unwrap_err();
        assert_eq!(
            refusal("\"59s\""),
            "permitted_stay \"59s\" is not a duration from 1m to 366d such as \"90m\" or \"4h\""
        );
        assert!(refusal("4").starts_with("permitted_stay is neither a duration such as \"4h\" nor a list of rules"));
        assert!(refusal("[]").starts_with("permitted_stay is neither"));
        assert_eq!(
            refusal(r#"[{ days = "mon-fry", stay = "2h" }, { stay = "3h" }]"#),
            "permitted_stay, rule 1: days \"mon-fry\" are not weekdays such as \"sat,sun\" or \"mon-fri\"; the weekdays are \
             mon, tue, wed, thu, fri, sat, sun"
        );
        assert_eq!(
            refusal(r#"[{ stay = "3h" }, { hours = "8-25", stay = "2h" }]"#),
            "permitted_stay, rule 2: hours \"8-25\" are not two different hours from 0 to 24 such as \"8-18\", or \"22-6\" over \
             midnight"
        );
        assert_eq!(
            refusal(r#"[{ hours = "8-18" }]"#),
            "permitted_stay, rule 1: stay is missing; it is a duration such as \"2h\""
        );
        assert_eq!(
            refusal(r#"[{ day = "mon", stay = "1h" }]"#),
            "permitted_stay, rule 1: \"day\" is unknown; a rule has stay, and may have days and hours"
        );
        assert_eq!(refusal("[{ stay = 4 }]"), "permitted_stay, rule 1: stay is not a text in quotes");
        assert_eq!(
            refusal(r#"[{ hours = "8-18", stay = "2h" }]"#),
            "permitted_stay: the last rule has days or hours; add one with a stay alone, for all other times, such as \
             { stay = \"12h\" }"
        );
    }

    proptest! {
        #[test]
        fn the_ranges_have_exactly_the_entries_that_stayed_for_longer(
            zone in prop::sample::select(vec![BERLIN, Tz::UTC, Tz::Australia__Lord_Howe, Tz::Asia__Kathmandu]),
            now in 1_700_000_000_000_i64..1_740_000_000_000,
            ages in prop::collection::vec(0_i64..20 * 3_600_000, 50),
        ) {
            let (week, now) = (parsed(WEEK).unwrap(), Timestamp::from_millis(now));
            let ranges = week.overstayed(zone, now);
            prop_assert!(ranges.is_sorted_by(|one, next| one.end < next.start));
            for age in ages {
                let entry = now.plus_millis(-age);
                let is_in = ranges.iter().any(|range| range.contains(&entry));
                prop_assert_eq!(is_in, age > week.of_entry_ms(zone, entry), "{} at {}", entry, now);
            }
        }
    }
}
