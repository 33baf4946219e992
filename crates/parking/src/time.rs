//! Moments in UTC, to the millisecond, and their strict RFC 3339 form.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many milliseconds after the epoch.
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

    /// The same moment as chrono has it.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
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

impl fmt::Display for Timestamp {
    /// `2024-09-24T09:00:00.125Z`, always with three decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_datetime().format("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

const FORM: &str = "is not an RFC 3339 date and time such as 2024-09-24T09:00:00.125Z";

fn parse(text: &[u8]) -> Result<Timestamp, &'static str> {
    if text.len() < 19 {
        return Err(FORM);
    }
    let (fixed, rest) = text.split_at(19);
    let separators = [fixed[4], fixed[7], fixed[13], fixed[16]] == *b"--::" && matches!(fixed[10], b'T' | b't');
    if !separators {
        return Err(FORM);
    }
    let number = |from: usize, to: usize| digits(&fixed[from..to]).ok_or(FORM);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if second == 60 {
        return Err("is a leap second, which is not taken");
    }
    let year = i32::try_from(year).map_err(|_| FORM)?;
    let at = NaiveDate::from_ymd_opt(year, month, day)
        .and_then(|date| date.and_hms_opt(hour, minute, second))
        .ok_or("is not a moment of the calendar")?;
    let (millis, offset) = fraction(rest)?;
    let millis = at.and_utc().timestamp_millis() + millis - offset_millis(offset)?;
    if (0..=LAST_MILLIS).contains(&millis) { Ok(Timestamp(millis)) } else { Err("is not between 1970 and 9999") }
}

/// 9999-12-31T23:59:59.999Z.
const LAST_MILLIS: i64 = 253_402_300_799_999;

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

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..=LAST_MILLIS) {
            let moment = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse_rfc3339(&moment.to_string()), Ok(moment));
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
