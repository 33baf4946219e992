//! Text from outside on a page: it is shown as text, without effect.

use recorder::{CorrelatorStatus, DependencyReport};
use sessions::testing::{Vehicles, idle_correlator, minute};

use super::super::{Api, request, send};

/// A command to a terminal, a line of its own, a text that reads as another one, and a part of a page.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\r\n\u{202e}321-CBA\u{2066}\u{0}<script>x</script>\u{7f}";
const SHOWN: &str = "␛[2J\u{fffd}31m␍";

async fn page(api: &Api, path: &str) -> String {
    let answer = send(&api.router, request(axum::http::Method::GET, path, &[("accept", "text/html")], "")).await;
    let text = answer.text();
    let is_hidden =
        |character: char| character != '\n' && (character.is_control() || "\u{202e}\u{2066}".contains(character));
    assert!(!text.contains(is_hidden), "{path}: {text:?}");
    assert!(!text.contains("<script>x"), "{path}: {text:?}");
    text
}

#[tokio::test]
async fn control_characters_from_outside_become_visible_on_every_page() {
    let api = Api::new().await;
    let mut unit = Vehicles::default().entry("P3", "ABC123", minute(0));
    for event in &mut unit.events {
        event.plate_as_read = HOSTILE.into();
    }
    let event = unit.events[0].key.id;
    api.fixture.record(vec![unit]).await;
    let redis = DependencyReport { name: HOSTILE.to_owned(), is_optional: true, away: Some(HOSTILE.to_owned()) };
    api.fixture.local().report(CorrelatorStatus { dependencies: vec![redis], ..idle_correlator(1) }).unwrap();
    let session = api.value("/api/v1/sessions").await["sessions"][0]["session_id"].as_str().unwrap().to_owned();
    let asked: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();

    assert!(page(&api, &format!("/sessions/{session}")).await.contains(SHOWN));
    assert!(page(&api, "/").await.contains(SHOWN));
    for path in [
        "/header".to_owned(),
        format!("/search?plate={event}"),
        format!("/stays?lot_id={asked}"),
        format!("/timeline?lot={asked}"),
        format!("/sessions/{asked}"),
        format!("/nowhere/{asked}"),
    ] {
        page(&api, &path).await;
    }
}
