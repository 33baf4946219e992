//! The table of lots: occupancy, doubtful stays and overstays, entries and exits of the last two hours.

use maud::{Markup, html};
use sessions::{LotStatus, ScopedService};

use super::links::{self, link};
use super::local::Local;
use super::text::{self, number};

/// A column of the table of lots.
struct Column {
    name: &'static str,
    is_number: bool,
    cell: fn(&ScopedService, &LotStatus) -> Markup,
}

const COLUMNS: [Column; 9] = [
    Column { name: "Inside", is_number: true, cell: |_, lot| inside(lot) },
    Column { name: "Occupancy", is_number: false, cell: |_, lot| occupancy(lot) },
    Column { name: "Doubtful", is_number: true, cell: |_, lot| doubtful(lot) },
    Column { name: "Overstays", is_number: true, cell: |_, lot| overstays(lot) },
    Column {
        name: "Entries this hour (previous)",
        is_number: true,
        cell: |_, lot| passed(lot, lot.entries_this_hour, lot.entries_hour_before),
    },
    Column {
        name: "Exits this hour (previous)",
        is_number: true,
        cell: |_, lot| passed(lot, lot.exits_this_hour, lot.exits_hour_before),
    },
    Column { name: "Matched, 24 h", is_number: true, cell: |_, lot| matched(lot) },
    Column { name: "Unmatched, 24 h", is_number: true, cell: |_, lot| unmatched(lot) },
    Column { name: "Lot time", is_number: false, cell: time },
];

/// The lots, by name.
pub(super) fn table(service: &ScopedService, lots: &[LotStatus]) -> Markup {
    html! {
        section aria-labelledby="lots" {
            h2 #lots { "Lots" }
            div.scroll role="group" aria-labelledby="lots" tabindex="0" {
                table {
                    caption.hidden { "Lots: occupancy, and the entries and exits of this clock hour and of the previous one, in the lot's own time" }
                    thead { tr {
                        th scope="col" { "Lot" }
                        @for column in &COLUMNS { th scope="col" .number[column.is_number] { (column.name) } }
                    } }
                    tbody {
                        @for lot in lots {
                            tr data-key=(lot.id) {
                                th scope="row" { a.plate href=(link("/timeline", &[("lot_id", lot.id.as_str())])) { (lot.id) } @if let Some(kind) = kind(lot) { " " span.kind { (kind) } } }
                                @for column in &COLUMNS { td.number[column.is_number] { ((column.cell)(service, lot)) } }
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

/// Passages in this clock hour so far, and in the whole previous hour.
fn passed(lot: &LotStatus, this_hour: u64, hour_before: u64) -> Markup {
    html! {
        @if lot.time.is_some() { (number(this_hour)) span.note { " (" (number(hour_before)) ")" } }
        @else { span.none { "–" span.hidden { " no data: no event yet" } } }
    }
}

/// Vehicles that are inside for longer than nearly all stays last: their exit was probably missed.
fn doubtful(lot: &LotStatus) -> Markup {
    html! {
        @if let Some(doubtful) = lot.doubtful { (count(lot, doubtful, &[("doubtful", "true")])) }
        @else { span.none { "–" span.hidden { " unknown until 200 stays have ended" } } }
    }
}

/// Vehicles that are inside for longer than the lot permits.
fn overstays(lot: &LotStatus) -> Markup {
    html! {
        @if lot.known.as_ref().is_some_and(|known| known.permitted_stay.is_some()) { (count(lot, lot.overstays, &[("overstay", "true")])) }
        @else { span.none { "–" span.hidden { " this lot has no permitted stay" } } }
    }
}

fn matched(lot: &LotStatus) -> Markup {
    let share = text::share(lot.matched_last_day, lot.matched_last_day + lot.unmatched_last_day);
    html! {
        @if let Some(share) = share {
            (count(lot, lot.matched_last_day, &[("state", "matched"), ("last_day", "true")]))
            span.note { " (" (share) ")" }
        } @else { span.none { "–" span.hidden { " no data: no exit was decided in this time" } } }
    }
}

fn unmatched(lot: &LotStatus) -> Markup {
    let held = [("state", "held_exit"), ("last_day", "true")];
    html! {
        @if lot.matched_last_day + lot.unmatched_last_day > 0 {
            (count(lot, lot.unmatched_last_day, &[("state", "unmatched_exit"), ("last_day", "true")]))
        } @else { span.none { "–" span.hidden { " no data: no exit was decided in this time" } } }
        @if lot.held_last_day > 0 { " (" a.count href=(links::list(lot.id.as_str(), &held)) { (number(lot.held_last_day)) " held" } ")" }
    }
}

/// A number of the lot, which leads to the list behind it.
fn count(lot: &LotStatus, number: u64, filter: &[(&str, &str)]) -> Markup {
    text::count(number, &links::list(lot.id.as_str(), filter))
}

/// The occupancy as a bar and as a share of the capacity; a text marks 100 % and more.
fn occupancy(lot: &LotStatus) -> Markup {
    let Some(capacity) = lot.known.as_ref().and_then(|known| known.capacity).map(u64::from) else {
        return html! { span.none { "–" } };
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

fn time(service: &ScopedService, lot: &LotStatus) -> Markup {
    let local = Local::of(service, &lot.id).with_offset();
    lot.time.map_or_else(|| html! { span.none { "no event yet" } }, |time| local.moment(time))
}
