//! The notices that the script keeps until a person dismisses them.

use sessions::testing::{Vehicles, minute};

use super::open;
use crate::tests::Api;
use crate::tests::numbers::busy;

#[tokio::test]
async fn notices_are_overstays_and_silent_gates_and_those_that_the_script_keeps() {
    let api = busy().await;
    let keys = |page: &str| {
        page.split("data-key=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let page = open(&api, "/notices").await.text();
    let overstays = api.value("/api/v1/sessions?overstay=true").await["sessions"].as_array().unwrap().clone();
    let expected: Vec<String> =
        overstays.iter().map(|one| format!("overstay@{}", one["session_id"].as_str().unwrap())).collect();
    assert_eq!(keys(&page), expected);
    assert!(page.contains("Overstay at P3</a>, entered <time") && page.contains(", permitted 1 h 30 min"), "{page}");
    assert!(!page.contains("STAY"), "a notice has no plate: {page}");

    // A vehicle that has left, an unknown one, and a gate that nobody knows.
    let left = api.value("/api/v1/sessions?state=matched&limit=1").await["sessions"][0]["session_id"].clone();
    let left = format!("overstay@{}", left.as_str().unwrap());
    let kept = format!("kept={left}&kept=overstay@0191c2f4-3cfa-8d2e-ab23-969652be6075&kept=P3/none@5&kept=nonsense");
    let page = open(&api, &format!("/notices?{kept}")).await.text();
    assert_eq!(keys(&page), [expected, vec![left]].concat());
    assert!(page.contains(", no longer inside"), "{page}");
}

#[tokio::test]
async fn a_gate_that_goes_silent_is_a_notice_until_it_is_dismissed() {
    let (api, mut vehicles) = (Api::new().await, Vehicles::default());
    let mut read = async |plate: &str, at: i64| {
        let mut unit = vehicles.entry("P3", plate, minute(at));
        unit.events.iter_mut().for_each(|event| {
            event.gate = parking::GateId::parse("in-1").ok();
            event.received_at = minute(at);
        });
        api.fixture.record(vec![unit]).await;
    };
    read("CAR1", 0).await;
    assert!(!open(&api, "/notices").await.text().contains("Gate"));
    api.fixture.clock.advance_millis(61 * 60_000);
    let key = format!("P3/in-1@{}", minute(0).as_millis());
    let silent = open(&api, "/notices").await.text();
    assert!(
        silent.contains(&format!("data-key=\"{key}\"")) && silent.contains("Gate in-1 of P3</a> silent since"),
        "{silent}"
    );
    read("CAR2", 61).await;
    assert!(!open(&api, "/notices").await.text().contains("Gate"));
    let kept = open(&api, &format!("/notices?kept={key}")).await.text();
    assert!(kept.contains(", reads again"), "{kept}");
}
