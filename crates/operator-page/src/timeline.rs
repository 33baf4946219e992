//! The stays of lots as bars from entry to exit along the hours of a day, a chart for each lot.
//!
//! [`period`](super::period) chooses the period, [`chart`](super::chart) draws a bar for each stay, and
//! [`aggregated`](super::aggregated) draws a period with too many stays. Without parameters, this page shows the first
//! lot that has events, and its newest stays.

use std::collections::BTreeMap;

use api::{Fault, Form, Kind, Problem, Scoped};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::NaiveDate;
use ledger::{Order, SessionFilter};
use maud::{Markup, html};
use parking::{LotId, Source, State, Timestamp};
use sessions::{Bucket, Error, LotStatus, ScopedService, SeenSession, Statistics, StatisticsOf};

use super::aggregated::Aggregated;
use super::chart::Chart;
use super::choice;
use super::days;
use super::layout::{Page, Refresh};
use super::listing::{self, Columns};
use super::local::{Clock, Local};
use super::period::{self, Neighbours, Period, SPANS, TimelineParameters, Window};
use super::text::{self, Mark};

const PATH: &str = "/timeline";
/// How many stays a chart draws as bars at most; with more, it draws what happened in each hour or day.
pub const BARS: u32 = 500;
/// How many charts a page has at most.
const LOTS_MAX: usize = 8;
/// How many stays from before a period are checked for whether they reach into it.
const EARLIER_STAYS_MAX: u32 = 500;
/// How many of the newest stays a chart without a chosen period shows.
const NEWEST_STAYS_MAX: u32 = 120;
/// Longer periods with too many stays have a column for each day, others one for each hour.
const HOURS_MAX_MS: i64 = 3 * 24 * 3_600_000;

/// What is drawn of a lot.
enum Drawn {
    /// Each stay, the oldest first.
    Stays(Vec<SeenSession>),
    /// What happened in each hour or day.
    Lanes(Box<Statistics>),
}

/// The part of the page that is about one lot.
struct OfLot<'a> {
    lot: &'a LotStatus,
    local: Local,
    window: Window,
    drawn: Drawn,
}

impl OfLot<'_> {
    /// Whether the chart changes no more: its period is over, and no stay may still change.
    fn is_over(&self) -> bool {
        let Drawn::Stays(rows) = &self.drawn else { return false };
        let awaits = |row: &SeenSession| matches!(row.state, State::Open | State::HeldExit);
        self.lot.time.is_some_and(|time| self.window.to <= time) && !rows.iter().any(awaits)
    }
}

pub(super) async fn timeline(
    Scoped(service): Scoped,
    Form(asked): Form<TimelineParameters>,
) -> Result<Response, Problem> {
    let lots = service.lots().await?;
    let chosen = chosen(&asked.lot_id, &lots)?;
    let mut parts = Vec::new();
    let (mut period, mut today) = (Period::Newest, NaiveDate::MIN);
    let newest = chosen.iter().filter_map(|lot| lot.time).max();
    for (place, lot) in chosen.iter().enumerate() {
        let local = Local::of(&service, &lot.id);
        let own = Period::asked(&asked, local, local.date(lot.time.unwrap_or_else(|| service.now())))?;
        // Charts that follow stand below each other, so all end at one moment.
        let time = newest.unwrap_or_else(|| service.now());
        let window = match own {
            Period::Fixed(window) | Period::OfDays(_, window) => window,
            Period::Following(span) => Window::following(time, span),
            Period::Newest if place > 0 => parts.first().map_or_else(|| Window::following(time, SPANS[3]), window_of),
            Period::Newest => Window::following(time, period::span_reaching(oldest(&service, lot, time).await?, time)),
        };
        if place == 0 {
            (period, today) = (own, local.date(time));
        }
        parts.push(OfLot { lot, local, window, drawn: drawn(&service, &lot.id, window).await? });
    }
    let follows = !matches!(period, Period::Fixed(_) | Period::OfDays(..));
    let names: Vec<&str> = chosen.iter().map(|lot| lot.id.as_str()).collect();
    let Some(window) = parts.first().map(window_of) else { return Err(choice::none_known()) };
    let around = Neighbours { lots: &names, window, follows };
    let content = html! {
        h1 { "Timeline of " (names.join(", ")) }
        (choices(&lots, &around, period, today))
        @if let Some(days) = period.days() { p.lead #period { (days::named(days, today)) } }
        p.tapped #tapped role="status" {}
        @for part in &parts { (figure(&service, part, follows, parts.len() > 1)) }
    };
    let is_over = !follows && parts.iter().all(OfLot::is_over);
    let refresh = if is_over { Refresh::Never } else { Refresh::OnChange };
    Ok(Page { refresh, ..Page::new("Timeline", PATH, content) }.answer(StatusCode::OK, &service))
}

fn window_of(part: &OfLot<'_>) -> Window {
    part.window
}

/// The lots that are asked for, else the first that has events.
fn chosen<'a>(asked: &[LotId], lots: &'a [LotStatus]) -> Result<Vec<&'a LotStatus>, Problem> {
    if asked.is_empty() {
        return Ok(vec![choice::lot(None, lots)?]);
    }
    if asked.len() > LOTS_MAX {
        let many = format!("is given {} times; at most {LOTS_MAX} lots are shown at once", asked.len());
        return Err(Problem::with_faults(Kind::InvalidContent, vec![Fault::parameter("lot_id", many)]));
    }
    asked.iter().map(|asked| choice::lot(Some(asked), lots)).collect()
}

/// The time of the oldest of the newest stays.
async fn oldest(service: &ScopedService, lot: &LotStatus, time: Timestamp) -> Result<Timestamp, Error> {
    let filter = SessionFilter { lot: Some(lot.id.clone()), ..SessionFilter::default() };
    let page = sessions::Page { limit: NEWEST_STAYS_MAX, after: None, order: Order::NewestFirst };
    let rows = service.sessions(&filter, page).await?.rows;
    let times = rows.iter().filter(|row| row.source == Source::Events).filter_map(SeenSession::given_at);
    Ok(times.min().unwrap_or(time))
}

/// The stays within a period or reaching into it: those whose anchor is in it, open ones from before it, and of the
/// other earlier ones those among the last [`EARLIER_STAYS_MAX`]. With more than [`BARS`], the statistics instead.
async fn drawn(service: &ScopedService, lot: &LotId, window: Window) -> Result<Drawn, Error> {
    let of_lot = SessionFilter { lot: Some(lot.clone()), ..SessionFilter::default() };
    let newest = |limit| sessions::Page { limit, after: None, order: Order::NewestFirst };
    let within = SessionFilter { from: Some(window.from), to: Some(window.to), ..of_lot.clone() };
    let before = SessionFilter { to: Some(window.from), ..of_lot };
    let open_before = SessionFilter { states: vec![State::Open], ..before.clone() };
    let (within, before, open_before) = tokio::try_join!(
        service.sessions(&within, newest(BARS + 1)),
        service.sessions(&before, newest(EARLIER_STAYS_MAX)),
        service.sessions(&open_before, newest(BARS + 1)),
    )?;
    if let Some(rows) = whole(within.rows, before.rows, open_before.rows, window) {
        return Ok(Drawn::Stays(rows));
    }
    let bucket = if window.millis() > HOURS_MAX_MS { Bucket::Day } else { Bucket::Hour };
    let of = StatisticsOf { lot: lot.clone(), from: Some(window.from), to: Some(window.to), bucket };
    Ok(Drawn::Lanes(Box::new(service.statistics(&of).await?)))
}

/// All stays of a window, the oldest first; `None` if there are more than [`BARS`]. Saved summaries are not drawn, but
/// count towards the limit of the lists that were read: a full list means that there are further stays.
fn whole(
    within: Vec<SeenSession>,
    before: Vec<SeenSession>,
    open_before: Vec<SeenSession>,
    window: Window,
) -> Option<Vec<SeenSession>> {
    let most = usize::try_from(BARS).unwrap_or(usize::MAX);
    if within.len() > most || open_before.len() > most {
        return None;
    }
    let reaches_in = |row: &SeenSession| row.exit_time.is_some_and(|exit| exit >= window.from);
    let before = before.into_iter().filter(reaches_in).chain(open_before);
    let all = within.into_iter().chain(before).filter(|row| row.source == Source::Events);
    let all: BTreeMap<_, _> = all.map(|row| (row.id, row)).collect();
    (all.len() <= most).then(|| all.into_values().collect())
}

fn choices(lots: &[LotStatus], around: &Neighbours<'_>, period: Period, today: NaiveDate) -> Markup {
    let days = period.days();
    let kept: Vec<(&str, &str)> = around.lots.iter().map(|lot| ("lot_id", *lot)).collect();
    html! {
        div.controls {
            form.choices action=(PATH) {
                (choice::fields(lots, around.lots, LOTS_MAX))
                (days::fields(days))
                @for (name, value) in period.in_form() { input type="hidden" name=(name) value=(value); }
                button { "Show" }
            }
            nav.choices aria-label="Period" {
                ul.zoom {
                    @for span in SPANS {
                        @let is_current = span.millis == around.window.millis();
                        li { a.button href=(around.of_span(span)) aria-current=[is_current.then_some("true")] { (span.name) } }
                    }
                }
                (days::links(PATH, &kept, days, today))
                ul.zoom {
                    @if days.is_none() { li { a.button href=(around.earlier()) { "← Earlier" } } }
                    @if days.is_none() && !around.follows { li { a.button href=(around.later()) { "Later →" } } }
                    @if !around.follows { li { a.button href=(around.newest()) { "Newest" } } }
                }
            }
        }
    }
}

fn figure(service: &ScopedService, part: &OfLot<'_>, follows: bool, is_one_of_several: bool) -> Markup {
    let OfLot { lot, local, window, drawn } = part;
    html! {
        figure data-key=(lot.id) {
            figcaption {
                @if is_one_of_several { h2 { (lot.id) } }
                p {
                    (stretch(*window, *local)) ", the lot's time zone, " (local.zone()) "."
                    @if lot.time.is_none() { " No event yet at this lot." }
                }
                @match drawn {
                    Drawn::Stays(rows) => (legend(lot, rows)),
                    Drawn::Lanes(_) => p.note { "More than " (BARS) " stays: drawn by the hour or day. Choose a column, or a shorter period, to see each stay." }
                }
            }
            @if matches!(drawn, Drawn::Stays(rows) if rows.is_empty()) { p.empty { "No stay begins, ends or goes on in this time." } }
            div.scroll.picture.newest[follows] role="group" aria-label={ "Chart of the stays at " (lot.id) } tabindex="0" {
                @match drawn {
                    Drawn::Stays(rows) => (Chart { rows, lot, window: *window, local: *local }.svg()),
                    Drawn::Lanes(statistics) => (Aggregated { lot: lot.id.as_str(), statistics, window: *window, local: *local }.svg()),
                }
            }
            @match drawn {
                Drawn::Stays(rows) => {
                    details id=(if is_one_of_several { format!("as-table-{}", lot.id) } else { "as-table".to_owned() }) {
                        summary { "Show as a table" }
                        @if !rows.is_empty() {
                            (listing::table(service, "Stays of this period, the oldest first", rows, Columns::Dwell))
                        }
                    }
                }
                Drawn::Lanes(statistics) => (Aggregated { lot: lot.id.as_str(), statistics, window: *window, local: *local }.table()),
            }
        }
    }
}

/// How many stays of each state there are, and how many have a mark.
fn legend(lot: &LotStatus, rows: &[SeenSession]) -> Markup {
    let states = [State::Matched, State::Open, State::HeldExit, State::UnmatchedExit, State::UnmatchedEntry];
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    let overstays = rows.iter().filter(|row| lot.marks(row).is_overstay).count();
    let doubtful = rows.iter().filter(|row| lot.marks(row).is_doubtful).count();
    html! {
        ul.legend {
            @for state in states {
                li { (Mark::State(state)) span { (text::state(state)) " " b { (count(state)) } } }
            }
            li { span.flag { "!" } span { "overstay " b { (overstays) } } }
            li { span.flag { "?" } span { "doubtful " b { (doubtful) } } }
        }
    }
}

/// A window as text, with seconds if it is short.
fn stretch(window: Window, local: Local) -> Markup {
    let clock = if window.millis() < 15 * 60_000 { Clock::Seconds } else { Clock::Minutes };
    let local = local.with_offset();
    let day = |time| local.at(time).format("%a %-d %b %Y, ");
    let is_one_day = local.date(window.from) == local.date(window.to);
    html! {
        time datetime=(window.from) { (day(window.from)) (local.clock(window.from, clock)) }
        " to "
        time datetime=(window.to) { @if !is_one_day { (day(window.to)) } (local.clock(window.to, clock)) }
    }
}
