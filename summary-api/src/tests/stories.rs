//! Explanations of events and plates, and stories of sessions.

use api::{ExplanationsView, SessionView, StoryView};
use axum::http::Method;
use matching::unread_unit;
use serde_json::{Value, json};
use sessions::testing::{Vehicles, minute, vehicle};
use uuid::Uuid;

use super::{Api, request, send};

/// The id of the event with that number, in the order in which [`Vehicles`] makes them.
fn event(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

async fn record(api: &Api, units: impl IntoIterator<Item = matching::Unit>) {
    for unit in units {
        api.fixture.record(vec![unit]).await;
    }
}

/// An exit that arrived before its entry.
async fn late_entry() -> Api {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    record(&api, [vehicles.exit("P3", "ABC123", minute(60)), vehicles.entry("P3", "ABC123", minute(0))]).await;
    api
}

async fn explain(api: &Api, number: u128) -> ExplanationsView {
    api.get(&format!("/api/v1/events/{}/explanation", event(number))).await.json()
}

#[tokio::test]
async fn a_story_has_the_reads_the_changes_and_what_was_superseded() {
    let api = late_entry().await;
    let listed = api.value("/api/v1/sessions?state=matched,void&order=oldest").await["sessions"].clone();
    let (matched, void) = (listed[0].clone(), listed[1].clone());
    let story = async |session: &Value| -> StoryView {
        let id = session["session_id"].as_str().unwrap();
        api.get(&format!("/api/v1/sessions/{id}/story")).await.json()
    };
    let as_value = |view: &SessionView| serde_json::to_value(view).unwrap();

    let (whole, of_void) = (story(&matched).await, story(&void).await);

    assert_eq!((as_value(&whole.session), as_value(&of_void.session)), (matched.clone(), void.clone()));
    let reads: Vec<Uuid> = whole.reads.iter().map(|read| read.event_id).collect();
    assert_eq!(reads, [event(2), event(1)]);
    assert_eq!(whole.supersedes.iter().map(as_value).collect::<Vec<_>>(), vec![void.clone()]);
    assert_eq!(of_void.superseded_by.as_ref().map(as_value), Some(matched.clone()));
    let changes: Vec<_> = whole
        .changes
        .iter()
        .map(|change| {
            let rule = change.rule.as_deref().unwrap();
            let is_own = json!(change.session_id) == matched["session_id"];
            (is_own, change.vehicle_version, change.from_state.as_deref(), change.to_state.as_str(), rule)
        })
        .collect();
    assert_eq!(
        changes,
        [
            (false, 1, None, "held_exit", "held"),
            (true, 2, None, "matched", "matched"),
            (false, 2, Some("held_exit"), "void", "superseded"),
        ]
    );
    for explanation in [whole.explanation.unwrap(), of_void.explanation.unwrap()] {
        assert_eq!((explanation.event.event_id, explanation.cause.as_str()), (event(1), "matched"));
        assert!(explanation.text.contains("1h later and within the longest stay"), "{}", explanation.text);
    }
}

#[tokio::test]
async fn an_explanation_names_the_rule_the_reads_and_the_changes_that_the_event_has_seen() {
    let api = late_entry().await;

    let explained = explain(&api, 1).await.explanations;

    assert_eq!(explained.len(), 1);
    let one = serde_json::to_value(&explained[0]).unwrap();
    assert_eq!((&one["rule"], &one["cause"], &one["re_read_of"]), (&json!("matched"), &json!("matched"), &json!(null)));
    assert_eq!(one["session"]["state"], "matched");
    assert_eq!(
        (&one["before"]["event_id"], &one["after"]),
        (&json!(event(2)), &json!(null)),
        "the entry stands before the exit"
    );
    assert_eq!(
        one["event"],
        json!({
            "event_id": event(1),
            "lot_id": "P3",
            "vehicle_plate": "ABC123",
            "direction": "exit",
            "date_time": "2024-09-24T10:00:00.000Z",
            "gate_id": null,
            "plate_as_read": "ABC123",
            "confidence": null,
            "receipt": null,
            "supersedes": null,
            "superseded_by": null,
            "received_at": "2024-09-24T10:00:00.000Z",
            "recorded_at": "2024-09-24T09:00:00.000Z",
        })
    );
    assert_eq!(one["reads"].as_array().unwrap().len(), 2);
    let states: Vec<&str> = explained[0].changes.iter().map(|change| change.to_state.as_str()).collect();
    assert_eq!(states, ["held_exit", "matched", "void"]);
}

#[tokio::test]
async fn an_unmatched_exit_has_similar_plates_of_its_lot() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let units = [
        vehicles.entry("P3", "ABC12O", minute(0)),
        vehicles.entry("P3", "ABX120", minute(1)),
        vehicles.entry("P4", "ABC12Q", minute(2)),
        vehicles.entry("P3", "XYZ789", minute(3)),
        vehicles.entry("P3", "ABC12D", minute(90)),
        vehicles.entry("P3", "ABC1200", minute(4)),
        vehicles.exit("P3", "ABC1200", minute(5)),
        vehicles.exit("P3", "ABC120", minute(60)),
    ];
    record(&api, units).await;

    let exit = explain(&api, 8).await.explanations.remove(0);
    let entry = explain(&api, 1).await.explanations.remove(0);

    assert_eq!((exit.cause.as_str(), exit.session.unwrap().state.as_str()), ("nothing_before", "held_exit"));
    let near: Vec<_> =
        exit.near_plates.iter().map(|near| (near.session.vehicle_plate.as_str(), near.distance)).collect();
    assert_eq!(near, [("ABC12O", 0.5), ("ABX120", 1.0)]);
    assert_eq!((exit.near_searched, exit.near_is_cut), (3, false));
    let near: Vec<_> =
        entry.near_plates.iter().map(|near| (near.session.vehicle_plate.as_str(), near.distance)).collect();
    assert_eq!((entry.cause.as_str(), near), ("inside", vec![("ABC120", 0.5)]));
}

#[tokio::test]
async fn a_re_read_names_the_event_that_represents_it() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let again = minute(0).plus_millis(5_000);
    record(&api, [vehicles.entry("P3", "ABC123", minute(0)), vehicles.entry("P3", "ABC123", again)]).await;

    let explained = explain(&api, 2).await.explanations.remove(0);
    let story: StoryView = api.get(&format!("/api/v1/sessions/{}/story", explained.session_id)).await.json();

    assert_eq!((explained.re_read_of, explained.cause.as_str()), (Some(event(1)), "inside"));
    assert_eq!(explained.passage.re_reads, [event(2)]);
    assert!(explained.text.contains("is a re-read"), "{}", explained.text);
    assert_eq!(story.reads.iter().map(|read| read.event_id).collect::<Vec<_>>(), [event(1), event(2)]);
}

#[tokio::test]
async fn an_unread_plate_and_a_summary_have_a_story_too() {
    let api = Api::two_days_later().await;
    let mut vehicles = Vehicles::default();
    let events = vehicles.exit("P3", "NOPLATE", minute(0)).events;
    record(&api, [unread_unit(&vehicle("P3", "NOPLATE"), events)]).await;
    let body = r#"{"vehicle_plate":"FIN123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-25T10:00:00Z"}"#;
    let saved: Value = api.post_json("/save_summary", body).await.json();

    let unread = explain(&api, 1).await.explanations.remove(0);
    let of_unread: StoryView = api.get(&format!("/api/v1/sessions/{}/story", unread.session_id)).await.json();
    let id = saved["session"]["session_id"].as_str().unwrap();
    let of_summary: StoryView = api.get(&format!("/api/v1/sessions/{id}/story")).await.json();

    assert_eq!((unread.cause.as_str(), unread.rule.as_str()), ("unread", "unread"));
    assert_eq!((of_unread.reads.len(), of_unread.changes.len(), of_unread.explanation), (1, 1, Some(unread)));
    let of_plate: ExplanationsView = api.get("/api/v1/explanations?vehicle_plate=FIN123").await.json();
    assert_eq!(of_plate, ExplanationsView { explanations: Vec::new(), saved: vec![of_summary.session] });
    assert_eq!((of_summary.reads, of_summary.explanation), (Vec::new(), None));
    assert_eq!(of_summary.changes.iter().map(|change| change.to_state.as_str()).collect::<Vec<_>>(), ["matched"]);
}

/// All plates are similar as text; two of them are unread.
#[tokio::test]
async fn an_unread_plate_is_never_a_similar_plate_in_json_or_on_the_pages() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let unread = |unit: matching::Unit| unread_unit(&unit.vehicle, unit.events);
    let units = [
        unread(vehicles.entry("P3", "NOPLATE", minute(0))),
        unread(vehicles.exit("P3", "NOPLATE", minute(62))),
        vehicles.entry("P3", "N0PLATE", minute(1)),
        vehicles.exit("P3", "NOPLATF", minute(61)),
    ];
    record(&api, units).await;
    let mut near = Vec::new();
    for number in 1..=4 {
        let explained = explain(&api, number).await.explanations.remove(0);
        let plates: Vec<String> = explained.near_plates.into_iter().map(|near| near.session.vehicle_plate).collect();
        near.push((explained.event.vehicle_plate, plates));
    }
    let none = || ("NOPLATE".to_owned(), Vec::new());
    let only = |plate: &str, other: &str| (plate.to_owned(), vec![other.to_owned()]);
    assert_eq!(near, [none(), none(), only("N0PLATE", "NOPLATF"), only("NOPLATF", "N0PLATE")]);

    let page =
        async |path: &str| send(&api.router, request(Method::GET, path, &[("accept", "text/html")], "")).await.text();
    let listed = api.value("/api/v1/sessions?vehicle_plate=NOPLATF").await;
    let stay = page(&format!("/sessions/{}", listed["sessions"][0]["session_id"].as_str().unwrap())).await;
    assert!(
        stay.contains("Similar plates without a counterpart") && stay.contains("N0PLATE") && !stay.contains("NOPLATE"),
        "{stay}"
    );
    let of_unread = api.value("/api/v1/sessions?vehicle_plate=NOPLATE").await;
    for session in of_unread["sessions"].as_array().unwrap() {
        let stay = page(&format!("/sessions/{}", session["session_id"].as_str().unwrap())).await;
        assert!(!stay.contains("Similar plates without") && !stay.contains("N0PLATE"), "{stay}");
    }
    for (query, expected) in [("", vec![]), ("?state=held_exit", vec!["N0PLATE"])] {
        let unmatched = page(&format!("/unmatched{query}")).await;
        let near = unmatched.split("Similar plate, ").skip(1);
        let near: Vec<&str> = near.map(|rest| rest.split("</a>").next().unwrap().rsplit('>').next().unwrap()).collect();
        assert_eq!(near, expected, "{unmatched}");
    }
    let form = [("accept", "text/html"), ("content-type", "application/x-www-form-urlencoded")];
    let unknown = send(&api.router, request(Method::POST, "/search", &form, "plate=NOPLAT3")).await.text();
    let near = unknown.split("<caption>Similar plates, not equal").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(near.contains(">NOPLATF<") && near.contains(">N0PLATE<") && !near.contains(">NOPLATE<"), "{near}");
}

#[tokio::test]
async fn a_plate_has_its_newest_sessions_explained() {
    let api = late_entry().await;
    let mut vehicles = Vehicles::default();
    record(&api, [vehicles.exit("P4", "ABC123", minute(90))]).await;
    let causes = async |query: &str| -> Vec<String> {
        let view: ExplanationsView = api.get(&format!("/api/v1/explanations?{query}")).await.json();
        view.explanations.into_iter().map(|one| one.cause).collect()
    };

    assert_eq!(causes("vehicle_plate=abc-123").await, ["nothing_before", "matched"]);
    assert_eq!(causes("vehicle_plate=abc-123&limit=1").await, ["nothing_before"]);
    assert_eq!(causes("vehicle_plate=abc-123&lot_id=P3").await, ["matched"]);
    assert_eq!(causes("vehicle_plate=XYZ789").await, Vec::<String>::new());
}

#[tokio::test]
async fn an_unknown_id_or_a_missing_plate_is_a_problem() {
    let api = late_entry().await;
    for (path, status, part) in [
        (format!("/api/v1/events/{}/explanation", event(99)), 404, "no recorded event has the id"),
        ("/api/v1/events/SECRET1/explanation".to_owned(), 422, "is not a UUID"),
        (format!("/api/v1/events/{}/trail", event(99)), 404, "no recorded event has the id"),
        ("/api/v1/events/SECRET1/trail".to_owned(), 422, "is not a UUID"),
        (format!("/api/v1/sessions/{}/story", event(99)), 404, "no session has the id"),
        ("/api/v1/explanations".to_owned(), 422, "vehicle_plate is missing"),
        ("/api/v1/explanations?vehicle_plate=SECRETPLATE1234567".to_owned(), 422, "more than 16"),
        ("/api/v1/explanations?vehicle_plate=A1&limit=21".to_owned(), 422, "from 1 to 20"),
        ("/api/v1/explanations?vehicle_plate=A1&lot_id=a/b".to_owned(), 422, "lot_id"),
    ] {
        let answer = api.get(&path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(part) && !answer.text().contains("SECRETPLATE"), "{path}: {}", answer.text());
    }
}
