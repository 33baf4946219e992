//! The stays of a lot as bars from entry to exit along the hours of a day.
//!
//! [`period`](super::period) chooses the period, [`chart`](super::chart) draws. Without parameters, this page shows the
//! first lot that has events, and its newest stays.

use std::collections::BTreeMap;

use api::{Form, Problem, Scoped};
use axum::http::StatusCode;
use axum::response::Response;
use ledger::{Order, SessionFilter};
use maud::{Markup, html};
use parking::{LotId, Source, State, Timestamp};
use sessions::{Error, LotStatus, ScopedService, SeenSession};

use super::chart::Chart;
use super::choice;
use super::layout::{Page, Refresh};
use super::listing::{self, Columns};
use super::local::{Clock, Local};
use super::period::{self, Neighbours, Period, SPANS, TimelineParameters, Window};
use super::text::{self, Mark};

const PATH: &str = "/timeline";
/// How many stays a chart draws at most; if there are more, the newest.
pub const BARS: u32 = 500;
/// How many stays from before a period are checked for whether they reach into it.
const EARLIER_STAYS_MAX: u32 = 500;
/// How many of the newest stays a chart without a chosen period shows.
const NEWEST_STAYS_MAX: u32 = 120;

/// The stays of a period, the oldest first.
struct Stays {
    rows: Vec<SeenSession>,
    is_cut: bool,
}

impl Stays {
    /// Whether a stay may still change, so that the chart of a past period changes too.
    fn are_awaited(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.state, State::Open | State::HeldExit))
    }
}

pub(super) async fn timeline(
    Scoped(service): Scoped,
    Form(asked): Form<TimelineParameters>,
) -> Result<Response, Problem> {
    let lots = service.lots().await?;
    let lot = choice::lot(asked.lot_id.as_ref(), &lots)?;
    let local = Local::of(&service, &lot.id);
    let period = Period::asked(&asked, local)?;
    let time = lot.time.unwrap_or_else(|| service.now());
    let window = match period {
        Period::Fixed(window) => window,
        Period::Following(span) => Window::following(time, span),
        Period::Newest => Window::following(time, period::span_reaching(oldest(&service, lot, time).await?, time)),
    };
    let stays = stays(&service, &lot.id, window).await?;
    let chart = Chart { rows: &stays.rows, window, time: lot.time, local };
    let around = Neighbours { lot: lot.id.as_str(), window, follows: !matches!(period, Period::Fixed(_)) };
    let content = html! {
        h1 { "Timeline of " (lot.id) }
        (choices(&lots, &around, period, local))
        (figure(&chart, &stays, lot, around.follows))
        details #as-table {
            summary { "Show as a table" }
            @if !stays.rows.is_empty() {
                (listing::table(&service, "Stays of this period, the oldest first", &stays.rows, Columns::Dwell))
            }
        }
    };
    let is_over = !around.follows && lot.time.is_some_and(|time| window.to <= time);
    let refresh = if is_over && !stays.are_awaited() { Refresh::Never } else { Refresh::OnChange };
    Ok(Page { refresh, ..Page::new("Timeline", PATH, content) }.answer(StatusCode::OK, &service))
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
/// other earlier ones those among the last [`EARLIER_STAYS_MAX`].
async fn stays(service: &ScopedService, lot: &LotId, window: Window) -> Result<Stays, Error> {
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
    Ok(newest_of(within.rows, before.rows, open_before.rows, window))
}

/// The newest [`BARS`] stays. Saved summaries are not drawn, but count towards the limit of the lists that were read: a
/// full list means that there are older stays, even if few of it are drawn.
fn newest_of(
    within: Vec<SeenSession>,
    before: Vec<SeenSession>,
    open_before: Vec<SeenSession>,
    window: Window,
) -> Stays {
    let most = usize::try_from(BARS).unwrap_or(usize::MAX);
    let is_full = within.len() > most;
    let reaches_in = |row: &SeenSession| row.exit_time.is_some_and(|exit| exit >= window.from);
    // Behind a full list are stays of the period that are newer than these.
    let before = before.into_iter().filter(reaches_in).chain(open_before).filter(|_| !is_full);
    let all = within.into_iter().chain(before).filter(|row| row.source == Source::Events);
    let all: BTreeMap<_, _> = all.map(|row| (row.id, row)).collect();
    let cut = all.len().saturating_sub(most);
    Stays { rows: all.into_values().skip(cut).collect(), is_cut: is_full || cut > 0 }
}

fn choices(lots: &[LotStatus], around: &Neighbours<'_>, period: Period, local: Local) -> Markup {
    let (date, kept) = period.in_form(local);
    html! {
        div.controls {
            form.choices action=(PATH) {
                (choice::field(lots, around.lot, None))
                label { "Day " input type="date" name="date" value=(date); }
                @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
                button { "Show" }
            }
            nav.choices aria-label="Period" {
                ul.zoom {
                    @for span in SPANS {
                        @let is_current = span.millis == around.window.millis();
                        li { a.button href=(around.of_span(span)) aria-current=[is_current.then_some("true")] { (span.name) } }
                    }
                }
                ul.zoom {
                    li { a.button href=(around.earlier()) { "← Earlier" } }
                    @if !around.follows {
                        li { a.button href=(around.later()) { "Later →" } }
                        li { a.button href=(around.newest()) { "Newest" } }
                    }
                }
            }
        }
    }
}

fn figure(chart: &Chart<'_>, stays: &Stays, lot: &LotStatus, follows: bool) -> Markup {
    let local = chart.local;
    let states = [State::Matched, State::Open, State::HeldExit, State::UnmatchedExit, State::UnmatchedEntry];
    let count = |state| stays.rows.iter().filter(|row| row.state == state).count();
    html! {
        figure {
            figcaption {
                p {
                    (stretch(chart.window, local)) ", the lot's time zone, " (local.zone()) "."
                    @if lot.time.is_none() { " No event yet at this lot." }
                }
                ul.legend {
                    @for state in states {
                        li { (Mark::State(state)) span { (text::state(state)) " " b { (count(state)) } } }
                    }
                    @if stays.is_cut { li { span { "of " b { (stays.rows.len()) } " drawn" } } }
                }
                @if stays.is_cut {
                    p.notice { (Mark::Warn) "Only the newest " (stays.rows.len()) " stays are drawn; choose a shorter period to see all of them." }
                }
            }
            @if stays.rows.is_empty() && !stays.is_cut { p.empty { "No stay begins, ends or goes on in this time." } }
            div.scroll.picture.newest[follows] role="group" aria-label="Chart of the stays" tabindex="0" { (chart.svg()) }
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
