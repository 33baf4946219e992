//! Links of sessions, explanations, statistics and gates: the values and the errors of their routes.

use parking::GateId;
use serde_json::{Value, json};
use sessions::testing::{Vehicles, minute};
use uuid::Uuid;

use super::super::Api;
use super::{SESSION, data, in_camel_case, post, refused, selection};

const EVENT: &str = "eventId lotId vehiclePlate direction dateTime gateId plateAsRead confidence \
                     receipt { door format receivedAt } supersedes supersededBy receivedAt recordedAt";
const CHANGE: &str = "sequence sessionId vehicleVersion fromState toState rule recordedAt";
const PASSAGE: &str = "direction eventId dateTime reReads";

fn explanation() -> String {
    format!(
        "event {{ {EVENT} }} text rule cause sessionId session {{ {SESSION} }} reReadOf passage {{ {PASSAGE} }}
         before {{ {PASSAGE} }} after {{ {PASSAGE} }} reads {{ {EVENT} }} changes {{ {CHANGE} }}
         nearPlates {{ distance session {{ {SESSION} }} }} nearSearched nearIsCut"
    )
}

fn story() -> String {
    format!(
        "session {{ {SESSION} }} reads {{ {EVENT} }} changes {{ {CHANGE} }} supersededBy {{ {SESSION} }}
         supersedes {{ {SESSION} }} explanation {{ {} }}",
        explanation()
    )
}

/// A stay whose exit arrived first, a re-read, events with gates, an exit with a similar plate, and a saved summary.
async fn stays() -> Api {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let units = [
        vehicles.exit("central-mall", "ABC123", minute(60)),
        vehicles.entry("central-mall", "ABC123", minute(0)),
        vehicles.entry("central-mall", "ABC123", minute(0).plus_millis(4_000)),
        vehicles.entry("central-mall", "XYZ78O", minute(10)),
        vehicles.exit("central-mall", "XYZ780", minute(70)),
    ];
    for (unit, confidence) in units.into_iter().zip([0.9_f32, 0.1, 1.0, 0.33, 0.875]) {
        let mut unit = unit;
        for event in &mut unit.events {
            event.gate = GateId::parse("gate-1").ok();
            event.confidence = Some(confidence);
        }
        api.fixture.record(vec![unit]).await;
    }
    let body = json!({"vehicle_plate": "FIN123", "entry_date_time": minute(0).to_string(), "exit_date_time": minute(5).to_string()});
    assert_eq!(api.post_json("/save_summary", body.to_string()).await.status, 200);
    api
}

#[tokio::test]
async fn a_session_has_the_story_of_its_route() {
    let api = stays().await;
    let listed = api.value("/api/v1/sessions?state=matched,void,held_exit,open").await["sessions"].clone();
    let query = format!("query ($id: UUID!) {{ session(id: $id) {{ story {{ {} }} }} }}", story());
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["session_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 5);

    for id in ids {
        let expected = in_camel_case(&api.value(&format!("/api/v1/sessions/{id}/story")).await);
        let answered = data(&api, &query, json!({"id": id})).await;
        assert_eq!(answered["session"]["story"], expected);
    }
}

#[tokio::test]
async fn explanations_are_those_of_their_routes() {
    let api = stays().await;
    let of_event = format!("query ($id: UUID!) {{ eventExplanations(id: $id) {{ {} }} }}", explanation());
    let of_plate = format!(
        "query ($plate: String!, $lot: String) {{ explanations(vehiclePlate: $plate, lotId: $lot, first: 2) {{ {} }} }}",
        explanation()
    );

    let mut near = 0;
    for number in 1..=5 {
        let id = Uuid::from_u128(number);
        let expected = in_camel_case(&api.value(&format!("/api/v1/events/{id}/explanation")).await["explanations"]);
        let answered = data(&api, &of_event, json!({"id": id})).await["eventExplanations"].clone();
        near += answered[0]["nearPlates"].as_array().unwrap().len();
        assert_eq!(answered, expected);
    }
    assert_eq!(near, 2, "each of the two that are nearly the same names the other");
    for (lot, parameter) in
        [(Value::Null, ""), (json!("central-mall"), "&lot_id=central-mall"), (json!("P9"), "&lot_id=P9")]
    {
        let route = format!("/api/v1/explanations?vehicle_plate=abc-123&limit=2{parameter}");
        let expected = in_camel_case(&api.value(&route).await["explanations"]);
        let answered = data(&api, &of_plate, json!({"plate": "abc-123", "lot": lot})).await;
        assert_eq!(answered["explanations"], expected);
    }
    let unknown = data(&api, &of_event, json!({"id": Uuid::from_u128(99)})).await;
    assert_eq!(unknown, json!({"eventExplanations": []}));
}

#[tokio::test]
async fn trails_are_those_of_their_route() {
    let api = stays().await;
    let trails = format!(
        "query ($id: UUID!) {{ eventTrails(id: $id) {{ event {{ {EVENT} }} stages {{ stage at text change {{ {CHANGE} }} }} }} }}"
    );
    for number in 1..=5 {
        let id = Uuid::from_u128(number);
        let expected = in_camel_case(&api.value(&format!("/api/v1/events/{id}/trail")).await["trails"]);
        assert_eq!(data(&api, &trails, json!({"id": id})).await["eventTrails"], expected);
    }
    let unknown = data(&api, &trails, json!({"id": Uuid::from_u128(99)})).await;
    assert_eq!(unknown, json!({"eventTrails": []}));
}

#[tokio::test]
async fn statistics_and_gates_are_those_of_their_routes() {
    let api = stays().await;
    for (arguments, parameters) in [
        ("", ""),
        (
            ", from: \"2024-09-24T08:20:00Z\", to: \"2024-09-24T13:00:00+02:00\", bucket: \"hour\"",
            "&from=2024-09-24T08:20:00Z&to=2024-09-24T13:00:00%2B02:00&bucket=hour",
        ),
        (", bucket: \"day\"", "&bucket=day"),
        (", period: \"today\"", "&period=today"),
        (", fromDate: \"2024-09-23\", toDate: \"2024-09-24\"", "&from_date=2024-09-23&to_date=2024-09-24"),
    ] {
        let route = format!("/api/v1/statistics?lot_id=central-mall{parameters}");
        let expected = in_camel_case(&api.value(&route).await);
        // The days before are unknown here, and null shows no members to select.
        let selected = selection(&expected).replace(" before ", " before { from } ");
        let query = format!("{{ statistics(lotId: \"central-mall\"{arguments}) {{ {selected} }} }}");
        assert_eq!(data(&api, &query, json!({})).await["statistics"], expected);
    }
    let expected = in_camel_case(&api.value("/api/v1/gates").await["gates"]);
    let query = format!("{{ gates {{ {} }} }}", selection(&expected[0]));
    assert_eq!(data(&api, &query, json!({})).await["gates"], expected);
}

#[tokio::test]
async fn graphql_refuses_what_a_route_refuses_with_the_same_text_and_its_own_names() {
    let api = stays().await;
    for (query, route) in [
        ("statistics(lotId: \"a b\") { lotId }", "statistics?lot_id=a%20b"),
        ("statistics(lotId: \"P9\") { lotId }", "statistics?lot_id=P9"),
        (
            "statistics(lotId: \"P3\", bucket: \"week\", from: \"today\") { lotId }",
            "statistics?lot_id=P3&bucket=week&from=today",
        ),
        ("explanations(vehiclePlate: \"?\", lotId: \"a/b\") { text }", "explanations?vehicle_plate=%3F&lot_id=a/b"),
        ("explanations(vehiclePlate: \"A1\", first: 21) { text }", "explanations?vehicle_plate=A1&limit=21"),
    ] {
        let expected = api.value(&format!("/api/v1/{route}")).await["detail"].as_str().unwrap().to_owned();
        let names = [("lot_id ", "lotId "), ("vehicle_plate ", "vehiclePlate "), ("limit ", "first ")];
        let expected = names.iter().fold(expected, |text, (theirs, ours)| text.replace(theirs, ours));
        let error = refused(&api, &format!("{{ {query} }}"), json!({})).await;
        assert_eq!(error["message"], expected, "{query}");
    }
}

#[tokio::test]
async fn a_list_in_a_list_is_too_much_and_all_that_a_page_has_itself_is_not() {
    let api = stays().await;
    let page = "hasNextPage hasPreviousPage startCursor endCursor";
    let lot = "id kind capacity inside time doubtful";
    let whole = [
        format!("sessions(first: 1000) {{ nodes {{ {SESSION} }} edges {{ cursor }} pageInfo {{ {page} }} }}"),
        format!("sessions(first: 1000) {{ edges {{ cursor node {{ {SESSION} }} }} pageInfo {{ {page} }} }}"),
        format!("sessions(first: 1000) {{ nodes {{ {SESSION} lot {{ {lot} }} }} }}"),
        format!("changes(first: 1000) {{ changes {{ {CHANGE} session {{ {SESSION} }} }} nextAfter }}"),
        format!("sessions(first: 5) {{ nodes {{ story {{ {} }} }} }}", story()),
        "sessions(first: 25) { nodes { story { changes { toState rule } } } }".to_owned(),
        format!("explanations(vehiclePlate: \"ABC123\", first: 20) {{ {} }}", explanation()),
    ];
    let nested = [
        "sessions { nodes { story { changes { toState } } } }".to_owned(),
        "sessions(first: 30) { nodes { story { session { state } } } }".to_owned(),
        format!("sessions(first: 1000) {{ nodes {{ supersedingSession {{ {SESSION} }} {SESSION} }} }}"),
        "session(id: \"0191c2f4-3cfa-8d2e-ab23-969652be6075\") { story { supersedes { story { supersedes { story { reads { eventId } } } } } } }".to_owned(),
        format!("changes(first: 1000) {{ changes {{ {CHANGE} session {{ {SESSION} lot {{ {lot} }} }} }} }}"),
    ];
    for fits in whole {
        let answer: Value = post(&api, &format!("{{ {fits} }}"), json!({})).await.json();
        assert_eq!(answer.get("errors"), None, "{fits}");
    }
    for too_much in nested {
        let said = refused(&api, &format!("{{ {too_much} }}"), json!({})).await["message"].to_string();
        assert!(said.contains("more than 30000 fields"), "{too_much}: {said}");
    }
}
