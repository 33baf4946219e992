//! Statistics of a lot: entries, exits, dwell and occupancy by hour or by day, and when vehicles come.
//!
//! Made of the ledger's quarter hours. An hour and a day are those of the lot's own time zone, see [`Calendar`].

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::NaiveDate;
use chrono_tz::Tz;
use ledger::{Connected, QUARTER_MS, Quarters, Tally, quarter_of, start_of};
use parking::{LotId, Timestamp};

use super::calendar::Calendar;
use super::days::Days;
use super::{Error, Service, within};

const HOUR_MS: i64 = 3_600_000;
/// The most quarter hours of a day, on which clocks are set back.
const LONGEST_DAY: i64 = 25 * 4;

/// The longest period with buckets of an hour, hours: about a month.
pub const MAX_HOURS: i64 = 750;
/// The longest period with buckets of a day, days.
pub const MAX_DAYS: i64 = 400;
/// Periods of at most this many days have buckets of an hour by default.
const HOURLY_DAYS_MAX: u64 = 7;
/// The default period.
const DEFAULT_HOURS: i64 = 24;
const DEFAULT_DAYS: i64 = 30;

/// The length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bucket {
    /// An hour of the clock.
    #[default]
    Hour,
    /// A day of the lot's time zone.
    Day,
}

/// Which statistics are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsOf {
    /// Of this lot.
    pub lot: LotId,
    /// From the bucket that has this time on; `None`: a day of hours, or thirty days.
    pub from: Option<Timestamp>,
    /// To the bucket that ends at this time or has it; `None`: the one that has the lot's own time.
    pub to: Option<Timestamp>,
    /// By the hour or by the day.
    pub bucket: Bucket,
}

/// What happened at a lot in one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketStatistics {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// Whether anything is known of it; without data, the numbers say nothing.
    pub has_data: bool,
    /// Entries, exits and stays.
    pub tally: Tally,
    /// Vehicles inside when it ended: those whose stay is known. One of which an end was missed is not among them.
    pub inside: i64,
    /// Vehicles inside on average.
    pub average_inside: f64,
    /// How much of it has data, milliseconds.
    pub known_ms: i64,
}

impl BucketStatistics {
    /// Its length.
    pub fn millis(&self) -> i64 {
        self.to.millis_since(self.from)
    }

    /// Matched stays.
    pub fn stays(&self) -> f64 {
        float(self.tally.counts.matched)
    }

    /// Matched stays per hour with data.
    pub fn turnover(&self) -> f64 {
        self.stays() * float(HOUR_MS) / float(self.known_ms.max(QUARTER_MS))
    }
}

/// The statistics of a lot.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The lot.
    pub lot: LotId,
    /// The zone of its days.
    pub time_zone: Tz,
    /// Whether the buckets are hours or days.
    pub bucket: Bucket,
    /// How many vehicles fit in, when it is known.
    pub capacity: Option<u32>,
    /// The buckets, in order and without gaps.
    pub buckets: Vec<BucketStatistics>,
    /// The quarter hour of the lot's first event, if it has any: what was inside before is not known.
    pub known_since: Option<Timestamp>,
    /// Entries by weekday, Monday first, and hour of the lot's own time; `None` where nothing is known of any such hour.
    pub arrivals: Arrivals,
}

/// Entries by weekday and hour.
pub type Arrivals = [[Option<i64>; 24]; 7];

impl Statistics {
    /// The hour of the day in which most vehicles entered, and how many; `None` without entries.
    pub fn peak_hour(&self) -> Option<(u32, i64)> {
        let of_hour = |hour: usize| self.arrivals.iter().filter_map(|day| day[hour]).sum::<i64>();
        let hours = (0_u32..).zip((0..24).map(of_hour)).filter(|(_, entries)| *entries > 0);
        hours.max_by_key(|(hour, entries)| (*entries, std::cmp::Reverse(*hour)))
    }

    /// All buckets as one; `None` when there is none. Its average is over the buckets with data, since the lot's first
    /// event.
    pub fn total(&self) -> Option<BucketStatistics> {
        let (first, last) = (self.buckets.first()?, self.buckets.last()?);
        let mut tally = Tally::default();
        let (mut inside_ms, mut known_ms) = (0.0, 0);
        for bucket in self.buckets.iter().filter(|bucket| bucket.has_data) {
            tally.add(&bucket.tally);
            inside_ms += bucket.average_inside * float(bucket.millis());
            let known_since = self.known_since.map_or(bucket.from, |since| since.clamp(bucket.from, bucket.to));
            known_ms += bucket.to.millis_since(known_since);
        }
        Some(BucketStatistics {
            from: first.from,
            to: last.to,
            has_data: known_ms > 0,
            tally,
            inside: last.inside,
            average_inside: inside_ms / float(known_ms.max(QUARTER_MS)),
            known_ms,
        })
    }

    /// Puts the quarter hours of a lot together into buckets. `asked` are those that were asked for, none left out;
    /// `found` and `connected` may reach further. Nothing is known of what is after the quarter hour `now`.
    fn new(
        of: &StatisticsOf,
        (calendar, now): (Calendar, i64),
        capacity: Option<u32>,
        asked: &Range<i64>,
        found: &Quarters,
        connected: &Connected,
    ) -> Self {
        let known = Known::of(calendar, now, found, connected);
        let mut statistics = Self {
            lot: of.lot.clone(),
            time_zone: calendar.0,
            bucket: of.bucket,
            capacity,
            buckets: Vec::new(),
            known_since: found.first.map(start_of),
            arrivals: Arrivals::default(),
        };
        let since_begin = found.quarters.iter().filter(|(quarter, _)| *quarter >= asked.start);
        let mut inside = found.inside_after - since_begin.map(|(_, tally)| tally.counts.inside()).sum::<i64>();
        let mut found = found.quarters.iter().skip_while(|(quarter, _)| *quarter < asked.start).peekable();
        let mut building = Building::default();
        for quarter in asked.clone() {
            let tally = found.next_if(|(number, _)| *number == quarter).map(|(_, tally)| tally);
            let has_data = known.has(quarter, tally.is_some());
            if has_data {
                let (weekday, hour) = calendar.weekday_and_hour(quarter);
                let entries = tally.map_or(0, |tally| tally.counts.entries);
                *statistics.arrivals[weekday][hour].get_or_insert(0) += entries;
            }
            building.add(inside, tally, has_data);
            inside += tally.map_or(0, |tally| tally.counts.inside());
            if quarter + 1 == asked.end || calendar.begins(of.bucket, quarter + 1) {
                statistics.buckets.push(std::mem::take(&mut building).finish(quarter + 1, inside));
            }
        }
        statistics
    }
}

/// Tells quarter hours in which nothing happened from those of which nothing is known.
///
/// Nothing is known from before the lot's first event. After it, a quarter hour is known if a correlator was connected
/// or anything was counted in it. Before correlators were noted at all (an older version recorded it, or it is history
/// that was published later) every quarter hour of a day with an event is known.
struct Known<'a> {
    calendar: Calendar,
    first: Option<i64>,
    now: i64,
    connected: &'a Connected,
    days: BTreeSet<NaiveDate>,
}

impl<'a> Known<'a> {
    fn of(calendar: Calendar, now: i64, found: &Quarters, connected: &'a Connected) -> Self {
        let since = connected.since.unwrap_or(i64::MAX);
        let before = found.quarters.iter().filter(|(quarter, _)| *quarter < since);
        let days = before.map(|(quarter, _)| calendar.date(*quarter)).collect();
        Self { calendar, first: found.first, now, connected, days }
    }

    fn has(&self, quarter: i64, is_counted: bool) -> bool {
        let is_noted = self.connected.since.is_some_and(|since| quarter >= since);
        self.first.is_some_and(|first| (first..=self.now.max(first)).contains(&quarter))
            && (is_counted
                || if is_noted {
                    self.connected.quarters.contains(&quarter)
                } else {
                    self.days.contains(&self.calendar.date(quarter))
                })
    }
}

/// A bucket that is being put together.
#[derive(Debug, Default)]
struct Building {
    quarters: i64,
    has_data: bool,
    tally: Tally,
    inside_ms: i64,
}

impl Building {
    fn add(&mut self, inside: i64, tally: Option<&Tally>, has_data: bool) {
        self.quarters += 1;
        self.has_data |= has_data;
        self.inside_ms += inside * QUARTER_MS + tally.map_or(0, |tally| tally.counts.inside_ms);
        if let Some(tally) = tally {
            self.tally.add(tally);
        }
    }

    fn finish(self, end: i64, inside: i64) -> BucketStatistics {
        BucketStatistics {
            from: start_of(end - self.quarters),
            to: start_of(end),
            has_data: self.has_data,
            tally: self.tally,
            inside,
            average_inside: float(self.inside_ms) / float(self.quarters * QUARTER_MS),
            known_ms: if self.has_data { self.quarters * QUARTER_MS } else { 0 },
        }
    }
}

/// The quarter hours of the buckets that are asked for, refused when there are too many buckets.
fn asked_quarters(calendar: Calendar, asked: &StatisticsOf, now: Timestamp) -> Result<Range<i64>, Error> {
    let (usual, most, longest) = match asked.bucket {
        Bucket::Hour => (DEFAULT_HOURS, MAX_HOURS, 4),
        Bucket::Day => (DEFAULT_DAYS * 24, MAX_DAYS, LONGEST_DAY),
    };
    let to = asked.to.unwrap_or_else(|| now.plus_millis(1));
    let from = asked.from.unwrap_or_else(|| to.plus_millis(-usual * HOUR_MS));
    if to <= from {
        return Err(Error::Refused(format!("to, {to}, is not after from, {from}")));
    }
    let too_many = || {
        Error::Refused(format!(
            "from {from} to {to} is too much to tell: allowed are {MAX_HOURS} hours, or {MAX_DAYS} days with bucket=day"
        ))
    };
    // Before the buckets are counted one by one.
    if to.millis_since(from) > most * longest * QUARTER_MS {
        return Err(too_many());
    }
    let quarters = calendar.whole(asked.bucket, from, to);
    let buckets = quarters.clone().filter(|quarter| calendar.begins(asked.bucket, *quarter)).count();
    if i64::try_from(buckets).unwrap_or(i64::MAX) > most { Err(too_many()) } else { Ok(quarters) }
}

/// The error of a lot that does not exist, or that the asking principal may not see.
pub(super) fn unknown_lot(lot: &LotId) -> Error {
    let problem = "no event came from there, and it is not among the lots that are known beforehand";
    Error::Refused(format!("there is no lot {lot}: {problem}"))
}

/// What the statistics of a lot are made with.
#[derive(Debug, Clone, Copy)]
struct LotCalendar {
    calendar: Calendar,
    capacity: Option<u32>,
    /// The lot's own time; before its first event, that of this machine.
    now: Timestamp,
}

impl Service {
    /// The statistics of a lot.
    pub(crate) async fn statistics(&self, asked: &StatisticsOf) -> Result<Statistics, Error> {
        let of_lot = self.lot_calendar(&asked.lot).await?;
        let quarters = asked_quarters(of_lot.calendar, asked, of_lot.now)?;
        self.statistics_within(asked, of_lot, quarters).await
    }

    /// The statistics of a lot for a period of its days, in buckets of an hour or of a day.
    pub(crate) async fn statistics_of_days(
        &self,
        lot: &LotId,
        days: Days,
        bucket: Option<Bucket>,
    ) -> Result<Statistics, Error> {
        let of_lot = self.lot_calendar(lot).await?;
        let default = if days.count() > HOURLY_DAYS_MAX { Bucket::Day } else { Bucket::Hour };
        let bucket = bucket.unwrap_or(default);
        let times = days.times(of_lot.calendar, of_lot.now);
        let asked = StatisticsOf { lot: lot.clone(), from: Some(times.start), to: Some(times.end), bucket };
        let quarters = asked_quarters(of_lot.calendar, &asked, of_lot.now)?;
        self.statistics_within(&asked, of_lot, quarters).await
    }

    /// All of the days that a period is compared with: the same weekdays before, up to the same time. `None` if not all of
    /// them are known.
    pub(crate) async fn total_before(&self, lot: &LotId, days: Days) -> Result<Option<BucketStatistics>, Error> {
        let of_lot = self.lot_calendar(lot).await?;
        let quarters = days.quarters_before(of_lot.calendar, of_lot.now);
        if quarters.is_empty() {
            return Ok(None);
        }
        let asked = StatisticsOf { lot: lot.clone(), from: None, to: None, bucket: Bucket::Day };
        let statistics = self.statistics_within(&asked, of_lot, quarters.clone()).await?;
        let is_known = statistics.known_since.is_some_and(|since| since <= start_of(quarters.start));
        Ok(statistics.total().filter(|total| is_known && total.has_data))
    }

    async fn lot_calendar(&self, lot: &LotId) -> Result<LotCalendar, Error> {
        let inner = &self.inner;
        let rows = within(async { Ok(inner.ledger.lots().await?) }).await?;
        let row = rows.into_iter().find(|row| row.id == *lot);
        let known = inner.lots.get(lot);
        if row.is_none() && known.is_none() {
            return Err(unknown_lot(lot));
        }
        Ok(LotCalendar {
            calendar: Calendar(known.map_or(Tz::UTC, |lot| lot.time_zone)),
            capacity: known.and_then(|lot| lot.capacity),
            now: row.and_then(|row| row.time).unwrap_or_else(|| inner.clock.now()),
        })
    }

    async fn statistics_within(
        &self,
        of: &StatisticsOf,
        LotCalendar { calendar, capacity, now }: LotCalendar,
        quarters: Range<i64>,
    ) -> Result<Statistics, Error> {
        // Whole days: whether an hour of old times is known, its day tells.
        let days = calendar.whole(Bucket::Day, start_of(quarters.start), start_of(quarters.end));
        let ledger = &self.inner.ledger;
        let (found, connected) =
            within(async { Ok(tokio::try_join!(ledger.quarters(&of.lot, days), ledger.connected(quarters.clone()))?) })
                .await?;
        let at = (calendar, quarter_of(now));
        Ok(Statistics::new(of, at, capacity, &quarters, &found, &connected))
    }
}

#[expect(clippy::cast_precision_loss, reason = "vehicles and hours are far fewer than 2^52")]
fn float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
