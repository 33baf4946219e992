//! The timeline: the stays of its chart, and its refresh.

use ledger::Summary;
use sessions::testing::{Vehicles, minute, vehicle};

use super::{Api, open, parked};

#[tokio::test]
async fn the_timeline_has_each_stay_that_reaches_into_the_period() {
    let api = parked().await;
    let bars = async |query: &str| {
        let page = open(&api, &format!("/timeline?lot_id=P3&{query}")).await.text();
        let picture =
            page.split("<svg class=\"timeline\"").nth(1).unwrap().split("</figure>").next().unwrap().to_owned();
        let mut plates: Vec<String> =
            picture.split("<title>").skip(1).map(|title| title.split(':').next().unwrap().to_owned()).collect();
        plates.sort();
        plates
    };
    assert_eq!(bars("date=2024-09-24").await, ["INSIDE1", "LEFT1", "OVER1", "TWICE1", "TWICE1"]);
    assert_eq!(
        bars("from=2024-09-24T10:30:00Z&to=2024-09-24T10:40:00Z").await,
        ["INSIDE1", "OVER1", "TWICE1"],
        "an unmatched end is a moment, what is open goes on"
    );
    assert_eq!(bars("from=2024-09-24T10:50:00Z&to=2024-09-24T11:40:00Z").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_period_that_is_over_is_asked_for_again_while_a_stay_of_it_awaits_its_other_end() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    for unit in [
        vehicles.entry("OPEN", "INSIDE1", minute(0)),
        vehicles.entry("OPEN", "LATER1", minute(60)),
        vehicles.exit("HELD", "LEFT1", minute(0)),
        vehicles.entry("HELD", "LATER2", minute(60)),
        vehicles.entry("OVER", "OVER1", minute(0)),
        vehicles.exit("OVER", "OVER1", minute(5)),
        vehicles.entry("OVER", "LATER3", minute(60)),
    ] {
        api.fixture.record(vec![unit]).await;
    }
    for (lot, refresh) in [("OPEN", "on-change"), ("HELD", "on-change"), ("OVER", "never")] {
        let path = format!("/timeline?lot_id={lot}&from=2024-09-24T09:00:00Z&to=2024-09-24T09:30:00Z");
        let page = open(&api, &path).await.text();
        assert!(page.contains(&format!("data-refresh=\"{refresh}\"")), "{path}");
    }
}

#[tokio::test]
async fn a_cut_picture_says_so_also_where_saved_summaries_stand_between() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let units = (0..400).map(|n| vehicles.entry("P3", &format!("CAR{n}"), minute(0).plus_millis(n))).collect();
    api.fixture.record(units).await;
    let local = api.fixture.local();
    let saved = (0..200).map(|n| {
        let (entry, exit) = (minute(1).plus_millis(n), minute(2));
        let vehicle = vehicle("P3", &format!("FIN{n}"));
        local.save_summary(Summary { vehicle, entry, exit }, None)
    });
    futures::future::try_join_all(saved).await.unwrap();

    let page = open(&api, "/timeline?lot_id=P3&date=2024-09-24").await.text();

    assert!(page.contains("Only the newest 301 stays are drawn"), "{page}");
    assert!(page.contains(">CAR399:") && page.contains(">CAR99:") && !page.contains(">CAR98:"), "{page}");
}

#[tokio::test]
async fn another_lot_keeps_the_period_and_an_empty_one_is_marked() {
    let api = parked().await;
    let page = open(&api, "/timeline?lot_id=P3&span=1h").await.text();
    assert!(page.contains("<input type=\"hidden\" name=\"span\" value=\"1h\">"), "{page}");
    assert!(!page.contains("No stay begins"));
    let empty = open(&api, "/timeline?lot_id=P3&date=2024-09-20").await.text();
    assert!(empty.contains("No stay begins, ends or goes on in this time.") && empty.contains("value=\"2024-09-20\""));
}
