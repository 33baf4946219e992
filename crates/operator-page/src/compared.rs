//! Notes that compare a number with that of the same days a week or more before.

use chrono::{Datelike as _, NaiveDate};
use maud::{Markup, html};
use parking::Timestamp;
use sessions::Days;

use super::days::dates;
use super::local::{Clock, Local};
use super::text::number;

/// The days that the numbers of a period are compared with.
#[derive(Debug, Clone)]
pub(super) struct Before {
    /// Their name: `Tue 17 Sep`, and of a period that is not over also until when.
    name: String,
}

impl Before {
    /// The days before a period of a lot. `until` is where they end, if the period is not over.
    pub(super) fn of(days: Days, today: NaiveDate, until: Option<Timestamp>, local: Local) -> Self {
        let name = dates(days.dates_before(today), Some(today.year()));
        // A whole day ends at midnight.
        let until = until.map(|until| local.clock(until, Clock::Minutes)).filter(|until| !until.starts_with("00:00"));
        Self { name: until.map_or_else(|| name.clone(), |until| format!("{name} by {until}")) }
    }

    /// The days before of several lots, each up to its own time.
    pub(super) fn of_lots(today: NaiveDate) -> Self {
        Self { name: format!("{} by now", dates(Days::Last(1).dates_before(today), Some(today.year()))) }
    }

    /// A count of these days; a dash if it is unknown.
    pub(super) fn count(&self, count: Option<i64>) -> Markup {
        self.text(count.map(|count| number(u64::try_from(count).unwrap_or(0))))
    }

    /// A value of these days as text; a dash if it is unknown.
    pub(super) fn text(&self, value: Option<String>) -> Markup {
        html! {
            (self.name) ": "
            @match value {
                Some(value) => span.value-before { (value) },
                None => (unknown("no data of these days")),
            }
        }
    }
}

/// A dash for what is unknown, and why.
pub(super) fn unknown(why: &str) -> Markup {
    html! { span.none title=(why) { "–" span.hidden { " " (why) } } }
}
