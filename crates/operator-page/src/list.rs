//! The list behind every number: stays by lot, state, mark, reason, gate and age, in pages, and as CSV.
//!
//! The parameters are those of `GET /api/v1/sessions`, so the address shows the filter. A plate is not among them: it
//! does not belong in an address.

use api::cursor::Cursor;
use api::parameters::{flag, gate, lot, optional};
use api::questions::days as periods;
use api::questions::session_list::{self, ListPage, SessionListParameters};
use api::{Faults, Form, Problem, Scoped};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::NaiveDate;
use ledger::Order;
use maud::{Markup, html};
use parking::{GateId, LotId, Reason, State, exact_duration};
use sessions::{Days, LotStatus, PeriodOf, ScopedService};

use super::layout::Page;
use super::links::link;
use super::local::Local;
use super::{choice, days, list_table, text};

const PATH: &str = "/list";
/// The number of stays on a page.
const LIMIT: u32 = 50;
/// The parameters of the period of days.
const PERIOD: [&str; 3] = ["period", "from_date", "to_date"];
/// The ages that the form offers.
const AGES: [&str; 6] = ["1h", "4h", "12h", "1d", "3d", "7d"];

api::parameters! {
    pub(super) struct ListParameters {
        lot_id: Option<LotId> = optional(lot);
        state: Vec<State> = session_list::states;
        reason: Option<Reason> = optional(session_list::reason);
        gate_id: Option<GateId> = optional(gate);
        min_age: Option<i64> = optional(session_list::age);
        doubtful: bool = flag;
        overstay: bool = flag;
        last_day: bool = flag;
        period: Option<Days> = optional(periods::period);
        from_date: Option<NaiveDate> = optional(periods::date);
        to_date: Option<NaiveDate> = optional(periods::date);
        period_of: Option<PeriodOf> = optional(periods::period_of);
        order: Option<Order> = optional(session_list::order);
        cursor: Option<Cursor> = optional(Cursor::parse);
    }
}

pub(super) async fn list(Scoped(service): Scoped, Form(asked): Form<ListParameters>) -> Result<Response, Problem> {
    let days = days::asked(asked.period, asked.from_date, asked.to_date)?;
    let asked = SessionListParameters {
        lot_id: asked.lot_id,
        state: asked.state,
        reason: asked.reason,
        gate_id: asked.gate_id,
        min_age: asked.min_age,
        doubtful: asked.doubtful,
        overstay: asked.overstay,
        last_day: asked.last_day,
        // A form sends this also without a period.
        period_of: asked.period_of.filter(|_| days.is_some()),
        order: asked.order,
        cursor: asked.cursor,
        limit: Some(LIMIT),
        ..of_days(days)
    };
    let (ListPage { rows, next_cursor, .. }, lots) =
        tokio::try_join!(session_list::page(&service, &asked), async { Ok::<_, Problem>(service.lots().await?) })?;
    let heading = heading(&asked);
    let place = asked.lot_id.as_ref().map_or_else(|| "all lots".to_owned(), ToString::to_string);
    let content = html! {
        h1 { (heading) ", " (place) }
        (form(&service, &lots, &asked))
        @if let Some(days) = days { p.lead #period { (days::named(days, today(&service, &lots, &asked))) (counted(asked.period_of)) } }
        @if rows.is_empty() {
            p.empty { @if next_cursor.is_some() { "None among the stays that this page looked at; the list goes on." } @else { "No stay fits this filter." } }
        } @else {
            (list_table::table(&service, heading, &rows, &lots))
        }
        (pages(&asked, next_cursor.as_deref()))
    };
    Ok(Page::new(heading, PATH, content).answer(StatusCode::OK, &service))
}

/// The parameters of a period.
fn of_days(days: Option<Days>) -> SessionListParameters {
    match days {
        Some(Days::Dates { first, last }) => {
            SessionListParameters { from_date: Some(first), to_date: Some(last), ..SessionListParameters::default() }
        }
        Some(Days::Last(_) | Days::Yesterday) | None => {
            SessionListParameters { period: days, ..SessionListParameters::default() }
        }
    }
}

/// The day of the lot's own time; of all lots, the newest one.
fn today(service: &ScopedService, lots: &[LotStatus], asked: &SessionListParameters) -> NaiveDate {
    let lots = lots.iter().filter(|lot| asked.lot_id.as_ref().is_none_or(|asked| *asked == lot.id));
    lots.filter_map(|lot| lot.date).max().unwrap_or_else(|| Local::of_utc(service).date(service.now()))
}

/// What has to be in the period.
fn counted(of: Option<PeriodOf>) -> &'static str {
    match of {
        Some(PeriodOf::Entries) => ": stays that began",
        Some(PeriodOf::Exits) => ": stays and exits that ended",
        None => "",
    }
}

fn counted_word(asked: &SessionListParameters) -> &'static str {
    match asked.period_of {
        Some(PeriodOf::Entries) => "entries",
        Some(PeriodOf::Exits) => "exits",
        None => "",
    }
}

/// What is listed, in the words of the numbers that lead here.
fn heading(asked: &SessionListParameters) -> &'static str {
    match (asked.overstay, asked.doubtful, asked.state.as_slice()) {
        (true, _, _) => "Overstays",
        (_, true, _) => "Doubtful stays",
        (_, _, [State::Open]) => "Vehicles inside",
        (_, _, [State::Matched]) => "Matched stays",
        (_, _, [State::HeldExit]) => "Held exits",
        (_, _, [State::UnmatchedExit]) => "Unmatched exits",
        (_, _, [State::UnmatchedEntry]) => "Unmatched entries",
        _ => "Stays",
    }
}

fn form(service: &ScopedService, lots: &[LotStatus], asked: &SessionListParameters) -> Markup {
    let lot = asked.lot_id.as_ref().map_or("", LotId::as_str);
    let chosen = asked.days(&mut Faults::default());
    let all = parameters(asked);
    let kept: Vec<_> =
        all.iter().filter(|(name, _)| !PERIOD.contains(name)).map(|(name, value)| (*name, value.as_str())).collect();
    let csv = parameters(asked);
    let csv: Vec<_> = csv
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain([("columns", "list"), ("format", "csv")])
        .collect();
    html! {
        form.choices action=(PATH) {
            (choice::field(lots, lot, Some("All lots")))
            (select("State", "state", "All but void", State::ALL.iter().map(|state| (state.as_str(), text::state(*state))), &states(asked)))
            (select("Overstay", "overstay", "Any", [("true", "overstay")].into_iter(), if asked.overstay { "true" } else { "" }))
            (select("Doubtful", "doubtful", "Any", [("true", "doubtful")].into_iter(), if asked.doubtful { "true" } else { "" }))
            (select("Reason", "reason", "Any", Reason::ALL.iter().map(|reason| (reason.as_str(), reason_text(*reason))), asked.reason.map_or("", Reason::as_str)))
            (select("At least", "min_age", "Any age", AGES.into_iter().map(|age| (age, age)), &age(asked)))
            (select("Exits", "last_day", "Of any time", [("true", "of the last 24 h")].into_iter(), if asked.last_day { "true" } else { "" }))
            label { "Gate " input name="gate_id" size="10" maxlength="64" value=(asked.gate_id.as_ref().map_or("", GateId::as_str)); }
            (days::fields(chosen))
            (select("Counted by", "period_of", "entry, or exit alone", [("entries", "entries"), ("exits", "exits")].into_iter(), counted_word(asked)))
            (select("First", "order", "the newest", [("oldest", "the oldest")].into_iter(), order(asked)))
            button { "Show" }
            a.button href=(link("/api/v1/sessions", &csv)) download { "Export as CSV" }
        }
        nav.choices aria-label="Period" {
            (days::links(PATH, &kept, chosen, today(service, lots, asked)))
            @if chosen.is_some() { a.button href=(link(PATH, &kept)) { "Any time" } }
        }
        @if !service.sees_plates() { p.note { "Plates are masked, in the export too." } }
    }
}

/// A choice of one value; a value that the form does not offer is offered as long as it is chosen.
fn select<'a>(
    label: &str,
    name: &str,
    any: &str,
    choices: impl Iterator<Item = (&'a str, &'a str)>,
    chosen: &str,
) -> Markup {
    let choices: Vec<_> = choices.collect();
    let is_known = chosen.is_empty() || choices.iter().any(|(value, _)| *value == chosen);
    html! {
        label { (label) " "
            select name=(name) {
                option value="" selected[chosen.is_empty()] { (any) }
                @if !is_known { option value=(chosen) selected { (chosen) } }
                @for (value, shown) in choices { option value=(value) selected[value == chosen] { (shown) } }
            }
        }
    }
}

const fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::ReEntered => "entered again",
        Reason::MaxStay => "longest stay",
        Reason::Unread => "unread",
    }
}

fn states(asked: &SessionListParameters) -> String {
    asked.state.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(",")
}

fn age(asked: &SessionListParameters) -> String {
    asked.min_age.map(exact_duration).unwrap_or_default()
}

fn order(asked: &SessionListParameters) -> &'static str {
    if asked.order == Some(Order::OldestFirst) { "oldest" } else { "" }
}

/// The parameters of the list, without its page; those that are not set are empty.
fn parameters(asked: &SessionListParameters) -> Vec<(&'static str, String)> {
    let yes = |is_set: bool| if is_set { "true".to_owned() } else { String::new() };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let filter = [
        ("lot_id", text(asked.lot_id.as_ref().map(LotId::as_str))),
        ("state", states(asked)),
        ("reason", text(asked.reason.map(Reason::as_str))),
        ("gate_id", text(asked.gate_id.as_ref().map(GateId::as_str))),
        ("min_age", age(asked)),
        ("doubtful", yes(asked.doubtful)),
        ("overstay", yes(asked.overstay)),
        ("last_day", yes(asked.last_day)),
        ("period_of", counted_word(asked).to_owned()),
        ("order", order(asked).to_owned()),
    ];
    filter.into_iter().chain(days::parameters(asked.days(&mut Faults::default()))).collect()
}

fn pages(asked: &SessionListParameters, next_cursor: Option<&str>) -> Markup {
    let parameters = parameters(asked);
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let next = next_cursor.map(|cursor| link(PATH, &[&parameters[..], &[("cursor", cursor)]].concat()));
    html! {
        @if asked.cursor.is_some() || next.is_some() {
            nav.pages aria-label="Pages of this list" {
                @if asked.cursor.is_some() { a.button href=(link(PATH, &parameters)) { "First page" } }
                @if let Some(next) = next { a.button rel="next" href=(next) { "Next page" } }
            }
        }
    }
}
