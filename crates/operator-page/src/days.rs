//! The choice of a period of days: presets, two dates, and the periods before and after it. Pure.
//!
//! The period is in the address, as in the API: `period`, or `from_date` and `to_date`.

use api::questions::days::{self, PERIODS};
use api::{Faults, Problem};
use chrono::{Datelike as _, Days as Span, NaiveDate};
use maud::{Markup, html};
use sessions::Days;

use super::links::link;

/// The names of the presets, in their order.
const NAMES: [&str; 4] = ["Today", "Yesterday", "7 days", "28 days"];

/// The period of an address. Chosen dates win over the hidden preset of a form.
pub(super) fn asked(
    period: Option<Days>,
    from_date: Option<NaiveDate>,
    to_date: Option<NaiveDate>,
) -> Result<Option<Days>, Problem> {
    let mut faults = Faults::default();
    let period = period.filter(|_| from_date.is_none() && to_date.is_none());
    let days = days::chosen(period, from_date, to_date, &mut faults);
    faults.none()?;
    Ok(days)
}

/// The parameters of a period; those that are not set are empty.
pub(super) fn parameters(days: Option<Days>) -> [(&'static str, String); 3] {
    let word = days.and_then(days::word);
    let (from, to) = match days {
        Some(Days::Dates { first, last }) => (first.to_string(), last.to_string()),
        Some(Days::Last(_) | Days::Yesterday) | None => (String::new(), String::new()),
    };
    [("period", word.unwrap_or_default().to_owned()), ("from_date", from), ("to_date", to)]
}

/// The links to the presets, and to the periods before and after this one; `kept` are the other parameters of the page.
pub(super) fn links(path: &str, kept: &[(&str, &str)], days: Option<Days>, today: NaiveDate) -> Markup {
    let address = |days: Days| {
        let parameters = parameters(Some(days));
        let parameters = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        link(path, &kept.iter().copied().chain(parameters).collect::<Vec<_>>())
    };
    html! {
        ul.zoom {
            @for ((_, preset), name) in PERIODS.into_iter().zip(NAMES) {
                li { a.button href=(address(preset)) aria-current=[(days == Some(preset)).then_some("true")] { (name) } }
            }
        }
        @if let Some(days) = days {
            ul.zoom {
                li { a.button rel="prev" href=(address(previous(days, today))) { "← Previous" } }
                @if let Some(next) = next(days, today) { li { a.button rel="next" href=(address(next)) { "Next →" } } }
            }
        }
    }
}

/// The fields of a form: two dates, and the hidden preset.
pub(super) fn fields(days: Option<Days>) -> Markup {
    let [(_, word), (_, from), (_, to)] = parameters(days);
    html! {
        label { "From " input type="date" name="from_date" value=(from); }
        label { "to " input type="date" name="to_date" value=(to); }
        @if !word.is_empty() { input type="hidden" name="period" value=(word); }
    }
}

/// The period of equal length right before.
fn previous(days: Days, today: NaiveDate) -> Days {
    let (first, _) = days.dates(today);
    let before = |count| first.checked_sub_days(Span::new(count)).unwrap_or(NaiveDate::MIN);
    Days::Dates { first: before(days.count()), last: before(1) }
}

/// The period of equal length right after, unless it is still to come.
fn next(days: Days, today: NaiveDate) -> Option<Days> {
    let (_, last) = days.dates(today);
    let after = |count| last.checked_add_days(Span::new(count)).unwrap_or(NaiveDate::MAX);
    (last < today).then(|| Days::Dates { first: after(1), last: after(days.count()) })
}

/// A period as people write it, with the name of its preset: `Today, Tue 24 Sep 2024`.
pub(super) fn named(days: Days, today: NaiveDate) -> String {
    let name = PERIODS.iter().zip(NAMES).find(|((_, preset), _)| *preset == days).map(|(_, name)| name);
    let dates = dates(days.dates(today), None);
    name.map_or_else(|| dates.clone(), |name| format!("{name}, {dates}"))
}

/// A period as people write it: `Tue 24 Sep 2024`, `18 to 24 Sep 2024`. The year is left out if it is `year`.
pub(super) fn dates((first, last): (NaiveDate, NaiveDate), year: Option<i32>) -> String {
    let is_shown = Some(last.year()) != year || Some(first.year()) != year;
    let end = |pattern: &str| last.format(&format!("{pattern}{}", if is_shown { " %Y" } else { "" })).to_string();
    if first == last {
        return end("%a %-d %b");
    }
    let begin = match (first.year() == last.year(), first.month() == last.month()) {
        (true, true) => "%-d",
        (true, false) => "%-d %b",
        (false, _) => "%-d %b %Y",
    };
    format!("{} to {}", first.format(begin), end("%-d %b"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn from_to(first: &str, last: &str) -> Days {
        Days::Dates { first: day(first), last: day(last) }
    }

    #[test]
    fn a_period_has_neighbours_of_its_length_up_to_today() {
        let today = day("2024-09-24");
        assert_eq!(previous(Days::Last(1), today), from_to("2024-09-23", "2024-09-23"));
        assert_eq!(previous(Days::Last(7), today), from_to("2024-09-11", "2024-09-17"));
        assert_eq!(
            (next(Days::Last(7), today), next(Days::Yesterday, today)),
            (None, Some(from_to("2024-09-24", "2024-09-24")))
        );
        assert_eq!(next(from_to("2024-09-01", "2024-09-03"), today), Some(from_to("2024-09-04", "2024-09-06")));
    }

    #[test]
    fn a_period_reads_as_people_write_it() {
        let today = day("2024-09-24");
        assert_eq!(named(Days::Last(1), today), "Today, Tue 24 Sep 2024");
        assert_eq!(named(Days::Last(7), today), "7 days, 18 to 24 Sep 2024");
        assert_eq!(named(from_to("2024-08-30", "2024-09-02"), today), "30 Aug to 2 Sep 2024");
        assert_eq!(named(from_to("2023-12-30", "2024-01-02"), today), "30 Dec 2023 to 2 Jan 2024");
        assert_eq!(dates((day("2024-09-17"), day("2024-09-17")), Some(2024)), "Tue 17 Sep");
    }

    #[test]
    fn dates_win_over_the_preset_of_a_form_and_presets_stay_in_the_address() {
        let first = Some(day("2024-09-17"));
        assert_eq!(asked(Some(Days::Last(7)), first, None).unwrap(), Some(from_to("2024-09-17", "2024-09-17")));
        assert_eq!(asked(Some(Days::Last(7)), None, None).unwrap(), Some(Days::Last(7)));
        let links = links("/stays", &[("lot_id", "P3")], Some(Days::Last(7)), day("2024-09-24")).into_string();
        for address in [
            "?lot_id=P3&amp;period=today",
            "?lot_id=P3&amp;period=7d\" aria-current=\"true\"",
            "from_date=2024-09-11&amp;to_date=2024-09-17",
        ] {
            assert!(links.contains(address), "{address}: {links}");
        }
    }
}
