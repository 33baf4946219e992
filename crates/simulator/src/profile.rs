//! Arrivals by hour and lengths of stay, by kind of lot.
//!
//! The figures were measured on 274,849 stays in nine car parks (the `PewLSTM` data set, 2017 to 2019): the hours
//! with the most arrivals and their shares, and mean and deviation of the logarithm of the stay in minutes. For a
//! kind with several car parks, the figures are between theirs. The hours between the measured peaks are estimated,
//! and no hour has less than a quarter of the mean, so that there is traffic at three in the morning.

use chrono::Timelike as _;
use chrono_tz::Tz;
use parking::{LotKind, Timestamp};

use crate::rng::exp;

/// The minimum simulated stay in minutes, before scaling.
pub const STAY_MINUTES_MIN: f64 = 1.0;
/// The maximum simulated stay in minutes, before scaling: two days.
pub const STAY_MINUTES_MAX: f64 = 48.0 * 60.0;

/// Arrivals by hour of the day, in thousandths of the day's.
type Hours = [u16; 24];

const HOTEL: Hours = [12, 11, 11, 11, 11, 12, 25, 55, 90, 60, 50, 85, 140, 80, 50, 40, 40, 48, 55, 40, 30, 20, 12, 12];
const MALL: Hours = [11, 11, 11, 11, 11, 11, 15, 30, 70, 90, 110, 80, 55, 52, 55, 55, 58, 75, 95, 40, 20, 12, 11, 11];
const MARKET: Hours =
    [11, 11, 11, 11, 11, 20, 50, 110, 165, 155, 95, 55, 35, 35, 40, 40, 45, 30, 15, 11, 11, 11, 11, 11];
const INDUSTRIAL: Hours =
    [11, 11, 11, 11, 11, 11, 20, 60, 456, 226, 25, 12, 12, 12, 12, 11, 11, 11, 11, 11, 11, 11, 11, 11];
const COMMUNITY: Hours =
    [14, 11, 11, 11, 11, 13, 25, 50, 78, 92, 75, 60, 52, 50, 50, 52, 58, 68, 72, 55, 38, 26, 16, 12];

fn hours(kind: LotKind) -> &'static Hours {
    match kind {
        LotKind::Hotel => &HOTEL,
        LotKind::Mall => &MALL,
        LotKind::Market => &MARKET,
        LotKind::Industrial => &INDUSTRIAL,
        LotKind::Community => &COMMUNITY,
    }
}

/// The arrival rate of a lot of this kind at a local time, relative to the mean of its day.
///
/// Interpolates linearly between the middles of two hours.
pub fn busyness(kind: LotKind, time_zone: Tz, moment: Timestamp) -> f64 {
    const DAY_MINUTES: u32 = 24 * 60;
    let local = moment.to_datetime().with_timezone(&time_zone);
    let since_middle = (local.hour() * 60 + local.minute() + DAY_MINUTES - 30) % DAY_MINUTES;
    let hour = (since_middle / 60) as usize;
    let passed = f64::from(since_middle % 60) / 60.0;
    let share = |hour: usize| f64::from(hours(kind)[hour % 24]) / 1000.0;
    24.0 * (share(hour) * (1.0 - passed) + share(hour + 1) * passed)
}

/// Mean and deviation of the natural logarithm of a stay in minutes.
pub fn logarithm_of_stay(kind: LotKind) -> (f64, f64) {
    match kind {
        LotKind::Hotel => (5.23, 1.27),
        LotKind::Mall => (4.15, 1.15),
        LotKind::Market => (3.56, 0.63),
        LotKind::Industrial => (5.65, 1.02),
        LotKind::Community => (5.42, 1.45),
    }
}

/// A stay in minutes, this many deviations from the median of its kind, between minimum and maximum.
pub fn stay_minutes(kind: LotKind, deviations: f64) -> f64 {
    let (mean, deviation) = logarithm_of_stay(kind);
    exp(mean + deviation * deviations).clamp(STAY_MINUTES_MIN, STAY_MINUTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [LotKind; 5] =
        [LotKind::Hotel, LotKind::Mall, LotKind::Market, LotKind::Industrial, LotKind::Community];

    /// Local midnight of a day without a change of the clocks.
    fn busyness_by_minute(kind: LotKind) -> Vec<f64> {
        let midnight = Timestamp::parse_rfc3339("2024-09-24T00:00:00Z").unwrap();
        (0..24 * 60).map(|minute| busyness(kind, Tz::UTC, midnight.plus_millis(minute * 60_000))).collect()
    }

    #[test]
    fn every_day_has_a_mean_of_1_and_a_floor_of_a_quarter() {
        for kind in KINDS {
            assert_eq!(hours(kind).iter().sum::<u16>(), 1000, "{kind:?}");
            let minutes = busyness_by_minute(kind);
            let mean = minutes.iter().sum::<f64>() / 1440.0;
            assert!((mean - 1.0).abs() < 1e-9, "{kind:?}: {mean}");
            assert!(minutes.iter().all(|busyness| *busyness >= 0.25), "{kind:?}");
        }
    }

    #[test]
    fn every_kind_has_its_measured_peak() {
        let peaks = KINDS.map(|kind| {
            let (hour, share) = hours(kind).iter().enumerate().max_by_key(|(_, share)| **share).unwrap();
            (kind, hour, *share)
        });
        let expected = [
            (LotKind::Hotel, 12, 140),
            (LotKind::Mall, 10, 110),
            (LotKind::Market, 8, 165),
            (LotKind::Industrial, 8, 456),
            (LotKind::Community, 9, 92),
        ];
        assert_eq!(peaks, expected);
    }

    #[test]
    fn busyness_follows_the_lots_own_clock() {
        let moment = Timestamp::parse_rfc3339("2024-09-24T00:30:00Z").unwrap();
        let half_past_eight = busyness(LotKind::Market, Tz::Asia__Shanghai, moment);
        assert!((half_past_eight - 24.0 * 0.165).abs() < 1e-9, "{half_past_eight}");
        assert!((busyness(LotKind::Market, Tz::UTC, moment) - 24.0 * 0.011).abs() < 1e-9);
    }

    #[test]
    fn stays_have_the_measured_middle_and_tail() {
        // Minutes at the median, and at the 99th percentile (2.326 deviations).
        let measured = KINDS.map(|kind| [0.0, 2.326].map(|deviations| stay_minutes(kind, deviations).round()));
        assert_eq!(measured, [[187.0, 2880.0], [63.0, 920.0], [35.0, 152.0], [284.0, 2880.0], [226.0, 2880.0]]);
    }

    #[test]
    fn stays_are_neither_nothing_nor_without_end() {
        for kind in KINDS {
            assert!((stay_minutes(kind, -6.0) - STAY_MINUTES_MIN).abs() < 1.0, "{kind:?}");
            assert!(stay_minutes(kind, 6.0) <= STAY_MINUTES_MAX, "{kind:?}");
        }
    }
}
