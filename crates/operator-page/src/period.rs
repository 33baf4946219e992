//! The period that the timeline shows, and the links to its neighbours: earlier, later, shorter, longer.
//!
//! A period either follows the lot's own time, or is fixed. Pure: the timeline reads the ledger.

use api::parameters::{optional, quoted, time};
use api::questions::days as periods;
use api::{Fault, Faults, Problem};
use chrono::NaiveDate;
use parking::{LotId, Timestamp};
use sessions::Days;

use super::choice;
use super::days;
use super::links::link;
use super::local::Local;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// The longest fixed period.
const PERIOD_MAX_MS: i64 = 7 * DAY_MS;
/// The longest period of days.
const PERIOD_DAYS_MAX: u64 = 31;

/// A length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// In an address.
    pub(super) word: &'static str,
    /// For people.
    pub(super) name: &'static str,
    pub(super) millis: i64,
}

/// From the shortest to the longest.
pub(super) const SPANS: [Span; 6] = [
    Span { word: "1m", name: "1 min", millis: MINUTE_MS },
    Span { word: "5m", name: "5 min", millis: 5 * MINUTE_MS },
    Span { word: "15m", name: "15 min", millis: 15 * MINUTE_MS },
    Span { word: "1h", name: "1 h", millis: 60 * MINUTE_MS },
    Span { word: "6h", name: "6 h", millis: 6 * 60 * MINUTE_MS },
    Span { word: "1d", name: "day", millis: DAY_MS },
];

/// From a moment up to, not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Window {
    pub(super) fn millis(self) -> i64 {
        self.to.millis_since(self.from)
    }

    /// The window of this length that ends a little after `time`, so that what is open has room to grow.
    pub(super) fn following(time: Timestamp, span: Span) -> Self {
        let to = time.plus_millis(span.millis / 20);
        Self { from: to.plus_millis(-span.millis), to }
    }
}

/// The period in an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    /// The newest stays; the busier the lot, the shorter.
    Newest,
    /// The newest stays, over this length.
    Following(Span),
    /// Between these moments.
    Fixed(Window),
    /// These days of the lot.
    OfDays(Days, Window),
}

api::parameters! {
    /// Which lots, and which period: `span`, `date`, `from` and `to`, or days.
    pub(super) struct TimelineParameters {
        pub(super) lot_id: Vec<LotId> = choice::lots;
        span: Option<Span> = optional(span);
        date: Option<NaiveDate> = optional(periods::date);
        from: Option<Timestamp> = optional(time);
        to: Option<Timestamp> = optional(time);
        period: Option<Days> = optional(periods::period);
        from_date: Option<NaiveDate> = optional(periods::date);
        to_date: Option<NaiveDate> = optional(periods::date);
    }
}

impl Period {
    /// The period that is asked for; days are those of the lot, whose own time is on the day `today`.
    pub(super) fn asked(asked: &TimelineParameters, local: Local, today: NaiveDate) -> Result<Self, Problem> {
        let TimelineParameters { span, date, from, to, period, from_date, to_date, .. } = asked;
        let (span, from, to) = (*span, *from, *to);
        let mut faults = Faults::default();
        let chosen = days::asked(*period, from_date.or(*date), *to_date)?;
        let of_days = faults.optional("to_date", chosen, |days| Ok((days, window_of_days(days, local, today)?)));
        let fixed = match (from, to) {
            (Some(from), Some(to)) => faults.check(window(from, to)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                faults.check(Err(Fault::parameter("from", "and to belong together: one of them is missing")))
            }
        };
        faults.none()?;
        // A chosen day wins over the hidden moments of the form.
        Ok(match (of_days, fixed, span) {
            (Some((days, window)), _, _) => Self::OfDays(days, window),
            (None, Some(window), _) => Self::Fixed(window),
            (None, None, Some(span)) => Self::Following(span),
            (None, None, None) => Self::Newest,
        })
    }
}

impl Period {
    /// The hidden fields that keep the period when another lot is chosen. Days have fields of their own.
    pub(super) fn in_form(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Newest | Self::OfDays(..) => Vec::new(),
            Self::Following(span) => vec![("span", span.word.to_owned())],
            Self::Fixed(window) => vec![("from", window.from.to_string()), ("to", window.to.to_string())],
        }
    }

    /// The days, if it is a period of days.
    pub(super) const fn days(self) -> Option<Days> {
        if let Self::OfDays(days, _) = self { Some(days) } else { None }
    }
}

fn span(text: &str) -> Result<Span, String> {
    let known = SPANS.iter().find(|span| span.word == text);
    known.copied().ok_or_else(|| format!("{} is none of {}", quoted(text), SPANS.map(|span| span.word).join(", ")))
}

fn window_of_days(days: Days, local: Local, today: NaiveDate) -> Result<Window, String> {
    let (first, last) = days.dates(today);
    if days.count() > PERIOD_DAYS_MAX {
        return Err(format!("{last} is more than {PERIOD_DAYS_MAX} days after {first}"));
    }
    let start = |date: Option<NaiveDate>| local.start_of(date?).filter(|time| time.as_millis() >= 0);
    match (start(Some(first)), start(last.succ_opt())) {
        (Some(from), Some(to)) => Ok(Window { from, to }),
        _ => Err(format!("{:?} is not a day from 1970 on", last.to_string())),
    }
}

fn window(from: Timestamp, to: Timestamp) -> Result<Window, Fault> {
    match to.millis_since(from) {
        1..=PERIOD_MAX_MS => Ok(Window { from, to }),
        length if length <= 0 => Err(Fault::parameter("to", format!("{to} is not after from {from}"))),
        _ => Err(Fault::parameter("to", "is more than 7 days after from")),
    }
}

/// The shortest span that reaches from `oldest` to `time`.
pub(super) fn span_reaching(oldest: Timestamp, time: Timestamp) -> Span {
    let [closest, .., widest] = SPANS;
    let length = time.millis_since(oldest).max(closest.millis / 2);
    // A twentieth of a window is after the lot's own time.
    SPANS.into_iter().find(|span| span.millis - span.millis / 20 >= length).unwrap_or(widest)
}

/// The addresses of the timelines around one.
#[derive(Debug)]
pub(super) struct Neighbours<'a> {
    pub(super) lots: &'a [&'a str],
    pub(super) window: Window,
    pub(super) follows: bool,
}

impl Neighbours<'_> {
    /// Earlier by the length of the window.
    pub(super) fn earlier(&self) -> String {
        self.moved(-self.window.millis())
    }

    /// Later by the length of the window.
    pub(super) fn later(&self) -> String {
        self.moved(self.window.millis())
    }

    /// Back to the newest stays.
    pub(super) fn newest(&self) -> String {
        self.link(&[])
    }

    /// Another length: around the middle of a fixed window, else up to the newest.
    pub(super) fn of_span(&self, span: Span) -> String {
        if self.follows {
            return self.link(&[("span", span.word)]);
        }
        let middle = self.window.from.plus_millis(self.window.millis() / 2);
        let from = middle.plus_millis(-span.millis / 2);
        self.fixed(from, from.plus_millis(span.millis))
    }

    fn moved(&self, millis: i64) -> String {
        self.fixed(self.window.from.plus_millis(millis), self.window.to.plus_millis(millis))
    }

    fn fixed(&self, from: Timestamp, to: Timestamp) -> String {
        let from = from.max(Timestamp::from_millis(0));
        self.link(&[("from", &from.to_string()), ("to", &to.to_string())])
    }

    fn link(&self, further: &[(&str, &str)]) -> String {
        let lots = self.lots.iter().map(|lot| ("lot_id", *lot));
        link("/timeline", &lots.chain(further.iter().copied()).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use api::parameters::Parameters as _;
    use chrono_tz::Tz;
    use sessions::testing::minute;

    use super::*;

    const TODAY: &str = "2024-09-24";

    fn read(query: &str) -> Result<Period, String> {
        let asked = TimelineParameters::read_form(&format!("/timeline?{query}").parse().unwrap());
        let local = Local::new(Tz::Asia__Shanghai, Timestamp::default());
        let period = asked.and_then(|asked| Period::asked(&asked, local, TODAY.parse().unwrap()));
        period.map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn an_address_says_a_length_a_day_of_the_lot_or_two_moments() {
        let day = Window { from: minute(-17 * 60), to: minute(7 * 60) };
        let hour = Window { from: minute(0), to: minute(60) };
        assert_eq!(read("span=&date="), Ok(Period::Newest));
        assert_eq!(read("span=6h"), Ok(Period::Following(SPANS[4])));
        let date = TODAY.parse().unwrap();
        assert_eq!(read("date=2024-09-24"), Ok(Period::OfDays(Days::Dates { first: date, last: date }, day)));
        assert_eq!(read("period=today"), Ok(Period::OfDays(Days::Last(1), day)));
        let week = Window { from: day.from.plus_millis(-6 * DAY_MS), to: day.to };
        assert_eq!(read("period=7d"), Ok(Period::OfDays(Days::Last(7), week)));
        assert_eq!(read("from=2024-09-24T09:00:00Z&to=2024-09-24T10:00:00Z"), Ok(Period::Fixed(hour)));
    }

    #[test]
    fn a_form_keeps_the_period_and_a_day_chosen_there_wins() {
        for query in ["", "span=1h", "period=7d", "from=2024-09-24T09:00:00Z&to=2024-09-24T10:00:00Z"] {
            let period = read(query).unwrap();
            let days = days::parameters(period.days());
            let fields = period.in_form().into_iter().chain(days.into_iter().filter(|(_, value)| !value.is_empty()));
            let form = fields.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            assert_eq!(read(&form), Ok(period), "{query}");
            assert_eq!(read(&format!("{form}&from_date=2024-09-25")), read("date=2024-09-25"));
        }
    }

    #[test]
    fn a_period_that_is_none_is_refused_with_what_is_allowed() {
        for (query, part) in [
            ("span=2h", "none of 1m, 5m"),
            ("date=yesterday", "such as 2024-09-24"),
            ("date=1969-01-01", "from 1970"),
            ("from_date=2024-08-01&to_date=2024-09-24", "more than 31 days"),
            ("from=2024-09-24T09:00:00Z", "belong together"),
            ("from=2024-09-24T09:00:00Z&to=2024-09-24T09:00:00Z", "is not after from"),
            ("from=2024-09-24T09:00:00Z&to=2025-09-24T09:00:00Z", "more than 7 days"),
        ] {
            let refusal = read(query).unwrap_err();
            assert!(refusal.contains(part), "{query}: {refusal}");
        }
    }

    #[test]
    fn the_span_grows_with_what_there_is_to_show() {
        let word = |minutes| span_reaching(minute(0), minute(minutes)).word;
        assert_eq!(
            [0, 1, 4, 5, 14, 56, 58, 1_000, 100_000].map(word),
            ["1m", "5m", "5m", "15m", "15m", "1h", "6h", "1d", "1d"]
        );
    }

    #[test]
    fn a_fixed_window_is_moved_by_its_length_and_zoomed_around_its_middle() {
        let window = Window { from: minute(0), to: minute(60) };
        let around = Neighbours { lots: &["P3"], window, follows: false };
        let link = |from: &str, to: &str| {
            format!("/timeline?lot_id=P3&from=2024-09-24T{from}%3A00.000Z&to=2024-09-24T{to}%3A00.000Z")
        };
        assert_eq!(around.earlier(), link("08%3A00", "09%3A00"));
        assert_eq!(around.later(), link("10%3A00", "11%3A00"));
        assert_eq!(around.of_span(SPANS[4]), link("06%3A30", "12%3A30"));
        assert_eq!(Neighbours { follows: true, ..around }.of_span(SPANS[4]), "/timeline?lot_id=P3&span=6h");
    }
}
