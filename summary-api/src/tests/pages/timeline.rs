//! The timeline: the stays of its chart, and its refresh.

use ledger::Summary;
use sessions::testing::{Vehicles, minute, vehicle};

use super::{Api, open, parked};
use crate::tests::numbers::busy;

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
async fn a_busy_period_is_drawn_whole_by_the_hour_and_leads_on_to_each_stay() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let units = (0..600).map(|n| vehicles.entry("P3", &format!("CAR{n}"), minute(n % 100))).collect();
    api.fixture.record(units).await;

    let page = open(&api, "/timeline?lot_id=P3&date=2024-09-24").await.text();

    assert!(page.contains("More than 500 stays: drawn by the hour or day."), "{page}");
    assert_eq!(page.matches("data-from=").count(), 24);
    let hours: Vec<&str> = page.split("<title>24 Sep 09:00: ").skip(1).collect();
    assert!(hours[0].starts_with("average occupancy 183.0, 360 entries, 0 exits, 0 unmatched exits<"), "{}", hours[0]);
    let column =
        "href=\"/timeline?lot_id=P3&amp;from=2024-09-24T10%3A00%3A00.000Z&amp;to=2024-09-24T11%3A00%3A00.000Z\"";
    assert!(page.contains(column), "{page}");
    let short = open(&api, "/timeline?lot_id=P3&from=2024-09-24T08:00:00Z&to=2024-09-24T09:10:00Z").await.text();
    assert!(!short.contains("More than 500 stays") && short.contains(">CAR9:"), "{short}");
}

#[tokio::test]
async fn saved_summaries_are_not_drawn_but_a_list_that_is_full_of_them_is_drawn_by_the_hour() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    api.fixture.record(vec![vehicles.entry("P3", "CAR1", minute(0))]).await;
    let local = api.fixture.local();
    let saved = async |count: i64| {
        let saved = (0..count).map(|n| {
            let (entry, exit) = (minute(1).plus_millis(n), minute(2));
            local.save_summary(Summary { vehicle: vehicle("P3", &format!("FIN{n}")), entry, exit }, None)
        });
        futures::future::try_join_all(saved).await.unwrap();
        open(&api, "/timeline?lot_id=P3&date=2024-09-24").await.text()
    };
    let few = saved(10).await;
    assert!(few.contains(">CAR1:") && !few.contains(">FIN1:"), "{few}");
    assert!(saved(501).await.contains("More than 500 stays"));
}

#[tokio::test]
async fn several_lots_have_a_chart_each_and_overstays_and_doubtful_stays_have_signs() {
    let api = busy().await;
    let page =
        open(&api, "/timeline?lot_id=P3&lot_id=P4&from=2024-09-24T18:00:00Z&to=2024-09-24T19:00:00Z").await.text();

    assert!(page.contains("<h1>Timeline of P3, P4</h1>"), "{page}");
    let charts: Vec<&str> = page.split("<figure data-key=").skip(1).collect();
    assert_eq!(charts.len(), 2);
    for (chart, lot) in charts.iter().zip(["P3", "P4"]) {
        assert!(chart.contains(&format!("<h2>{lot}</h2>")) && chart.contains(&format!(">{lot}STAY7:")), "{chart}");
    }
    let bar = |chart: &str, plate: &str| {
        let bars = chart.split("<a class=").skip(1).map(|bar| bar.split("</a>").next().unwrap().to_owned());
        bars.into_iter().find(|bar| bar.contains(&format!("<title>{plate}:"))).unwrap()
    };
    let over = bar(charts[0], "P3STAY2");
    assert!(over.starts_with("\"open overstay doubtful\"") && over.contains(">!?</text>"), "{over}");
    assert!(over.contains(", overstay, doubtful</title>") && over.contains("class=\"on-bar\""), "{over}");
    let usual = bar(charts[1], "P4STAY7");
    assert!(usual.starts_with("\"open\"") && !usual.contains("flag"), "{usual}");
    let legend = |chart: &str, word: &str| {
        chart.split(&format!("{word} <b>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert_eq!((legend(charts[0], "overstay"), legend(charts[1], "overstay")), ("5".to_owned(), "0".to_owned()));
    let many = (0..9).map(|n| format!("lot_id=P{n}")).collect::<Vec<_>>().join("&");
    let refused = open(&api, &format!("/timeline?{many}")).await;
    assert!(refused.status == 422 && refused.text().contains("at most 8 lots"), "{}", refused.text());
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
