//! The query cache as a client of GraphQL sees it.

use serde_json::{Value, json};
use sessions::testing::{Vehicles, minute};

use super::super::Api;
use super::{data, post, refused};

fn counted(api: &Api) -> [i64; 4] {
    ["hit", "miss", "passed", "error"]
        .map(|result| api.fixture.metric(&format!("dwell_answer_cache_requests_total{{result=\"{result}\"}}")).unwrap())
}

#[tokio::test]
async fn a_byte_order_mark_before_a_request_is_ignored() {
    let api = Api::new().await;

    let answer = api.post_json("/graphql", format!("\u{feff}{}", json!({"query": "{ __typename }"}))).await;

    assert_eq!((answer.status, answer.json::<Value>()), (200, json!({"data": {"__typename": "Query"}})));
}

#[tokio::test]
async fn a_client_that_saved_a_summary_or_recorded_an_event_sees_it_at_once() {
    let api = Api::two_days_later().await;
    let mut vehicles = Vehicles::default();
    for number in 1..=20 {
        let body = json!({
            "vehicle_plate": format!("FIN{number}"),
            "entry_date_time": minute(number).to_string(),
            "exit_date_time": minute(number + 90).to_string(),
        });
        let read = vehicles.entry("P3", "ABC123", minute(0).plus_millis(number * 1_000));
        let id = read.events[0].key.id;
        let query = format!(
            "{{ sessions {{ nodes {{ vehiclePlate }} }} eventExplanations(id: \"{id}\") {{ event {{ eventId }} }} }}"
        );
        let ask = async || {
            let answered = data(&api, &query, json!({})).await;
            let count = |value: &Value| i64::try_from(value.as_array().unwrap().len()).unwrap();
            (count(&answered["sessions"]["nodes"]), count(&answered["eventExplanations"]))
        };
        let of_reads = i64::from(number > 1);

        assert_eq!([ask().await, ask().await], [(number - 1 + of_reads, 0); 2]);
        assert_eq!(api.post_json("/save_summary", body.to_string()).await.status, 200);
        assert_eq!(ask().await, (number + of_reads, 0));
        api.fixture.record(vec![read]).await;
        assert_eq!(ask().await, (number + 1, 1));
    }
}

#[tokio::test]
async fn an_equal_request_is_answered_from_the_cache_and_another_one_is_not() {
    let api = super::parked().await;
    let query = "query A($n: Int) { sessions(first: $n) { nodes { state } } } query B { lots { id } }";
    let ask = async |operation: &str, first: u32| {
        let body = json!({"query": query, "operationName": operation, "variables": {"n": first}});
        let answer: Value = api.post_json("/graphql", body.to_string()).await.json();
        answer["data"].clone()
    };
    let count = |value: &Value| value["sessions"]["nodes"].as_array().unwrap().len();

    assert_eq!(count(&ask("A", 1).await), 1);
    assert_eq!(count(&ask("A", 2).await), 2);
    assert_eq!(ask("B", 2).await["lots"].as_array().unwrap().len(), 5);
    let before = counted(&api);
    let mut hits = 0;
    // On a busy machine a second may pass in between.
    for _ in 0..20 {
        assert_eq!(count(&ask("A", 2).await), 2);
        hits = counted(&api)[0] - before[0];
        if hits > 0 {
            break;
        }
    }
    assert_eq!((before[0], hits), (0, 1));
}

#[tokio::test]
async fn the_status_and_the_gates_are_never_cached() {
    let api = Api::new().await;
    let now = async |query: &str| data(&api, query, json!({})).await["status"]["now"].clone();
    let query = "{ status { now } lots { id } }";

    let first = now(query).await;
    api.fixture.clock.advance_millis(5);
    let second = now(query).await;
    data(&api, "{ gates { gateId } }", json!({})).await;
    data(&api, "{ gates { gateId } }", json!({})).await;

    assert_eq!([first, second], [json!("2024-09-24T09:00:00.000Z"), json!("2024-09-24T09:00:00.005Z")]);
    assert_eq!(counted(&api), [0, 0, 4, 0]);
}

#[tokio::test]
async fn errors_are_never_kept() {
    let api = Api::new().await;
    for query in ["{ sessions(first: 0) { nodes { state } } }", "{ lots { id } sessions", "{ nothing }"] {
        let first = refused(&api, query, json!({})).await;
        assert_eq!(refused(&api, query, json!({})).await, first);
    }
    // A response with data and errors.
    let half = "{ lots { id } changes(after: 9) { nextAfter } }";
    for _ in 0..2 {
        let answer: Value = post(&api, half, json!({})).await.json();
        assert!(answer["errors"].is_array());
    }
    assert_eq!(counted(&api), [0, 0, 8, 0]);
}
