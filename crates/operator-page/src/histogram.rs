//! Histogram of dwell times, with columns of equal width. Pure.

use ledger::Dwells;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Round widths, milliseconds.
const WIDTHS: [i64; 16] = [
    1_000,
    5_000,
    10_000,
    30_000,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    4 * HOUR_MS,
    12 * HOUR_MS,
    24 * HOUR_MS,
    7 * 24 * HOUR_MS,
];
/// How many columns there are at most; longer stays are in the last one.
const COLUMNS_MAX: i64 = 30;

/// A column of the histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// The shortest dwell in it, milliseconds.
    pub(super) from_ms: i64,
    /// The first dwell time beyond the column; `None` for the last column, which has all longer stays.
    pub(super) to_ms: Option<i64>,
    pub(super) stays: i64,
}

/// The columns of these stays: the narrowest width with which 99 % of the stays are before the last column.
pub(super) fn columns(dwells: &Dwells) -> Vec<Column> {
    let Some(longest) = dwells.quantile_ms(990) else { return Vec::new() };
    let fits = |width: &i64| longest < width * (COLUMNS_MAX - 1);
    let width = WIDTHS.into_iter().find(fits).unwrap_or(WIDTHS[WIDTHS.len() - 1]);
    let last = (longest / width + 1).min(COLUMNS_MAX - 1);
    let column =
        |place: i64| Column { from_ms: place * width, to_ms: (place < last).then_some((place + 1) * width), stays: 0 };
    let mut columns: Vec<Column> = (0..=last).map(column).collect();
    for (bounds, stays) in dwells.buckets() {
        let middle = bounds.start + (bounds.end - bounds.start) / 2;
        let place = usize::try_from((middle / width).clamp(0, last)).unwrap_or(0);
        columns[place].stays += stays;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stay_is_in_one_column_and_the_longest_are_in_the_last() {
        let mut dwells = Dwells::default();
        (1..=100).for_each(|minutes| dwells.add(minutes * MINUTE_MS, 1));
        dwells.add(100 * HOUR_MS, 1);

        let columns = columns(&dwells);

        assert_eq!(columns.iter().map(|column| column.stays).sum::<i64>(), 101);
        assert_eq!((columns[0].from_ms, columns[0].to_ms), (0, Some(5 * MINUTE_MS)));
        let last = columns.last().unwrap();
        assert_eq!((last.to_ms, last.stays, columns.len()), (None, 1, 21));
    }

    #[test]
    fn without_stays_there_are_no_columns() {
        assert_eq!(columns(&Dwells::default()), []);
    }
}
