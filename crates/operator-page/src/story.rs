//! The history of a stay: its events as read, the decisions, and similar plates.

use matching::Rule;
use maud::{Markup, html};
use parking::State;
use sessions::story::{NearPlates, Story};
use sessions::{Error, ScopedService, SeenChange, SeenEvent};

use super::explanations::Explanations;
use super::listing::{self, Columns};
use super::local::Local;
use super::text;

/// The events of a stay, re-reads too, with how they arrived.
pub(super) fn reads(service: &ScopedService, story: &Story) -> Markup {
    let local = Local::of(service, &story.session.lot);
    html! {
        @if !story.reads.is_empty() {
            div.scroll role="group" aria-label="Events as they were read" tabindex="0" {
                table {
                    caption { "Events as they were read" span.zone { ", times in " (local.zone()) } }
                    thead { tr {
                        th scope="col" { "Captured" }
                        th scope="col" { "Direction" }
                        th scope="col" { "Gate" }
                        th scope="col" { "Plate as read" }
                        th.number scope="col" { "Confidence" }
                        th scope="col" { "Came in by" }
                        th.number scope="col" { "At the door after" }
                        th.number scope="col" { "Received after" }
                        th.number scope="col" { "Recorded after" }
                        th scope="col" { "Event" }
                    } }
                    tbody { @for read in &story.reads { (read_row(local, read)) } }
                }
            }
        }
    }
}

fn read_row(local: Local, read: &SeenEvent) -> Markup {
    let since_seen = |time: parking::Timestamp| text::delay(time.millis_since(read.key.time));
    html! {
        tr data-key=(read.key.id) {
            th scope="row" { (local.moment(read.key.time)) }
            td { (read.key.direction.as_str()) }
            td { @if let Some(gate) = &read.gate { (gate) } @else { span.none { "unknown" } } }
            td {
                @if read.plate_as_read.trim().is_empty() { span.none { "unread" } } @else { span.plate { (read.plate_as_read) } }
                @if read.superseded_by.is_some() { " " span.none { "superseded" } }
            }
            td.number {
                @if let Some(confidence) = read.confidence { (format!("{confidence:.2}")) } @else { span.none { "–" } }
            }
            td { (came_in(read)) }
            td.number {
                @if let Some(time) = read.receipt.as_ref().and_then(|receipt| receipt.received_at) { (since_seen(time)) }
                @else { span.none { "unknown" } }
            }
            td.number { (since_seen(read.received_at)) }
            td.number { (since_seen(read.recorded_at)) }
            td {
                a href={ "/api/v1/events/" (read.key.id) "/explanation" } { code { (read.key.id) } }
                " " a href={ "/api/v1/events/" (read.key.id) "/trail" } { "trail" }
            }
        }
    }
}

/// The door and the format.
fn came_in(read: &SeenEvent) -> Markup {
    html! {
        @if let Some(receipt) = &read.receipt {
            (receipt.door.as_str())
            @if let Some(format) = &receipt.format { ", " (format) }
        } @else { span.none { "unknown" } }
    }
}

/// The decisions, in the order in which they were recorded.
pub(super) fn changes(service: &ScopedService, story: &Story) -> Markup {
    let local = Local::of(service, &story.session.lot);
    let own = story.session.id;
    html! {
        @if !story.changes.is_empty() {
            div.scroll role="group" aria-label="Decisions" tabindex="0" {
                table {
                    caption { "Decisions, in the order in which they were recorded" span.zone { ", times in " (local.zone()) } }
                    thead { tr {
                        th scope="col" { "Recorded" }
                        th scope="col" { "From" }
                        th scope="col" { "To" }
                        th scope="col" { "Because" }
                        th.number scope="col" { "Vehicle's version" }
                        th.number scope="col" { "Change" }
                        th scope="col" { "Session" }
                    } }
                    tbody {
                        @for change in &story.changes {
                            tr data-key=(change.sequence) {
                                th scope="row" { (local.moment(change.recorded_at)) }
                                td { @if let Some(from) = change.from { (text::pill(from)) } @else { span.none { "new" } } }
                                td { (text::pill(change.to)) }
                                td { (because(change)) }
                                td.number { (change.vehicle_version) }
                                td.number { (change.sequence) }
                                td {
                                    @if change.session == own { "this one" }
                                    @else { a href={ "/sessions/" (change.session) } { "another one" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn because(change: &SeenChange) -> &'static str {
    match (change.rule, change.to) {
        (None, _) => "a client saved it as a summary",
        (Some(Rule::Entered), _) => "an entry with nothing after it",
        (Some(Rule::Matched), _) => "the exit directly follows the entry",
        (Some(Rule::Held), _) => "an exit without an entry, which may still come",
        (Some(Rule::HoldEnded), _) => "no entry came in time",
        (Some(Rule::ReEntered), _) => "the vehicle entered again",
        (Some(Rule::MaxStay), _) => "older than the longest stay",
        (Some(Rule::Unread), _) => "no plate was read",
        (Some(Rule::Superseded), State::Void) => "its event belongs to another session",
        (Some(Rule::Superseded), _) => "another session returned its event",
        (Some(Rule::ReadSuperseded), _) => "a later read of the gate replaces one of its reads",
    }
}

/// Where the missing counterpart may be: sessions with similar plates.
pub(super) async fn near(service: &ScopedService, story: &Story) -> Result<Markup, Error> {
    let Some(NearPlates { sessions, searched, is_cut }) = story.explained.as_ref().map(|explained| &explained.near)
    else {
        return Ok(html! {});
    };
    let rows: Vec<_> = sessions.iter().map(|near| near.session.clone()).collect();
    let explanations = Explanations::of(service, &rows).await?;
    Ok(html! {
        @if !rows.is_empty() {
            section {
                (listing::table(service, "Similar plates without a counterpart", &rows, Columns::Explanation(&explanations)))
                p.note {
                    "Searched " (text::number(u64::try_from(*searched).unwrap_or(u64::MAX))) " stays"
                    @if *is_cut { ", the nearest in time" }
                    ". Similar plates are never matched automatically."
                }
            }
        }
    })
}
