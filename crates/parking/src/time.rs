//! Moments in UTC, to the millisecond, and their strict RFC 3339 form.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment and `millis` more (less, when negative); stops at the ends of the range.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this moment.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether it is between 1970 and 9999, as every time that was parsed.
    pub fn is_in_calendar(self) -> bool {
        (0..=LAST_MILLIS).contains(&self.0)
    }

    /// The same moment as chrono has it.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The text that `Display` gives, without the cost of a format string. A time that is not between 1970 and 9999 gives
    /// the nearest that is.
    pub fn to_rfc3339(self) -> [u8; 24] {
        let mut text = [0; 24];
        self.write_rfc3339(&mut text);
        text
    }

    /// Writes the text that [`to_rfc3339`](Self::to_rfc3339) gives to where it belongs.
    #[inline]
    pub fn write_rfc3339(self, text: &mut [u8; 24]) {
        let millis = self.0.clamp(0, LAST_MILLIS);
        let days = u32::try_from(millis / DAY_MILLIS).expect("days until the year 9999 are few");
        let of_day = u32::try_from(millis % DAY_MILLIS).expect("a day has 86,400,000 milliseconds");
        let (year, month, day) = date_of(days);
        let (second_of_day, millis) = (of_day / 1_000, of_day % 1_000);
        *text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: usize, number: u32| text[at..at + 2].copy_from_slice(&TWO_DIGITS[number as usize]);
        put(0, year / 100);
        put(2, year % 100);
        put(5, month);
        put(8, day);
        put(11, second_of_day / 3_600);
        put(14, second_of_day / 60 % 60);
        put(17, second_of_day % 60);
        put(20, millis / 10);
        text[22] = TWO_DIGITS[(millis % 10) as usize][1];
    }

    /// Reads an RFC 3339 date and time with an offset, from 1970 to 9999.
    ///
    /// Digits beyond the millisecond are cut off. Refused are a time without offset, a leap second (no
    /// dwell can be computed across one) and years before 1970 (a session's id holds the time unsigned).
    ///
    /// # Errors
    /// What is wrong with the text, as the end of a sentence.
    pub fn parse_rfc3339(text: &str) -> Result<Self, &'static str> {
        parse(text.as_bytes())
    }
}

/// The form of `Display` as chrono knows it, for times of any year.
const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";

impl fmt::Display for Timestamp {
    /// `2024-09-24T09:00:00.125Z`, always with three decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.to_rfc3339()) {
            Ok(text) if (0..=LAST_MILLIS).contains(&self.0) => f.write_str(text),
            _ => write!(f, "{}", self.to_datetime().format(FORMAT)),
        }
    }
}

const FORM: &str = "is not an RFC 3339 date and time such as 2024-09-24T09:00:00.125Z";

/// As [`Timestamp::parse_rfc3339`], whether or not it is UTF-8.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Result<Timestamp, &'static str> {
    let usual = text.first_chunk().filter(|usual| usual.len() == text.len());
    usual.and_then(parse_usual).map_or_else(|| parse_any(text), Ok)
}

/// Where the usual form has a digit, here is a zero.
const USUAL: [u64; 3] =
    [u64::from_le_bytes(*b"0000-00-"), u64::from_le_bytes(*b"00T00:00"), u64::from_le_bytes(*b":00.000Z")];
const EACH: u64 = u64::MAX / 0xff;

/// Reads a time as it is written here, eight bytes at once; of any other, wrong ones among them, `None`.
#[inline]
fn parse_usual(text: &[u8; 24]) -> Option<Timestamp> {
    let mut parts = [0; 3];
    let mut wrong = 0;
    for ((part, bytes), usual) in parts.iter_mut().zip(text.as_chunks().0).zip(USUAL) {
        // Digits become their values, and what stands between them zeros.
        *part = u64::from_le_bytes(*bytes) ^ usual;
        let is_digit = (usual >> 4) & !(usual >> 3) & !(usual >> 6) & EACH;
        // The highest bit of a byte is set when a digit is above 9, and anything else not zero.
        wrong |= *part | part.wrapping_add(EACH * 0x7f - is_digit * 9);
    }
    if wrong & (EACH << 7) != 0 {
        return None;
    }
    // In each byte ten times the digit there and the one behind it.
    let [date, middle, end] = parts.map(|part| part * 10 + (part >> 8));
    let two = |pairs: u64, place: u32| u32::from(pairs.to_le_bytes()[place as usize]);
    let (year, month, day) = (two(date, 0) * 100 + two(date, 2), two(date, 5), two(middle, 0));
    let seconds = seconds_of((year, month, day), (two(middle, 3), two(middle, 6), two(end, 1)))?;
    let millis = seconds * 1_000 + i64::from(two(end, 4) * 10 + u32::from(parts[2].to_le_bytes()[6]));
    (millis >= 0).then_some(Timestamp(millis))
}

fn parse_any(text: &[u8]) -> Result<Timestamp, &'static str> {
    let (fixed, rest) = text.split_first_chunk::<19>().ok_or(FORM)?;
    let separators = [fixed[4], fixed[7], fixed[13], fixed[16]] == *b"--::" && matches!(fixed[10], b'T' | b't');
    let two = |at: usize| digits(&fixed[at..at + 2]).ok_or(FORM);
    let date = (two(0)? * 100 + two(2)?, two(5)?, two(8)?);
    let time = (two(11)?, two(14)?, two(17)?);
    if !separators {
        return Err(FORM);
    }
    if time.2 == 60 {
        return Err("is a leap second, which is not taken");
    }
    let seconds = seconds_of(date, time).ok_or("is not a moment of the calendar")?;
    let (millis, offset) = fraction(rest)?;
    let millis = seconds * 1_000 + millis - offset_millis(offset)?;
    if (0..=LAST_MILLIS).contains(&millis) { Ok(Timestamp(millis)) } else { Err("is not between 1970 and 9999") }
}

/// The seconds from the epoch to a date and a time of day, if there are such ones.
#[inline]
fn seconds_of((year, month, day): (u32, u32, u32), (hour, minute, second): (u32, u32, u32)) -> Option<i64> {
    let is_moment = (1..=days_of(year, month)).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let of_day = hour * 3_600 + minute * 60 + second;
    is_moment.then(|| days_since_epoch(year, month, day) * 86_400 + i64::from(of_day))
}

/// How many days the month has; none when there is no such month.
fn days_of(year: u32, month: u32) -> u32 {
    let is_leap_year = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap_year),
        1..=12 => 31,
        _ => 0,
    }
}

/// Days are counted from 0000-03-01 less 400 years, so that every number of a date is unsigned.
const DAYS_BEFORE_EPOCH: u32 = 719_468 + DAYS_OF_400_YEARS;
const DAYS_OF_400_YEARS: u32 = 146_097;

/// Years are taken to begin in March: then the leap day is the last of its year, and the months before it have a
/// regular pattern of 153 days in five.
fn days_since_epoch(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = if month < 3 { (year + 399, month + 9) } else { (year + 400, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    i64::from(days) - i64::from(DAYS_BEFORE_EPOCH)
}

/// Year, month and day: the way back.
fn date_of(days_since_epoch: u32) -> (u32, u32, u32) {
    let days = days_since_epoch + DAYS_BEFORE_EPOCH;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let year = era * 400 + year_of_era - 400;
    if month_from_march < 10 { (year, month_from_march + 3, day) } else { (year + 1, month_from_march - 9, day) }
}

/// 9999-12-31T23:59:59.999Z.
const LAST_MILLIS: i64 = 253_402_300_799_999;

const DAY_MILLIS: i64 = 86_400_000;

/// 00 to 99.
const TWO_DIGITS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number: u8 = 0;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |sum: u32, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
}

/// The milliseconds of an optional fraction of a second, and what follows it.
fn fraction(rest: &[u8]) -> Result<(i64, &[u8]), &'static str> {
    let Some(after_point) = rest.strip_prefix(b".") else { return Ok((0, rest)) };
    let length = after_point.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return Err(FORM);
    }
    let (fraction, offset) = after_point.split_at(length);
    let place = |index: usize, unit: i64| fraction.get(index).map_or(0, |digit| i64::from(digit - b'0') * unit);
    Ok((place(0, 100) + place(1, 10) + place(2, 1), offset))
}

fn offset_millis(offset: &[u8]) -> Result<i64, &'static str> {
    match offset {
        b"Z" | b"z" => Ok(0),
        b"" => Err("has no offset from UTC: end it with Z or, for example, +08:00"),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2]).ok_or(FORM)?, digits(&[*m1, *m2]).ok_or(FORM)?);
            if hours > 23 || minutes > 59 {
                return Err("has an offset that is not between -23:59 and +23:59");
            }
            let millis = i64::from(hours * 60 + minutes) * 60_000;
            Ok(if *sign == b'-' { -millis } else { millis })
        }
        _ => Err(FORM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;
    use proptest::prelude::*;

    fn millis(text: &str) -> Result<i64, &'static str> {
        Timestamp::parse_rfc3339(text).map(Timestamp::as_millis)
    }

    #[test]
    fn times_are_kept_in_utc_and_cut_to_the_millisecond() {
        assert_eq!(millis("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(millis("2024-09-24T09:00:00.125Z"), Ok(1_727_168_400_125));
        assert_eq!(millis("2024-09-24t09:00:00.1259999999999z"), Ok(1_727_168_400_125));
        assert_eq!(millis("2024-09-24T17:00:00.1+08:00"), Ok(1_727_168_400_100));
        assert_eq!(millis("2024-09-24T03:30:00-05:30"), Ok(1_727_168_400_000));
        assert_eq!(millis("9999-12-31T23:59:59.999Z"), Ok(LAST_MILLIS));
    }

    #[test]
    fn what_is_not_a_moment_with_an_offset_is_refused() {
        for text in [
            "",
            "now",
            "1727168400",
            "2024-09-24",
            "2024-09-24T09:00:00",
            "2024-09-24 09:00:00Z",
            "2024-9-24T09:00:00Z",
            "2024-09-24T09:00Z",
            "2024-09-24T09:00:00.Z",
            "2024-02-30T09:00:00Z",
            "2024-09-24T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "2024-09-24T09:00:00+24:00",
            "2024-09-24T09:00:00+0800",
            "2024-09-24T09:00:00+8",
            "1969-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
            "1970-01-01T00:00:00+01:00",
            "2024-09-24T09:00:00ZZ",
            "９999-12-31T23:59:59Z",
            "2024-09-24T09:00:00.12é",
        ] {
            assert!(millis(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn every_day_is_the_one_that_chrono_has_and_no_other_day_is_taken() {
        for year in (1970..=2110).chain(9_990..=9_999) {
            for (month, day) in (0..14).flat_map(|month| (0..33).map(move |day| (month, day))) {
                let there = NaiveDate::from_ymd_opt(year, month, day).and_then(|date| date.and_hms_opt(1, 2, 3));
                let expected = there.map(|there| there.and_utc().timestamp_millis());
                assert_eq!(millis(&format!("{year}-{month:02}-{day:02}T01:02:03Z")).ok(), expected);
            }
        }
    }

    #[test]
    fn a_time_of_any_year_is_written() {
        assert_eq!(Timestamp::from_millis(-150).to_string(), "1969-12-31T23:59:59.850Z");
        assert_eq!(Timestamp::from_millis(LAST_MILLIS).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(LAST_MILLIS + 1).to_string(), "+10000-01-01T00:00:00.000Z");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..=LAST_MILLIS) {
            let moment = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse_rfc3339(&moment.to_string()), Ok(moment));
            prop_assert_eq!(moment.to_string(), moment.to_datetime().format(FORMAT).to_string());
            prop_assert_eq!(moment.to_rfc3339().to_vec(), moment.to_string().into_bytes());
        }

        #[test]
        fn the_short_way_agrees_with_the_general_one(millis in 0..=LAST_MILLIS, place in 0..24_usize, byte: u8) {
            let mut text = Timestamp::from_millis(millis).to_rfc3339();
            prop_assert_eq!(parse(&text), parse_any(&text));
            text[place] = byte;
            prop_assert_eq!(parse(&text), parse_any(&text));
            text[place] = b'0' + byte % 10;
            prop_assert_eq!(parse(&text), parse_any(&text));
        }

        #[test]
        fn an_accepted_time_is_the_one_that_chrono_reads(text in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][0-2][0-9]:[0-6][0-9])") {
            if let Ok(moment) = Timestamp::parse_rfc3339(&text) {
                let reference = DateTime::parse_from_rfc3339(&text).unwrap();
                prop_assert_eq!(moment.as_millis(), reference.timestamp_millis());
            }
        }
    }
}
