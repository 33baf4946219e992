//! Lots as they stand: on their own time, with doubtful stays and overstays.

use super::*;
use crate::testing::{Fixture, Vehicles, minute};
use ledger_stores::testing::temporary;

/// Stays of one minute to as many, all over by the end.
async fn with_stays(count: i64) -> (Fixture, Vehicles) {
    let (fixture, mut vehicles) = (Fixture::new(temporary().await), Vehicles::default());
    for number in 1..=count {
        let plate = format!("CAR{number}");
        for unit in [vehicles.entry("P3", &plate, minute(0)), vehicles.exit("P3", &plate, minute(number))] {
            fixture.record(vec![unit]).await;
        }
    }
    (fixture, vehicles)
}

async fn p3(fixture: &Fixture) -> LotStatus {
    let lots = fixture.service.lots().await.unwrap();
    lots.into_iter().find(|lot| lot.id.as_str() == "P3").unwrap()
}

#[tokio::test]
async fn a_stay_longer_than_nearly_all_is_doubtful_when_enough_are_known() {
    let (fixture, mut vehicles) = with_stays(199).await;
    fixture.record(vec![vehicles.entry("P3", "LONG", minute(0))]).await;
    fixture.record(vec![vehicles.entry("P3", "SHORT", minute(5))]).await;
    assert_eq!(p3(&fixture).await.doubtful, None);

    for unit in [vehicles.entry("P3", "LAST", minute(1)), vehicles.exit("P3", "LAST", minute(202))] {
        fixture.record(vec![unit]).await;
    }
    assert_eq!(p3(&fixture).await.doubtful, None, "it is computed again after a minute");
    fixture.clock.advance_millis(60_000);

    assert_eq!((p3(&fixture).await.doubtful, p3(&fixture).await.inside), (Some(1), 2));
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.metric("dwell_lot_doubtful{lot=\"P3\"}"), Some(1));
}

#[tokio::test]
async fn what_passed_lately_is_on_the_lots_own_time() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    // A day before, in the hour before, and in the hour that the lot's time is in.
    for (plate, at) in [("A", -24 * 60), ("B", 0), ("C", 1), ("D", 59), ("E", 60), ("F", 75)] {
        fixture.record(vec![vehicles.entry("P3", plate, minute(at))]).await;
    }
    fixture.record(vec![vehicles.exit("P3", "B", minute(70))]).await;
    fixture.record(vec![vehicles.exit("P3", "A", minute(-23 * 60))]).await;

    let lot = p3(&fixture).await;

    assert_eq!(lot.time, Some(minute(75)));
    assert_eq!((lot.entries_this_hour, lot.exits_this_hour), (2, 1));
    assert_eq!((lot.entries_hour_before, lot.exits_hour_before), (3, 0));
    assert_eq!((lot.matched_last_day, lot.unmatched_last_day, lot.unmatched_share()), (1, 0, Some(0.0)));
}

#[tokio::test]
async fn this_hour_is_one_of_the_lots_own_clock() {
    // Minutes after 9:00 UTC: the end of the hour before, and the first and the last minute of an hour there.
    for (zone, before, first, last) in [
        ("Asia/Kolkata", 29, 30, 89),
        ("Asia/Kathmandu", 14, 15, 74),
        ("Australia/Lord_Howe", 29, 30, 89),
        ("America/St_Johns", 29, 30, 89),
        ("Europe/Berlin", -1, 0, 59),
    ] {
        let (fixture, mut vehicles) = (Fixture::in_zone(temporary().await, zone), Vehicles::default());
        for (plate, at) in [("A", before - 59), ("B", before), ("C", first), ("D", last)] {
            fixture.record(vec![vehicles.entry("P3", plate, minute(at))]).await;
        }

        let lot = p3(&fixture).await;

        assert_eq!((lot.entries_this_hour, lot.entries_hour_before), (2, 2), "{zone}");
    }
}

#[tokio::test]
async fn a_vehicle_that_stays_for_longer_than_permitted_is_an_overstay_and_stays_inside() {
    let stay = r#"[{ hours = "8-12", stay = "2h" }, { stay = "12h" }]"#;
    let lots = format!("[[lot]]\nid = \"P3\"\nkind = \"mall\"\npermitted_stay = {stay}");
    let fixture = Fixture::with_lots(temporary().await, &lots);
    let mut vehicles = Vehicles::default();
    // The minutes count from 9:00: of the night, of the hours of two hours, and behind them.
    for (plate, at) in [("NIGHT1", -2 * 60), ("LONG", 0), ("EDGE", 60), ("NOON", 180), ("OTHER", 0)] {
        let lot = if plate == "OTHER" { "P4" } else { "P3" };
        fixture.record(vec![vehicles.entry(lot, plate, minute(at))]).await;
    }

    fixture.service.refresh().await.unwrap();

    let lot = p3(&fixture).await;
    assert_eq!((lot.overstays, lot.overdue_stays, lot.inside), (1, 0, 4), "after exactly two hours it is none");
    assert_eq!(fixture.metric("dwell_lot_overstays{lot=\"P3\"}"), Some(1));
    assert_eq!(fixture.metric("dwell_lot_overstays{lot=\"P4\"}"), Some(0), "it permits any stay");

    fixture.record(vec![vehicles.entry("P3", "LATER", minute(10 * 60 + 1))]).await;
    assert_eq!(p3(&fixture).await.overstays, 3, "the one of the night too, after twelve hours");
}

#[tokio::test]
async fn a_stay_beyond_the_longest_is_overdue_until_it_is_decided_and_no_overstay_without_a_rule() {
    let fixture = Fixture::new(temporary().await);
    let mut vehicles = Vehicles::default();
    let month = 31 * 24 * 60;
    fixture.record(vec![vehicles.entry("P3", "LONG", minute(0))]).await;
    fixture.record(vec![vehicles.entry("P3", "NEW", minute(month))]).await;

    fixture.service.refresh().await.unwrap();

    let lot = p3(&fixture).await;
    assert_eq!((lot.overdue_stays, lot.overstays, lot.inside), (1, 0, 2));
    assert_eq!(fixture.metric("dwell_overdue_stays"), Some(1));
    assert_eq!(fixture.metric("dwell_lot_overstays{lot=\"P3\"}"), Some(0));
}
