//! Times on the pages are in the lot's time zone, both as text and in the markup.

use parking::Timestamp;
use sessions::testing::{Vehicles, minute};

use super::{open, search};
use crate::tests::Api;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// In Berlin, in the night in which the hour from two to three comes twice: from 2:30 to 2:15, for 45 minutes.
async fn a_stay_in_the_repeated_hour() -> Api {
    let (api, mut vehicles) = (Api::in_zone("Europe/Berlin").await, Vehicles::default());
    for unit in [
        vehicles.entry("P3", "CAR1", at("2024-10-27T00:30:00Z")),
        vehicles.exit("P3", "CAR1", at("2024-10-27T01:15:00Z")),
        vehicles.entry("P3", "TWICE1", at("2024-10-27T00:40:00Z")),
        vehicles.entry("P3", "TWICE1", at("2024-10-27T01:40:00Z")),
    ] {
        api.fixture.record(vec![unit]).await;
    }
    api
}

#[tokio::test]
async fn a_time_in_a_repeated_hour_is_unmistakable_wherever_it_stands() {
    let api = a_stay_in_the_repeated_hour().await;
    let (entry, exit) =
        ("<time datetime=\"2024-10-27T00:30:00.000Z\">", "<time datetime=\"2024-10-27T01:15:00.000Z\">");
    let cell = |time: &str, clock: &str| format!("{time}<span class=\"date\">27 Oct </span>{clock}</time>");
    let session = api.value("/api/v1/sessions?vehicle_plate=CAR1").await["sessions"][0]["session_id"].clone();

    for (path, page) in [("/", open(&api, "/").await.text()), ("/search", search(&api, "CAR1").await.text())] {
        assert!(
            page.contains(&cell(entry, "02:30:00 +02:00")) && page.contains(&cell(exit, "02:15:00 +01:00")),
            "{path}"
        );
    }
    let stay = open(&api, &format!("/sessions/{}", session.as_str().unwrap())).await.text();
    assert!(stay.contains(&format!("{entry}Sun 27 Oct 2024, 02:30:00.000 +02:00</time>")), "{stay}");
    assert!(stay.contains(&format!("{exit}Sun 27 Oct 2024, 02:15:00.000 +01:00</time>")), "{stay}");
    assert!(stay.contains(&cell(entry, "02:30:00 +02:00")), "the events as they were read: {stay}");
    let unmatched = open(&api, "/unmatched").await.text();
    let sentence = "<time datetime=\"2024-10-27T00:40:00.000Z\">27 Oct 2024, 02:40:00 +02:00</time>";
    assert!(unmatched.contains(&format!("The entry of {sentence}")), "{unmatched}");
    let timeline = open(&api, "/timeline?lot_id=P3&from=2024-10-27T00:00:00Z&to=2024-10-27T02:00:00Z").await.text();
    for part in [
        "<title>CAR1: 27 Oct 02:30:00 +02:00 to 27 Oct 02:15:00 +01:00, 45 min</title>",
        "data-entry=\"2024-10-27T00:30:00.000Z\" data-exit=\"2024-10-27T01:15:00.000Z\"",
        "data-time=\"2024-10-27T01:00:00.000Z\">02:00 +01:00</text>",
        "<time datetime=\"2024-10-27T00:00:00.000Z\">Sun 27 Oct 2024, 02:00 +02:00</time>",
        "<time datetime=\"2024-10-27T02:00:00.000Z\">03:00 +01:00</time>",
    ] {
        assert!(timeline.contains(part), "{part} in {timeline}");
    }
    let stays = open(&api, "/stays?lot_id=P3").await.text();
    assert!(stays.contains("<time datetime=\"2024-10-27T01:00:00.000Z\">27 Oct 02:00 +01:00</time>"), "{stays}");
}

#[tokio::test]
async fn a_list_of_lots_in_several_zones_shows_offsets_and_a_list_of_last_year_shows_the_year() {
    let (api, mut vehicles) = (Api::in_zone("Asia/Kathmandu").await, Vehicles::default());
    let last_year = at("2023-09-24T09:00:00Z");
    for unit in [
        vehicles.entry("P3", "CAR1", last_year),
        vehicles.exit("P3", "CAR1", last_year.plus_millis(60_000)),
        vehicles.entry("P4", "CAR1", minute(0)),
    ] {
        api.fixture.record(vec![unit]).await;
    }

    let page = search(&api, "CAR1").await.text();

    for (date, clock) in [("24 Sep 2023 ", "14:45:00 +05:45"), ("24 Sep ", "09:00:00 UTC")] {
        assert!(page.contains(&format!("<span class=\"date\">{date}</span>{clock}</time>")), "{date} in {page}");
    }
    assert!(
        page.contains("times in each lot&#39;s own zone") || page.contains("times in each lot's own zone"),
        "{page}"
    );
}
