//! How the lots stand: who is inside, which of them in doubt, and what passed lately.
//!
//! All of it is on each lot's own time, so that a lot whose events are of last year is as it was then. A stay is
//! doubtful when it is longer than 99.5 of 100 stays there were in the last 30 days: probably its exit was missed. It
//! is an overstay when it is longer than its lot permits.
//!
//! Which stays are overstays changes with time alone, so nothing is stored. The ids of sessions begin with the time of
//! their entry, and the ledger has an index of the open ones by lot and id: the permitted stay and the lot's time give
//! ranges of entries, and counting reads the overstays alone, not all that are inside. A schedule by hour has one range
//! for what is older than its longest stay, and at most one for each change of the schedule since.

mod marks;
mod week_before;
mod windows;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use chrono_tz::Tz;
use ledger::{Counts, Dwells, LotRow, Recent, RecentOf, quarter_of, start_of};
use parking::{Lot, LotId, Timestamp};

use super::calendar::Calendar;
use super::days::Days;
use super::{Bucket, Error, Service, within};
use crate::metrics::Inside;

pub use marks::Marks;
pub use week_before::DayCounts;
pub use windows::LotTimeFilter;

/// Per-mille quantile of the stays above which an open stay is doubtful.
const DOUBT_PERMILLE: i64 = 995;
/// The quantile is unknown with fewer stays than this.
pub(crate) const TYPICAL_STAYS_MIN: i64 = 200;
/// The quantile covers the stays of this many quarter hours: 30 days.
pub(crate) const TYPICAL_QUARTERS: i64 = 30 * 24 * 4;
/// Cache lifetime of a known and of an unknown quantile, milliseconds.
const KNOWN_FOR_MS: i64 = 600_000;
const UNKNOWN_FOR_MS: i64 = 60_000;
/// How many quantiles one call computes at most: each takes about a millisecond.
pub(super) const LEARNED_LOTS_MAX: usize = 20;
/// 23 hours, in quarter hours: a day less the clock hour that the lot's own time is in.
const REST_OF_DAY: i64 = 23 * 4;

/// A lot as it stands: what is known of it beforehand, and what the ledger says.
#[derive(Debug, Clone, PartialEq)]
pub struct LotStatus {
    /// Its name.
    pub id: LotId,
    /// What is known of it beforehand.
    pub known: Option<Lot>,
    /// Vehicles inside now.
    pub inside: u64,
    /// The lot's own time; `None` before its first event.
    pub time: Option<Timestamp>,
    /// Those inside for longer than 99.5 of 100 stays of the last 30 days lasted; `None` until 200 stays are known.
    pub doubtful: Option<u64>,
    /// 99.5 of 100 stays of the last 30 days were at most this long, milliseconds; `None` until 200 stays are known.
    pub usual_stay_ms: Option<i64>,
    /// Those inside for longer than the lot permits; 0 where it has no such rule.
    pub overstays: u64,
    /// Those inside for longer than the age at which matching gives up, until their sessions are closed.
    pub overdue_stays: u64,
    /// Entries of the lot's clock hour that its own time is in, so far.
    pub entries_this_hour: u64,
    /// Exits of that hour so far.
    pub exits_this_hour: u64,
    /// Entries of the whole clock hour before it.
    pub entries_hour_before: u64,
    /// Exits of the whole clock hour before it.
    pub exits_hour_before: u64,
    /// Exits of this clock hour and the 23 before that have their entry.
    pub matched_last_day: u64,
    /// Exits of this clock hour and the 23 before that have none, those that are held left out.
    pub unmatched_last_day: u64,
    /// Exits of these hours that are held: they wait for their entry.
    pub held_last_day: u64,
    /// The day of the lot's own time in its time zone; `None` before its first event.
    pub date: Option<NaiveDate>,
    /// What passed on this day so far.
    pub today: DayCounts,
    /// When the lot's first event was, to the quarter hour; `None` if that was not looked up yet. Nothing is known of the
    /// time before it.
    pub known_since: Option<Timestamp>,
}

impl LotStatus {
    /// A lot without sessions.
    fn silent(known: &Lot) -> Self {
        Self {
            id: known.id.clone(),
            known: Some(known.clone()),
            inside: 0,
            time: None,
            doubtful: None,
            usual_stay_ms: None,
            overstays: 0,
            overdue_stays: 0,
            entries_this_hour: 0,
            exits_this_hour: 0,
            entries_hour_before: 0,
            exits_hour_before: 0,
            matched_last_day: 0,
            unmatched_last_day: 0,
            held_last_day: 0,
            date: None,
            today: DayCounts::default(),
            known_since: None,
        }
    }

    fn of(row: LotRow, known: Option<Lot>, learned: Option<Learned>, recent: &Recent) -> Self {
        let usual_stay_ms = learned.and_then(|learned| learned.dwell_ms);
        let calendar = calendar_of(known.as_ref());
        let hours = ClockHours::of(row.time, known.as_ref());
        let sum = |wanted: Range<i64>| {
            let mut sum = Counts::default();
            let found = recent.quarters.iter().filter(|(quarter, _)| wanted.contains(quarter));
            found.for_each(|(_, counts)| sum.add(counts));
            sum
        };
        let day = sum(hours.this - REST_OF_DAY..i64::MAX);
        let (this_hour, hour_before) = (sum(hours.this..i64::MAX), sum(hours.before..hours.this));
        let today = row.time.map(|time| sum(Days::Last(1).quarters(calendar, time)));
        let [doubtful, overdue_stays] = recent.open_before;
        Self {
            id: row.id,
            known,
            inside: row.inside,
            time: row.time,
            doubtful: usual_stay_ms.map(|_| doubtful),
            usual_stay_ms,
            overstays: recent.open_within,
            overdue_stays,
            entries_this_hour: count(this_hour.entries),
            exits_this_hour: count(this_hour.exits),
            entries_hour_before: count(hour_before.entries),
            exits_hour_before: count(hour_before.exits),
            matched_last_day: count(day.matched),
            unmatched_last_day: count(day.unmatched_exits),
            held_last_day: count(day.exits - day.matched - day.unmatched_exits),
            date: row.time.map(|time| calendar.date(quarter_of(time))),
            today: today.as_ref().map(DayCounts::of).unwrap_or_default(),
            known_since: learned.and_then(|learned| learned.first).map(start_of),
        }
    }

    /// Spaces without a vehicle; `None` if the number of spaces is unknown.
    pub fn free_spaces(&self) -> Option<u64> {
        let capacity = self.known.as_ref()?.capacity?;
        Some(u64::from(capacity).saturating_sub(self.inside))
    }

    /// Of the exits of the last day that are decided, the share that has no entry; `None` without any.
    pub fn unmatched_share(&self) -> Option<f64> {
        let decided = self.matched_last_day + self.unmatched_last_day;
        #[expect(clippy::cast_precision_loss, reason = "exits of a day are far fewer than 2^52")]
        (decided > 0).then(|| self.unmatched_last_day as f64 / decided as f64)
    }

    /// How long a vehicle is inside that entered then, milliseconds.
    pub fn age_ms(&self, entry: Timestamp) -> i64 {
        self.time.unwrap_or_default().millis_since(entry)
    }

    /// Whether a vehicle that is inside since then is an overstay.
    pub fn is_overstay(&self, entry: Timestamp) -> bool {
        let permitted_ms = self.known.as_ref().and_then(|known| known.permitted_stay_ms(entry));
        permitted_ms.is_some_and(|permitted_ms| self.age_ms(entry) > permitted_ms)
    }

    /// Whether the exit of a vehicle that is inside since then was probably missed.
    pub fn is_doubtful(&self, entry: Timestamp) -> bool {
        self.usual_stay_ms.is_some_and(|usual_ms| self.age_ms(entry) > usual_ms)
    }

    pub(super) fn vehicles(&self) -> Inside {
        Inside { all: self.inside, doubtful: self.doubtful.unwrap_or_default(), overstays: self.overstays }
    }
}

/// The quarter hours with which the clock hour of a lot's own time, and the one before it, begin.
#[derive(Debug, Clone, Copy)]
struct ClockHours {
    this: i64,
    before: i64,
}

impl ClockHours {
    fn of(time: Option<Timestamp>, known: Option<&Lot>) -> Self {
        let calendar = calendar_of(known);
        let this = calendar.first_of(Bucket::Hour, quarter_of(time.unwrap_or_default()));
        Self { this, before: calendar.first_of(Bucket::Hour, this - 1) }
    }
}

/// The calendar of a lot; UTC for one that is not known beforehand.
fn calendar_of(known: Option<&Lot>) -> Calendar {
    Calendar(known.map_or(Tz::UTC, |lot| lot.time_zone))
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// How long stays usually last at most, by lot, as far as it was looked at.
#[derive(Debug, Default)]
pub(super) struct Usual(Mutex<BTreeMap<LotId, Learned>>);

/// What is usual at a lot.
#[derive(Debug, Clone, Copy)]
struct Learned {
    at: Timestamp,
    dwell_ms: Option<i64>,
    /// The quarter hour of the lot's first event.
    first: Option<i64>,
}

impl Learned {
    fn holds(&self, now: Timestamp) -> bool {
        let lifetime_ms = if self.dwell_ms.is_some() { KNOWN_FOR_MS } else { UNKNOWN_FOR_MS };
        // What was learned in the future was learned by a clock that was wrong.
        (0..lifetime_ms).contains(&now.millis_since(self.at))
    }
}

impl Usual {
    fn get(&self, lot: &LotId) -> Option<Learned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(lot).copied()
    }

    fn learn(&self, lot: LotId, learned: Learned) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lot, learned);
    }
}

impl Service {
    /// Every lot that is known beforehand or has sessions, by name.
    pub(crate) async fn lots(&self) -> Result<Vec<LotStatus>, Error> {
        let inner = &self.inner;
        let rows = within(async { Ok(inner.ledger.lots().await?) }).await?;
        self.learn_what_is_usual(&rows).await?;
        let learned: Vec<Option<Learned>> = rows.iter().map(|row| inner.usual.get(&row.id)).collect();
        let usual = |learned: &Option<Learned>| learned.and_then(|learned| learned.dwell_ms);
        let asked = rows.iter().zip(&learned).map(|(row, learned)| self.recent_of(row, usual(learned)));
        let asked: Vec<RecentOf> = asked.collect();
        let recent = within(async { Ok(inner.ledger.recent(&asked).await?) }).await?;
        let with_events = rows.into_iter().zip(learned).zip(&recent).map(|((row, learned), recent)| {
            let known = inner.lots.get(&row.id).cloned();
            LotStatus::of(row, known, learned, recent)
        });
        let mut lots: Vec<LotStatus> = with_events.collect();
        for known in inner.lots.iter() {
            if !lots.iter().any(|lot| lot.id == known.id) {
                lots.push(LotStatus::silent(known));
            }
        }
        lots.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        Ok(lots)
    }

    fn recent_of(&self, row: &LotRow, usual_ms: Option<i64>) -> RecentOf {
        let time = row.time.unwrap_or_default();
        let longest_ms = self.inner.rules.max_stay_of(&row.id);
        let known = self.inner.lots.get(&row.id);
        let hours = ClockHours::of(row.time, known);
        let today = Days::Last(1).quarters(calendar_of(known), time).start;
        RecentOf {
            lot: row.id.clone(),
            quarters: today.min(hours.this - REST_OF_DAY)..=quarter_of(time),
            open_before: [usual_ms.unwrap_or(i64::MAX), longest_ms].map(|ms| time.plus_millis(ms.saturating_neg())),
            open_within: known.map_or_else(Vec::new, |lot| lot.overstayed(time)),
        }
    }

    /// Looks at the stays of some of the lots that were not looked at for a while.
    async fn learn_what_is_usual(&self, rows: &[LotRow]) -> Result<(), Error> {
        let now = self.inner.clock.now();
        let is_stale = |row: &&LotRow| !self.inner.usual.get(&row.id).is_some_and(|learned| learned.holds(now));
        for row in rows.iter().filter(is_stale).take(LEARNED_LOTS_MAX) {
            let end = quarter_of(row.time.unwrap_or_default()) + 1;
            let quarters = end - TYPICAL_QUARTERS..end;
            let found = within(async { Ok(self.inner.ledger.quarters(&row.id, quarters).await?) }).await?;
            let mut dwells = Dwells::default();
            found.quarters.iter().for_each(|(_, tally)| dwells.merge(&tally.dwells));
            let dwell_ms = dwells.quantile_ms(DOUBT_PERMILLE).filter(|_| dwells.stays() >= TYPICAL_STAYS_MIN);
            self.inner.usual.learn(row.id.clone(), Learned { at: now, dwell_ms, first: found.first });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
