//! Column charts as SVG.
//!
//! Horizontal positions are percentages, so the chart fills the available width while its text keeps its size. Screen
//! readers get the table below it.

use maud::{Markup, html};

use super::text::number;

/// The height of the plot, px; the labels are below it.
const PLOT_PX: u64 = 168;
const LABELS_PX: u64 = 24;
/// Space above the highest line.
const TOP_PX: u64 = 18;
/// The height of a row with the name of a line.
const ROW_PX: u64 = 16;
/// A level is shown if it is at most this many times as high as the highest column.
const LEVEL_FACTOR_MAX: u64 = 4;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// The label below its left edge; empty for most.
    pub(super) label: String,
    /// Its tooltip.
    pub(super) says: String,
    /// Its value, in thousandths; `None` without data, which leaves a gap.
    pub(super) value: Option<u64>,
}

/// One, in thousandths.
pub(super) const ONE: u64 = 1_000;

/// Columns, and lines that they are compared with.
#[derive(Debug)]
pub(super) struct Bars<'a> {
    pub(super) columns: &'a [Column],
    /// A level: its name and value, in thousandths.
    pub(super) level: Option<(&'a str, u64)>,
    /// Vertical lines: the text of each, and its position in ten-thousandths of the width.
    pub(super) marks: &'a [(String, u64)],
}

impl Bars<'_> {
    /// The chart: its scale beside the plot, and the names of lines above it, so that no word stands on a column.
    pub(super) fn svg(&self) -> Markup {
        let (top, level) = self.scale();
        let head = self.head_px();
        let height = head + PLOT_PX + LABELS_PX;
        html! {
            div.bars {
                svg.scale height=(height) aria-hidden="true" {
                    @for value in [top, top / 2] { text x="100%" y=(head + y(value, top) + 4) { (label(value)) } }
                }
                svg.plot height=(height) aria-hidden="true" {
                    g transform={ "translate(0 " (head) ")" } {
                        @for value in [top, top / 2] { line x1="0" x2="100%" y1=(y(value, top)) y2=(y(value, top)) {} }
                        @for (place, column) in (0..).zip(self.columns) { (self.column(place, column, top)) }
                        line.base x1="0" x2="100%" y1=(PLOT_PX) y2=(PLOT_PX) {}
                        @if let Some(value) = level { line.limit x1="0" x2="100%" y1=(y(value, top)) y2=(y(value, top)) {} }
                    }
                    @if let Some((name, value)) = self.level {
                        text.limit x="100%" y="12" { (name) " " (label(value)) @if level.is_none() { ", beyond this chart" } }
                    }
                    @for (row, (says, at)) in (0..).zip(self.marks) {
                        line.limit x1=(per_cent(*at)) x2=(per_cent(*at)) y1=(ROW_PX * row) y2=(head + PLOT_PX) {}
                        // Near the right edge the text is on the left of its line.
                        @let is_left = *at > 7_000;
                        text.mark-name.left[is_left] x=(per_cent(*at)) dx=(if is_left { "-4" } else { "4" }) y=(12 + ROW_PX * row) { (says) }
                    }
                }
            }
        }
    }

    /// The top of the scale, and the level if it is on it: a level that is far above all columns would flatten them.
    fn scale(&self) -> (u64, Option<u64>) {
        let most = self.columns.iter().filter_map(|column| column.value).max().unwrap_or(0);
        let level = self.level.map(|(_, value)| value);
        let level = level.filter(|level| most == 0 || *level <= most.saturating_mul(LEVEL_FACTOR_MAX));
        (round_up(most.max(level.unwrap_or(0))), level)
    }

    /// The height of the rows for names above the plot.
    fn head_px(&self) -> u64 {
        let rows = self.marks.len().max(usize::from(self.level.is_some()));
        ROW_PX * u64::try_from(rows).unwrap_or(0)
    }

    fn column(&self, place: u64, column: &Column, top: u64) -> Markup {
        let count = u64::try_from(self.columns.len()).unwrap_or(1).max(1);
        let (x, width) = (place * 10_000 / count, 10_000 / count);
        html! {
            g {
                title { (column.says) }
                // The tooltip also works above the column.
                rect.room.unknown[column.value.is_none()] x=(per_cent(x)) width=(per_cent(width)) y="0" height=(PLOT_PX) {}
                @if let Some(value) = column.value {
                    rect.column x=(per_cent(x)) width=(per_cent(width - width / 8)) y=(y(value, top))
                        height=(PLOT_PX - y(value, top)) rx="1" {}
                }
            }
            @if !column.label.is_empty() { text x=(per_cent(x)) y=(PLOT_PX + 16) { (column.label) } }
        }
    }
}

/// The distance of a value from the top, px.
fn y(value: u64, top: u64) -> u64 {
    let height = u128::from(value.min(top)) * u128::from(PLOT_PX - TOP_PX) / u128::from(top.max(1));
    PLOT_PX - u64::try_from(height).unwrap_or(0)
}

/// A value with its decimal, if it has one.
fn label(thousandths: u64) -> String {
    let half = if thousandths.is_multiple_of(ONE) { String::new() } else { format!(".{}", thousandths % ONE / 100) };
    number(thousandths / ONE) + &half
}

/// The next number, in thousandths, of the form 1, 2, 3 or 5 times a power of ten.
fn round_up(value: u64) -> u64 {
    let powers = std::iter::successors(Some(ONE), |power| power.checked_mul(10));
    let rounds = powers.flat_map(|power| [1, 2, 3, 5].map(|digit| power.saturating_mul(digit)));
    rounds.into_iter().find(|round| *round >= value).unwrap_or(u64::MAX)
}

fn per_cent(ten_thousandths: u64) -> String {
    format!("{}.{:02}%", ten_thousandths / 100, ten_thousandths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_high_as_their_values_and_lines_say_theirs() {
        let column = |value| Column { label: String::new(), says: String::new(), value };
        let columns = [Some(530), None, Some(1_430), Some(1_220)].map(column);
        let svg = Bars { columns: &columns, level: None, marks: &[] }.svg().into_string();

        let heights: Vec<&str> = svg
            .split("class=\"column\"")
            .skip(1)
            .filter_map(|rest| rest.split("height=\"").nth(1)?.split('"').next())
            .collect();
        assert_eq!(heights, ["39", "107", "91"], "of 150 px for two");
        assert_eq!(svg.matches("class=\"room unknown\"").count(), 1);
        let of = |level| Bars { columns: &columns, level: Some(("capacity", level)), marks: &[] }.svg().into_string();
        assert!(of(3 * ONE).contains("class=\"limit\" x1") && of(3 * ONE).contains("capacity 3</text>"));
        assert!(
            !of(30 * ONE).contains("class=\"limit\" x1") && of(30 * ONE).contains("capacity 30, beyond this chart")
        );
        assert_eq!([500, 1_000, 1_500, 1_000_000].map(label), ["0.5", "1", "1.5", "1,000"]);
    }

    #[test]
    fn the_scale_ends_at_a_round_number() {
        let rounded = [0, 1, 2, 3, 6, 10, 11, 499, 501].map(|value| round_up(value * ONE) / ONE);
        assert_eq!(rounded, [1, 1, 2, 3, 10, 10, 20, 500, 1_000]);
        assert_eq!((round_up(530), round_up(1_430), round_up(u64::MAX)), (1_000, 2_000, u64::MAX));
        assert_eq!([y(0, 10), y(10, 10), y(5, 10)], [168, 18, 93]);
    }
}
