//! The OpenAPI 3.1 description of the API, generated from the routes: `GET /openapi.json`.

use api::problem::{self, Fault, Kind, ProblemView};
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi as Description, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use crate::access::is_for_everyone;
use crate::{correlators, graphql, live, rest};

/// The general part of the description, and the routes of `service_kit`.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Dwell summary API",
        description = "Parking sessions: matched entries and exits of vehicles, with their dwell times. Every error is an \
                       application/problem+json (RFC 9457). A request for a foreign host gets 421, a request of a web \
                       page of another site 403, and a request without a valid Host 400. \
                       Unless access is open, a request needs a token as Authorization: Bearer.",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(description_of_itself, metrics, livez, readyz),
    components(schemas(ProblemView, Fault)),
    tags(
        (name = "sessions", description = "Parking sessions; each is one stay"),
        (name = "changes", description = "Changes to sessions, by polling or as a live feed"),
        (name = "lots", description = "Car parks: occupancy, statistics by hour and day, and the health of gates"),
        (name = "graphql", description = "The queries of the REST API as GraphQL"),
        (name = "access", description = "Tokens of programs and users of the page, for administrators"),
        (name = "webhooks", description = "Receivers of changes to sessions, for administrators"),
        (name = "operation", description = "Status, health, metrics and rules, for operators"),
        (name = "internal", description = "Routes of correlators; they need a token with the scope record, or DWELL_INTERNAL_TOKEN"),
    ),
    modifiers(&BearerToken),
)]
struct Frame;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, openapi: &mut Description) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_with(Components::new).add_security_scheme("token", scheme);
    }
}

/// Returns this description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
#[expect(dead_code, reason = "carries the description of a route that `serve` adds")]
fn description_of_itself() {}

/// Returns the metrics in the Prometheus text format 0.0.4.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "All metrics of this process", body = String, content_type = "text/plain")))]
#[expect(dead_code, reason = "carries the description of a route of service_kit")]
fn metrics() {}

/// Liveness: the process runs.
#[utoipa::path(get, path = "/livez", tag = "operation",
    responses((status = 200, description = "The process runs", body = String, content_type = "text/plain")))]
#[expect(dead_code, reason = "carries the description of a route of service_kit")]
fn livez() {}

/// Readiness: all required dependencies are up.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    params(("verbose" = Option<String>, Query, description = "List the state of each dependency")),
    responses(
        (status = 200, description = "Ready", body = String, content_type = "text/plain"),
        (status = 503, description = "Not ready, or shutting down", body = String, content_type = "text/plain"),
    ))]
#[expect(dead_code, reason = "carries the description of a route of service_kit")]
fn readyz() {}

/// The whole description of the API.
pub fn openapi() -> Description {
    let mut description = OpenApiRouter::with_openapi(Frame::openapi()).merge(rest::routes()).into_openapi();
    description.merge(correlators::routes().into_openapi());
    description.merge(live::routes().into_openapi());
    description.merge(graphql::routes().into_openapi());
    add_problems(&mut description);
    description
}

/// Adds the possible problems to each operation.
fn add_problems(description: &mut Description) {
    for (path, item) in &mut description.paths.paths {
        let is_kit = matches!(path.as_str(), "/metrics" | "/livez" | "/readyz" | "/openapi.json");
        if let Some(operation) = item.get.as_mut().filter(|_| path.starts_with("/api/v1/")) {
            add_not_modified(operation);
        }
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.security = Some(security_of(path));
            if !is_kit {
                let has_body = operation.request_body.is_some();
                kinds_of(path, has_body).for_each(|kind| add_problem(operation, kind));
            }
        }
    }
}

/// Adds 304 to an operation with a JSON response.
fn add_not_modified(operation: &mut Operation) {
    let is_json = |response: &RefOr<Response>| match response {
        RefOr::T(response) => response.content.contains_key("application/json"),
        RefOr::Ref(_) => false,
    };
    if operation.responses.responses.get("200").is_some_and(is_json) {
        let description = "Not modified: If-None-Match contains the ETag of the response";
        let response = ResponseBuilder::new().description(description).build();
        operation.responses.responses.insert("304".to_owned(), response.into());
    }
}

/// A token, where the route needs one. While access is open only `/internal/v1` needs it.
fn security_of(path: &str) -> Vec<SecurityRequirement> {
    let token = SecurityRequirement::new("token", Vec::<String>::new());
    if is_for_everyone(path) {
        Vec::new()
    } else if path.starts_with("/internal/") {
        vec![token]
    } else {
        vec![token, SecurityRequirement::default()]
    }
}

fn kinds_of(path: &str, has_body: bool) -> impl Iterator<Item = Kind> {
    let is_internal = path.starts_with("/internal/");
    let is_list = (path.starts_with("/api/") || path == "/graphql") && !path.contains('{');
    let is_one = path.contains('{');
    let is_live = path.starts_with("/api/v1/live");
    let needs_token = !is_for_everyone(path);
    let is_limited = matches!(path, "/api/v1/sessions" | "/api/v1/sessions/search" | "/api/v1/lookup");
    let answers = move |kind: &Kind| match kind {
        Kind::Malformed => has_body || is_list,
        Kind::Unauthorized | Kind::InvalidToken | Kind::Forbidden => needs_token,
        Kind::NotFound => is_one,
        Kind::TooSlow | Kind::TooLarge | Kind::UnsupportedMediaType | Kind::UnsupportedEncoding => has_body,
        Kind::InvalidContent => has_body || is_list || is_one,
        Kind::Internal | Kind::Unavailable => true,
        Kind::Full => is_live || is_limited || (is_internal && has_body),
        Kind::MethodNotAllowed => false,
    };
    Kind::ALL.iter().copied().filter(answers)
}

fn add_problem(operation: &mut Operation, kind: Kind) {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let status = kind.status().as_u16().to_string();
    let meaning = match operation.responses.responses.get(&status) {
        Some(RefOr::T(other)) => format!("{} Or: {}", other.description, kind.meaning()),
        Some(RefOr::Ref(_)) | None => kind.meaning().to_owned(),
    };
    let response = ResponseBuilder::new().description(meaning).content(problem::MEDIA_TYPE, content).build();
    operation.responses.responses.insert(status, response.into());
}

/// Adds the routes, schemas and tags of another description. Its routes need a token, unless access is open.
fn add_further(description: &mut Value, further: &Value) {
    for pointer in ["/paths", "/components/schemas"] {
        if let (Some(Value::Object(members)), Some(Value::Object(more))) =
            (description.pointer_mut(pointer), further.pointer(pointer))
        {
            members.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    if let (Value::Array(tags), Some(Value::Array(more))) = (&mut description["tags"], further.get("tags")) {
        tags.extend(more.iter().cloned());
    }
    let paths = further.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for method in item.as_object().into_iter().flat_map(serde_json::Map::keys) {
            description["paths"][path][method]["security"] = json!([{"token": []}, {}]);
        }
    }
}

/// Adds the route that serves the description, with that of further routes on the port.
pub(super) fn serve(router: Router, further: &Value) -> Router {
    let mut description = serde_json::to_value(openapi()).expect("a description is always valid JSON");
    add_further(&mut description, further);
    let json = Bytes::from(description.to_string());
    let answer = move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], json.clone()));
    router.route("/openapi.json", get(answer))
}
