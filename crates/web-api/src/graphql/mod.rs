//! `/graphql`: the queries of `/api/v1` as GraphQL, read-only.
//!
//! - [`schema`]: the schema and the execution of requests; responses consist of the views of `/api/v1`, with the fields
//!   that [`api::graphql`] adds.
//! - [`scan`], [`size`]: the limits that are checked before parsing and before validation.
//! - [`workers`]: the threads that execute requests.
//! - [`request`]: parses a request from a body or a query string.
//! - [`errors`]: errors of a whole request.
//! - [`explorer`]: the editor page for requests.
//! - [`cache`]: the query cache, with single flight.

pub(crate) mod cache;
mod errors;
mod explorer;
mod limits;
mod request;
mod scan;
mod schema;
mod size;
mod workers;

use access::Principal;
use api::{Kind, Problem, Scoped};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use parking::wire::without_byte_order_mark;
use service_kit::ServiceContext;
use sessions::{ScopedService, Service};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Pass;
use crate::body::{self, described, is_json, media_type};
use crate::plate_in_address;
use cache::{CacheKey, Computed, QueryCache};
use schema::Schema;
use workers::Workers;

/// The largest body of a request, bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The media type of responses for clients that accept it.
pub(crate) const MEDIA_TYPE: &str = "application/graphql-response+json";

/// The state of the routes: the schema, the query cache and the worker threads.
#[derive(Clone)]
pub(super) struct GraphQl {
    schema: Schema,
    service: Service,
    cache: QueryCache,
    workers: Workers,
}

impl FromRef<GraphQl> for Service {
    fn from_ref(graphql: &GraphQl) -> Self {
        graphql.service.clone()
    }
}

impl GraphQl {
    /// Builds the schema over a service, and starts the worker threads.
    pub(super) fn new(service: &Service, cache: QueryCache, context: &ServiceContext) -> Self {
        Self { schema: schema::build(), service: service.clone(), cache, workers: Workers::start(&context.lifecycle) }
    }
}

/// The routes below `/graphql`.
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
        ("graphql_body_bytes", count(BODY_BYTES_MAX)),
        ("graphql_depth_fields", count(limits::DEPTH_FIELDS_MAX)),
        ("graphql_complexity_fields", count(limits::COMPLEXITY_FIELDS_MAX)),
        ("graphql_nesting_brackets", count(scan::NESTING_BRACKETS_MAX)),
        ("graphql_nodes", count(size::NODES_MAX)),
        ("graphql_aliases", count(size::ALIASES_MAX)),
        ("graphql_query_fields", count(size::QUERY_FIELDS_MAX)),
        ("graphql_schema_fields", count(size::SCHEMA_FIELDS_MAX)),
        ("graphql_threads", count(workers::THREADS)),
        ("graphql_waiting_requests", count(workers::QUEUED_REQUESTS_MAX)),
        ("graphql_page_sessions", u64::from(sessions::MAX_PAGE)),
    ]
}

/// Executes a GraphQL request.
///
/// The body is one JSON object with `query`, and optionally `variables` and `operationName`; arrays of requests are not
/// supported. A client that accepts `application/graphql-response+json` gets the status 400 for a request that was not
/// executed; all others get 200 with `errors`.
#[utoipa::path(
    post, path = "/graphql", tag = "graphql",
    request_body(content = serde_json::Value, content_type = "application/json", description = "A GraphQL request"),
    responses((status = 200, description = "The response", body = serde_json::Value)),
)]
async fn answer(
    State(graphql): State<GraphQl>,
    Scoped(service): Scoped,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let content_type = media_type(&headers);
    if !is_json(&content_type) {
        let problem = format!("{}, but the body has to be application/json", described(&content_type));
        return Err(Problem::new(Kind::UnsupportedMediaType, problem));
    }
    let body = body::read(&headers, body, BODY_BYTES_MAX).await?;
    let request = request::of_body(without_byte_order_mark(&body))?;
    // The future of an answer is large, and most of the time no request is being answered.
    Box::pin(graphql.answer(request, service, &headers)).await
}

/// Executes the GraphQL request in the query string, or returns the editor page.
///
/// A request in the query string is deprecated, and only possible on loopback without tokens, because it may have
/// plates: use POST.
#[utoipa::path(
    get, path = "/graphql", tag = "graphql",
    params(request::AddressParameters),
    responses((status = 200, description = "The response, or the editor page", content(
        (serde_json::Value = "application/json"),
        (String = "text/html"),
    ))),
)]
async fn ask(
    State(graphql): State<GraphQl>,
    Scoped(service): Scoped,
    Extension(pass): Extension<Pass>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match request::of_address(&uri)? {
        Some(request) => {
            plate_in_address::check(&pass, "POST /graphql")?;
            let mut response = Box::pin(graphql.answer(request, service, &headers)).await?;
            plate_in_address::deprecate(&mut response);
            Ok(response)
        }
        None if accepts(&headers, "text/html") => Ok(explorer::page()),
        None => {
            let hint = "send the request in the body of a POST, or as the query parameter query; a browser gets an editor page here";
            Err(Problem::new(Kind::Malformed, hint))
        }
    }
}

/// Returns the schema in GraphQL's schema language.
#[utoipa::path(
    get, path = "/graphql/schema.graphql", tag = "graphql",
    responses((status = 200, description = "The schema", body = String, content_type = "text/plain")),
)]
async fn language(State(graphql): State<GraphQl>) -> String {
    graphql.schema.sdl()
}

impl GraphQl {
    /// The response to a request: the cached one, or else that of an execution.
    async fn answer(
        &self,
        request: async_graphql::Request,
        service: ScopedService,
        headers: &HeaderMap,
    ) -> Result<Response, Problem> {
        let asked = (grant(service.principal()), &request.query, &request.operation_name, &request.variables);
        let written = serde_json::to_vec(&asked);
        let key = CacheKey::new(written.expect("values from JSON are always valid JSON"));
        // Only executed requests are cached, so only an execution can change the status.
        let mut status = Ok(StatusCode::OK);
        let execute = async {
            let schema = self.schema.clone();
            match self.workers.run(async move { schema::execute(&schema, service, request).await }).await {
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
        let body = self.cache.answer(key, execute).await;
        let (media_type, status) = match status? {
            status if accepts(headers, MEDIA_TYPE) => (MEDIA_TYPE, status),
            // Clients of application/json attribute a status other than 200 to a proxy, as GraphQL over HTTP states.
            _ => ("application/json", StatusCode::OK),
        };
        Ok((status, [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], body).into_response())
    }
}

/// What a cached response depends on besides the request: principals with equal rights share responses.
fn grant(principal: &Principal) -> (String, String) {
    (principal.grant().scopes().to_string(), principal.lots().to_string())
}

fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().unwrap_or_default().trim() == media_type)
}
