//! Dwell times, occupancy and arrivals of a lot.
//!
//! The numbers are those of `GET /api/v1/statistics`; each chart has its table below it.

use api::parameters::{lot, optional, quoted};
use api::{Form, Problem, Scoped};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::Timelike as _;
use maud::{Markup, html};
use parking::LotId;
use sessions::{Bucket, BucketStatistics, LotStatus, Statistics, StatisticsOf};

use super::bars::{self, Bars, Column};
use super::layout::Page;
use super::links::link;
use super::local::{Clock, Local};
use super::text::{self, about, length, number};
use super::{choice, data_table, heat, histogram};

const PATH: &str = "/stays";
const HOUR_MS: i64 = 3_600_000;
/// The text for a period without data.
const NO_DATA: &str = "no data";
/// About how many labels a chart has below it.
const LABELS_MAX: usize = 8;

/// The length of the period, which ends at the lot's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    word: &'static str,
    name: &'static str,
    hours: i64,
    bucket: Bucket,
}

const REACHES: [Reach; 4] = [
    Reach { word: "1d", name: "24 h", hours: 24, bucket: Bucket::Hour },
    Reach { word: "7d", name: "7 days", hours: 7 * 24, bucket: Bucket::Hour },
    Reach { word: "30d", name: "30 days", hours: 30 * 24, bucket: Bucket::Day },
    Reach { word: "365d", name: "1 year", hours: 365 * 24, bucket: Bucket::Day },
];

api::parameters! {
    pub(super) struct StaysParameters {
        lot_id: Option<LotId> = optional(lot);
        reach: Option<Reach> = optional(reach);
    }
}

pub(super) async fn stays(Scoped(service): Scoped, Form(asked): Form<StaysParameters>) -> Result<Response, Problem> {
    let reach = asked.reach.unwrap_or(REACHES[0]);
    let lots = service.lots().await?;
    let lot = choice::lot(asked.lot_id.as_ref(), &lots)?;
    let local = Local::of(&service, &lot.id);
    let time = lot.time.unwrap_or_else(|| service.now());
    let from = Some(time.plus_millis(-reach.hours * HOUR_MS));
    let asked = StatisticsOf { lot: lot.id.clone(), from, to: None, bucket: reach.bucket };
    let statistics = service.statistics(&asked).await?;
    let content = html! {
        h1 { "Stays at " (lot.id) }
        (choices(&lots, lot, reach))
        @if let Some(total) = statistics.total() {
            @if total.has_data {
                (figures(&total))
                (dwells(&total))
                (occupancy(&statistics, reach, local))
            } @else {
                p.empty { "No data: no event of this lot was recorded in this period." }
            }
        }
        (heat::table(&statistics.arrivals, local.zone()))
    };
    Ok(Page::new("Stays", PATH, content).answer(StatusCode::OK, &service))
}

fn reach(text: &str) -> Result<Reach, String> {
    let known = REACHES.iter().find(|reach| reach.word == text);
    known.copied().ok_or_else(|| format!("{} is none of {}", quoted(text), REACHES.map(|reach| reach.word).join(", ")))
}

fn choices(lots: &[LotStatus], lot: &LotStatus, chosen: Reach) -> Markup {
    let address = |reach: Reach| link(PATH, &[("lot_id", lot.id.as_str()), ("reach", reach.word)]);
    html! {
        div.controls {
            form.choices action=(PATH) {
                (choice::field(lots, lot.id.as_str(), None))
                input type="hidden" name="reach" value=(chosen.word);
                button { "Show" }
            }
            nav.choices aria-label="How much time" {
                ul.zoom {
                    @for reach in REACHES {
                        li { a.button href=(address(reach)) aria-current=[(reach == chosen).then_some("true")] { (reach.name) } }
                    }
                }
            }
        }
    }
}

fn figures(total: &BucketStatistics) -> Markup {
    let counts = &total.tally.counts;
    let or_none = |dwell: Option<i64>| dwell.map_or_else(|| "–".to_owned(), about);
    let quantile = |permille| or_none(total.tally.dwells.quantile_ms(permille));
    let average = or_none(counts.dwell_ms.checked_div(counts.matched));
    html! {
        dl.figures {
            (text::figure("stays", "Matched stays", &count(counts.matched), "exits with their entry"))
            (text::figure("p50", "Median stay", &quantile(500), "half of the stays are shorter"))
            (text::figure("p90", "90th percentile", &quantile(900), "9 of 10 stays are shorter"))
            (text::figure("p99", "99th percentile", &quantile(990), "99 of 100 stays are shorter"))
            (text::figure("average", "Average stay", &average, "of the matched stays"))
            (text::figure("entries", "Entries", &count(counts.entries), "vehicles that came in"))
            (text::figure("average-inside", "Average occupancy", &format!("{:.1}", total.average_inside), "vehicles inside"))
        }
    }
}

/// A count from the ledger; never below zero.
fn count(of: i64) -> String {
    number(u64::try_from(of).unwrap_or(0))
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

fn occupancy(statistics: &Statistics, reach: Reach, local: Local) -> Markup {
    let begin = |bucket: &BucketStatistics| match reach.bucket {
        Bucket::Day => local.day(bucket.from),
        Bucket::Hour => format!("{} {}", local.day(bucket.from), local.clock(bucket.from, Clock::Minutes)),
    };
    let apart = statistics.buckets.len().div_ceil(LABELS_MAX).max(1);
    let column = |(place, bucket): (usize, &BucketStatistics)| Column {
        label: label(bucket, reach, local, place % apart == 0),
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
    let capacity = statistics.capacity.map(|capacity| ("capacity", u64::from(capacity) * bars::ONE));
    html! {
        figure.chart {
            figcaption {
                h2 { "Occupancy" }
                p {
                    "Average number of vehicles inside, in " (local.zone()) "."
                    @if statistics.buckets.iter().any(|bucket| !bucket.has_data) {
                        " Grey: no data, from before the lot's first event or while nothing was connected."
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
fn label(bucket: &BucketStatistics, reach: Reach, local: Local, is_apart: bool) -> String {
    let hour = local.at(bucket.from).hour();
    match reach.bucket {
        Bucket::Hour if reach.hours <= 24 => (hour.is_multiple_of(3)).then(|| local.clock(bucket.from, Clock::Minutes)),
        Bucket::Hour => (hour == 0).then(|| local.at(bucket.from).format("%a %-d").to_string()),
        Bucket::Day => is_apart.then(|| local.day(bucket.from)),
    }
    .unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of vehicles, not below zero")]
fn thousandths(average: f64) -> u64 {
    (average.max(0.0) * 1_000.0).round() as u64
}
