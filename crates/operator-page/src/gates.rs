//! The table of gates: the health of each since the process started.

use chrono_tz::Tz;
use maud::{Markup, html};
use sessions::ScopedService;
use sessions::gates::GateStatus;

use super::local::Local;
use super::text::{self, Mark, number};

/// How many gates are shown; the API has all of them.
const SHOWN_GATES_MAX: usize = 100;
/// Gates with a larger clock difference or transmission delay are marked, milliseconds.
const CLOCK_OFF_MS: i64 = 60_000;
/// Gates without a read for longer than this are marked, milliseconds.
pub(super) const SILENT_MS: i64 = 3_600_000;

/// The gates, by lot and name.
pub(super) fn table(service: &ScopedService) -> Markup {
    let gates = service.gates().unwrap_or_default();
    html! {
        @if !gates.is_empty() {
            div.scroll role="group" aria-label="Gates" tabindex="0" {
                table #gates {
                    caption { "Gates" span.zone { ", since the process started; time in a queue counts as late" } }
                    thead { tr {
                        th scope="col" { "Gate" }
                        th scope="col" { "Lot" }
                        th scope="col" { "Last event" }
                        th.number scope="col" { "Reads, last hour" }
                        th.number scope="col" { "Late" }
                        th.number scope="col" { "Re-reads" }
                        th.number scope="col" { "Confidence" }
                        th.number scope="col" { "Clock difference" }
                    } }
                    tbody { @for gate in gates.iter().take(SHOWN_GATES_MAX) { (row(service, gate)) } }
                }
            }
            @if gates.len() > SHOWN_GATES_MAX {
                p.note { "The first " (SHOWN_GATES_MAX) " of " (gates.len()) " gates; " a href="/api/v1/gates" { "all of them as JSON" } "." }
            }
        }
    }
}

fn row(service: &ScopedService, gate: &GateStatus) -> Markup {
    let age_ms = service.now().millis_since(gate.last_received).max(0);
    let local =
        gate.place.as_ref().map_or_else(|| Local::new(Tz::UTC, service.now()), |(lot, _)| Local::of(service, lot));
    let share = |part| text::share(part, gate.reads_last_hour).unwrap_or_else(|| "–".to_owned());
    html! {
        tr data-key={ (gate.lot_name()) "/" (gate.gate_name()) } {
            th scope="row" { (gate.gate_name()) }
            td { (gate.lot_name()) }
            td {
                (local.with_offset().moment(gate.last_event))
                @if age_ms > SILENT_MS { " " span.off { (Mark::Warn) "silent for " (text::length(age_ms)) } }
            }
            td.number { (number(gate.reads_last_hour)) }
            td.number { (share(gate.late_last_hour)) }
            td.number { (share(gate.re_reads_last_hour)) }
            td.number {
                @if let Some(confidence) = gate.confidence { (format!("{confidence:.2}")) } @else { span.none { "–" } }
            }
            td.number {
                @if gate.clock_difference_ms.saturating_abs() > CLOCK_OFF_MS { span.off { (Mark::Warn) "off " } }
                (text::delay(gate.clock_difference_ms))
            }
        }
    }
}
