//! How a page writes a moment: in the local time of its lot, by one rule for all pages.
//!
//! - The date has its year when that is not the current one.
//! - The offset from UTC is added where the time can be misread: in an hour that the clocks repeat, to both ends of a
//!   stay during which clocks changed, and where times of several zones stand together ([`Local::with_offset`]). An
//!   offset, because abbreviations are shared: `IST` is India's, Ireland's and Israel's.
//! - The same moment stands in the markup for machines, as RFC 3339 in UTC.

use chrono::{DateTime, Datelike as _, NaiveDate, Offset as _, TimeZone as _};
use chrono_tz::Tz;
use maud::{Markup, html};
use parking::{LotId, Timestamp};
use sessions::ScopedService;

/// The local time of a lot: UTC for one that is not known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local {
    zone: Tz,
    /// The current year there.
    year: i32,
    has_offset: bool,
}

/// How exactly a time of day is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    Minutes,
    Seconds,
    Millis,
}

impl Clock {
    const fn pattern(self) -> &'static str {
        match self {
            Self::Minutes => "%H:%M",
            Self::Seconds => "%H:%M:%S",
            Self::Millis => "%H:%M:%S%.3f",
        }
    }
}

impl Local {
    pub(super) fn new(zone: Tz, now: Timestamp) -> Self {
        Self { zone, year: now.to_datetime().with_timezone(&zone).year(), has_offset: false }
    }

    pub(super) fn of(service: &ScopedService, lot: &LotId) -> Self {
        Self::new(service.lot(lot).map_or(Tz::UTC, |known| known.time_zone), service.now())
    }

    /// UTC, for a moment of several lots.
    pub(super) fn of_utc(service: &ScopedService) -> Self {
        Self::new(Tz::UTC, service.now())
    }

    /// Adds the offset to every time: for a place where times of several zones stand together.
    pub(super) fn with_offset(self) -> Self {
        Self { has_offset: true, ..self }
    }

    /// The name of the zone.
    pub(super) fn zone(self) -> &'static str {
        self.zone.name()
    }

    pub(super) fn at(self, time: Timestamp) -> DateTime<Tz> {
        time.to_datetime().with_timezone(&self.zone)
    }

    /// The day of a moment, with the year when that is not the current one: `24 Sep`.
    pub(super) fn day(self, time: Timestamp) -> String {
        let local = self.at(time);
        local.format(if local.year() == self.year { "%-d %b" } else { "%-d %b %Y" }).to_string()
    }

    /// The time of day, with the offset where it can be misread: `02:30:00 +02:00`.
    pub(super) fn clock(self, time: Timestamp, clock: Clock) -> String {
        let offset = if self.has_offset || self.is_repeated(time) { self.offset(time) } else { String::new() };
        let space = if offset.is_empty() { "" } else { " " };
        format!("{}{space}{offset}", self.at(time).format(clock.pattern()))
    }

    /// The offset of a moment from UTC: `+05:45`.
    fn offset(self, time: Timestamp) -> String {
        if self.zone == Tz::UTC { "UTC".to_owned() } else { self.at(time).format("%:z").to_string() }
    }

    /// Whether clocks show the time of this moment twice.
    pub(super) fn is_repeated(self, time: Timestamp) -> bool {
        let shown = self.at(time).naive_local();
        self.zone.from_local_datetime(&shown).earliest() != self.zone.from_local_datetime(&shown).latest()
    }

    /// Whether clocks changed between two moments.
    pub(super) fn differs(self, one: Timestamp, other: Timestamp) -> bool {
        self.at(one).offset().fix() != self.at(other).offset().fix()
    }

    /// The local time for two moments that are read together: with offsets when clocks changed in between.
    pub(super) fn for_both(self, one: Option<Timestamp>, other: Option<Timestamp>) -> Self {
        let has_changed = one
            .zip(other)
            .is_some_and(|(one, other)| self.differs(one, other) || self.is_repeated(one) || self.is_repeated(other));
        if has_changed { self.with_offset() } else { self }
    }

    /// A moment to the second, as plain text for a tooltip.
    pub(super) fn text(self, time: Timestamp) -> String {
        format!("{} {}", self.day(time), self.clock(time, Clock::Seconds))
    }

    /// A moment to the second, for a list.
    pub(super) fn moment(self, time: Timestamp) -> Markup {
        html! { time datetime=(time) { span.date { (self.day(time)) " " } (self.clock(time, Clock::Seconds)) } }
    }

    /// A moment in full, with the weekday, the year and the offset.
    pub(super) fn moment_in_full(self, time: Timestamp) -> Markup {
        let day = self.at(time).format("%a %-d %b %Y");
        html! { time datetime=(time) { (day) ", " (self.with_offset().clock(time, Clock::Millis)) } }
    }

    /// A moment within a sentence, with the year and the offset.
    pub(super) fn moment_in_sentence(self, time: Timestamp) -> Markup {
        let day = self.at(time).format("%-d %b %Y");
        html! { time datetime=(time) { (day) ", " (self.with_offset().clock(time, Clock::Seconds)) } }
    }

    /// The day that a moment is in.
    pub(super) fn date(self, time: Timestamp) -> NaiveDate {
        self.at(time).date_naive()
    }

    /// When a day begins: where clocks leap over midnight, right behind the leap.
    pub(super) fn start_of(self, date: NaiveDate) -> Option<Timestamp> {
        let hour = |hour| self.zone.from_local_datetime(&date.and_hms_opt(hour, 0, 0)?).earliest();
        let start = (0..=3).find_map(hour)?;
        Some(Timestamp::from_millis(start.timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn local(zone: Tz) -> Local {
        Local::new(zone, at("2024-11-29T12:00:00Z"))
    }

    #[test]
    fn a_day_begins_when_its_zone_says_so() {
        let start = |zone: Tz, year, month, day| {
            let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
            local(zone).start_of(date).unwrap().to_string()
        };
        assert_eq!(start(Tz::UTC, 2024, 9, 24), "2024-09-24T00:00:00.000Z");
        assert_eq!(start(Tz::Asia__Shanghai, 2024, 9, 24), "2024-09-23T16:00:00.000Z");
        // Clocks leapt from midnight to one o'clock.
        assert_eq!(start(Tz::Asia__Beirut, 2024, 3, 31), "2024-03-30T22:00:00.000Z");
    }

    #[test]
    fn a_time_in_a_repeated_hour_has_its_offset() {
        let berlin = local(Tz::Europe__Berlin);
        assert_eq!(berlin.text(at("2024-10-27T00:30:00Z")), "27 Oct 02:30:00 +02:00");
        assert_eq!(berlin.text(at("2024-10-27T01:15:00Z")), "27 Oct 02:15:00 +01:00");
        assert_eq!(berlin.text(at("2024-10-27T02:00:00Z")), "27 Oct 03:00:00");
        // Half an hour comes twice.
        let lord_howe = local(Tz::Australia__Lord_Howe);
        assert_eq!(lord_howe.text(at("2024-04-06T14:29:59Z")), "7 Apr 01:29:59");
        assert_eq!(lord_howe.text(at("2024-04-06T14:30:00Z")), "7 Apr 01:30:00 +11:00");
        assert_eq!(lord_howe.text(at("2024-04-06T15:00:00Z")), "7 Apr 01:30:00 +10:30");
    }

    #[test]
    fn both_ends_of_a_stay_have_their_offsets_when_clocks_changed_during_it() {
        let ends = |zone, entry, exit| {
            let (entry, exit) = (at(entry), at(exit));
            let local = local(zone).for_both(Some(entry), Some(exit));
            [local.text(entry), local.text(exit)]
        };
        let berlin = |entry, exit| ends(Tz::Europe__Berlin, entry, exit);
        assert_eq!(
            berlin("2024-10-27T00:30:00Z", "2024-10-27T01:15:00Z"),
            ["27 Oct 02:30:00 +02:00", "27 Oct 02:15:00 +01:00"]
        );
        assert_eq!(
            berlin("2024-03-31T00:30:00Z", "2024-03-31T01:30:00Z"),
            ["31 Mar 01:30:00 +01:00", "31 Mar 03:30:00 +02:00"]
        );
        assert_eq!(berlin("2024-09-24T09:00:00Z", "2024-09-24T10:47:00Z"), ["24 Sep 11:00:00", "24 Sep 12:47:00"]);
    }

    #[test]
    fn the_year_is_shown_when_it_is_not_the_current_one_there() {
        let text = |zone, time| Local::new(zone, at("2024-12-31T22:00:00Z")).text(at(time));
        assert_eq!(text(Tz::UTC, "2023-09-24T09:00:00Z"), "24 Sep 2023 09:00:00");
        assert_eq!(text(Tz::UTC, "2024-12-31T23:30:00Z"), "31 Dec 23:30:00");
        // In Shanghai the new year has begun.
        assert_eq!(text(Tz::Asia__Shanghai, "2024-12-31T23:30:00Z"), "1 Jan 07:30:00");
        assert_eq!(text(Tz::Asia__Shanghai, "2024-12-31T09:00:00Z"), "31 Dec 2024 17:00:00");
    }

    #[test]
    fn every_moment_is_in_the_markup_for_machines_too() {
        let (time, kathmandu) = (at("2024-09-24T09:00:00.125Z"), local(Tz::Asia__Kathmandu));
        let machine = "<time datetime=\"2024-09-24T09:00:00.125Z\">";
        assert_eq!(
            kathmandu.moment(time).into_string(),
            format!("{machine}<span class=\"date\">24 Sep </span>14:45:00</time>")
        );
        assert_eq!(
            kathmandu.moment_in_full(time).into_string(),
            format!("{machine}Tue 24 Sep 2024, 14:45:00.125 +05:45</time>")
        );
        assert_eq!(
            kathmandu.moment_in_sentence(time).into_string(),
            format!("{machine}24 Sep 2024, 14:45:00 +05:45</time>")
        );
        assert_eq!(local(Tz::UTC).with_offset().text(time), "24 Sep 09:00:00 UTC");
    }
}
