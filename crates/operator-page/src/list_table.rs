//! The table of the list behind a number: each stay with its age, its permitted stay and its marks.

use maud::{Markup, html};
use parking::{GateId, Timestamp};
use sessions::{LotStatus, ScopedService, SeenSession};

use super::links::address;
use super::listing::Zones;
use super::text::{self, Mark};

/// The stays, each with a link to its page.
pub(super) fn table(service: &ScopedService, caption: &str, rows: &[SeenSession], lots: &[LotStatus]) -> Markup {
    let zones = Zones::of(service, rows);
    html! {
        div.scroll role="group" aria-label=(caption) tabindex="0" {
            table.stacked {
                caption { (caption) (zones.note()) }
                thead {
                    tr {
                        th scope="col" { "Plate" }
                        th scope="col" { "Lot" }
                        th scope="col" { "Mark" }
                        th scope="col" { "Entered" }
                        th scope="col" { "Left" }
                        th.number scope="col" { "For" }
                        th.number scope="col" { "Permitted" }
                        th scope="col" { "Gate" }
                    }
                }
                tbody {
                    @for row in rows { (line(service, row, lots.iter().find(|lot| lot.id == row.lot), &zones)) }
                }
            }
        }
    }
}

fn line(service: &ScopedService, row: &SeenSession, lot: Option<&LotStatus>, zones: &Zones) -> Markup {
    let local = zones.local(service, row);
    let marks = lot.map(|lot| lot.marks(row)).unwrap_or_default();
    let moment = |time: Option<Timestamp>| time.map(|time| local.moment(time));
    let gates: Vec<&GateId> = [&row.entry_gate, &row.exit_gate].into_iter().flatten().collect();
    html! {
        tr data-key=(row.id) {
            th scope="row" { a.plate href=(address(row)) { (text::plate(&row.plate)) } }
            td { (row.lot) }
            td {
                (text::pill(row.state))
                @if marks.is_overstay { " " span.off { (Mark::Warn) "overstay" } }
                @if marks.is_doubtful { " " span.off { (Mark::Warn) "doubtful" } }
            }
            (cell("Entered", moment(row.entry_time)))
            (cell("Left", moment(row.exit_time)))
            (length("For", lot.and_then(|lot| lot.stay_ms(row))))
            (length("Permitted", lot.and_then(|lot| lot.permitted_ms(row))))
            (cell("Gate", (!gates.is_empty()).then(|| html! {
                @for (index, gate) in gates.iter().enumerate() { @if index > 0 { ", " } span.gate { (gate) } }
            })))
        }
    }
}

fn length(name: &str, millis: Option<i64>) -> Markup {
    html! {
        @match millis {
            Some(millis) => td.number data-name=(name) { (text::length(millis)) },
            None => td.number.missing { span.none { "–" } },
        }
    }
}

/// `data-name` labels a cell in the narrow layout, which has no column heads.
fn cell(name: &str, content: Option<Markup>) -> Markup {
    html! {
        @match content {
            Some(content) => td data-name=(name) { (content) },
            None => td.missing { span.none { "–" } },
        }
    }
}
