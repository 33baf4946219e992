//! GraphQL: the values of `/api/v1`, limits, and few reads of the ledger.

mod answers;
mod attacks;
mod fields;

use std::sync::Arc;

use access::Principal;
use axum::http::{Method, header};
use ledger_stores::testing::temporary;
use parking::{Lots, Rules};
use recorder::{CorrelatorStatus, DependencyReport};
use serde_json::{Map, Value, json};
use service_kit::ServiceContext;
use sessions::testing::{CountingLedger, Vehicles, idle_correlator, minute};
use sessions::{CallOptions, Service};

use super::{Answer, Api, request, send};
use web_api::Authenticator;

const SESSION: &str = "sessionId lotId vehiclePlate entryEventId entryDateTime exitEventId exitDateTime dwellSeconds state \
                       reason source entryGateId exitGateId supersededBy recordedAt updatedAt";

const GATE: &str = "lotId gateId lastEventDateTime lastReceivedAt readsLastHour lateLastHour lateShareLastHour \
                    reReadsLastHour meanConfidenceLastHour clockDifferenceSeconds reads late";

/// Revised, matched, open and void sessions of several vehicles in two lots.
async fn parked() -> Api {
    let api = Api::new().await;
    record(&api.fixture.service).await;
    api
}

async fn record(service: &Service) {
    let mut vehicles = Vehicles::default();
    for number in 0..6 {
        let (lot, plate) = (["P3", "P4"][usize::try_from(number).unwrap() % 2], format!("CAR{number}"));
        for unit in [
            vehicles.exit(lot, &plate, minute(number + 30)),
            vehicles.entry(lot, &plate, minute(number)),
            vehicles.entry(lot, &plate, minute(number + 60)),
        ] {
            service.scoped(Principal::correlator()).record(vec![unit], CallOptions::default()).await.unwrap();
        }
    }
}

async fn post(api: &Api, query: &str, variables: Value) -> Answer {
    api.post_json("/graphql", json!({"query": query, "variables": variables}).to_string()).await
}

async fn data(api: &Api, query: &str, variables: Value) -> Value {
    let answer: Value = post(api, query, variables).await.json();
    assert_eq!(answer.get("errors"), None, "{query}");
    answer["data"].clone()
}

async fn refused(api: &Api, query: &str, variables: Value) -> Value {
    let answer = post(api, query, variables).await;
    let value: Value = answer.json();
    assert_eq!((answer.status, value["data"].is_null()), (200, true), "{query}: {value}");
    value["errors"][0].clone()
}

/// The selection of all fields that a GraphQL object has to have.
fn selection(value: &Value) -> String {
    let of_member = |(name, value): (&String, &Value)| match value {
        Value::Object(_) => format!("{name} {{ {} }}", selection(value)),
        Value::Array(items) => match items.first() {
            Some(item @ Value::Object(_)) => format!("{name} {{ {} }}", selection(item)),
            Some(_) | None => name.clone(),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => name.clone(),
    };
    value.as_object().unwrap().iter().map(of_member).collect::<Vec<_>>().join(" ")
}

/// Converts the names in the JSON of `/api/v1` to those of GraphQL.
fn in_camel_case(value: &Value) -> Value {
    let name = |name: &str| {
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    };
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (name(key), in_camel_case(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(in_camel_case).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[tokio::test]
async fn sessions_are_those_of_the_list_page_by_page() {
    let api = parked().await;
    let states = json!(["matched", "void", "open"]);
    let query = format!(
        "query ($states: [String!], $first: Int, $after: String) {{
            sessions(lotId: \"P3\", states: $states, order: \"oldest\", first: $first, after: $after) {{
                edges {{ cursor }} nodes {{ {SESSION} }} pageInfo {{ hasNextPage endCursor }}
            }}
        }}"
    );
    let list = api.value("/api/v1/sessions?lot_id=P3&state=matched,void,open&order=oldest&limit=1000").await;
    let expected = in_camel_case(&list["sessions"]);
    assert_eq!(expected.as_array().unwrap().len(), 9);

    for first in [1, 4, 9, 500] {
        let (mut nodes, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = data(&api, &query, json!({"states": states, "first": first, "after": after})).await;
            let page = &page["sessions"];
            nodes.extend(page["nodes"].as_array().unwrap().clone());
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(Value::from(nodes), expected, "in pages of {first}");
    }
}

#[tokio::test]
async fn lots_changes_and_status_are_those_of_their_routes() {
    let api = parked().await;
    let redis = DependencyReport { name: "redis".to_owned(), is_optional: true, away: Some("refused".to_owned()) };
    api.fixture.local().report(CorrelatorStatus { dependencies: vec![redis], ..idle_correlator(1) }).unwrap();
    let lots = in_camel_case(&api.value("/api/v1/lots").await["lots"]);
    let changes = in_camel_case(&api.value("/api/v1/changes?after=3&limit=5").await);
    let status = in_camel_case(&api.value("/api/v1/status").await);
    let query = format!(
        "{{ lots {{ {} }} changes(after: 3, first: 5) {{ {} }} status {{ {} }} }}",
        selection(&lots[0]),
        selection(&changes),
        selection(&status)
    );

    let answered = data(&api, &query, json!({})).await;

    assert_eq!(answered, json!({"lots": lots, "changes": changes, "status": status}));
}

#[tokio::test]
async fn a_session_links_to_its_lot_and_to_the_session_that_superseded_it() {
    let api = parked().await;
    let void = api.value("/api/v1/sessions?state=void&limit=1").await["sessions"][0].clone();
    let query = format!(
        "query ($id: UUID!) {{ session(id: $id) {{ {SESSION} lot {{ id }} supersedingSession {{ {SESSION} }} }} }}"
    );

    let session = data(&api, &query, json!({"id": void["session_id"]})).await["session"].clone();

    let successor = api.value(&format!("/api/v1/sessions/{}", void["superseded_by"].as_str().unwrap())).await;
    assert_eq!(session["state"], "void");
    assert_eq!(session["lot"], json!({"id": void["lot_id"]}));
    assert_eq!(session["supersedingSession"], in_camel_case(&successor));
    let unknown = data(&api, &query, json!({"id": "0191c2f4-3cfa-8d2e-ab23-969652be6075"})).await;
    assert_eq!(unknown, json!({"session": null}));
}

#[tokio::test]
async fn a_request_that_asks_too_much_is_refused() {
    let api = parked().await;
    let deep = (0..10).fold("sessionId".to_owned(), |inner, _| format!("supersedingSession {{ {inner} }}"));
    let deep = format!(
        "{{ sessions {{ nodes {{ {} }} }} }}",
        (0..10).fold(deep, |inner, _| format!("supersedingSession {{ {inner} }}"))
    );
    let aliases = (0..31).map(|number| format!("a{number}: status {{ settled }}")).collect::<Vec<_>>().join(" ");
    let many = format!("{{ sessions(first: 1000) {{ nodes {{ {SESSION} supersedingSession {{ {SESSION} }} }} }} }}");
    let thrice = |field: &str| ["a", "b", "c"].map(|alias| format!("{alias}: {field}")).join(" ");
    // With full pages of a thousand elements each selection exceeds the limit; otherwise all three are far below it.
    let gates = format!("{{ {} }}", thrice(&format!("gates {{ {GATE} }}")));
    let lots = format!(
        "{{ {} }}",
        thrice(
            "lots { id inside doubtful overstays entriesThisHour exitsThisHour entriesHourBefore exitsHourBefore matchedLastDay unmatchedLastDay }"
        )
    );
    for (query, part, code) in [
        (deep, "more than 16 nested fields", "invalid-content"),
        (format!("{{ {aliases} }}"), "31 aliases; the maximum is 30", "invalid-content"),
        (many, "more than 30000 fields", "invalid-content"),
        (gates, "more than 30000 fields", "invalid-content"),
        (lots, "more than 30000 fields", "invalid-content"),
        (
            "{ sessions(first: 1001) { nodes { state } } }".to_owned(),
            "first \"1001\" is not a whole number",
            "invalid-content",
        ),
        ("{ sessions(first: 0) { nodes { state } } }".to_owned(), "from 1 to 1000", "invalid-content"),
        (
            "{ sessions(states: [\"closed\"]) { nodes { state } } }".to_owned(),
            "states \"closed\" is not a state",
            "invalid-content",
        ),
        ("{ sessions(after: \"xyz\") { nodes { state } } }".to_owned(), "is not an endCursor", "invalid-content"),
        ("{ changes(after: 999) { nextAfter } }".to_owned(), "beyond the newest change", "invalid-content"),
        ("mutation { save }".to_owned(), "not configured for mutations", "malformed"),
        ("{ sessions { nodes ".to_owned(), "expected", "malformed"),
    ] {
        let error = refused(&api, &query, json!({})).await;
        let said = error["message"].as_str().unwrap();
        assert!(said.contains(part), "{query}: {said}");
        assert_eq!(error["extensions"]["code"], code, "{query}: {said}");
    }
    let page = api.get("/metrics").await.text();
    for line in [
        "{limit=\"graphql_depth_fields\"} 16",
        "{limit=\"graphql_complexity_fields\"} 30000",
        "{limit=\"graphql_aliases\"} 30",
        "{limit=\"graphql_nesting_brackets\"} 64",
        "{limit=\"graphql_nodes\"} 5000",
        "{limit=\"graphql_query_fields\"} 50",
        "{limit=\"graphql_schema_fields\"} 1000000",
        "{limit=\"graphql_threads\"} 4",
        "{limit=\"graphql_waiting_requests\"} 256",
    ] {
        assert!(page.contains(line), "{line}");
    }
}

#[tokio::test]
async fn values_that_many_sessions_need_are_read_from_the_ledger_together() {
    let fixture = sessions::testing::Fixture::new(temporary().await);
    record(&fixture.service).await;
    let ledger = Arc::new(CountingLedger::of(Arc::clone(&fixture.ledger)));
    let context = ServiceContext::for_testing();
    let service = Service::new(Arc::clone(&ledger) as _, Rules::default(), Lots::default(), &context);
    let router = web_api::router(&service, &Authenticator::local(), &context);
    let query = "{ sessions(states: [\"void\", \"matched\"], first: 100) { nodes { lot { inside } supersedingSession { state lot { id } } } } }";
    let body = json!({"query": query}).to_string();

    let answer = send(&router, request(Method::POST, "/graphql", &[("content-type", "application/json")], body)).await;

    let value: Value = answer.json();
    assert_eq!(value["data"]["sessions"]["nodes"].as_array().unwrap().len(), 12, "{value}");
    // Reads: the page, the lots of its sessions, and the superseding sessions, whose lots are already loaded. A loader
    // waits for a moment, so on a busy machine it may read in two parts.
    let calls = ledger.calls();
    let count = |name: &str| calls.iter().filter(|call| **call == name).count();
    let [pages, lots, superseding, single] = ["sessions", "lots", "sessions_by_id", "session"].map(count);
    assert_eq!((pages, single), (1, 0), "{calls:?}");
    assert!((1..=2).contains(&lots) && (1..=2).contains(&superseding), "{calls:?}");
}

#[tokio::test]
async fn the_standard_introspection_query_is_within_the_limits() {
    let api = Api::new().await;
    let of_type = (0..7).fold("kind name".to_owned(), |inner, _| format!("kind name ofType {{ {inner} }}"));
    let query = format!(
        "{{ __schema {{ queryType {{ name }} types {{ kind name description fields(includeDeprecated: true) {{
            name args {{ name type {{ {of_type} }} defaultValue }} type {{ {of_type} }} }}
            inputFields {{ name }} enumValues {{ name }} possibleTypes {{ {of_type} }} }} directives {{ name locations args {{ name }} }} }} }}"
    );
    let answered = data(&api, &query, json!({})).await;
    assert_eq!(answered["__schema"]["queryType"]["name"], "Query");
    let language = api.get("/graphql/schema.graphql").await.text();
    for part in ["type Session {", "type Lot {", "type Story {", "type Statistics {", "sessions(", "supersedingSession"]
    {
        assert!(language.contains(part), "{part} is not in\n{language}");
    }
}

#[tokio::test]
async fn get_works_too_and_invalid_requests_are_refused() {
    let api = parked().await;
    let asked = api
        .value(
            "/graphql?query=query(%24n:Int)%7Bsessions(first:%24n)%7Bnodes%7Bstate%7D%7D%7D&variables=%7B%22n%22:1%7D",
        )
        .await;
    assert_eq!(asked["data"]["sessions"]["nodes"].as_array().unwrap().len(), 1, "{asked}");

    let post = async |content_type: &str, body: String| {
        let headers = [("content-type", content_type), ("accept", "application/graphql-response+json")];
        send(&api.router, request(Method::POST, "/graphql", &headers, body)).await
    };
    let fine = post("application/json", json!({"query": "{ status { settled } }"}).to_string()).await;
    assert_eq!((fine.status, fine.header(header::CONTENT_TYPE)), (200, "application/graphql-response+json"));
    assert_eq!(post("text/plain", "{}".to_owned()).await.status, 415);
    assert_eq!(post("application/json", "[]".to_owned()).await.status, 400);
    assert_eq!(post("application/json", " ".repeat(70_000)).await.status, 413);
    assert_eq!(api.get("/graphql").await.status, 400);
    for (query, part) in [
        ("query=x&variables=%7B", "variables is not a JSON object"),
        ("query=x&variables=%5B1%5D", "variables is not a JSON object"),
        ("query=x&query=y", "query is repeated"),
        ("query=x&operationName=A&operationName=B", "operationName is repeated"),
        ("query=x&variables=%7B%7D&variables=%7B%7D", "variables is repeated"),
    ] {
        let answer = api.get(&format!("/graphql?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(part), "{query}: {}", answer.text());
    }
    assert_eq!(post("application/json", json!({"query": "x", "variables": [1]}).to_string()).await.status, 400);
}

#[tokio::test]
async fn lots_have_pages_ordered_by_name() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    api.fixture.record(vec![vehicles.entry("P3", "CAR1", minute(0))]).await;
    let page = async |arguments: &str| {
        let answered = data(&api, &format!("{{ lots{arguments} {{ id }} }}"), json!({})).await;
        let lots = answered["lots"].as_array().unwrap().iter();
        lots.map(|lot| lot["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["P3", "central-mall", "grand-hotel", "old-market"];
    assert_eq!(page("").await, all);
    assert_eq!(page("(first: 2)").await, all[..2]);
    assert_eq!(page("(after: \"central-mall\")").await, all[2..]);
    let wrong = refused(&api, "{ lots(first: 0, after: \"a b\") { id } }", json!({})).await;
    let said = wrong["message"].as_str().unwrap();
    assert!(said.contains("first \"0\"") && said.contains("after \"a b\""), "{said}");
}

#[tokio::test]
async fn the_editor_page_loads_nothing_from_other_servers() {
    let api = Api::new().await;
    let page = send(&api.router, request(Method::GET, "/graphql", &[("accept", "text/html,*/*;q=0.8")], "")).await;
    assert_eq!((page.status, page.header(header::CONTENT_TYPE)), (200, "text/html; charset=utf-8"));
    let (text, policy) = (page.text(), page.header(header::CONTENT_SECURITY_POLICY));
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; ") && !policy.contains("unsafe")
    );
    assert!(
        !text.contains("://") && !text.contains("<style") && !text.contains(" style=") && !text.contains("<script>")
    );
    for file in ["/graphql/explorer.css", "/graphql/explorer.js"] {
        assert!(text.contains(file));
        let answer = api.get(file).await;
        assert!(answer.status == 200 && !answer.text().contains("://"), "{file}");
    }
    // The limits that the page states.
    for part in
        ["16 levels", "30\n        aliases", "50 fields of Query", "5,000 parts", "30,000 fields", "1,000 elements"]
    {
        assert!(text.contains(part), "{part}");
    }
}
