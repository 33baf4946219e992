//! Times as cameras write them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use parking::{Refusal, Timestamp};

use crate::sighting::Moment;

/// 2000 and 2100 in seconds since 1970. A camera that says another year has lost its clock.
const FIRST: i128 = 946_684_800;
const LAST: i128 = 4_102_444_800;
const RANGE: &str = "is not between the years 2000 and 2100: is the camera's clock set?";
const FORM: &str = "is no time; taken are RFC 3339, a date and time such as 2026-11-18 18:06:40.125, and seconds, milliseconds, \
                    microseconds or nanoseconds since 1970";

/// A time in any form: a number since 1970, or a date and time with or without an offset.
pub(crate) fn moment(member: &'static str, text: &str) -> Result<Moment, Refusal> {
    if let Some(time) = epoch(text) {
        return time.map(Moment::Utc).map_err(|problem| Refusal::new(member, problem));
    }
    date_and_time(text).map_err(|problem| Refusal::new(member, problem))
}

/// Like [`moment`], for a sender whose times without an offset are UTC.
pub(crate) fn moment_utc(member: &'static str, text: &str) -> Result<Moment, Refusal> {
    Ok(match moment(member, text)? {
        Moment::Local(time) => Moment::Utc(as_utc(time)),
        other @ (Moment::Utc(_) | Moment::Received) => other,
    })
}

/// A number since 1970. The unit is seen from the size: between 2000 and 2100 they don't overlap.
pub(crate) fn since_epoch(member: &'static str, text: &str) -> Result<Timestamp, Refusal> {
    epoch(text).unwrap_or(Err(FORM)).map_err(|problem| Refusal::new(member, problem))
}

/// The wall clock that is written as if it were UTC seconds since 1970.
pub(crate) fn wall_clock_since_epoch(member: &'static str, text: &str) -> Result<Moment, Refusal> {
    let time = since_epoch(member, text)?;
    Ok(Moment::Local(time.to_datetime().naive_utc()))
}

/// A naive time that is UTC.
pub(crate) fn as_utc(time: NaiveDateTime) -> Timestamp {
    Timestamp::from_millis(time.and_utc().timestamp_millis())
}

/// `None` for what is not a plain decimal number.
fn epoch(text: &str) -> Option<Result<Timestamp, &'static str>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = (1..=19).contains(&whole.len()) && fraction.len() <= 40;
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // Fourteen and seventeen digits are a date and time without separators: no unit's numbers are as long.
    let is_date = matches!(whole.len(), 14 | 17) && whole.starts_with("20");
    if !is_number || is_date || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let number: i128 = whole.parse().ok()?;
    let millis = fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let in_unit = |unit: i128| (FIRST * unit..LAST * unit).contains(&number);
    let millis = if in_unit(1) {
        number * 1_000 + millis
    } else if in_unit(1_000) {
        number
    } else if in_unit(1_000_000) {
        number / 1_000
    } else if in_unit(1_000_000_000) {
        number / 1_000_000
    } else {
        return Some(Err(RANGE));
    };
    Some(i64::try_from(millis).map(Timestamp::from_millis).map_err(|_| RANGE))
}

/// `2026-11-18T18:06:40.125+07:00` and what firmware makes of it: a space for the T, slashes, no separators at all, a
/// comma, an offset of one to four digits, or none.
fn date_and_time(text: &str) -> Result<Moment, &'static str> {
    let mut rest = Digits(text.trim());
    let date = rest.date().ok_or(FORM)?;
    rest.skip(&['T', 't', ' ']);
    let time = rest.time().ok_or(FORM)?;
    let offset_minutes = rest.offset()?;
    let date = NaiveDate::from_ymd_opt(date.0, date.1, date.2).ok_or("is not a day of the calendar")?;
    if time.2 == 60 {
        return Err("is a leap second, which is not taken");
    }
    let time = NaiveTime::from_hms_milli_opt(time.0, time.1, time.2, time.3).ok_or("is not a time of day")?;
    let there = date.and_time(time);
    if !(FIRST..LAST).contains(&i128::from(there.and_utc().timestamp())) {
        return Err(RANGE);
    }
    Ok(match offset_minutes {
        None => Moment::Local(there),
        Some(minutes) => Moment::Utc(as_utc(there).plus_millis(-i64::from(minutes) * 60_000)),
    })
}

/// A date and a time of day, each in a member of its own.
pub(crate) fn clock(member: &'static str, date: NaiveDate, time: &str) -> Result<NaiveDateTime, Refusal> {
    let mut rest = Digits(time.trim());
    let time = rest.time().filter(|_| rest.0.is_empty());
    let time =
        time.and_then(|(hour, minute, second, millis)| NaiveTime::from_hms_milli_opt(hour, minute, second, millis));
    time.map(|time| date.and_time(time)).ok_or_else(|| Refusal::new(member, "is no time of day such as 18:06:40.125"))
}

/// Year, month and day, in this order, with any separator or none.
pub(crate) fn date(member: &'static str, text: &str) -> Result<NaiveDate, Refusal> {
    let mut rest = Digits(text.trim());
    let day = rest.date().filter(|_| rest.0.is_empty());
    let day = day.and_then(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day));
    day.ok_or_else(|| Refusal::new(member, "is no date such as 2026-11-18"))
}

/// What is left of a text.
struct Digits<'a>(&'a str);

impl Digits<'_> {
    fn number(&mut self, digits: usize) -> Option<u32> {
        let number = self.0.get(..digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        self.0 = &self.0[digits..];
        number.parse().ok()
    }

    fn skip(&mut self, any: &[char]) {
        self.0 = self.0.strip_prefix(any).unwrap_or(self.0);
    }

    fn date(&mut self) -> Option<(i32, u32, u32)> {
        let year = self.number(4)?;
        self.skip(&['-', '/', '.']);
        let month = self.number(2)?;
        self.skip(&['-', '/', '.']);
        let day = self.number(2)?;
        Some((i32::try_from(year).ok()?, month, day))
    }

    /// Hour, minute, second, millisecond; any separator or none.
    fn time(&mut self) -> Option<(u32, u32, u32, u32)> {
        let hour = self.number(2)?;
        // With dashes throughout, the fourth number is a fraction; elsewhere a dash begins an offset.
        let is_dashed = self.0.starts_with('-');
        self.skip(&[':', '-', '.']);
        let minute = self.number(2)?;
        self.skip(&[':', '-', '.']);
        let second = self.number(2)?;
        let fraction = if is_dashed { self.0.strip_prefix('-') } else { self.0.strip_prefix(['.', ',', ':']) };
        let fraction = fraction.unwrap_or(self.0);
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let (fraction, rest) = fraction.split_at(digits);
        if digits > 0 {
            self.0 = rest;
        }
        let millis = fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        Some((hour, minute, second, millis))
    }

    /// Minutes east of Greenwich.
    fn offset(&mut self) -> Result<Option<i32>, &'static str> {
        let text = self.0.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if matches!(text, "Z" | "z" | "UTC" | "GMT") {
            return Ok(Some(0));
        }
        let (sign, digits) = if let Some(digits) = text.strip_prefix('-') {
            (-1, digits)
        } else {
            (1, text.strip_prefix('+').ok_or(FORM)?)
        };
        let (hours, minutes) = match digits.split_once(':') {
            Some(both) => both,
            None if digits.len() <= 2 => (digits, "0"),
            None => digits.split_at_checked(digits.len() - 2).ok_or(FORM)?,
        };
        let number = |text: &str| text.parse::<i32>().ok().filter(|_| text.len() <= 2 && !text.starts_with(['+', '-']));
        match (number(hours), number(minutes)) {
            (Some(hours @ 0..=14), Some(minutes @ 0..=59)) => Ok(Some(sign * (hours * 60 + minutes))),
            _ => Err("has an offset that is not between -14:59 and +14:59"),
        }
    }
}

#[cfg(test)]
mod tests;
