//! What passed on a lot's day, and on the day that it is compared with: the same weekday a week before, up to the same
//! time.

use ledger::{Connected, Counts, Recent, RecentOf, quarter_of};
use parking::{LotId, Timestamp};

use super::{LotStatus, calendar_of, count};
use crate::days::Days;
use crate::{Error, Service, within};

/// What passed at a lot in a day, or in a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayCounts {
    /// Entries.
    pub entries: u64,
    /// Exits.
    pub exits: u64,
    /// Exits that have their entry.
    pub matched: u64,
    /// Exits that have none, those that are held left out.
    pub unmatched: u64,
    /// Exits that are held: they wait for their entry.
    pub held: u64,
}

impl DayCounts {
    pub(super) fn of(counts: &Counts) -> Self {
        Self {
            entries: count(counts.entries),
            exits: count(counts.exits),
            matched: count(counts.matched),
            unmatched: count(counts.unmatched_exits),
            held: count(counts.exits - counts.matched - counts.unmatched_exits),
        }
    }
}

/// The part of a lot's day a week before, quarter hours.
struct Part {
    lot: LotId,
    start: i64,
    end: i64,
    /// Whether the lot had its first event before.
    is_known: bool,
}

impl Service {
    /// For each of these lots, what passed on the same day of the week before, from its start to the same time; `None`
    /// where that is unknown.
    pub(crate) async fn week_before(&self, lots: &[LotStatus]) -> Result<Vec<Option<DayCounts>>, Error> {
        let parts: Vec<Option<Part>> = lots.iter().map(part).collect();
        let known: Vec<&Part> = parts.iter().flatten().filter(|part| part.is_known).collect();
        let (Some(start), Some(end)) =
            (known.iter().map(|part| part.start).min(), known.iter().map(|part| part.end).max())
        else {
            return Ok(vec![None; lots.len()]);
        };
        let asked: Vec<RecentOf> = known.iter().map(|part| part.asked()).collect();
        let (recent, connected) = within(async {
            let ledger = &self.inner.ledger;
            Ok(tokio::try_join!(ledger.recent(&asked), ledger.connected(start..end))?)
        })
        .await?;
        let mut recent = recent.iter();
        let mut counts = |part: &Part| recent.next().and_then(|recent| part.counts(recent, &connected));
        Ok(parts.iter().map(|part| part.as_ref().filter(|part| part.is_known).and_then(&mut counts)).collect())
    }
}

fn part(lot: &LotStatus) -> Option<Part> {
    let time = lot.time?;
    let quarters = Days::Last(1).quarters_before(calendar_of(lot.known.as_ref()), time);
    let is_known = lot.known_since.is_some_and(|since| quarter_of(since) <= quarters.start);
    Some(Part { lot: lot.id.clone(), start: quarters.start, end: quarters.end, is_known })
}

impl Part {
    fn asked(&self) -> RecentOf {
        RecentOf {
            lot: self.lot.clone(),
            quarters: self.start..=self.end - 1,
            open_before: [Timestamp::from_millis(i64::MIN); 2],
            open_within: Vec::new(),
        }
    }

    /// Without any passage, the counts are known to be zero if a correlator was connected.
    fn counts(&self, recent: &Recent, connected: &Connected) -> Option<DayCounts> {
        let mut sum = Counts::default();
        recent.quarters.iter().for_each(|(_, counts)| sum.add(counts));
        let is_connected = connected.quarters.range(self.start..self.end).next().is_some();
        (!recent.quarters.is_empty() || is_connected).then(|| DayCounts::of(&sum))
    }
}
