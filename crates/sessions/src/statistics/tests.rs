//! How quarter hours become the buckets of a lot's own time.

use ledger::Counts;

use super::*;

const BERLIN: Calendar = Calendar(Tz::Europe__Berlin);

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn of(bucket: Bucket, calendar: Calendar, asked: &Range<i64>, quarters: &Quarters) -> Statistics {
    let of = StatisticsOf { lot: LotId::default(), from: None, to: None, bucket };
    Statistics::new(&of, (calendar, i64::MAX), None, asked, quarters, &Connected::default())
}

/// One quarter hour of a lot.
fn only(quarter: i64, counts: Counts, inside_after: i64) -> Quarters {
    let tally = Tally { counts, ..Tally::default() };
    Quarters { quarters: vec![(quarter, tally)], inside_after, first: Some(quarter) }
}

fn hours(bucket: &BucketStatistics) -> i64 {
    bucket.millis() / HOUR_MS
}

#[test]
fn a_day_has_the_hours_that_it_has_where_the_lot_is() {
    let asked = BERLIN.whole(Bucket::Day, at("2024-10-26T12:00:00Z"), at("2024-10-28T12:00:00Z"));

    let statistics = of(Bucket::Day, BERLIN, &asked, &Quarters::default());

    let begins: Vec<String> = statistics.buckets.iter().map(|day| day.from.to_string()).collect();
    assert_eq!(begins, ["2024-10-25T22:00:00.000Z", "2024-10-26T22:00:00.000Z", "2024-10-27T23:00:00.000Z"]);
    assert_eq!(statistics.buckets.iter().map(hours).collect::<Vec<_>>(), [24, 25, 24]);
}

#[test]
fn exactly_as_many_buckets_are_told_as_the_limits_say() {
    let told = |bucket, from: &str, to: Timestamp| {
        let asked = StatisticsOf { lot: LotId::default(), from: Some(at(from)), to: Some(to), bucket };
        let quarters = asked_quarters(BERLIN, &asked, to).ok()?;
        let buckets = of(bucket, BERLIN, &quarters, &Quarters::default()).buckets;
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
    let sunday_before_midnight_utc = quarter_of(at("2024-09-22T23:30:00Z"));
    let counts = Counts { entries: 4, inside_ms: 4 * QUARTER_MS / 2, ..Counts::default() };
    let first = sunday_before_midnight_utc - 6;
    let quarters = Quarters { first: Some(first), ..only(sunday_before_midnight_utc, counts, 6) };
    let asked = BERLIN.whole(Bucket::Day, at("2024-09-22T23:30:00Z"), at("2024-09-22T23:31:00Z"));

    let statistics = of(Bucket::Day, BERLIN, &asked, &quarters);

    assert_eq!(statistics.arrivals[0][1], Some(4));
    assert_eq!(statistics.arrivals.iter().flatten().flatten().sum::<i64>(), 4);
    let day = &statistics.buckets[0];
    assert_eq!((statistics.buckets.len(), hours(day), day.inside), (1, 24, 6));
    // Two for an hour and a half, four on average for a quarter, six for the other 22 hours and a quarter.
    assert!((day.average_inside - (2.0 * 1.5 + 4.0 * 0.25 + 22.25 * 6.0) / 24.0).abs() < 1e-9);
    assert!((statistics.total().unwrap().average_inside - day.average_inside).abs() < 1e-9);
}

#[test]
fn the_average_of_all_buckets_is_over_the_time_since_the_first_event() {
    let quarter = quarter_of(at("2024-09-24T09:00:00Z"));
    let counts = Counts { entries: 2, inside_ms: 2 * QUARTER_MS, ..Counts::default() };
    let quarters = only(quarter, counts, 2);

    let hours = of(Bucket::Hour, BERLIN, &(quarter - 80..quarter + 16), &quarters);

    let total = hours.total().unwrap();
    assert!((total.average_inside - 2.0).abs() < 1e-9, "{total:?}");
    assert_eq!((hours.known_since, total.to.millis_since(total.from)), (Some(start_of(quarter)), 24 * HOUR_MS));
}

/// One entry at ten minutes past midnight where the lot is, for zones that are no whole number of hours from UTC.
#[test]
fn an_entry_after_local_midnight_counts_on_its_day_and_in_its_hour_in_every_zone() {
    for (zone, time) in [
        (Tz::Asia__Kolkata, "2024-09-24T00:10:00+05:30"),
        (Tz::Asia__Kathmandu, "2024-09-24T00:10:00+05:45"),
        (Tz::America__St_Johns, "2024-09-24T00:10:00-02:30"),
        (Tz::Australia__Lord_Howe, "2024-09-24T00:10:00+10:30"),
        (Tz::Asia__Tehran, "2024-09-24T00:10:00+03:30"),
        (Tz::Pacific__Chatham, "2024-09-24T00:10:00+12:45"),
        (Tz::UTC, "2024-09-24T00:10:00Z"),
    ] {
        let calendar = Calendar(zone);
        let quarters = only(quarter_of(at(time)), Counts { entries: 1, ..Counts::default() }, 1);
        let asked = calendar.whole(Bucket::Day, at(time).plus_millis(-HOUR_MS), at(time));

        let days = of(Bucket::Day, calendar, &asked, &quarters);

        let of_days: Vec<i64> = days.buckets.iter().map(|day| day.tally.counts.entries).collect();
        assert_eq!(of_days, [0, 1], "{zone}");
        // A Tuesday.
        assert_eq!((days.arrivals[1][0], days.buckets[1].from), (Some(1), at(time).plus_millis(-600_000)), "{zone}");
    }
}

/// Which hours from 9:00 to 15:00 have data, when there were events in the second and, a day later, at noon.
fn known_hours(connected: &Connected) -> Vec<bool> {
    let nine = quarter_of(at("2024-09-24T09:00:00Z"));
    let tally = Tally { counts: Counts { entries: 1, ..Counts::default() }, ..Tally::default() };
    let rows = [nine + 4, nine + 96 + 12].map(|quarter| (quarter, tally.clone()));
    let quarters = Quarters { quarters: rows.to_vec(), inside_after: 2, first: Some(nine + 4) };
    let of = StatisticsOf { lot: LotId::default(), from: None, to: None, bucket: Bucket::Hour };
    let utc = Calendar(Tz::UTC);
    let statistics = Statistics::new(&of, (utc, i64::MAX), None, &(nine..nine + 24), &quarters, connected);
    statistics.buckets.iter().map(|hour| hour.has_data).collect()
}

#[test]
fn no_data_is_not_zero_before_the_first_event_and_while_nothing_was_connected() {
    let nine = quarter_of(at("2024-09-24T09:00:00Z"));
    let connected = |quarters: &[i64]| Connected {
        quarters: quarters.iter().map(|quarter| nine + quarter).collect(),
        since: quarters.first().map(|quarter| nine + quarter),
    };
    // Connected from the beginning, and not from 11:00 to 13:15.
    assert_eq!(known_hours(&connected(&[0, 4, 7, 17, 20])), [false, true, false, false, true, true]);
    // Nothing connected at all, but an event was counted.
    assert_eq!(known_hours(&connected(&[-100])), [false, true, false, false, false, false]);
    // Recorded by an older version, which noted nothing: a day with an event is known.
    assert_eq!(known_hours(&connected(&[])), [false, true, true, true, true, true]);
    // The ledger was upgraded at 12:30.
    assert_eq!(known_hours(&connected(&[14])), [false, true, true, true, false, false]);
}

#[test]
fn nothing_is_known_of_what_is_to_come_and_the_peak_hour_is_that_of_most_entries() {
    let nine = quarter_of(at("2024-09-24T09:00:00Z"));
    let rows = [(nine, 3), (nine + 4, 5), (nine + 6, 1), (nine + 8, 6)].map(|(quarter, entries)| {
        (quarter, Tally { counts: Counts { entries, ..Counts::default() }, ..Tally::default() })
    });
    let quarters = Quarters { quarters: rows.to_vec(), inside_after: 15, first: Some(nine) };
    let of = StatisticsOf { lot: LotId::default(), from: None, to: None, bucket: Bucket::Hour };
    let now = (Calendar(Tz::UTC), nine + 9);

    let statistics = Statistics::new(&of, now, None, &(nine..nine + 20), &quarters, &Connected::default());

    let known: Vec<bool> = statistics.buckets.iter().map(|hour| hour.has_data).collect();
    assert_eq!(known, [true, true, true, false, false]);
    assert_eq!(statistics.peak_hour(), Some((10, 6)), "of two equal ones the first");
    assert_eq!((statistics.arrivals[1][11], statistics.arrivals[1][12]), (Some(6), None));
}
