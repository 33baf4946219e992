//! Moments in the local time of a lot, and days of its calendar.

use chrono::{DateTime, NaiveDate, TimeZone as _};
use chrono_tz::Tz;
use maud::{Markup, html};
use parking::{LotId, Timestamp};

use crate::service::Service;

/// The local time of a lot: UTC for one that is not known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Local(pub(super) Tz);

impl Local {
    pub(super) fn of(service: &Service, lot: &LotId) -> Self {
        Self(service.lot(lot).map_or(Tz::UTC, |known| known.time_zone))
    }

    /// The name of the zone.
    pub(super) fn zone(self) -> &'static str {
        self.0.name()
    }

    pub(super) fn at(self, time: Timestamp) -> DateTime<Tz> {
        time.to_datetime().with_timezone(&self.0)
    }

    /// A moment by chrono's pattern.
    pub(super) fn text(self, time: Timestamp, pattern: &str) -> String {
        self.at(time).format(pattern).to_string()
    }

    /// A moment to the second, for a table that says its zone itself.
    pub(super) fn moment(self, time: Timestamp) -> Markup {
        html! { time datetime=(time) { span.date { (self.text(time, "%-d %b ")) } (self.text(time, "%H:%M:%S")) } }
    }

    /// A moment to the second with the short name of its zone.
    pub(super) fn moment_and_zone(self, time: Timestamp) -> Markup {
        html! { (self.moment(time)) " " span.zone { (self.text(time, "%Z")) } }
    }

    /// A moment in full.
    pub(super) fn moment_in_full(self, time: Timestamp) -> Markup {
        html! { time datetime=(time) { (self.text(time, "%a %-d %b %Y, %H:%M:%S%.3f %Z")) } }
    }

    /// The day that a moment is in.
    pub(super) fn date(self, time: Timestamp) -> NaiveDate {
        self.at(time).date_naive()
    }

    /// When a day begins: where clocks leap over midnight, right behind the leap.
    pub(super) fn start_of(self, date: NaiveDate) -> Option<Timestamp> {
        let hour = |hour| self.0.from_local_datetime(&date.and_hms_opt(hour, 0, 0)?).earliest();
        let start = (0..=3).find_map(hour)?;
        Some(Timestamp::from_millis(start.timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_when_its_zone_says_so() {
        let start = |zone: Tz, year, month, day| {
            let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
            Local(zone).start_of(date).unwrap().to_string()
        };
        assert_eq!(start(Tz::UTC, 2024, 9, 24), "2024-09-24T00:00:00.000Z");
        assert_eq!(start(Tz::Asia__Shanghai, 2024, 9, 24), "2024-09-23T16:00:00.000Z");
        // Clocks leapt from midnight to one o'clock.
        assert_eq!(start(Tz::Asia__Beirut, 2024, 3, 31), "2024-03-30T22:00:00.000Z");
    }
}
