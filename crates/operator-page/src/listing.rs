//! Tables of stays, and the links between the pages of a long one.

use std::collections::BTreeSet;

use maud::{Markup, html};
use parking::GateId;
use sessions::{ScopedService, SeenSession};

use super::explanations::Explanations;
use super::links::{address, link};
use super::local::Local;
use super::text;

/// The last column of a table of stays, besides plate, lot, state and times.
#[derive(Debug, Clone, Copy)]
pub(super) enum Columns<'a> {
    /// The dwell time.
    Dwell,
    /// The explanation.
    Explanation(&'a Explanations),
}

/// The time zones of the stays in a table: times have an offset unless all are of one zone.
#[derive(Debug)]
pub(super) struct Zones(BTreeSet<&'static str>);

impl Zones {
    pub(super) fn of(service: &ScopedService, rows: &[SeenSession]) -> Self {
        Self(rows.iter().map(|row| Local::of(service, &row.lot).zone()).collect())
    }

    fn one(&self) -> Option<&'static str> {
        self.0.first().copied().filter(|_| self.0.len() == 1)
    }

    /// What the caption says of the times.
    pub(super) fn note(&self) -> Markup {
        html! { span.zone { ", times in " (self.one().unwrap_or("each lot's own zone")) } }
    }

    /// How to show the two times of a stay.
    pub(super) fn local(&self, service: &ScopedService, row: &SeenSession) -> Local {
        let local = Local::of(service, &row.lot).for_both(row.entry_time, row.exit_time);
        if self.one().is_some() { local } else { local.with_offset() }
    }
}

/// A table of stays, each with a link to its page.
pub(super) fn table(service: &ScopedService, caption: &str, rows: &[SeenSession], columns: Columns<'_>) -> Markup {
    let zones = Zones::of(service, rows);
    html! {
        div.scroll role="group" aria-label=(caption) tabindex="0" {
            table.stacked[matches!(columns, Columns::Explanation(_))] {
                caption { (caption) (zones.note()) }
                thead {
                    tr {
                        th scope="col" { "Plate" }
                        th scope="col" { "Lot" }
                        th scope="col" { "State" }
                        th scope="col" { "Entry" }
                        th scope="col" { "Exit" }
                        @match columns {
                            Columns::Dwell => th.number scope="col" { "Dwell" },
                            Columns::Explanation(_) => th scope="col" { "Why" },
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        @let local = zones.local(service, row);
                        tr data-key=(row.id) {
                            th scope="row" { a.plate href=(address(row)) { (text::plate(&row.plate)) } }
                            td { (row.lot) }
                            td { (text::pill(row.state)) }
                            (end("Entry", row.entry_time.map(|time| local.moment(time)), row.entry_gate.as_ref()))
                            (end("Exit", row.exit_time.map(|time| local.moment(time)), row.exit_gate.as_ref()))
                            @match columns {
                                Columns::Dwell => td.number { (dwell(row)) },
                                Columns::Explanation(explanations) => td.why { (explanations.cell(service, row)) },
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The dwell time of a matched stay; a dash for the others.
pub(super) fn dwell(row: &SeenSession) -> String {
    row.dwell_ms().map_or_else(|| "–".to_owned(), text::length)
}

/// The cell of an entry or exit; `data-name` labels it in the narrow layout, which has no column heads.
fn end(name: &str, moment: Option<Markup>, gate: Option<&GateId>) -> Markup {
    html! {
        @match moment {
            Some(moment) => td data-name=(name) {
                (moment)
                @if let Some(gate) = gate { " " span.gate { (gate) } }
            },
            None => td.missing { span.none { "–" } },
        }
    }
}

/// Links to the first and to the next page of a list; `parameters` are those of the list.
pub(super) fn pages(path: &str, parameters: &[(&str, &str)], is_first: bool, next_cursor: Option<&str>) -> Markup {
    let next = next_cursor.map(|cursor| link(path, &[parameters, &[("cursor", cursor)]].concat()));
    html! {
        @if !is_first || next.is_some() {
            nav.pages aria-label="Pages of this list" {
                @if !is_first { a.button href=(link(path, parameters)) { "Newest" } }
                @if let Some(next) = next { a.button rel="next" href=(next) { "Older" } }
            }
        }
    }
}
