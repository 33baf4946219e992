//! A period of a lot's own days: `period`, or `from_date` and `to_date`.

use chrono::{Datelike as _, NaiveDate};
use sessions::{Days, MAX_DAYS, PeriodOf};

use crate::parameters::{Faults, quoted};
use crate::problem::Fault;

/// The periods that have a word.
pub const PERIODS: [(&str, Days); 4] =
    [("today", Days::Last(1)), ("yesterday", Days::Yesterday), ("7d", Days::Last(7)), ("28d", Days::Last(28))];

/// Parses the word of a period.
pub fn period(text: &str) -> Result<Days, String> {
    let known = PERIODS.iter().find(|(word, _)| *word == text);
    known.map(|(_, days)| *days).ok_or_else(|| {
        let words = PERIODS.map(|(word, _)| word).join(", ");
        format!("{} is none of {words}", quoted(text))
    })
}

/// The word of a period that has one.
pub fn word(days: Days) -> Option<&'static str> {
    PERIODS.iter().find(|(_, known)| *known == days).map(|(word, _)| *word)
}

/// Parses a day.
pub fn date(text: &str) -> Result<NaiveDate, String> {
    let date: NaiveDate = text.parse().map_err(|_| format!("{} is not a date such as 2024-09-24", quoted(text)))?;
    if (1970..=9999).contains(&date.year()) {
        Ok(date)
    } else {
        Err(format!("{} is not a day from 1970 to 9999", quoted(text)))
    }
}

/// Parses what counts as in a period.
pub fn period_of(text: &str) -> Result<PeriodOf, String> {
    match text {
        "entries" => Ok(PeriodOf::Entries),
        "exits" => Ok(PeriodOf::Exits),
        _ => Err(format!("{} is neither entries nor exits", quoted(text))),
    }
}

/// The period that these parameters choose; one date alone is that day.
pub fn chosen(
    period: Option<Days>,
    from_date: Option<NaiveDate>,
    to_date: Option<NaiveDate>,
    faults: &mut Faults,
) -> Option<Days> {
    let dates = from_date.or(to_date).zip(to_date.or(from_date));
    let Some((first, last)) = dates else { return period };
    let checked = match (last - first).num_days() {
        _ if period.is_some() => Err(Fault::parameter("period", "is not possible together with from_date and to_date")),
        ..0 => Err(Fault::parameter("to_date", format!("{last} is before from_date {first}"))),
        days if days >= MAX_DAYS => {
            Err(Fault::parameter("to_date", format!("{last} is more than {MAX_DAYS} days after from_date {first}")))
        }
        _ => Ok(Days::Dates { first, last }),
    };
    faults.check(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: &str, to: &str) -> Result<Option<Days>, String> {
        let day = |text: &str| (!text.is_empty()).then(|| date(text).unwrap());
        let mut faults = Faults::default();
        let days = chosen(None, day(from), day(to), &mut faults);
        faults.none().map(|()| days).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_period_is_a_word_or_two_dates_and_one_date_is_its_day() {
        let day = |text| date(text).unwrap();
        let days = |first, last| Ok(Some(Days::Dates { first: day(first), last: day(last) }));
        assert_eq!((read("", ""), period("7d")), (Ok(None), Ok(Days::Last(7))));
        assert_eq!(read("2024-09-01", "2024-09-24"), days("2024-09-01", "2024-09-24"));
        assert_eq!(read("2024-09-01", ""), days("2024-09-01", "2024-09-01"));
        assert_eq!(read("", "2024-09-24"), days("2024-09-24", "2024-09-24"));
        assert!(PERIODS.iter().all(|(name, days)| word(*days) == Some(*name) && period(name) == Ok(*days)));
    }

    #[test]
    fn a_period_that_is_none_is_refused_with_what_is_allowed() {
        for (refusal, part) in [
            (period("3d").unwrap_err(), "none of today, yesterday, 7d, 28d"),
            (date("24.9.2024").unwrap_err(), "not a date such as 2024-09-24"),
            (date("1969-12-31").unwrap_err(), "from 1970"),
            (period_of("both").unwrap_err(), "neither entries nor exits"),
            (read("2024-09-24", "2024-09-23").unwrap_err(), "is before from_date"),
            (read("2023-01-01", "2024-09-23").unwrap_err(), "more than 400 days"),
        ] {
            assert!(refusal.contains(part), "{refusal}");
        }
    }
}
