//! The OpenAPI description, and the page of metrics.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::Api;

const ROUTES: [(&str, &str); 48] = [
    ("GET", "/api/v1/changes"),
    ("GET", "/api/v1/events/{id}/explanation"),
    ("GET", "/api/v1/events/{id}/trail"),
    ("GET", "/api/v1/explanations"),
    ("GET", "/api/v1/gates"),
    ("GET", "/api/v1/live"),
    ("GET", "/api/v1/live/events"),
    ("GET", "/api/v1/lots"),
    ("GET", "/api/v1/rules"),
    ("GET", "/api/v1/sessions"),
    ("GET", "/api/v1/sessions/{id}"),
    ("GET", "/api/v1/sessions/{id}/story"),
    ("GET", "/api/v1/statistics"),
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/tokens"),
    ("POST", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/{id}"),
    ("GET", "/api/v1/users"),
    ("POST", "/api/v1/users"),
    ("DELETE", "/api/v1/users/{name}"),
    ("PUT", "/api/v1/users/{name}/password"),
    ("GET", "/api/v1/webhooks"),
    ("POST", "/api/v1/webhooks"),
    ("DELETE", "/api/v1/webhooks/{id}"),
    ("POST", "/api/v1/webhooks/{id}/pause"),
    ("POST", "/api/v1/webhooks/{id}/resume"),
    ("POST", "/api/v1/webhooks/{id}/replay"),
    ("POST", "/api/v1/webhooks/{id}/rotate"),
    ("POST", "/api/v1/webhooks/{id}/test"),
    ("GET", "/graphql"),
    ("GET", "/graphql/schema.graphql"),
    ("GET", "/internal/v1/terms"),
    ("GET", "/livez"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/problems/{kind}"),
    ("GET", "/readyz"),
    ("POST", "/api/v1/explanations/search"),
    ("POST", "/api/v1/lookup"),
    ("POST", "/api/v1/sessions/search"),
    ("POST", "/graphql"),
    ("POST", "/internal/v1/due"),
    ("POST", "/internal/v1/load"),
    ("POST", "/internal/v1/record"),
    ("POST", "/internal/v1/report"),
    ("GET", "/internal/v1/verify"),
    ("GET", "/internal/v1/tokens"),
    ("POST", "/save_summary"),
];

fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let paths = description["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().clone();
            methods.into_iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}

/// Every `$ref` of a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let (true, Some(target)) = (name == "$ref", member.as_str()) {
                    found.insert(target.to_owned());
                }
                references(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_names_every_route() {
    let api = Api::new().await;
    let description = api.value("/openapi.json").await;

    let described: BTreeSet<(String, String)> =
        operations(&description).into_iter().map(|(method, path, _)| (method, path)).collect();
    let expected = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, expected);
    assert_eq!(description["openapi"], "3.1.0");
    assert!(description["info"]["title"].is_string() && description["info"]["version"].is_string());
    assert_eq!(description["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}

#[tokio::test]
async fn each_described_route_answers() {
    let api = Api::new().await;
    for (method, path, _) in operations(&api.value("/openapi.json").await) {
        let path = path.replace("{id}", "9b810e76-6ec9-4286-a3ca-828dd5f4b3b2").replace("{kind}", "internal");
        let path = path.replace("{name}", "maria");
        let method: axum::http::Method = method.parse().unwrap();
        let request = super::request(method.clone(), &path, &[], "");
        // The body of a feed has no end.
        if path == "/api/v1/live/events" {
            assert_eq!(api.router.clone().oneshot(request).await.unwrap().status(), 200);
            continue;
        }
        let answer = super::send(&api.router, request).await;
        let is_there = answer.status != 405 && (answer.status != 404 || answer.text().contains("has "));
        assert!(is_there, "{method} {path}: {}", answer.status);
    }
}

#[tokio::test]
async fn references_lead_somewhere_and_operations_have_responses_problems_and_names() {
    let api = Api::new().await;
    let description = api.value("/openapi.json").await;
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(
        found.contains("#/components/schemas/Problem") && found.contains("#/components/schemas/Session"),
        "{found:?}"
    );
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{target} leads nowhere");
    }
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&description) {
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            !responses.is_empty() && responses.keys().all(|status| status.parse::<u16>().is_ok()),
            "{method} {path}"
        );
        assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}: name is taken");
        assert!(operation["summary"].is_string(), "{method} {path}");
        let in_path = path.matches('{').count();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        assert_eq!(parameters.iter().filter(|one| one["in"] == "path").count(), in_path, "{method} {path}");
        if path.starts_with("/api/") || path == "/save_summary" {
            let problem = &responses["503"]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{method} {path}");
            let is_json = |done: &Value| done["content"].get("application/json").is_some();
            let is_tagged = method == "GET" && responses.get("200").is_some_and(is_json);
            assert_eq!(responses.contains_key("304"), is_tagged, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_schema_of_a_session_has_every_member_and_every_word() {
    let api = Api::new().await;
    let schema = api.value("/openapi.json").await["components"]["schemas"]["Session"].clone();
    let members: BTreeSet<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let required: BTreeSet<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!((members.len(), &required), (16, &members));
    let words = |member: &str| schema["properties"][member]["enum"].clone();
    assert_eq!(words("state"), json!(["open", "matched", "held_exit", "unmatched_exit", "unmatched_entry", "void"]));
    assert_eq!(words("reason"), json!(["re_entered", "max_stay", "unread", null]));
    assert_eq!(words("source"), json!(["events", "summary"]));
    assert_eq!(schema["properties"]["dwell_seconds"]["type"], json!(["number", "null"]));
}

#[tokio::test]
async fn the_page_of_metrics_has_every_name_at_zero_before_anything_happens() {
    let api = Api::new().await;
    let page = api.get("/metrics").await;
    assert_eq!(page.header(axum::http::header::CONTENT_TYPE), "text/plain; version=0.0.4; charset=utf-8");
    let page = page.text();
    for line in [
        "# TYPE matched_events counter",
        "matched_events 0",
        "# TYPE unmatched_events counter",
        "unmatched_events 0",
        "dwell_recorded_events_total 0",
        "dwell_record_units_total{outcome=\"lost\"} 0",
        "dwell_record_batch_events_count 0",
        "dwell_session_changes_total{rule=\"hold_ended\"} 0",
        "dwell_unmatched_entries_total{reason=\"max_stay\"} 0",
        "dwell_revisions_total 0",
        "dwell_voided_sessions_total 0",
        "dwell_summaries_saved_total 0",
        "dwell_held_exits 0",
        "dwell_overdue_stays 0",
        "dwell_correlators_reporting 0",
        "dwell_inside{lot=\"old-market\"} 0",
        "dwell_lot_matched_total{lot=\"old-market\"} 0",
        "dwell_lot_unmatched_total{lot=\"old-market\"} 0",
        "dwell_lot_doubtful{lot=\"old-market\"} 0",
        "dwell_lot_overstays{lot=\"old-market\"} 0",
        "dwell_limit{limit=\"gates\"} 1000",
        "dwell_lot_capacity{lot=\"old-market\"} 60",
        "dwell_stay_duration_seconds_count{lot=\"grand-hotel\"} 0",
        "dwell_stay_duration_seconds_bucket{lot=\"grand-hotel\",le=\"604800\"} 0",
        "dwell_http_request_duration_seconds_count{method=\"POST\",route=\"/save_summary\",status=\"2xx\"} 0",
        "dwell_live_clients 0",
        "dwell_live_sent_total 0",
        "dwell_live_dropped_total 0",
        "dwell_limit{limit=\"live_clients\"} 256",
        "dwell_limit{limit=\"page_sessions\"} 1000",
        "dwell_limit{limit=\"summary_body_bytes\"} 65536",
    ] {
        assert!(page.lines().any(|have| have == line), "{line} is not on the page:\n{page}");
    }
}

#[tokio::test]
async fn requests_are_measured_by_route_and_never_by_path() {
    let api = Api::new().await;
    for path in
        ["/api/v1/sessions/9b810e76-6ec9-4286-a3ca-828dd5f4b3b2", "/SECRET1", "/api/v1/sessions?vehicle_plate=SECRET1"]
    {
        api.get(path).await;
    }
    let page = api.get("/metrics").await.text();
    let count = |route: &str, status: &str| {
        let series = format!(
            "dwell_http_request_duration_seconds_count{{method=\"GET\",route=\"{route}\",status=\"{status}\"}} 1"
        );
        page.lines().any(|line| line == series)
    };
    assert!(
        count("/api/v1/sessions/{id}", "4xx") && count("other", "4xx") && count("/api/v1/sessions", "2xx"),
        "{page}"
    );
    assert!(!page.contains("SECRET"));
}
