//! The pages show only facts: held exits are not matched, and no data is not zero.

use sessions::testing::{Vehicles, minute};

use super::{figure, open};
use crate::tests::Api;

#[tokio::test]
async fn unmatched_and_now_show_that_held_exits_wait() {
    let (api, mut vehicles) = (Api::new().await, Vehicles::default());
    for number in 0..217 {
        let unit = vehicles.exit("P3", &format!("CAR{number}"), minute(number % 60));
        api.fixture.record(vec![unit]).await;
    }

    let (now, unmatched) = (open(&api, "/").await.text(), open(&api, "/unmatched").await.text());

    assert!(unmatched.contains("217 exits wait for their entry (held up to 30 s)"), "{unmatched}");
    assert!(unmatched.contains("No unmatched entries or exits.") && !unmatched.contains("every end"), "{unmatched}");
    assert_eq!((figure(&now, "share").as_str(), figure(&now, "held").as_str()), ("no data", "217"));
    assert!(now.contains("no exit is decided yet; 217 exits wait for their entry (held up to 30 s)"), "{now}");
    assert!(now.contains(">217 held</a>)"), "{now}");

    for unit in [vehicles.entry("P3", "IN1", minute(0)), vehicles.exit("P3", "IN1", minute(9))] {
        api.fixture.record(vec![unit]).await;
    }

    let now = open(&api, "/").await.text();
    assert_eq!(figure(&now, "share"), "100.0 %");
    assert!(now.contains("of those exits; 217 exits wait for their entry"), "{now}");
}

#[tokio::test]
async fn an_empty_list_repeats_only_the_filter() {
    let api = Api::new().await;
    for (query, says) in [
        ("", "No unmatched entries or exits."),
        ("?state=unmatched_entry", "No unmatched entries."),
        ("?state=held_exit&lot_id=central-mall", "No held exits at central-mall."),
    ] {
        let page = open(&api, &format!("/unmatched{query}")).await.text();
        assert!(page.contains(says) && !page.contains("wait for"), "{query}: {page}");
    }
}

#[tokio::test]
async fn the_charts_leave_a_gap_where_nothing_is_known() {
    let (api, mut vehicles) = (Api::new().await, Vehicles::default());
    let none = open(&api, "/stays?lot_id=central-mall").await.text();
    for unit in [vehicles.entry("P3", "CAR1", minute(0)), vehicles.exit("P3", "CAR1", minute(90))] {
        api.fixture.record(vec![unit]).await;
    }

    let page = open(&api, "/stays?lot_id=P3").await.text();

    assert!(none.contains("No data: no event of this lot was recorded in this period."), "{none}");
    // Two of 24 hours have data: the others are before the first event, or still to come.
    assert_eq!(page.matches("class=\"room unknown\"").count(), 22);
    assert!(page.contains("<title>24 Sep 08:00: no data</title>") && page.contains("Grey: no data"), "{page}");
    assert!(page.contains("<title>24 Sep 09:00: average occupancy 1.0</title>"), "{page}");
    let table = page.split("id=\"occupancy-table\"").nth(1).unwrap();
    assert!(table.contains("08:00</time></th><td class=\"number\">no data</td><td class=\"number\">–</td>"), "{table}");
    // The hours of other days are not zero either.
    assert!(page.contains("title=\"no data\""), "{page}");
}
