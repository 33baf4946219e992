//! Dwell times, occupancy and arrivals of a lot in a period of its days.
//!
//! The numbers are those of `GET /api/v1/statistics`; each chart has its table below it.

use api::parameters::{lot, optional};
use api::questions::days as periods;
use api::{Form, Problem, Scoped};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{NaiveDate, Timelike as _};
use maud::{Markup, html};
use parking::LotId;
use sessions::{Bucket, BucketStatistics, Days, LotStatus, Statistics};

use super::bars::{self, Bars, Column};
use super::compared::{Before, unknown};
use super::layout::Page;
use super::local::{Clock, Local};
use super::text::{self, about, length, number};
use super::{choice, data_table, days, heat, histogram, links};

const PATH: &str = "/stays";
/// The text for a period without data.
const NO_DATA: &str = "no data";
/// About how many labels a chart has below it.
const LABELS_MAX: usize = 8;
/// The heat map shows this many days, whatever the period.
const HEAT_DAYS: Days = Days::Last(28);

api::parameters! {
    pub(super) struct StaysParameters {
        lot_id: Option<LotId> = optional(lot);
        period: Option<Days> = optional(periods::period);
        from_date: Option<NaiveDate> = optional(periods::date);
        to_date: Option<NaiveDate> = optional(periods::date);
    }
}

/// The period of the page.
#[derive(Debug, Clone, Copy)]
struct Period {
    days: Days,
    today: NaiveDate,
    local: Local,
}

pub(super) async fn stays(Scoped(service): Scoped, Form(asked): Form<StaysParameters>) -> Result<Response, Problem> {
    let days = days::asked(asked.period, asked.from_date, asked.to_date)?.unwrap_or(Days::Last(1));
    let lots = service.lots().await?;
    let lot = choice::lot(asked.lot_id.as_ref(), &lots)?;
    let local = Local::of(&service, &lot.id);
    let today = lot.date.unwrap_or_else(|| local.date(service.now()));
    let period = Period { days, today, local };
    let (statistics, before, of_weeks) = tokio::try_join!(
        service.statistics_of_days(&lot.id, days, None),
        service.total_before(&lot.id, days),
        service.statistics_of_days(&lot.id, HEAT_DAYS, Some(Bucket::Day)),
    )?;
    let content = html! {
        h1 { "Stays at " (lot.id) }
        (choices(&lots, lot, period))
        p.lead #period { (days::named(days, today)) }
        @if let Some(total) = statistics.total() {
            @if total.has_data {
                (figures(lot, &statistics, &total, before.as_ref(), period))
                (dwells(&total))
                (occupancy(&statistics, period))
            } @else {
                p.empty { "No data: no event of this lot was recorded in this period." }
            }
        }
        (heat::table(&of_weeks.arrivals, local.zone()))
    };
    Ok(Page::new("Stays", PATH, content).answer(StatusCode::OK, &service))
}

fn choices(lots: &[LotStatus], lot: &LotStatus, Period { days, today, .. }: Period) -> Markup {
    html! {
        div.controls {
            form.choices action=(PATH) {
                (choice::field(lots, lot.id.as_str(), None))
                (days::fields(Some(days)))
                button { "Show" }
            }
            nav.choices aria-label="Period" { (days::links(PATH, &[("lot_id", lot.id.as_str())], Some(days), today)) }
        }
    }
}

fn figures(
    lot: &LotStatus,
    statistics: &Statistics,
    total: &BucketStatistics,
    before: Option<&BucketStatistics>,
    Period { days, today, local }: Period,
) -> Markup {
    let counts = &total.tally.counts;
    let is_over = days.dates(today).1 < today;
    let compared = Before::of(days, today, before.map(|before| before.to).filter(|_| !is_over), local);
    let before_count = |of: fn(&BucketStatistics) -> i64| compared.count(before.map(of));
    let list = |filter: &[(&str, &str)]| {
        let period = days::parameters(Some(days));
        let period = period.iter().map(|(name, value)| (*name, value.as_str()));
        links::list(lot.id.as_str(), &filter.iter().copied().chain(period).collect::<Vec<_>>())
    };
    let or_none = |dwell: Option<i64>| dwell.map_or_else(|| unknown("no stay ended"), |dwell| html! { (about(dwell)) });
    let quantile = |of: &BucketStatistics, permille| of.tally.dwells.quantile_ms(permille);
    let dwell = |permille| or_none(quantile(total, permille));
    let dwell_before = |permille| compared.text(before.and_then(|before| quantile(before, permille)).map(about));
    let average = counts.dwell_ms.checked_div(counts.matched);
    let exits = [("period_of", "exits")];
    let of_exits = |state| [("state", state), exits[0]];
    html! {
        dl.figures {
            (text::linked_figure("entries", "Entries", positive(counts.entries), &before_count(|of| of.tally.counts.entries), &list(&[("period_of", "entries")])))
            (text::linked_figure("exits", "Exits", positive(counts.exits), &before_count(|of| of.tally.counts.exits), &list(&exits)))
            (text::linked_figure("stays", "Matched stays", positive(counts.matched), &before_count(|of| of.tally.counts.matched), &list(&of_exits("matched"))))
            (text::linked_figure("unmatched", "Unmatched exits", positive(counts.unmatched_exits), &before_count(|of| of.tally.counts.unmatched_exits), &list(&of_exits("unmatched_exit"))))
            (text::figure("p50", "Median stay", &dwell(500), &dwell_before(500)))
            (text::figure("p90", "90th percentile", &dwell(900), &"9 of 10 stays are shorter"))
            (text::figure("p99", "99th percentile", &dwell(990), &"99 of 100 stays are shorter"))
            (text::figure("average", "Average stay", &or_none(average), &"of the matched stays"))
            (text::figure("average-inside", "Average occupancy", &format!("{:.1}", total.average_inside), &of_capacity(lot, total)))
            (peak(statistics))
            (turnover(lot, total))
        }
    }
}

/// A count from the ledger; never below zero.
fn positive(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

fn of_capacity(lot: &LotStatus, total: &BucketStatistics) -> Markup {
    let capacity = lot.known.as_ref().and_then(|known| known.capacity).filter(|capacity| *capacity > 0);
    html! {
        @match capacity {
            Some(capacity) => {
                (format!("{:.1}", total.average_inside * 100.0 / f64::from(capacity))) " % of " (number(u64::from(capacity))) " spaces"
            }
            None => "vehicles inside",
        }
    }
}

/// The hour of the day with the most entries.
fn peak(statistics: &Statistics) -> Markup {
    match statistics.peak_hour() {
        Some((hour, entries)) => {
            let range = format!("{hour:02}–{:02} h", hour + 1);
            text::figure("peak", "Peak hour", &range, &format!("{} entries in this hour of the day", count(entries)))
        }
        None => text::figure("peak", "Peak hour", &unknown("no vehicle entered"), &"the hour with the most entries"),
    }
}

/// Stays that ended in an hour, and how often a space was used.
fn turnover(lot: &LotStatus, total: &BucketStatistics) -> Markup {
    let capacity = lot.known.as_ref().and_then(|known| known.capacity).filter(|capacity| *capacity > 0);
    let of_spaces = html! {
        "stays an hour"
        @if let Some(capacity) = capacity { "; " (format!("{:.1}", total.stays() / f64::from(capacity))) " a space" }
    };
    text::figure("turnover", "Turnover", &format!("{:.1}", total.turnover()), &of_spaces)
}

/// A count from the ledger as text.
fn count(of: i64) -> String {
    number(positive(of))
}

fn dwells(total: &BucketStatistics) -> Markup {
    let dwells = &total.tally.dwells;
    let found = histogram::columns(dwells);
    let range = |column: &histogram::Column| match column.to_ms {
        Some(to) => format!("{} to {}", length(column.from_ms), length(to)),
        None => format!("{} and longer", length(column.from_ms)),
    };
    let apart = found.len().div_ceil(LABELS_MAX).max(1);
    let column = |(place, column): (usize, &histogram::Column)| Column {
        label: if place % apart == 0 { length(column.from_ms) } else { String::new() },
        says: format!("{}: {} stays", range(column), count(column.stays)),
        value: Some(u64::try_from(column.stays).unwrap_or(0).saturating_mul(bars::ONE)),
    };
    let columns: Vec<Column> = found.iter().enumerate().map(column).collect();
    let mark = |(name, permille)| {
        let dwell = dwells.quantile_ms(permille)?;
        Some((format!("{name} {}", about(dwell)), place_of(dwell, &found)?))
    };
    let marks: Vec<(String, u64)> =
        [("median", 500), ("90th percentile", 900), ("99th percentile", 990)].into_iter().filter_map(mark).collect();
    let rows = found.iter().map(|column| [range(column), count(column.stays)].map(|cell| html! { (cell) }));
    html! {
        figure.chart {
            figcaption { h2 { "Dwell time" } }
            @if found.is_empty() {
                p.empty { "No stay ended in this period." }
            } @else {
                div.scroll.picture role="group" aria-label="Chart of the dwell times" tabindex="0" { (Bars { columns: &columns, level: None, marks: &marks }.svg()) }
                (data_table::table("dwells-table", "Dwell time", ["Dwell", "Stays"], rows))
            }
        }
    }
}

/// The position of a dwell time on the chart, in ten-thousandths of its width.
fn place_of(dwell_ms: i64, columns: &[histogram::Column]) -> Option<u64> {
    let whole_ms = columns.first()?.to_ms? * i64::try_from(columns.len()).ok()?;
    u64::try_from(dwell_ms.min(whole_ms) * 10_000 / whole_ms).ok()
}

fn occupancy(statistics: &Statistics, period: Period) -> Markup {
    let (local, capacity) = (period.local, statistics.capacity);
    let begin = |bucket: &BucketStatistics| match statistics.bucket {
        Bucket::Day => local.day(bucket.from),
        Bucket::Hour => format!("{} {}", local.day(bucket.from), local.clock(bucket.from, Clock::Minutes)),
    };
    let apart = statistics.buckets.len().div_ceil(LABELS_MAX).max(1);
    let column = |(place, bucket): (usize, &BucketStatistics)| Column {
        label: label(bucket, statistics.bucket, period, place % apart == 0),
        says: format!("{}: {}", begin(bucket), says(bucket)),
        value: bucket.has_data.then(|| thousandths(bucket.average_inside)),
    };
    let columns: Vec<Column> = statistics.buckets.iter().enumerate().map(column).collect();
    let rows = statistics.buckets.iter().map(|bucket| {
        let counts = &bucket.tally.counts;
        let numbers = if bucket.has_data {
            let average = format!("{:.1}", bucket.average_inside);
            [average, count(bucket.inside), count(counts.entries), count(counts.exits)]
        } else {
            [NO_DATA, "–", "–", "–"].map(str::to_owned)
        };
        let [average, inside, entries, exits] = numbers.map(|cell| html! { (cell) });
        [html! { time datetime=(bucket.from) { (begin(bucket)) } }, average, inside, entries, exits]
    });
    let heads = ["From", "Average occupancy", "Occupancy at the end", "Entries", "Exits"];
    let capacity = capacity.map(|capacity| ("capacity", u64::from(capacity) * bars::ONE));
    html! {
        figure.chart {
            figcaption {
                h2 { "Occupancy" }
                p {
                    "Average number of vehicles inside, in " (local.zone()) "."
                    @if statistics.buckets.iter().any(|bucket| !bucket.has_data) {
                        " Grey: no data, because it is still to come, is before the lot's first event, or nothing was connected."
                    }
                }
            }
            div.scroll.picture role="group" aria-label="Chart of the occupancy" tabindex="0" { (Bars { columns: &columns, level: capacity, marks: &[] }.svg()) }
            (data_table::table("occupancy-table", "Occupancy", heads, rows))
        }
    }
}

fn says(bucket: &BucketStatistics) -> String {
    if bucket.has_data { format!("average occupancy {:.1}", bucket.average_inside) } else { NO_DATA.to_owned() }
}

/// The label below a bucket: every third hour of a day, every day of a week, some days of longer periods.
fn label(bucket: &BucketStatistics, of: Bucket, Period { days, local, .. }: Period, is_apart: bool) -> String {
    let hour = local.at(bucket.from).hour();
    match of {
        Bucket::Hour if days.count() == 1 => (hour.is_multiple_of(3)).then(|| local.clock(bucket.from, Clock::Minutes)),
        Bucket::Hour => (hour == 0).then(|| local.at(bucket.from).format("%a %-d").to_string()),
        Bucket::Day => is_apart.then(|| local.day(bucket.from)),
    }
    .unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of vehicles, not below zero")]
fn thousandths(average: f64) -> u64 {
    (average.max(0.0) * 1_000.0).round() as u64
}
