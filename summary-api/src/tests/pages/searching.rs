//! The search: by plates and parts of them, and by ids, with no plate in an address.

use axum::http::{Method, header};
use sessions::testing::{Vehicles, minute};

use super::{BROWSER, is_page, open, parked, search};
use crate::tests::{Api, request, send};

#[tokio::test]
async fn a_part_of_a_plate_finds_its_stays_and_no_address_has_it() {
    let api = parked().await;
    let page = search(&api, "ver").await.text();
    let containing = page.split("<caption>Plates that contain it").nth(1).unwrap();
    assert!(containing.contains(">OVER1</a>") && !page.contains("Plates that begin so"), "{page}");
    assert!(page.contains("other parts in the vehicles inside and in all stays."), "{page}");
    let begins = search(&api, "TWICE").await.text();
    assert!(begins.contains("Plates that begin so") && begins.contains(">TWICE1</a>"), "{begins}");
    assert!(!page.contains("search?") && page.contains("data-refresh=\"never\""), "{page}");
    for (typed, part) in [("-", "no letter and no digit"), ("a", "fewer than two letters and digits")] {
        let refused = search(&api, typed).await;
        assert!(refused.status == 422 && refused.text().contains(part), "{typed}: {}", refused.text());
    }
    for address in ["/search?plate=OVER1", "/search?plate=OVER1&cursor=AQEBAQEBAQEBAQ"] {
        let old = open(&api, address).await;
        assert_eq!((old.status, old.header(header::LOCATION)), (303, "/search"), "{address}");
    }
    let json = send(&api.router, request(Method::POST, "/search", &[("content-type", "application/json")], "{}")).await;
    assert_eq!(json.status, 415);
}

#[tokio::test]
async fn a_plate_with_many_stays_has_pages_whose_forms_post_it() {
    let (api, mut vehicles) = (Api::new().await, Vehicles::default());
    for number in 0..60 {
        api.fixture.record(vec![vehicles.entry("P3", "OFTEN1", minute(2 * number))]).await;
        api.fixture.record(vec![vehicles.exit("P3", "OFTEN1", minute(2 * number + 1))]).await;
    }
    let first = search(&api, "OFTEN1").await.text();
    let cursor = first.split("name=\"cursor\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form = format!("plate=OFTEN1&cursor={cursor}");
    let headers = [BROWSER[0], ("content-type", "application/x-www-form-urlencoded")];
    let second = send(&api.router, request(Method::POST, "/search", &headers, form)).await.text();
    let stays = |page: &str| page.matches("<tr data-key=").count();
    assert_eq!((stays(&first), stays(&second)), (50, 10));
    assert!(first.contains(">Older<") && second.contains(">Newest<") && !second.contains(">Older<"), "{second}");
}

#[tokio::test]
async fn an_id_leads_to_its_stay_and_an_unknown_plate_to_near_ones() {
    let api = parked().await;
    let session = api.value("/api/v1/sessions?vehicle_plate=OVER1").await["sessions"][0].clone();
    for id in [&session["session_id"], &session["entry_event_id"], &session["exit_event_id"]] {
        let answer = open(&api, &format!("/search?plate=%20{}", id.as_str().unwrap())).await;
        let place = format!("/sessions/{}#why", session["session_id"].as_str().unwrap());
        assert_eq!((answer.status, answer.header(header::LOCATION)), (303, place.as_str()));
    }
    let page = search(&api, "0VER1").await.text();
    let similar = page.split("<caption>Similar plates, not equal").nth(1).unwrap();
    let link = format!("href=\"/sessions/{}\"", session["session_id"].as_str().unwrap());
    assert!(page.contains("No stay of a plate with these characters") && similar.contains(&link), "{page}");
}

#[tokio::test]
async fn a_stay_has_a_page_of_its_own_and_a_plate_finds_its_stays() {
    let api = parked().await;
    let found = search(&api, "<over>-1").await;
    is_page(&found, "/search");
    let found = found.text();
    let link = found.split("href=\"").find(|link| link.starts_with("/sessions/")).unwrap().split('"').next().unwrap();
    let page = open(&api, link).await.text();

    assert!(found.contains("value=\"&lt;over&gt;-1\""), "what was typed is shown as it was typed");
    for part in [
        "OVER1</span> at P3",
        "matched</span>",
        "the exit directly follows the entry",
        "Plate as read",
        "1 h 47 min",
        "09:00:00.000 UTC",
        "10:47:00.000 UTC",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}
