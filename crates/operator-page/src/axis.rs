//! Where a time axis has its marks: at round local times, few enough to read. Pure.

use chrono::Timelike as _;
use parking::Timestamp;

use super::local::{Clock, Local};
use super::period::Window;

const MINUTE_MS: i64 = 60_000;
/// Steps between marks, minutes.
const STEPS: [i64; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880];
/// The most marks.
const MOST: i64 = 10;
/// Steps between marks below a minute, seconds.
const SECONDS: [i64; 3] = [5, 10, 30];

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) time: Timestamp,
    pub(super) label: String,
}

/// The marks of a window.
pub(super) fn ticks(window: Window, local: Local) -> Vec<Tick> {
    if let Some(step) = SECONDS.into_iter().find(|step| window.millis() <= MOST * step * 1_000) {
        return at(window, step * 1_000, local, |_| true, Clock::Seconds);
    }
    let step = STEPS.into_iter().find(|step| window.millis() <= MOST * step * MINUTE_MS).unwrap_or(STEPS[12]);
    // Zones differ from UTC by quarters of an hour, and change in the middle of a day: so each quarter is asked.
    let stride = if step % 15 == 0 { 15 } else { gcd(step, 15) };
    at(window, stride * MINUTE_MS, local, |minute_of_day| minute_of_day % step.min(1_440) == 0, Clock::Minutes)
}

fn gcd(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

fn at(window: Window, stride_ms: i64, local: Local, is_round: impl Fn(i64) -> bool, clock: Clock) -> Vec<Tick> {
    let first =
        window.from.as_millis().div_euclid(stride_ms) + i64::from(window.from.as_millis().rem_euclid(stride_ms) > 0);
    let moments = (first..).map(|place| Timestamp::from_millis(place * stride_ms)).take_while(|time| *time < window.to);
    let round = moments.filter(|time| is_round(i64::from(local.at(*time).num_seconds_from_midnight() / 60)));
    round
        .map(|time| {
            let is_midnight = local.at(time).num_seconds_from_midnight() == 0;
            Tick { time, label: if is_midnight { local.day(time) } else { local.clock(time, clock) } }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use sessions::testing::minute;

    use super::*;

    fn labels(zone: Tz, from: i64, to: i64) -> Vec<String> {
        let window = Window { from: minute(from), to: minute(to) };
        ticks(window, Local::new(zone, minute(0))).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn marks_stand_at_round_local_times() {
        assert_eq!(labels(Tz::UTC, 0, 1), ["09:00:00", "09:00:10", "09:00:20", "09:00:30", "09:00:40", "09:00:50"]);
        assert_eq!(labels(Tz::UTC, 1, 16), ["09:02", "09:04", "09:06", "09:08", "09:10", "09:12", "09:14"]);
        assert_eq!(labels(Tz::Asia__Kathmandu, 0, 60).first().unwrap(), "14:50");
        assert_eq!(
            labels(Tz::UTC, -540, 900),
            ["24 Sep", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]
        );
    }

    #[test]
    fn on_the_day_when_clocks_change_marks_stay_at_round_times() {
        let local = Local::new(Tz::Europe__Berlin, minute(0));
        let date = chrono::NaiveDate::from_ymd_opt(2024, 3, 31).unwrap();
        let (from, to) = (local.start_of(date).unwrap(), local.start_of(date.succ_opt().unwrap()).unwrap());
        let ticks = ticks(Window { from, to }, local);
        let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["31 Mar", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]);
        assert_eq!(ticks[1].time.millis_since(ticks[0].time), 2 * 3_600_000);
    }

    #[test]
    fn marks_in_a_repeated_hour_have_their_offsets() {
        let from = Timestamp::parse_rfc3339("2024-10-26T23:30:00Z").unwrap();
        let window = Window { from, to: from.plus_millis(3 * 3_600_000) };
        let ticks = ticks(window, Local::new(Tz::Europe__Berlin, from));
        let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
        let repeated = ["02:00 +02:00", "02:30 +02:00", "02:00 +01:00", "02:30 +01:00"];
        assert_eq!((labels[0], &labels[1..5], labels[5]), ("01:30", &repeated[..], "03:00"));
    }
}
