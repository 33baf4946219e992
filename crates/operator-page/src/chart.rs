//! The chart of the timeline: a bar for each stay, as SVG.
//!
//! Positions on the time axis are percentages (`12.34%`), so the chart fills the available width while its text keeps
//! its size. Colours are in the style sheet; each state, and each mark of a stay, also has its own shape. Every bar is a
//! target of at least 24 px: as high as its lane, and so wide that it fits at the least width of a chart.

use maud::{Markup, html};
use parking::{State, Timestamp};
use sessions::{LotStatus, Marks, SeenSession};

use super::axis;
use super::lanes;
use super::links;
use super::local::Local;
use super::period::Window;
use super::text;

/// Height of the axis labels, px.
const AXIS_PX: usize = 26;
/// Height of a lane, and of the bar in it, px.
const LANE_PX: usize = 26;
const BAR_PX: usize = 18;
/// The width of a chart is at least this, px; the style sheet has it too.
const CHART_PX_MIN: i64 = 576;
/// The smallest target, px.
const TARGET_PX: i64 = 24;
/// The room of the smallest target at the least width of a chart, in hundredths of a per cent.
const TARGET_WIDTH: i64 = TARGET_PX * 10_000 / CHART_PX_MIN + 1;
/// The narrowest bar that can be seen, in hundredths of a per cent.
const BAR_WIDTH_MIN: i64 = 30;
/// The gap between two bars of a lane, in hundredths of a per cent.
const GAP_WIDTH: i64 = 12;
/// The width of a letter of a plate, and the space around a plate, px.
const LETTER_PX: i64 = 9;
const PLATE_SPACE_PX: i64 = 20;

/// The content of a chart.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    pub(super) rows: &'a [SeenSession],
    pub(super) lot: &'a LotStatus,
    pub(super) window: Window,
    pub(super) local: Local,
}

/// A stay on the chart; positions in hundredths of a per cent of the width.
struct Bar<'a> {
    row: &'a SeenSession,
    marks: Marks,
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
        let height = count.max(4) * LANE_PX + 8;
        html! {
            (axis(self.window, self.local))
            svg.timeline height=(height) aria-hidden="true" {
                defs { linearGradient #still-open { stop offset="0" {} stop offset="1" {} } }
                (lines(self.window, self.local, height))
                (self.now(height))
                @for (bar, lane) in bars.iter().zip(&lanes) { (bar.shape(self.local, 4 + lane * LANE_PX)) }
            }
        }
    }

    fn now(&self, height: usize) -> Markup {
        let time = self.lot.time.filter(|time| (self.window.from..self.window.to).contains(time));
        html! {
            @if let Some(time) = time {
                @let at = per_cent(place(self.window, time));
                line.now x1=(at) x2=(at) y1="0" y2=(height) {}
            }
        }
    }

    /// The bar of a session, if it is in the window.
    fn bar<'a>(&self, row: &'a SeenSession) -> Option<Bar<'a>> {
        let given = row.given_at()?;
        let (end, is_mark) = match row.state {
            State::Matched => (row.exit_time?, false),
            State::Open => (self.lot.time.unwrap_or(given).max(given), false),
            State::HeldExit | State::UnmatchedExit | State::UnmatchedEntry | State::Void => (given, true),
        };
        if end < self.window.from || given >= self.window.to {
            return None;
        }
        let begin = place(self.window, given);
        let end_place = if is_mark { begin } else { place(self.window, end).max(begin + BAR_WIDTH_MIN) };
        Some(Bar { row, marks: self.lot.marks(row), begin, end: end_place, ends_here: end < self.window.to })
    }
}

/// The axis, which stays in sight while the lanes below it scroll.
pub(super) fn axis(window: Window, local: Local) -> Markup {
    html! {
        svg.timeline.axis height=(AXIS_PX) aria-hidden="true" {
            @for tick in axis::ticks(window, local) {
                @let at = per_cent(place(window, tick.time));
                line x1=(at) x2=(at) y1=(AXIS_PX - 6) y2=(AXIS_PX) {}
                text x=(at) y="14" data-time=(tick.time) { (tick.label) }
            }
        }
    }
}

/// The lines below the marks of the axis.
pub(super) fn lines(window: Window, local: Local, height: usize) -> Markup {
    html! {
        g {
            @for tick in axis::ticks(window, local) {
                @let at = per_cent(place(window, tick.time));
                line x1=(at) x2=(at) y1="0" y2=(height) {}
            }
        }
    }
}

/// The position of a moment, in hundredths of a per cent of the width.
pub(super) fn place(window: Window, time: Timestamp) -> i64 {
    let since = i128::from(time.millis_since(window.from)) * 10_000;
    let place = since / i128::from(window.millis().max(1));
    i64::try_from(place.clamp(0, 10_000)).unwrap_or(0)
}

impl Bar<'_> {
    /// The room that it takes in its lane, which is that of a target; a mark stands on its moment.
    fn taken(&self) -> (i64, i64) {
        if self.begin == self.end {
            (self.begin - TARGET_WIDTH / 2, self.end + TARGET_WIDTH / 2)
        } else {
            (self.begin, (self.end + GAP_WIDTH).max(self.begin + TARGET_WIDTH))
        }
    }

    fn shape(&self, local: Local, top: usize) -> Markup {
        let state = self.row.state;
        let (x, y, width) = (per_cent(self.begin), top + (LANE_PX - BAR_PX) / 2, per_cent(self.end - self.begin));
        html! {
            a.(text::class(state)).overstay[self.marks.is_overstay].doubtful[self.marks.is_doubtful]
                href=(links::address(self.row)) tabindex="-1" data-key=(self.row.id)
                data-entry=[self.row.entry_time] data-exit=[self.row.exit_time] {
                title { (self.says(local)) }
                (self.target(&x, top))
                @match state {
                    State::Matched => rect.bar x=(x) y=(y) width=(width) height=(BAR_PX) rx="2" {},
                    State::Open => {
                        rect.bar x=(x) y=(y) width=(width) height=(BAR_PX) rx="2" {}
                        @if self.ends_here { (mark(State::Open, &per_cent(self.end), y, BAR_PX)) }
                    }
                    State::HeldExit | State::UnmatchedExit | State::UnmatchedEntry | State::Void => {
                        (mark(state, &x, y, BAR_PX))
                    }
                }
                @if let Some(flag) = self.flag() { text.flag x=(x) dx="5" y=(y + BAR_PX - 5) { (flag) } }
                (self.plate(&x, y))
            }
        }
    }

    /// The target of a bar, at least 24 px wide.
    fn target(&self, x: &str, top: usize) -> Markup {
        let length = self.end - self.begin;
        html! {
            @if length == 0 {
                rect.target x=(x) y=(top) width=(TARGET_PX) height=(LANE_PX) transform={ "translate(-" (TARGET_PX / 2) ")" } {}
            } @else if length < TARGET_WIDTH {
                rect.target x=(x) y=(top) width=(TARGET_PX) height=(LANE_PX) {}
            } @else {
                rect.target x=(x) y=(top) width=(per_cent(length)) height=(LANE_PX) {}
            }
        }
    }

    /// The sign of an overstay, and of a doubtful stay.
    fn flag(&self) -> Option<&'static str> {
        match (self.marks.is_overstay, self.marks.is_doubtful) {
            (true, true) => Some("!?"),
            (true, false) => Some("!"),
            (false, true) => Some("?"),
            (false, false) => None,
        }
    }

    /// The plate, if the bar is long enough: for every width of a chart, or for a wide one.
    fn plate(&self, x: &str, y: usize) -> Markup {
        let plate = text::plate(&self.row.plate);
        let letters = i64::try_from(plate.chars().count()).unwrap_or(i64::MAX);
        let flag = i64::try_from(self.flag().map_or(0, str::len)).unwrap_or(0);
        let needed_px = (letters + flag).saturating_mul(LETTER_PX).saturating_add(PLATE_SPACE_PX);
        let fits = |chart_px: i64| self.end - self.begin >= needed_px.saturating_mul(10_000) / chart_px;
        let dx = 6 + flag * (LETTER_PX - 1);
        html! {
            @if fits(CHART_PX_MIN) { text.on-bar x=(x) dx=(dx) y=(y + BAR_PX - 5) { (plate) } }
            @else if fits(2 * CHART_PX_MIN) { text.on-bar.if-wide x=(x) dx=(dx) y=(y + BAR_PX - 5) { (plate) } }
        }
    }

    /// What it says when pointed at or tapped.
    fn says(&self, local: Local) -> String {
        let session = self.row;
        let local = local.for_both(session.entry_time, session.exit_time);
        let clock = |time: Option<Timestamp>| time.map_or_else(|| "?".to_owned(), |time| local.text(time));
        let (plate, state) = (text::plate(&session.plate), text::state(session.state));
        let marks = match (self.marks.is_overstay, self.marks.is_doubtful) {
            (true, true) => ", overstay, doubtful",
            (true, false) => ", overstay",
            (false, true) => ", doubtful",
            (false, false) => "",
        };
        match session.dwell_ms() {
            Some(dwell) => {
                let (entry, exit) = (clock(session.entry_time), clock(session.exit_time));
                format!("{plate}: {entry} to {exit}, {}", text::length(dwell))
            }
            None => format!("{plate}: {state}, {}{marks}", clock(session.given_at())),
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

pub(super) fn per_cent(hundredths: i64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}
