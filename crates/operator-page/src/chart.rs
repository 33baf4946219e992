//! The chart of the timeline: a bar for each stay, as SVG.
//!
//! Positions on the time axis are percentages (`12.34%`), so the chart fills the available width while its text keeps
//! its size. Colours are in the style sheet; each state also has its own shape.

use maud::{Markup, html};
use parking::{State, Timestamp};
use sessions::SeenSession;

use super::axis;
use super::lanes;
use super::links;
use super::local::Local;
use super::period::Window;
use super::text;

/// Height of the axis labels, px.
const AXIS_PX: usize = 26;
/// The narrowest bar that can be seen and clicked, in hundredths of a per cent.
const BAR_WIDTH_MIN: i64 = 30;
/// The width of a mark, in hundredths of a per cent.
const MARK_WIDTH: i64 = 130;
/// The gap between two bars of a lane, in hundredths of a per cent.
const GAP_WIDTH: i64 = 12;

/// The content of a chart.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    pub(super) rows: &'a [SeenSession],
    pub(super) window: Window,
    /// The lot's own time: open stays have lasted until then.
    pub(super) time: Option<Timestamp>,
    pub(super) local: Local,
}

/// A stay on the chart; positions in hundredths of a per cent of the width.
struct Bar<'a> {
    row: &'a SeenSession,
    begin: i64,
    end: i64,
    /// Whether the end lies in the window, and not beyond its edge.
    ends_here: bool,
}

impl Chart<'_> {
    /// The chart. Screen readers get the table below it.
    pub(super) fn svg(&self) -> Markup {
        let bars: Vec<Bar<'_>> = self.rows.iter().filter_map(|row| self.bar(row)).collect();
        let taken: Vec<(i64, i64)> = bars.iter().map(Bar::taken).collect();
        let lanes = lanes::pack(&taken);
        let count = lanes.iter().max().map_or(0, |lane| lane + 1);
        let lane_px = match count {
            0..=24 => 18,
            25..=60 => 12,
            _ => 8,
        };
        let height = AXIS_PX + count.max(4) * lane_px + 8;
        html! {
            svg.timeline height=(height) aria-hidden="true" {
                defs { linearGradient #still-open { stop offset="0" {} stop offset="1" {} } }
                (self.axis(height))
                @for (bar, lane) in bars.iter().zip(&lanes) {
                    (bar.shape(self.local, AXIS_PX + 4 + lane * lane_px, lane_px - if lane_px > 8 { 4 } else { 2 }))
                }
            }
        }
    }

    fn axis(&self, height: usize) -> Markup {
        html! {
            g.axis {
                @for tick in axis::ticks(self.window, self.local) {
                    @let at = per_cent(self.place(tick.time));
                    line x1=(at) x2=(at) y1=(AXIS_PX - 6) y2=(height) {}
                    text x=(at) y="12" data-time=(tick.time) { (tick.label) }
                }
            }
            @if let Some(time) = self.time.filter(|time| (self.window.from..self.window.to).contains(time)) {
                @let at = per_cent(self.place(time));
                line.now x1=(at) x2=(at) y1=(AXIS_PX - 6) y2=(height) {}
            }
        }
    }

    /// The bar of a session, if it is in the window.
    fn bar<'a>(&self, row: &'a SeenSession) -> Option<Bar<'a>> {
        let given = row.given_at()?;
        let (end, is_mark) = match row.state {
            State::Matched => (row.exit_time?, false),
            State::Open => (self.time.unwrap_or(given).max(given), false),
            State::HeldExit | State::UnmatchedExit | State::UnmatchedEntry | State::Void => (given, true),
        };
        if end < self.window.from || given >= self.window.to {
            return None;
        }
        let begin = self.place(given);
        let end_place = if is_mark { begin } else { self.place(end).max(begin + BAR_WIDTH_MIN) };
        Some(Bar { row, begin, end: end_place, ends_here: end < self.window.to })
    }

    fn place(&self, time: Timestamp) -> i64 {
        let since = i128::from(time.millis_since(self.window.from)) * 10_000;
        let place = since / i128::from(self.window.millis().max(1));
        i64::try_from(place.clamp(0, 10_000)).unwrap_or(0)
    }
}

impl Bar<'_> {
    /// The room that it takes in its lane; a mark stands on its moment.
    fn taken(&self) -> (i64, i64) {
        if self.begin == self.end {
            (self.begin - MARK_WIDTH / 2, self.end + MARK_WIDTH / 2)
        } else {
            (self.begin, self.end + GAP_WIDTH)
        }
    }

    fn shape(&self, local: Local, top: usize, height: usize) -> Markup {
        let state = self.row.state;
        let (x, y, width) = (per_cent(self.begin), top, per_cent(self.end - self.begin));
        html! {
            a.(text::class(state)) href=(links::address(self.row)) tabindex="-1" data-key=(self.row.id)
                data-entry=[self.row.entry_time] data-exit=[self.row.exit_time] {
                title { (self.says(local)) }
                @match state {
                    State::Matched => rect x=(x) y=(y) width=(width) height=(height) rx="2" {},
                    State::Open => {
                        rect x=(x) y=(y) width=(width) height=(height) rx="2" {}
                        @if self.ends_here { (mark(State::Open, &per_cent(self.end), y, height)) }
                    }
                    State::HeldExit | State::UnmatchedExit | State::UnmatchedEntry | State::Void => {
                        (mark(state, &x, y, height))
                    }
                }
            }
        }
    }

    /// What it says when pointed at.
    fn says(&self, local: Local) -> String {
        let session = self.row;
        let local = local.for_both(session.entry_time, session.exit_time);
        let clock = |time: Option<Timestamp>| time.map_or_else(|| "?".to_owned(), |time| local.text(time));
        let (plate, state) = (text::plate(&session.plate), text::state(session.state));
        match session.dwell_ms() {
            Some(dwell) => {
                let (entry, exit) = (clock(session.entry_time), clock(session.exit_time));
                format!("{plate}: {entry} to {exit}, {}", text::length(dwell))
            }
            None => format!("{plate}: {state}, {}", clock(session.given_at())),
        }
    }
}

/// The shape of a state, as high as the lane, with its middle there; the arrow of an open stay begins there.
fn mark(state: State, x: &str, y: usize, height: usize) -> Markup {
    let is_tip = state == State::Open;
    let shape = html! {
        svg x=(x) y=(y) width=(height) height=(height) viewBox="0 0 12 12" .tip[is_tip] {
            path d=(if is_tip { "M0 0L9 6 0 12z" } else { text::shape(state) }) {}
        }
    };
    // A place is a part of the width, half a mark is pixels.
    if is_tip {
        shape
    } else {
        html! { g transform={ "translate(-" (height / 2) ")" } { (shape) } }
    }
}

fn per_cent(hundredths: i64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}
