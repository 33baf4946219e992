//! Periods of whole days, each lot by its own time and in its own time zone: today, the last days, chosen dates, and the
//! days that they are compared with. Pure.

use std::ops::Range;

use chrono::{Days as Span, NaiveDate};
use ledger::{quarter_of, start_of};
use parking::Timestamp;

use super::calendar::Calendar;

/// The days of a week.
const WEEK_DAYS: u64 = 7;

/// A period of whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// The last days, this many, the day of the lot's own time included: 1 is today.
    Last(u32),
    /// The day before the day of the lot's own time.
    Yesterday,
    /// From a day to another one, both included.
    Dates {
        /// The first day.
        first: NaiveDate,
        /// The last day, not before the first.
        last: NaiveDate,
    },
}

/// What counts as in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodOf {
    /// Entries, as statistics count them.
    Entries,
    /// Exits, as statistics count them.
    Exits,
}

impl Days {
    /// The first and the last day, for a lot whose own time is on the day `today`.
    pub fn dates(self, today: NaiveDate) -> (NaiveDate, NaiveDate) {
        match self {
            Self::Last(days) => (before(today, u64::from(days.saturating_sub(1))), today),
            Self::Yesterday => (before(today, 1), before(today, 1)),
            Self::Dates { first, last } => (first, last),
        }
    }

    /// The days that the period is compared with: the same weekdays, whole weeks before.
    pub fn dates_before(self, today: NaiveDate) -> (NaiveDate, NaiveDate) {
        let (first, last) = self.dates(today);
        let distance = self.count().div_ceil(WEEK_DAYS) * WEEK_DAYS;
        (before(first, distance), before(last, distance))
    }

    /// How many days the period has.
    pub fn count(self) -> u64 {
        let (first, last) = self.dates(NaiveDate::MAX);
        u64::try_from((last - first).num_days() + 1).unwrap_or(1)
    }

    /// The quarter hours of the period.
    pub(super) fn quarters(self, calendar: Calendar, now: Timestamp) -> Range<i64> {
        let (first, last) = self.dates(calendar.date(quarter_of(now)));
        calendar.first_of_day(first)..calendar.first_of_day(after(last, 1))
    }

    /// The times of the period.
    pub(super) fn times(self, calendar: Calendar, now: Timestamp) -> Range<Timestamp> {
        let quarters = self.quarters(calendar, now);
        start_of(quarters.start)..start_of(quarters.end)
    }

    /// The quarter hours that a period is compared with; of a period that is not over, up to the same time.
    pub(super) fn quarters_before(self, calendar: Calendar, now: Timestamp) -> Range<i64> {
        let today = calendar.date(quarter_of(now));
        let (first, last) = self.dates_before(today);
        let (start, end) = (calendar.first_of_day(first), calendar.first_of_day(after(last, 1)));
        let begun = quarter_of(now) + 1 - calendar.first_of_day(self.dates(today).0);
        start..end.min(start + begun).max(start)
    }
}

fn before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Span::new(days)).unwrap_or(NaiveDate::MIN)
}

fn after(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Span::new(days)).unwrap_or(NaiveDate::MAX)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    const BERLIN: Calendar = Calendar(Tz::Europe__Berlin);

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn times(quarters: &Range<i64>) -> [String; 2] {
        [start_of(quarters.start).to_string(), start_of(quarters.end).to_string()]
    }

    #[test]
    fn a_period_is_of_days_of_the_lot() {
        // A quarter past midnight in Berlin.
        let now = at("2024-09-23T22:15:00Z");
        for (days, first, last) in [
            (Days::Last(1), "2024-09-24", "2024-09-24"),
            (Days::Yesterday, "2024-09-23", "2024-09-23"),
            (Days::Last(7), "2024-09-18", "2024-09-24"),
            (Days::Dates { first: day("2024-03-30"), last: day("2024-04-02") }, "2024-03-30", "2024-04-02"),
        ] {
            assert_eq!(days.dates(BERLIN.date(quarter_of(now))), (day(first), day(last)), "{days:?}");
        }
        let today = Days::Last(1).quarters(BERLIN, now);
        assert_eq!(times(&today), ["2024-09-23T22:00:00.000Z", "2024-09-24T22:00:00.000Z"]);
        // Clocks are set forward.
        let spring = Days::Dates { first: day("2024-03-31"), last: day("2024-03-31") };
        assert_eq!(spring.quarters(BERLIN, now).count(), 23 * 4);
        // Clocks leap over midnight.
        let beirut = Days::Dates { first: day("2024-03-31"), last: day("2024-03-31") };
        assert_eq!(
            times(&beirut.quarters(Calendar(Tz::Asia__Beirut), now)),
            ["2024-03-30T22:00:00.000Z", "2024-03-31T21:00:00.000Z"]
        );
    }

    #[test]
    fn a_period_is_compared_with_the_same_weekdays_before_up_to_the_same_time() {
        let now = at("2024-09-24T08:07:00Z");
        let compared = |days: Days| times(&days.quarters_before(BERLIN, now));
        assert_eq!(compared(Days::Last(1)), ["2024-09-16T22:00:00.000Z", "2024-09-17T08:15:00.000Z"]);
        assert_eq!(compared(Days::Yesterday), ["2024-09-15T22:00:00.000Z", "2024-09-16T22:00:00.000Z"]);
        assert_eq!(compared(Days::Last(7)), ["2024-09-10T22:00:00.000Z", "2024-09-17T08:15:00.000Z"]);
        assert_eq!(compared(Days::Last(28)), ["2024-07-30T22:00:00.000Z", "2024-08-27T08:15:00.000Z"]);
        let ten = Days::Dates { first: day("2024-09-01"), last: day("2024-09-10") };
        assert_eq!(compared(ten), ["2024-08-17T22:00:00.000Z", "2024-08-27T22:00:00.000Z"]);
    }
}
