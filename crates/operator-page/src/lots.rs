//! The table of lots: occupancy, doubtful stays and overstays, and what passed on the day of each lot.

use maud::{Markup, html};
use sessions::{DayCounts, LotStatus, ScopedService};

use super::compared::unknown;
use super::headline::of_today;
use super::links::{self, link};
use super::local::Local;
use super::text::{self, number};

/// A row of the table: a lot, and what passed a week before.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    service: &'a ScopedService,
    lot: &'a LotStatus,
    before: Option<DayCounts>,
}

/// A column of the table of lots.
struct Column {
    name: &'static str,
    is_number: bool,
    cell: fn(&Row<'_>) -> Markup,
}

const COLUMNS: [Column; 10] = [
    Column { name: "Inside", is_number: true, cell: |row| inside(row.lot) },
    Column { name: "Free", is_number: true, cell: |row| free(row.lot) },
    Column { name: "Occupancy", is_number: false, cell: |row| occupancy(row.lot) },
    Column { name: "Doubtful", is_number: true, cell: |row| doubtful(row.lot) },
    Column { name: "Overstays", is_number: true, cell: |row| overstays(row.lot) },
    Column {
        name: "Entries today (week before)",
        is_number: true,
        cell: |row| passed(row.lot, row.lot.today.entries, row.before.map(|day| day.entries), "entries"),
    },
    Column {
        name: "Exits today (week before)",
        is_number: true,
        cell: |row| passed(row.lot, row.lot.today.exits, row.before.map(|day| day.exits), "exits"),
    },
    Column { name: "Matched today", is_number: true, cell: |row| matched(row.lot) },
    Column { name: "Unmatched today", is_number: true, cell: |row| unmatched(row.lot) },
    Column { name: "Lot time", is_number: false, cell: time },
];

/// The lots, by name; `before` has of each what passed a week before.
pub(super) fn table(service: &ScopedService, lots: &[LotStatus], before: &[Option<DayCounts>]) -> Markup {
    html! {
        section aria-labelledby="lots" {
            h2 #lots { "Lots" }
            div.scroll role="group" aria-labelledby="lots" tabindex="0" {
                table {
                    caption.hidden { "Lots: occupancy, and what passed on the day of each lot's own time, and on the same weekday a week before until the same time" }
                    thead { tr {
                        th scope="col" { "Lot" }
                        @for column in &COLUMNS { th scope="col" .number[column.is_number] { (column.name) } }
                    } }
                    tbody {
                        @for (lot, before) in lots.iter().zip(before) {
                            @let row = Row { service, lot, before: *before };
                            tr data-key=(lot.id) {
                                th scope="row" { a.plate href=(link("/timeline", &[("lot_id", lot.id.as_str())])) { (lot.id) } @if let Some(kind) = kind(lot) { " " span.kind { (kind) } } }
                                @for column in &COLUMNS { td.number[column.is_number] { ((column.cell)(&row)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn kind(lot: &LotStatus) -> Option<String> {
    let kind = serde_json::to_value(lot.known.as_ref()?.kind).ok()?;
    kind.as_str().map(str::to_owned)
}

fn inside(lot: &LotStatus) -> Markup {
    let capacity = lot.known.as_ref().and_then(|known| known.capacity).map(u64::from);
    html! { (count(lot, lot.inside, &[("state", "open")])) @if let Some(capacity) = capacity { span.note { " of " (number(capacity)) } } }
}

/// Spaces without a vehicle.
fn free(lot: &LotStatus) -> Markup {
    html! {
        @match lot.free_spaces() {
            Some(free) => (number(free)),
            None => (unknown("the file of lots has no number of spaces")),
        }
    }
}

/// Passages of the lot's day so far, and of the same weekday a week before until the same time.
fn passed(lot: &LotStatus, today: u64, before: Option<u64>, of: &str) -> Markup {
    html! {
        @if lot.time.is_some() {
            (count(lot, today, &of_today("", of)))
            span.note { " (" @match before { Some(before) => (number(before)), None => (unknown("no data of a week before")) } ")" }
        } @else { (unknown("no data: no event yet")) }
    }
}

/// Vehicles that are inside for longer than nearly all stays last: their exit was probably missed.
fn doubtful(lot: &LotStatus) -> Markup {
    html! {
        @if let Some(doubtful) = lot.doubtful { (count(lot, doubtful, &[("doubtful", "true")])) }
        @else { (unknown("unknown until 200 stays have ended")) }
    }
}

/// Vehicles that are inside for longer than the lot permits.
fn overstays(lot: &LotStatus) -> Markup {
    html! {
        @if lot.known.as_ref().is_some_and(|known| known.permitted_stay.is_some()) { (count(lot, lot.overstays, &[("overstay", "true")])) }
        @else { (unknown("this lot has no permitted stay")) }
    }
}

fn matched(lot: &LotStatus) -> Markup {
    let DayCounts { matched, unmatched, .. } = lot.today;
    html! {
        @if let Some(share) = text::share(matched, matched + unmatched) {
            (count(lot, matched, &of_today("matched", "exits")))
            span.note { " (" (share) ")" }
        } @else { (unknown("no data: no exit is decided yet")) }
    }
}

fn unmatched(lot: &LotStatus) -> Markup {
    let DayCounts { matched, unmatched, held, .. } = lot.today;
    html! {
        @if matched + unmatched > 0 {
            (count(lot, unmatched, &of_today("unmatched_exit", "exits")))
        } @else { (unknown("no data: no exit is decided yet")) }
        @if held > 0 { " (" a.count href=(links::list(lot.id.as_str(), &of_today("held_exit", "exits"))) { (number(held)) " held" } ")" }
    }
}

/// A number of the lot, which leads to the list behind it.
fn count(lot: &LotStatus, number: u64, filter: &[(&str, &str)]) -> Markup {
    text::count(number, &links::list(lot.id.as_str(), filter))
}

/// The occupancy as a bar and as a share of the capacity; a text marks 100 % and more.
fn occupancy(lot: &LotStatus) -> Markup {
    let Some(capacity) = lot.known.as_ref().and_then(|known| known.capacity).map(u64::from) else {
        return unknown("the file of lots has no number of spaces");
    };
    let per_cent = lot.inside.saturating_mul(100).checked_div(capacity).unwrap_or(0);
    let level = match per_cent {
        0..=84 => "some",
        85..=99 => "much",
        _ => "full",
    };
    html! {
        span.filled {
            svg.meter.(level) viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                rect.ground width="100" height="8" rx="2" {}
                rect.level width=(per_cent.min(100)) height="8" rx="2" {}
            }
            span { (per_cent) " %" @if per_cent > 100 { " – over" } @else if per_cent == 100 { " – full" } }
        }
    }
}

fn time(row: &Row<'_>) -> Markup {
    let local = Local::of(row.service, &row.lot.id).with_offset();
    row.lot.time.map_or_else(|| html! { span.none { "no event yet" } }, |time| local.moment(time))
}
