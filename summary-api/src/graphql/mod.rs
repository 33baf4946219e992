//! `/graphql`: the same questions as `/api/v1` in one language, read-only.
//!
//! - [`schema`]: what can be asked, and the limits; every answer is made of the views of `/api/v1`, with
//!   the fields that [`api::graphql`] adds to them.
//! - [`scan`], [`size`]: what a request may be, before it is parsed and before it is validated.
//! - [`workers`]: the threads that execute requests.
//! - [`request`]: the members of a request, from a body or an address.
//! - [`errors`]: what is wrong with a request as a whole.
//! - [`explorer`]: a page to write a request on.
//!
//! - [`cache`]: what many ask at once is answered once.

pub(crate) mod cache;
mod errors;
mod explorer;
mod limits;
mod request;
mod scan;
mod schema;
mod size;
mod workers;

use api::{Kind, Problem};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use parking::wire::without_byte_order_mark;
use service_kit::ServiceContext;
use sessions::Service;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::{self, is_json, media_type, told};
use cache::{CacheKey, Computed, QueryCache};
use schema::Schema;
use workers::Workers;

/// The largest request.
const BODY_BYTES: usize = 64 * 1024;
/// What a client that knows it accepts.
pub(crate) const MEDIA_TYPE: &str = "application/graphql-response+json";

/// What the routes need: the schema, the answers that are kept, and the threads that make new ones.
#[derive(Clone)]
pub(super) struct GraphQl {
    schema: Schema,
    answers: QueryCache,
    workers: Workers,
}

impl GraphQl {
    /// The schema over a service.
    pub(super) fn new(service: &Service, answers: QueryCache, context: &ServiceContext) -> Self {
        Self { schema: schema::build(service), answers, workers: Workers::start(&context.lifecycle) }
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
pub(crate) fn limits() -> [(&'static str, u64); 11] {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    [
        ("graphql_body_bytes", count(BODY_BYTES)),
        ("graphql_depth_fields", count(limits::DEPTH)),
        ("graphql_complexity_fields", count(limits::COMPLEXITY)),
        ("graphql_nesting_brackets", count(scan::NESTING)),
        ("graphql_nodes", count(size::NODES)),
        ("graphql_aliases", count(size::ALIASES)),
        ("graphql_query_fields", count(size::QUESTIONS)),
        ("graphql_schema_fields", count(size::SCHEMA_FIELDS)),
        ("graphql_threads", count(workers::THREADS)),
        ("graphql_waiting_requests", count(workers::WAITING)),
        ("graphql_page_sessions", u64::from(sessions::MAX_PAGE)),
    ]
}

/// Answers a GraphQL request.
///
/// The body is an object with `query`, and with `variables` and `operationName` where they are needed; one request, no
/// array of them. A client that accepts `application/graphql-response+json` gets the status 400 for a request that was not
/// executed; all others get 200 also for an answer that holds `errors`.
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
    graphql.answer(request::of_body(without_byte_order_mark(&body))?, &headers).await
}

/// Answers the GraphQL request in the query string, or shows the explorer.
#[utoipa::path(
    get, path = "/graphql", tag = "graphql",
    params(request::AddressParameters),
    responses((status = 200, description = "Its answer, or the page", content(
        (serde_json::Value = "application/json"),
        (String = "text/html"),
    ))),
)]
async fn ask(State(graphql): State<GraphQl>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    match request::of_address(&uri)? {
        Some(request) => graphql.answer(request, &headers).await,
        None if accepts(&headers, "text/html") => Ok(explorer::page()),
        None => {
            let hint = "send the request in the body of a POST, or as the parameter query; a browser gets a page here";
            Err(Problem::new(Kind::Malformed, hint))
        }
    }
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
    async fn answer(&self, request: async_graphql::Request, headers: &HeaderMap) -> Result<Response, Problem> {
        let written = serde_json::to_vec(&(&request.query, &request.operation_name, &request.variables));
        let key = CacheKey::new(written.expect("what was read from JSON is always JSON"));
        // Only executed requests are cached, so only an execution can change the status.
        let mut status = Ok(StatusCode::OK);
        let execute = async {
            let schema = self.schema.clone();
            match self.workers.run(async move { schema::execute(&schema, request).await }).await {
                Ok(schema::Executed { made, is_refused }) => {
                    status = Ok(if is_refused { StatusCode::BAD_REQUEST } else { StatusCode::OK });
                    made
                }
                Err(problem) => {
                    status = Err(problem);
                    Computed { bytes: Bytes::new(), is_cacheable: false }
                }
            }
        };
        let body = self.answers.answer(key, execute).await;
        let (media_type, status) = match status? {
            status if accepts(headers, MEDIA_TYPE) => (MEDIA_TYPE, status),
            // A client that knows no other type takes a status other than 200 for an answer of something in between.
            _ => ("application/json", StatusCode::OK),
        };
        Ok((status, [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], body).into_response())
    }
}

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().unwrap_or_default().trim() == media_type)
}
