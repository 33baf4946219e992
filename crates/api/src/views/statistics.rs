//! What happened at a lot, by hour or by day.
//!
//! Members that the Curb Data Specification has are named as there and mean the same: `total_sessions`, `turnover`,
//! `average_dwell_time`, `occupancy_percent`.

use ledger::Dwells;
use serde::{Deserialize, Serialize};
use sessions::{BucketStatistics, Statistics};
use utoipa::ToSchema;

use super::Seconds;

/// The most buckets of dwells that there can be: 64 for each power of two that fits 63 bits, and 64 below.
#[cfg(feature = "graphql")]
const DWELL_BUCKETS: i64 = 64 * (63 - 6 + 1);

/// What a list adds to the complexity of a GraphQL request: as if it were as long as it can be.
#[cfg(feature = "graphql")]
fn listed(most: i64, of_element: usize) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX).saturating_mul(of_element).saturating_add(1)
}

/// What happened at a lot in one bucket of time. Without data (`has_data` is false) every number is null: nothing is known
/// of the time before the lot's first event, and of times in which no correlator was connected and nothing was counted.
/// Zero is only what was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StatisticsBucket)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "StatisticsBucket"))]
pub struct BucketView {
    /// When it begins, UTC.
    #[schema(format = DateTime)]
    pub from: String,
    /// When it ends, UTC.
    #[schema(format = DateTime)]
    pub to: String,
    /// Whether anything is known of this time.
    pub has_data: bool,
    /// Passages in, re-reads left out.
    #[schema(required)]
    pub entries: Option<i64>,
    /// Passages out, re-reads left out.
    #[schema(required)]
    pub exits: Option<i64>,
    /// Exits that have their entry.
    #[schema(required)]
    pub matched: Option<i64>,
    /// Exits without an entry, those that are held left out.
    #[schema(required)]
    pub unmatched_exits: Option<i64>,
    /// Entries of which the exit was missed, or nothing was read.
    #[schema(required)]
    pub unmatched_entries: Option<i64>,
    /// Stays that ended: as many as matched exits.
    #[schema(required)]
    pub total_sessions: Option<i64>,
    /// Stays that ended, an hour.
    #[schema(required)]
    pub turnover: Option<f64>,
    /// How long the stays that ended lasted on average, seconds; null without any.
    #[schema(value_type = Option<f64>, required)]
    pub average_dwell_time: Option<Seconds>,
    /// Half of the stays that ended were no longer, seconds, at most 0.8 % off; null without any.
    #[schema(value_type = Option<f64>, required)]
    pub dwell_p50_seconds: Option<Seconds>,
    /// Of ten of these stays nine were no longer.
    #[schema(value_type = Option<f64>, required)]
    pub dwell_p90_seconds: Option<Seconds>,
    /// Of a hundred of these stays ninety-nine were no longer.
    #[schema(value_type = Option<f64>, required)]
    pub dwell_p99_seconds: Option<Seconds>,
    /// Vehicles inside when it ended, by the stays that are known: one of which an end was missed is not among them.
    #[schema(required)]
    pub occupancy: Option<i64>,
    /// Vehicles inside on average. In a bucket that is not over, as if nobody came and went until it is. Of all buckets,
    /// over those with data, since the lot's first event.
    #[schema(required)]
    pub average_occupancy: Option<f64>,
    /// The average as a part of the lot's capacity, in a hundred; null when that is not known.
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

/// Stays that lasted about equally long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = DwellBucket)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject), graphql(name = "DwellBucket"))]
pub struct DwellBucketView {
    /// The shortest dwell in it, seconds.
    #[schema(value_type = f64)]
    pub from_seconds: Seconds,
    /// The dwell that is too long for it, seconds.
    #[schema(value_type = f64)]
    pub to_seconds: Seconds,
    /// How many stays.
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
    /// The zone of its days: a name of the IANA data base.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// How many vehicles fit in, when it is known.
    #[schema(required)]
    pub capacity: Option<u32>,
    /// The buckets, in order and without gaps.
    #[cfg_attr(feature = "graphql", graphql(complexity = "listed(sessions::MAX_HOURS, child_complexity)"))]
    pub buckets: Vec<BucketView>,
    /// All of them as one.
    #[schema(required)]
    pub total: Option<BucketView>,
    /// Entries by weekday, Monday first, and by hour of the lot's own time; null where nothing is known of any such hour.
    #[cfg_attr(feature = "graphql", graphql(complexity = "7 * 24 + 1"))]
    pub arrivals: Vec<Vec<Option<i64>>>,
    /// All stays that ended, by how long they lasted; each bucket is at most a sixty-fourth wide.
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
            arrivals: statistics.arrivals.iter().map(|day| day.to_vec()).collect(),
            dwells,
        }
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
