//! Statistics of a lot: entries, exits, dwell and occupancy by hour or by day, and when vehicles come.
//!
//! Made of the ledger's hours. A day, and an hour of the day, are those of the lot's own time zone; where that is not a
//! whole number of hours from UTC, an hour belongs to the day and the hour in which it begins.

use chrono::{Datelike as _, NaiveDate, Timelike as _};
use chrono_tz::Tz;
use parking::{LotId, Source, Timestamp};

use super::{Error, Service, within};
use crate::ledger::{HOUR_MS, Hours, Order, Page, SessionFilter, Tally, hour_of, start_of};

/// The most hours that are told one by one: a month of them.
pub const MAX_HOURS: i64 = 750;
/// The most days that are told one by one.
pub const MAX_DAYS: i64 = 400;
/// What is told when nobody says from when.
const USUAL_HOURS: i64 = 24;
const USUAL_DAYS: i64 = 30;
/// The first event of a lot is looked for among so many of its oldest sessions, some of which may be saved summaries.
const LOOKED_BEYOND: u32 = 20;

/// How much time is told as one.
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
    /// Entries, exits and stays.
    pub tally: Tally,
    /// Vehicles inside when it ended: those whose stay is known. One of which an end was missed is not among them.
    pub inside: i64,
    /// Vehicles inside on average.
    pub average_inside: f64,
}

impl BucketStatistics {
    /// Its length.
    pub fn hours(&self) -> i64 {
        self.to.millis_since(self.from) / HOUR_MS
    }

    /// Stays that ended, an hour.
    pub fn turnover(&self) -> f64 {
        float(self.tally.counts.matched) / float(self.hours())
    }
}

/// The statistics of a lot.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The lot.
    pub lot: LotId,
    /// The zone of its days.
    pub time_zone: Tz,
    /// How many vehicles fit in, when it is known.
    pub capacity: Option<u32>,
    /// The buckets, in order and without gaps.
    pub buckets: Vec<BucketStatistics>,
    /// The hour of the lot's first event, if it has any: what was inside before is not known.
    pub known_since: Option<Timestamp>,
    /// Entries by weekday, Monday first, and hour of the lot's own time.
    pub arrivals: [[i64; 24]; 7],
}

impl Statistics {
    /// All buckets as one; `None` when there is none. Its average is over the time since the lot's first event.
    pub fn total(&self) -> Option<BucketStatistics> {
        let (first, last) = (self.buckets.first()?, self.buckets.last()?);
        let mut tally = Tally::default();
        self.buckets.iter().for_each(|bucket| tally.add(&bucket.tally));
        let mut total =
            BucketStatistics { from: first.from, to: last.to, tally, inside: last.inside, average_inside: 0.0 };
        let inside_ms = self.buckets.iter().map(|bucket| bucket.average_inside * float(bucket.hours())).sum::<f64>();
        let known_since = self.known_since.map_or(total.from, |since| since.clamp(total.from, total.to));
        let known_hours = (total.to.millis_since(known_since) / HOUR_MS).max(1);
        total.average_inside = inside_ms / float(known_hours);
        Some(total)
    }

    /// Takes the hours of a lot apart into buckets. `asked` are the hours that were asked for, none of them left out.
    fn new(
        lot: LotId,
        zone: Zone,
        capacity: Option<u32>,
        bucket: Bucket,
        asked: std::ops::Range<i64>,
        hours: &Hours,
    ) -> Self {
        let before: i64 = hours.hours.iter().map(|(_, tally)| tally.counts.inside()).sum();
        let mut statistics =
            Self { lot, time_zone: zone.0, capacity, buckets: Vec::new(), known_since: None, arrivals: [[0; 24]; 7] };
        let mut inside = hours.inside_after - before;
        let mut found = hours.hours.iter().peekable();
        let mut building = Building::default();
        for hour in asked.clone() {
            let tally = found.next_if(|(number, _)| *number == hour).map(|(_, tally)| tally);
            let (weekday, of_day) = zone.weekday_and_hour(hour);
            statistics.arrivals[weekday][of_day] += tally.map_or(0, |tally| tally.counts.entries);
            building.add(inside, tally);
            inside += tally.map_or(0, |tally| tally.counts.inside());
            if hour + 1 == asked.end || zone.begins(bucket, hour + 1) {
                statistics.buckets.push(std::mem::take(&mut building).finish(hour + 1, inside));
            }
        }
        statistics
    }
}

/// A bucket that is being put together.
#[derive(Debug, Default)]
struct Building {
    hours: i64,
    tally: Tally,
    inside_ms: i64,
}

impl Building {
    fn add(&mut self, inside: i64, tally: Option<&Tally>) {
        self.hours += 1;
        self.inside_ms += inside * HOUR_MS + tally.map_or(0, |tally| tally.counts.inside_ms);
        if let Some(tally) = tally {
            self.tally.add(tally);
        }
    }

    fn finish(self, end: i64, inside: i64) -> BucketStatistics {
        BucketStatistics {
            from: start_of(end - self.hours),
            to: start_of(end),
            tally: self.tally,
            inside,
            average_inside: float(self.inside_ms) / float(self.hours * HOUR_MS),
        }
    }
}

/// The zone of a lot's own time.
#[derive(Debug, Clone, Copy)]
struct Zone(Tz);

impl Zone {
    fn date(self, hour: i64) -> NaiveDate {
        start_of(hour).to_datetime().with_timezone(&self.0).date_naive()
    }

    fn weekday_and_hour(self, hour: i64) -> (usize, usize) {
        let local = start_of(hour).to_datetime().with_timezone(&self.0);
        let place = |number: u32| usize::try_from(number).unwrap_or_default();
        (place(local.weekday().num_days_from_monday()), place(local.hour()))
    }

    /// Whether a bucket begins with that hour.
    fn begins(self, bucket: Bucket, hour: i64) -> bool {
        match bucket {
            Bucket::Hour => true,
            Bucket::Day => self.date(hour) != self.date(hour - 1),
        }
    }

    /// The hours of whole buckets that have these times.
    fn whole(self, bucket: Bucket, from: Timestamp, to: Timestamp) -> std::ops::Range<i64> {
        let (mut first, mut end) = (hour_of(from), hour_of(to.plus_millis(HOUR_MS - 1)));
        while !self.begins(bucket, first) {
            first -= 1;
        }
        while !self.begins(bucket, end) {
            end += 1;
        }
        first..end
    }

    /// The hours that are asked for, refused when they are too many.
    fn whole_of(self, asked: &StatisticsOf, now: Timestamp) -> Result<std::ops::Range<i64>, Error> {
        let (usual, most) = match asked.bucket {
            Bucket::Hour => (USUAL_HOURS, MAX_HOURS),
            Bucket::Day => (USUAL_DAYS * 24, MAX_DAYS),
        };
        let to = asked.to.unwrap_or_else(|| now.plus_millis(1));
        let from = asked.from.unwrap_or_else(|| to.plus_millis(-usual * HOUR_MS));
        if to <= from {
            return Err(Error::Refused(format!("to, {to}, is not after from, {from}")));
        }
        let hours = self.whole(asked.bucket, from, to);
        if self.buckets(asked.bucket, &hours) > most {
            return Err(Error::Refused(format!(
                "from {from} to {to} is too much to tell: allowed are {MAX_HOURS} hours, or {MAX_DAYS} days with bucket=day"
            )));
        }
        Ok(hours)
    }

    /// How many buckets these hours are.
    fn buckets(self, bucket: Bucket, hours: &std::ops::Range<i64>) -> i64 {
        match bucket {
            Bucket::Hour => hours.end - hours.start,
            Bucket::Day => (self.date(hours.end - 1) - self.date(hours.start)).num_days() + 1,
        }
    }
}

impl Service {
    /// The statistics of a lot.
    pub async fn statistics(&self, asked: &StatisticsOf) -> Result<Statistics, Error> {
        let inner = &self.inner;
        let rows = within(async { Ok(inner.ledger.lots().await?) }).await?;
        let row = rows.into_iter().find(|row| row.id == asked.lot);
        let known = inner.lots.get(&asked.lot);
        if row.is_none() && known.is_none() {
            let problem = "no event came from there, and it is not among the lots that are known beforehand";
            return Err(Error::Refused(format!("there is no lot {}: {problem}", asked.lot)));
        }
        let now = row.and_then(|row| row.time).unwrap_or_else(|| inner.clock.now());
        let zone = Zone(known.map_or(Tz::UTC, |lot| lot.time_zone));
        let hours = zone.whole_of(asked, now)?;
        let found = within(async { Ok(inner.ledger.hours(&asked.lot, hours.clone()).await?) }).await?;
        let capacity = known.and_then(|lot| lot.capacity);
        let known_since = self.first_event(&asked.lot).await?.map(|time| start_of(hour_of(time)));
        let statistics = Statistics::new(asked.lot.clone(), zone, capacity, asked.bucket, hours, &found);
        Ok(Statistics { known_since, ..statistics })
    }

    /// When the oldest session of a lot began that events gave; summaries are not looked beyond without end.
    async fn first_event(&self, lot: &LotId) -> Result<Option<Timestamp>, Error> {
        let filter = SessionFilter { lot: Some(lot.clone()), ..SessionFilter::default() };
        let page = Page { limit: LOOKED_BEYOND, after: None, order: Order::OldestFirst };
        let oldest = self.sessions(&filter, page).await?;
        let given = oldest.iter().find(|row| row.source == Source::Events);
        Ok(given.and_then(|row| row.session.given_at()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "vehicles and hours are far fewer than 2^52")]
fn float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Counts;

    const BERLIN: Zone = Zone(Tz::Europe__Berlin);

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn of(zone: Zone, asked: &std::ops::Range<i64>, hours: &Hours) -> Statistics {
        Statistics::new(LotId::default(), zone, None, Bucket::Day, asked.clone(), hours)
    }

    #[test]
    fn a_day_has_the_hours_that_it_has_where_the_lot_is() {
        let asked = BERLIN.whole(Bucket::Day, at("2024-10-26T12:00:00Z"), at("2024-10-28T12:00:00Z"));

        let statistics = of(BERLIN, &asked, &Hours::default());

        let begins: Vec<String> = statistics.buckets.iter().map(|day| day.from.to_string()).collect();
        assert_eq!(begins, ["2024-10-25T22:00:00.000Z", "2024-10-26T22:00:00.000Z", "2024-10-27T23:00:00.000Z"]);
        assert_eq!(statistics.buckets.iter().map(BucketStatistics::hours).collect::<Vec<_>>(), [24, 25, 24]);
    }

    #[test]
    fn exactly_as_many_buckets_are_told_as_the_limits_say() {
        let told = |bucket, from: &str, to: Timestamp| {
            let asked = StatisticsOf { lot: LotId::default(), from: Some(at(from)), to: Some(to), bucket };
            let hours = BERLIN.whole_of(&asked, to).ok()?;
            let buckets = Statistics::new(asked.lot, BERLIN, None, bucket, hours, &Hours::default()).buckets;
            i64::try_from(buckets.len()).ok()
        };
        let half_past = "2024-01-01T00:30:00Z";
        let hours = |hours: i64| at(half_past).plus_millis(hours * HOUR_MS);
        assert_eq!(told(Bucket::Hour, half_past, hours(MAX_HOURS - 1)), Some(MAX_HOURS));
        assert_eq!(told(Bucket::Hour, half_past, hours(MAX_HOURS)), None);

        let midnight = "2024-01-01T00:00:00+01:00";
        let last = at("2025-02-03T23:59:59+01:00");
        assert_eq!(told(Bucket::Day, midnight, last), Some(MAX_DAYS));
        assert_eq!(told(Bucket::Day, midnight, last.plus_millis(2_000)), None);
    }

    #[test]
    fn vehicles_come_at_the_hour_of_the_lots_own_day() {
        let sunday_before_midnight_utc = hour_of(at("2024-09-22T23:30:00Z"));
        let counts = Counts { entries: 4, inside_ms: 4 * HOUR_MS / 2, ..Counts::default() };
        let tally = Tally { counts, ..Tally::default() };
        let hours = Hours { hours: vec![(sunday_before_midnight_utc, tally)], inside_after: 6 };
        let asked = BERLIN.whole(Bucket::Day, at("2024-09-22T23:30:00Z"), at("2024-09-22T23:31:00Z"));

        let statistics = of(BERLIN, &asked, &hours);

        assert_eq!(statistics.arrivals[0][1], 4);
        assert_eq!(statistics.arrivals.iter().flatten().sum::<i64>(), 4);
        let day = &statistics.buckets[0];
        assert_eq!((statistics.buckets.len(), day.hours(), day.inside), (1, 24, 6));
        // Two for an hour, four for half of one on average, six for the other twenty-two.
        assert!((day.average_inside - (2.0 + 4.0 + 22.0 * 6.0) / 24.0).abs() < 1e-9);
        assert!((statistics.total().unwrap().average_inside - day.average_inside).abs() < 1e-9);
    }

    #[test]
    fn the_average_of_all_buckets_is_over_the_time_since_the_first_event() {
        let hour = hour_of(at("2024-09-24T09:00:00Z"));
        let counts = Counts { entries: 2, inside_ms: 2 * HOUR_MS, ..Counts::default() };
        let hours = Hours { hours: vec![(hour, Tally { counts, ..Tally::default() })], inside_after: 2 };
        let of_day = Statistics::new(LotId::default(), BERLIN, None, Bucket::Hour, hour - 20..hour + 4, &hours);
        let average = |statistics: &Statistics| statistics.total().unwrap().average_inside;
        assert!((average(&of_day) - 2.0 * 4.0 / 24.0).abs() < 1e-9, "{of_day:?}");

        let known = Statistics { known_since: Some(start_of(hour)), ..of_day };
        assert!((average(&known) - 2.0).abs() < 1e-9, "{known:?}");
    }

    #[test]
    fn an_hour_that_begins_between_two_days_belongs_to_the_one_before() {
        let kathmandu = Zone(Tz::Asia__Kathmandu);
        let asked = kathmandu.whole(Bucket::Day, at("2024-09-24T12:00:00Z"), at("2024-09-24T12:30:00Z"));
        let statistics = of(kathmandu, &asked, &Hours::default());
        assert_eq!(statistics.buckets[0].from, at("2024-09-23T19:00:00Z"));
        assert_eq!(statistics.buckets[0].hours(), 24);
    }
}
