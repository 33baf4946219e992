//! How long stays of a lot are, and how many vehicles pass, by the counts of its last 30 days.

use std::ops::Range;

use ledger::{Dwells, QUARTER_MS, Quarters, quarter_of, start_of};
use matching::misread::stays::StayTable;
use parking::{LotId, Timestamp};

use crate::lots::{TYPICAL_QUARTERS, TYPICAL_STAYS_MIN};
use crate::{Error, Service, within};

/// How long stays of a lot are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsualStay {
    /// The stays that were counted.
    pub stays: u64,
    /// Half of them were at most this long, milliseconds.
    pub median_ms: i64,
    /// Nine tenths of them were at most this long, milliseconds.
    pub p90_ms: i64,
}

/// What was counted of a lot.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    /// The table by which stays are weighed: the start's without enough stays.
    pub(super) table: StayTable,
    /// `None` without enough stays.
    pub(super) usual: Option<UsualStay>,
}

impl Service {
    /// Counts the last 30 days of a lot's own time.
    pub(super) async fn counted_stays(&self, lot: &LotId, time: Option<Timestamp>) -> Result<Counted, Error> {
        let Some(time) = time else { return Ok(Counted::default()) };
        let end = quarter_of(time) + 1;
        let asked = end - TYPICAL_QUARTERS..end;
        let found = within(async { Ok(self.inner.ledger.quarters(lot, asked.clone()).await?) }).await?;
        Ok(counted(&found, &asked))
    }
}

fn counted(found: &Quarters, asked: &Range<i64>) -> Counted {
    let mut dwells = Dwells::default();
    found.quarters.iter().for_each(|(_, tally)| dwells.merge(&tally.dwells));
    let stays = dwells.stays();
    let quantiles = dwells.quantile_ms(500).zip(dwells.quantile_ms(900)).filter(|_| stays >= TYPICAL_STAYS_MIN);
    let Some((median_ms, p90_ms)) = quantiles else { return Counted::default() };
    let usual = UsualStay { stays: u64::try_from(stays).unwrap_or_default(), median_ms, p90_ms };
    Counted { table: table(found, asked), usual: Some(usual) }
}

/// Stays are counted by the quarter hour in which they ended: when they began is known to a quarter hour.
fn table(found: &Quarters, asked: &Range<i64>) -> StayTable {
    let whole = |count: i64| u32::try_from(count.max(0)).unwrap_or(u32::MAX);
    let counted_from = found.first.map_or(asked.start, |first| first.max(asked.start));
    let seconds = whole((asked.end - counted_from) * QUARTER_MS / 1_000);
    let stays = found.quarters.iter().flat_map(|(quarter, tally)| {
        let ended = start_of(*quarter).plus_millis(QUARTER_MS / 2);
        tally.dwells.buckets().map(move |(bounds, stays)| {
            let dwell_ms = bounds.start + (bounds.end - bounds.start) / 2;
            (ended.plus_millis(-dwell_ms), dwell_ms, whole(stays))
        })
    });
    let passages = found
        .quarters
        .iter()
        .map(|(quarter, tally)| (start_of(*quarter), [tally.counts.entries, tally.counts.exits].map(whole)));
    StayTable::of_counts(seconds, stays, passages)
}

#[cfg(test)]
mod tests {
    use ledger::Tally;
    use matching::misread::stays::CLASSES;

    use super::*;

    fn quarters(stays: i64) -> Quarters {
        let mut tally = Tally::default();
        tally.counts.exits = stays;
        tally.dwells.add(3_600_000, stays);
        Quarters { quarters: vec![(40, tally)], inside_after: 0, first: Some(36) }
    }

    #[test]
    fn too_few_stays_leave_the_tables_of_the_start() {
        let Counted { table, usual } = counted(&quarters(TYPICAL_STAYS_MIN - 1), &(0..44));
        assert_eq!((table, usual), (StayTable::default(), None));
    }

    #[test]
    fn stays_are_counted_in_the_hours_in_which_they_began() {
        let Counted { table, usual } = counted(&quarters(300), &(0..44));
        let UsualStay { stays, median_ms, p90_ms } = usual.unwrap();
        assert_eq!((stays, median_ms), (300, p90_ms));
        assert!((median_ms - 3_600_000).abs() < 60_000, "{median_ms}");
        // Eight quarter hours from the lot's first one on; the exits are of 10 o'clock and the entries of 9 o'clock.
        let expected = StayTable::of_counts(8 * 900, [], [(start_of(40), [0, 300])]);
        assert_eq!((table.seconds, &table.passages), (expected.seconds, &expected.passages));
        let by_hour: Vec<u32> = table.stays.chunks(CLASSES).map(|hour| hour.iter().sum()).collect();
        assert_eq!(by_hour, [0, 0, 0, 0, 300, 0, 0, 0, 0, 0, 0, 0]);
    }
}
