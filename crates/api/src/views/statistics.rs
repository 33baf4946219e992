//! Statistics of a lot by hour or by day.
//!
//! Members of the Curb Data Specification keep its names and meanings: `total_sessions`, `turnover`,
//! `average_dwell_time`, `occupancy_percent`.

use ledger::Dwells;
use serde::{Deserialize, Serialize};
use sessions::{BucketStatistics, Statistics};
use utoipa::ToSchema;

use super::Seconds;

/// The largest number of dwell buckets: 64 for each power of two up to 2^63, and 64 below 2^6.
#[cfg(feature = "graphql")]
const DWELL_BUCKETS: i64 = 64 * (63 - 6 + 1);

/// The GraphQL complexity of a list of at most this many elements, counted as if it were full.
#[cfg(feature = "graphql")]
fn listed(most: i64, of_element: usize) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX).saturating_mul(of_element).saturating_add(1)
}

/// Statistics of a lot for one hour or day. Without data (`has_data` is false) every number is null: before the lot's
/// first event, and while no correlator was connected and nothing was counted. Zero always is a counted value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StatisticsBucket)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "StatisticsBucket"))]
pub struct BucketView {
    /// When the bucket begins, UTC.
    #[schema(format = DateTime)]
    pub from: String,
    /// When the bucket ends, UTC.
    #[schema(format = DateTime)]
    pub to: String,
    /// Whether there is data for this time.
    pub has_data: bool,
    /// Entries, without re-reads.
    #[schema(required)]
    pub entries: Option<i64>,
    /// Exits, without re-reads.
    #[schema(required)]
    pub exits: Option<i64>,
    /// Matched exits.
    #[schema(required)]
    pub matched: Option<i64>,
    /// Unmatched exits, without held exits.
    #[schema(required)]
    pub unmatched_exits: Option<i64>,
    /// Unmatched entries: the exit was missed, or the plate was unread.
    #[schema(required)]
    pub unmatched_entries: Option<i64>,
    /// Completed stays; equals the matched exits.
    #[schema(required)]
    pub total_sessions: Option<i64>,
    /// Completed stays per hour with data.
    #[schema(required)]
    pub turnover: Option<f64>,
    /// Average dwell time of the completed stays, seconds; null without any.
    #[schema(value_type = Option<f64>, required)]
    pub average_dwell_time: Option<Seconds>,
    /// Median dwell time of the completed stays, seconds, with an error of at most 0.8 %; null without any.
    #[schema(value_type = Option<f64>, required)]
    pub dwell_p50_seconds: Option<Seconds>,
    /// 90th percentile of the dwell time, seconds.
    #[schema(value_type = Option<f64>, required)]
    pub dwell_p90_seconds: Option<Seconds>,
    /// 99th percentile of the dwell time, seconds.
    #[schema(value_type = Option<f64>, required)]
    pub dwell_p99_seconds: Option<Seconds>,
    /// Vehicles inside at the end of the bucket. Excludes stays of which the entry or the exit was missed.
    #[schema(required)]
    pub occupancy: Option<i64>,
    /// Average occupancy: the mean number of vehicles inside. A bucket that is not over assumes no entries and exits
    /// until its end. The total averages the buckets with data, from the lot's first event on.
    #[schema(required)]
    pub average_occupancy: Option<f64>,
    /// Average occupancy in percent of the lot's capacity; null if the capacity is unknown.
    #[schema(required)]
    pub occupancy_percent: Option<f64>,
}

impl BucketView {
    fn of(bucket: &BucketStatistics, capacity: Option<u32>) -> Self {
        let counts = &bucket.tally.counts;
        let known = |count: i64| bucket.has_data.then_some(count);
        let quantile = |permille| bucket.tally.dwells.quantile_ms(permille).map(|millis| Seconds { millis });
        let average = (counts.matched > 0).then(|| Seconds { millis: counts.dwell_ms / counts.matched.max(1) });
        let average_inside = bucket.has_data.then_some(bucket.average_inside);
        let capacity = capacity.filter(|capacity| *capacity > 0);
        let per_cent = |(inside, capacity)| inside * 100.0 / f64::from(capacity);
        Self {
            from: bucket.from.to_string(),
            to: bucket.to.to_string(),
            has_data: bucket.has_data,
            entries: known(counts.entries),
            exits: known(counts.exits),
            matched: known(counts.matched),
            unmatched_exits: known(counts.unmatched_exits),
            unmatched_entries: known(counts.unmatched_entries),
            total_sessions: known(counts.matched),
            turnover: bucket.has_data.then(|| bucket.turnover()),
            average_dwell_time: average,
            dwell_p50_seconds: quantile(500),
            dwell_p90_seconds: quantile(900),
            dwell_p99_seconds: quantile(990),
            occupancy: known(bucket.inside),
            average_occupancy: average_inside,
            occupancy_percent: average_inside.zip(capacity).map(per_cent),
        }
    }
}

/// A bucket of the histogram of dwell times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = DwellBucket)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "DwellBucket"))]
pub struct DwellBucketView {
    /// The lower bound, inclusive, seconds.
    #[schema(value_type = f64)]
    pub from_seconds: Seconds,
    /// The upper bound, exclusive, seconds.
    #[schema(value_type = f64)]
    pub to_seconds: Seconds,
    /// The number of stays.
    pub stays: i64,
}

/// The statistics of a lot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Statistics)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "Statistics"))]
pub struct StatisticsView {
    /// The car park.
    #[schema(example = "P3")]
    pub lot_id: String,
    /// The time zone of its days: a name of the IANA time zone database.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// The number of spaces, if known.
    #[schema(required)]
    pub capacity: Option<u32>,
    /// The buckets, ordered by time, without gaps.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(sessions::MAX_HOURS, child_complexity)"))]
    pub buckets: Vec<BucketView>,
    /// The totals of all buckets.
    #[schema(required)]
    pub total: Option<BucketView>,
    /// For a period of days: the totals of the days that it is compared with, which are whole weeks before and have the same
    /// weekdays; of a period that is not over, up to the same time. Null if not all of them are known, and for other periods.
    #[schema(required)]
    pub before: Option<BucketView>,
    /// The hour of the day (0 to 23, in the lot's time zone) in which most vehicles entered; null without entries.
    #[schema(required)]
    pub peak_hour: Option<u32>,
    /// Entries by weekday, Monday first, and by hour of day in the lot's time zone; null without data for such an hour.
    #[cfg_attr(feature = "graphql", graphql(complexity = "7 * 24 + 1"))]
    pub arrivals: Vec<Vec<Option<i64>>>,
    /// Histogram of the dwell times of the completed stays; a bucket is at most 1/64 of its lower bound wide.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(DWELL_BUCKETS, child_complexity)"))]
    pub dwells: Vec<DwellBucketView>,
}

impl From<&Statistics> for StatisticsView {
    fn from(statistics: &Statistics) -> Self {
        let view = |bucket: &BucketStatistics| BucketView::of(bucket, statistics.capacity);
        let total = statistics.total();
        let dwells = total.as_ref().map(|total| dwells(&total.tally.dwells)).unwrap_or_default();
        Self {
            lot_id: statistics.lot.to_string(),
            time_zone: statistics.time_zone.name().to_owned(),
            capacity: statistics.capacity,
            buckets: statistics.buckets.iter().map(view).collect(),
            total: total.as_ref().map(view),
            before: None,
            peak_hour: statistics.peak_hour().map(|(hour, _)| hour),
            arrivals: statistics.arrivals.iter().map(|day| day.to_vec()).collect(),
            dwells,
        }
    }
}

impl StatisticsView {
    /// The statistics with the totals of the days that they are compared with.
    #[must_use]
    pub fn compared_with(self, before: Option<&BucketStatistics>) -> Self {
        let capacity = self.capacity;
        Self { before: before.map(|before| BucketView::of(before, capacity)), ..self }
    }
}

fn dwells(dwells: &Dwells) -> Vec<DwellBucketView> {
    let view = |(bounds, stays): (std::ops::Range<i64>, i64)| DwellBucketView {
        from_seconds: Seconds { millis: bounds.start },
        to_seconds: Seconds { millis: bounds.end },
        stays,
    };
    dwells.buckets().map(view).collect()
}
