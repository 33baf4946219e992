//! The OpenAPI 3.1 description of the gateway's routes: `GET /openapi.json`, and a part of that of `dwell`.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::Value;

/// The description of the routes of [`routes`](crate::routes).
pub fn description() -> Value {
    let mut description: Value =
        serde_json::from_str(include_str!("openapi.json")).expect("a test reads the file that is compiled in");
    description["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    description
}

/// The route that returns the description, for a gateway that is alone on its port.
pub fn description_route() -> Router {
    let json = description().to_string();
    let answer = move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], json.clone()));
    Router::new().route("/openapi.json", get(answer))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use camera_formats::Format;

    use super::*;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn references_lead_somewhere_and_every_schema_is_used() {
        let description = description();
        let mut found = BTreeSet::new();
        references(&description, &mut found);
        let schemas = description["components"]["schemas"].as_object().unwrap();
        let all = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
        assert_eq!(found, all);
    }

    #[test]
    fn every_format_is_described() {
        let parameter =
            description().pointer("/paths/~1cameras~1{format}~1{gate_id}/post/parameters/0").unwrap().clone();
        let formats: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        assert_eq!(parameter["schema"]["enum"], serde_json::json!(formats));
    }
}
