//! The chart of a busy period: instead of a bar for each stay, lanes with what happened in each hour or day.
//!
//! The numbers are those of the statistics, so that a period is drawn whole however many stays it has. Each column leads
//! to the timeline of its time.

use maud::{Markup, html};
use sessions::{Bucket, BucketStatistics, Statistics};

use super::chart::{axis, lines, per_cent, place};
use super::data_table;
use super::links::link;
use super::local::{Clock, Local};
use super::period::Window;
use super::text::number;

/// Height of a lane with its name, and of its bars at most, px.
const LANE_PX: i64 = 72;
const BARS_PX: i64 = 44;
/// With more columns than this, a chart is wider than its place, so that each column is a target of 24 px.
const COLUMNS_NARROW: usize = 24;

/// The chart.
#[derive(Debug)]
pub(super) struct Aggregated<'a> {
    pub(super) lot: &'a str,
    pub(super) statistics: &'a Statistics,
    pub(super) window: Window,
    pub(super) local: Local,
}

/// A lane: its name, and its value in a bucket.
type Lane = (&'static str, fn(&BucketStatistics) -> i64);

const LANES: [Lane; 4] = [
    ("Average occupancy", |bucket| rounded(bucket.average_inside)),
    ("Entries", |bucket| bucket.tally.counts.entries),
    ("Exits", |bucket| bucket.tally.counts.exits),
    ("Unmatched exits", |bucket| bucket.tally.counts.unmatched_exits),
];

impl Aggregated<'_> {
    pub(super) fn svg(&self) -> Markup {
        let lanes = i64::try_from(LANES.len()).unwrap_or(0);
        let height = usize::try_from(lanes * LANE_PX).unwrap_or(0) + 4;
        let is_wide = self.statistics.buckets.len() > COLUMNS_NARROW;
        html! {
            div.lanes.wide[is_wide] {
                (axis(self.window, self.local))
                svg.timeline.aggregated height=(height) aria-hidden="true" {
                    (lines(self.window, self.local, height))
                    @for bucket in &self.statistics.buckets { (self.column(bucket, height)) }
                    @for (row, (name, value)) in (0..).zip(LANES) {
                        @let top = row * LANE_PX;
                        text.lane x="0" y=(top + 14) { (name) @if let Some(most) = self.most(value) { ", at most " (number(most)) } }
                    }
                }
            }
        }
    }

    /// The largest value of a lane; `None` without data.
    fn most(&self, value: fn(&BucketStatistics) -> i64) -> Option<u64> {
        let known = self.statistics.buckets.iter().filter(|bucket| bucket.has_data);
        known.map(value).max().map(|most| u64::try_from(most).unwrap_or(0))
    }

    fn column(&self, bucket: &BucketStatistics, height: usize) -> Markup {
        let begin = place(self.window, bucket.from);
        let width = (place(self.window, bucket.to) - begin).max(1);
        let (from, to) = (bucket.from.max(self.window.from), bucket.to.min(self.window.to));
        let address = link("/timeline", &[("lot_id", self.lot), ("from", &from.to_string()), ("to", &to.to_string())]);
        html! {
            a href=(address) tabindex="-1" data-key=(bucket.from) data-from=(bucket.from) {
                title { (self.says(bucket)) }
                rect.target.unknown[!bucket.has_data] x=(per_cent(begin)) y="0" width=(per_cent(width)) height=(height) {}
                @if bucket.has_data {
                    @for (row, (_, value)) in (0..).zip(LANES) {
                        @let most = i64::try_from(self.most(value).unwrap_or(0)).unwrap_or(i64::MAX).max(1);
                        @let bar = value(bucket).clamp(0, most) * BARS_PX / most;
                        rect.bar x=(per_cent(begin)) y=((row + 1) * LANE_PX - 4 - bar) width=(per_cent(width - width / 8)) height=(bar) rx="1" {}
                    }
                }
            }
        }
    }

    fn begin(&self, bucket: &BucketStatistics) -> String {
        match self.statistics.bucket {
            Bucket::Day => self.local.day(bucket.from),
            Bucket::Hour => {
                format!("{} {}", self.local.day(bucket.from), self.local.clock(bucket.from, Clock::Minutes))
            }
        }
    }

    fn says(&self, bucket: &BucketStatistics) -> String {
        let begin = self.begin(bucket);
        if !bucket.has_data {
            return format!("{begin}: no data");
        }
        let value = |value: i64| number(u64::try_from(value).unwrap_or(0));
        let counts = &bucket.tally.counts;
        format!(
            "{begin}: average occupancy {:.1}, {} entries, {} exits, {} unmatched exits",
            bucket.average_inside,
            value(counts.entries),
            value(counts.exits),
            value(counts.unmatched_exits)
        )
    }

    /// Its numbers as a table.
    pub(super) fn table(&self) -> Markup {
        let rows = self.statistics.buckets.iter().map(|bucket| {
            let cell = |value: i64| html! { (number(u64::try_from(value).unwrap_or(0))) };
            let values = LANES.map(|(_, value)| {
                if bucket.has_data {
                    cell(value(bucket))
                } else {
                    html! { "–" }
                }
            });
            let [inside, entries, exits, unmatched] = values;
            [html! { time datetime=(bucket.from) { (self.begin(bucket)) } }, inside, entries, exits, unmatched]
        });
        let [inside, entries, exits, unmatched] = LANES.map(|(name, _)| name);
        let heads = ["From", inside, entries, exits, unmatched];
        data_table::table(&format!("lanes-{}", self.lot), "What happened in this period", heads, rows)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a number of vehicles")]
fn rounded(average: f64) -> i64 {
    average.round() as i64
}
