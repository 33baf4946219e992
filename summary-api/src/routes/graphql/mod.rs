//! `/graphql`: the same questions as `/api/v1` in one language, read-only.
//!
//! - [`schema`]: what can be asked, and the limits; every answer is made of the views of `/api/v1`.
//! - [`objects`]: the fields that lead from one object to another.
//! - [`loaders`]: what many parts of one request ask for is asked of the ledger once.
//! - [`aliases`]: refuses a request that asks the same thing under too many names.
//! - [`errors`]: what went wrong, with GraphQL's names and a code.
//! - [`explorer`]: a page to write a request on.
//!
//! Here is only HTTP. What is asked often is answered once: see [`answers`](crate::answers).

mod aliases;
mod errors;
mod explorer;
mod loaders;
mod objects;
mod schema;

use async_graphql::Variables;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use parking::wire::without_byte_order_mark;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{self, is_json, media_type, told};
use super::query::Query;
use crate::answers::{Answers, Question};
use crate::problem::{Kind, Problem};
use crate::service::Service;
use schema::Schema;

/// The largest request.
const BODY_BYTES: usize = 64 * 1024;
/// What a client that knows it accepts.
const MEDIA_TYPE: &str = "application/graphql-response+json";

/// What the routes need: the schema, and the answers that are kept.
#[derive(Clone)]
pub(super) struct GraphQl {
    schema: Schema,
    answers: Answers,
}

impl GraphQl {
    /// The schema over a service.
    pub(super) fn new(service: &Service, answers: Answers) -> Self {
        Self { schema: schema::build(service), answers }
    }
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<GraphQl> {
    OpenApiRouter::new()
        .routes(routes!(ask, answer))
        .routes(routes!(language))
        .route("/graphql/explorer.css", axum::routing::get(explorer::style))
        .route("/graphql/explorer.js", axum::routing::get(explorer::script))
}

/// The limits of a request, by name.
pub(crate) fn limits() -> [(&'static str, u64); 5] {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    [
        ("graphql_body_bytes", count(BODY_BYTES)),
        ("graphql_depth_fields", count(schema::DEPTH)),
        ("graphql_complexity_fields", count(schema::COMPLEXITY)),
        ("graphql_aliases", count(aliases::MOST)),
        ("graphql_page_sessions", u64::from(crate::service::MAX_PAGE)),
    ]
}

/// Answers a GraphQL request.
///
/// The body is an object with `query`, and with `variables` and `operationName` where they are needed; one request, no
/// array of them. Answers have the status 200 also when they hold `errors`.
#[utoipa::path(
    post, path = "/graphql", tag = "graphql",
    request_body(content = serde_json::Value, content_type = "application/json", description = "A GraphQL request"),
    responses((status = 200, description = "Its answer", body = serde_json::Value)),
)]
async fn answer(State(graphql): State<GraphQl>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let content_type = media_type(&headers);
    if !is_json(&content_type) {
        let problem = format!("the route takes application/json; {}", told(&content_type));
        return Err(Problem::new(Kind::UnsupportedMediaType, problem));
    }
    let body = body::read(&headers, body, BODY_BYTES).await?;
    // Read as an object first: the members of a request would be taken from an array, too.
    let request = serde_json::from_slice::<serde_json::Map<String, Value>>(without_byte_order_mark(&body));
    let request = request.and_then(|members| serde_json::from_value(Value::Object(members))).map_err(|error| {
        let hint = "a GraphQL request is one JSON object with the member query";
        let place = format!("line {} column {}", error.line(), error.column());
        Problem::new(Kind::Malformed, format!("{hint}; this is not, at {place}"))
    })?;
    Ok(graphql.answer(request, &headers).await)
}

/// Answers the GraphQL request in the address, or shows the page to write one on.
#[utoipa::path(
    get, path = "/graphql", tag = "graphql",
    params(
        ("query" = Option<String>, Query, description = "The request; a browser that sends none gets a page to write one on"),
        ("variables" = Option<String>, Query, description = "A JSON object"),
        ("operationName" = Option<String>, Query, description = "Which operation of several"),
    ),
    responses((status = 200, description = "Its answer, or the page", content(
        (serde_json::Value = "application/json"),
        (String = "text/html"),
    ))),
)]
async fn ask(State(graphql): State<GraphQl>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["query", "variables", "operationName"])?;
    let malformed = |fault| Problem::with_faults(Kind::Malformed, vec![fault]);
    let as_it_is = |text: &str| Ok((!text.trim().is_empty()).then(|| text.to_owned()));
    let text = query.one("query", as_it_is).map_err(malformed)?.flatten();
    let variables = query.one("variables", variables).map_err(malformed)?.flatten();
    let operation = query.one("operationName", as_it_is).map_err(malformed)?.flatten();
    let Some(text) = text else {
        if accepts(&headers, "text/html") {
            return Ok(explorer::page());
        }
        let hint = "send the request in the body of a POST, or as the parameter query; a browser gets a page here";
        return Err(Problem::new(Kind::Malformed, hint));
    };
    let mut request = async_graphql::Request::new(text).variables(variables.unwrap_or_default());
    request.operation_name = operation;
    Ok(graphql.answer(request, &headers).await)
}

/// Variables in an address; none when the field of a form was left empty.
fn variables(text: &str) -> Result<Option<Variables>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let members: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|_| "is not a JSON object".to_owned())?;
    Ok(Some(Variables::from_json(Value::Object(members))))
}

/// What can be asked, in GraphQL's own language.
#[utoipa::path(
    get, path = "/graphql/schema.graphql", tag = "graphql",
    responses((status = 200, description = "The schema", body = String, content_type = "text/plain")),
)]
async fn language(State(graphql): State<GraphQl>) -> String {
    graphql.schema.sdl()
}

impl GraphQl {
    /// The answer to a request, a kept one where there is one.
    async fn answer(&self, request: async_graphql::Request, headers: &HeaderMap) -> Response {
        let written = serde_json::to_vec(&(&request.query, &request.operation_name, &request.variables));
        let question = Question::new(written.expect("what was read from JSON is always JSON"));
        let body = self.answers.answer(question, schema::execute(&self.schema, request)).await;
        let media_type = if accepts(headers, MEDIA_TYPE) { MEDIA_TYPE } else { "application/json" };
        ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], body).into_response()
    }
}

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().unwrap_or_default().trim() == media_type)
}
