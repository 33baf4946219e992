//! The hours and days of a lot's own time zone, made of quarter hours. Pure.
//!
//! A day has the hours that its zone gives it: 23, 24 or 25, and 23.5 or 24.5 where clocks move by half an hour. Where
//! clocks change in the middle of an hour, that hour has a bucket before and a bucket after the change, so that one
//! bucket has one offset.

use std::ops::Range;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Offset as _, TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use ledger::{QUARTER_MS, quarter_of, start_of};
use parking::Timestamp;

use super::Bucket;

/// Clocks are set back by less than this many quarter hours.
const LONGEST_STEP_BACK: i64 = 12;

/// The time zone of a lot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar(pub(super) Tz);

impl Calendar {
    fn local(self, quarter: i64) -> DateTime<Tz> {
        start_of(quarter).to_datetime().with_timezone(&self.0)
    }

    /// The day in which a quarter hour begins.
    pub(super) fn date(self, quarter: i64) -> NaiveDate {
        self.local(quarter).date_naive()
    }

    /// The first quarter hour of a day; of a day that the zone leaps over, of the next one.
    pub(super) fn first_of_day(self, date: NaiveDate) -> i64 {
        // Clocks change in the night, so that nearly every day has its noon.
        let noon = |date: NaiveDate| {
            (12..24).find_map(|hour| self.0.from_local_datetime(&date.and_hms_opt(hour, 0, 0)?).earliest())
        };
        let noon = noon(date).or_else(|| noon(date.succ_opt()?)).map(|noon| noon.timestamp_millis());
        let noon = noon.unwrap_or_else(|| date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
        self.first_of(Bucket::Day, quarter_of(Timestamp::from_millis(noon)))
    }

    /// The weekday, Monday is 0, and the hour of the day.
    pub(super) fn weekday_and_hour(self, quarter: i64) -> (usize, usize) {
        let local = self.local(quarter);
        let place = |number: u32| usize::try_from(number).unwrap_or_default();
        (place(local.weekday().num_days_from_monday()), place(local.hour()))
    }

    /// Whether a bucket begins with this quarter hour.
    pub(super) fn begins(self, bucket: Bucket, quarter: i64) -> bool {
        let (local, before) = (self.local(quarter), self.local(quarter - 1));
        match bucket {
            Bucket::Hour => {
                local.hour() != before.hour()
                    || local.date_naive() != before.date_naive()
                    || local.offset().fix() != before.offset().fix()
            }
            // Where clocks are set back over midnight, the day before goes on: the last midnight begins the day.
            Bucket::Day => {
                let date = local.date_naive();
                date > before.date_naive() && (1..LONGEST_STEP_BACK).all(|later| self.date(quarter + later) >= date)
            }
        }
    }

    /// The first quarter hour of the bucket that contains `quarter`.
    pub(super) fn first_of(self, bucket: Bucket, quarter: i64) -> i64 {
        let mut first = quarter;
        while !self.begins(bucket, first) {
            first -= 1;
        }
        first
    }

    /// The quarter hours of the whole buckets that contain the time from `from` to `to`.
    pub(super) fn whole(self, bucket: Bucket, from: Timestamp, to: Timestamp) -> Range<i64> {
        let mut end = quarter_of(to.plus_millis(QUARTER_MS - 1));
        while !self.begins(bucket, end) {
            end += 1;
        }
        self.first_of(bucket, quarter_of(from))..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    /// The lengths of the buckets, in minutes.
    fn lengths(zone: Tz, bucket: Bucket, from: &str, to: &str) -> Vec<i64> {
        let calendar = Calendar(zone);
        let quarters = calendar.whole(bucket, at(from), at(to));
        let begins: Vec<i64> = quarters.clone().filter(|quarter| calendar.begins(bucket, *quarter)).collect();
        let ends = begins.iter().skip(1).copied().chain([quarters.end]);
        begins.iter().zip(ends).map(|(begin, end)| (end - begin) * 15).collect()
    }

    fn day(zone: Tz, noon: &str) -> (String, Vec<i64>) {
        let quarters = Calendar(zone).whole(Bucket::Day, at(noon), at(noon).plus_millis(1));
        (start_of(quarters.start).to_string(), lengths(zone, Bucket::Day, noon, &at(noon).plus_millis(1).to_string()))
    }

    #[test]
    fn a_day_begins_at_midnight_of_every_zone() {
        let noon = "2024-06-03T12:00:00";
        for (zone, offset, begin) in [
            (Tz::UTC, "Z", "2024-06-03T00:00:00.000Z"),
            (Tz::Asia__Kolkata, "+05:30", "2024-06-02T18:30:00.000Z"),
            (Tz::Asia__Kathmandu, "+05:45", "2024-06-02T18:15:00.000Z"),
            (Tz::America__St_Johns, "-02:30", "2024-06-03T02:30:00.000Z"),
            (Tz::Australia__Lord_Howe, "+10:30", "2024-06-02T13:30:00.000Z"),
            (Tz::Asia__Tehran, "+03:30", "2024-06-02T20:30:00.000Z"),
            (Tz::Pacific__Chatham, "+12:45", "2024-06-02T11:15:00.000Z"),
            (Tz::Australia__Eucla, "+08:45", "2024-06-02T15:15:00.000Z"),
        ] {
            assert_eq!(day(zone, &format!("{noon}{offset}")), (begin.to_owned(), vec![24 * 60]), "{zone}");
        }
    }

    #[test]
    fn a_day_on_which_clocks_change_is_as_long_as_its_zone_says() {
        let length = |zone, noon| day(zone, noon).1;
        assert_eq!(length(Tz::Europe__Berlin, "2024-03-31T12:00:00+02:00"), [23 * 60]);
        assert_eq!(length(Tz::Europe__Berlin, "2024-10-27T12:00:00+01:00"), [25 * 60]);
        assert_eq!(length(Tz::Australia__Lord_Howe, "2024-10-06T12:00:00+11:00"), [23 * 60 + 30]);
        assert_eq!(length(Tz::Australia__Lord_Howe, "2024-04-07T12:00:00+10:30"), [24 * 60 + 30]);
        // Until 2011 clocks changed at one minute past midnight here: the day before has the hour again.
        let november =
            lengths(Tz::America__St_Johns, Bucket::Day, "2010-11-06T12:00:00-02:30", "2010-11-07T12:00:00-03:30");
        assert_eq!(november, [25 * 60, 24 * 60]);
        // The 30th of December 2011 does not exist.
        let samoa = lengths(Tz::Pacific__Apia, Bucket::Day, "2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00");
        assert_eq!(samoa, [24 * 60, 24 * 60]);
    }

    #[test]
    fn an_hour_is_one_of_the_lots_clock_also_where_clocks_change() {
        let hours = |zone, from, to| lengths(zone, Bucket::Hour, from, to);
        assert_eq!(hours(Tz::Asia__Kathmandu, "2024-06-03T10:59:00+05:45", "2024-06-03T12:00:00+05:45"), [60, 60]);
        // The hour from two to three comes twice.
        assert_eq!(hours(Tz::Europe__Berlin, "2024-10-27T00:00:00Z", "2024-10-27T02:00:00Z"), [60, 60]);
        // Clocks go back from 2:00 to 1:30, and forward from 2:00 to 2:30.
        assert_eq!(hours(Tz::Australia__Lord_Howe, "2024-04-06T14:00:00Z", "2024-04-06T16:30:00Z"), [60, 30, 60]);
        assert_eq!(hours(Tz::Australia__Lord_Howe, "2024-10-05T14:30:00Z", "2024-10-05T17:00:00Z"), [60, 30, 60]);
    }

    #[test]
    fn a_zone_that_was_no_quarter_hour_from_utc_counts_a_quarter_where_it_begins() {
        let (begin, length) = day(Tz::Africa__Monrovia, "1971-06-03T12:00:00-00:44");
        assert_eq!((begin.as_str(), length), ("1971-06-03T00:45:00.000Z", vec![24 * 60]));
    }
}
