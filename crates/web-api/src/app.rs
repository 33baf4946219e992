//! The summary API as one router: the routes of the API, the operator's page, and the layers around both.
//!
//! The layers: access; a problem for every error, or a page for a browser; a deadline; no panic that reaches the
//! client; durations in the metrics; headers that keep responses out of caches.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::access::Principal;
use api::etag::Tagged;
use api::problem::{self, Kind, Problem};
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use futures::{FutureExt as _, stream};
use serde_json::Value;
use service_kit::http::observability_routes;
use service_kit::metrics::show_limits;
use service_kit::{Health, ServiceContext};
use sessions::Service;
use tokio::time::Instant;
use tower::ServiceExt as _;
use webhooks::{PrivateAddresses, Sender};

use crate::access::{self, Authenticator};
use crate::correlators::Internal;
use crate::graphql::cache::QueryCache;
use crate::graphql::{self, GraphQl, MEDIA_TYPE as GRAPHQL_MEDIA_TYPE};
use crate::live::feed::Live;
use crate::metrics::RequestMetrics;
use crate::{correlators, limits, live, openapi, reference, rest};

/// The deadline of a request, including its body. Each step of a request has a shorter deadline of its own.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// The label of requests without a route.
const OTHER: &str = "other";

/// The routes and the service of an open ledger. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Open {
    routes: Router,
    service: Service,
}

/// Set when the ledger is open.
pub type Opening = Arc<OnceLock<Open>>;

/// All routes of a summary API, with `/metrics`, `/livez` and `/readyz`, and a query cache in this process.
pub fn router(service: &Service, authenticator: &Authenticator, context: &ServiceContext) -> Router {
    let sender = Sender::new(PrivateAddresses::Refused, &context.connector);
    let open = open(service, authenticator, QueryCache::in_memory(service, context), sender, &Value::Null, context);
    whole(open.routes.clone(), Arc::new(OnceLock::from(open)), context)
}

/// All routes except `/metrics`, `/livez` and `/readyz`. Registers the metrics of their limits and durations. `further`
/// is the OpenAPI description of other routes on the port; null without any. `sender` sends the test messages of webhooks.
pub fn open(
    service: &Service,
    authenticator: &Authenticator,
    answers: QueryCache,
    sender: Sender,
    further: &Value,
    context: &ServiceContext,
) -> Open {
    show_limits(&context.registry, &limits::all()).expect("this name has one form everywhere");
    let metrics = RequestMetrics::register(&context.registry);
    for (path, item) in &openapi().paths.paths {
        let operations = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
        for (method, operation) in operations {
            if operation.is_some() {
                metrics.expect_route(path, method);
            }
        }
    }
    for path in operator_page::ROUTES {
        metrics.expect_route(path, "GET");
    }
    for path in operator_page::POSTED {
        metrics.expect_route(path, "POST");
    }
    for (method, path) in access::LOGIN_ROUTES {
        metrics.expect_route(path, method);
    }
    authenticator.attach(service);
    let routes = routes(service, authenticator, answers, further, context)
        .layer(Extension(sender))
        .merge(operator_page::routes(service))
        .merge(access::login_routes(service, authenticator))
        .fallback(|| async { problem::of_status(Kind::NotFound.status()) });
    let routes = access::layer(routes, authenticator, &context.clock).layer(from_fn_with_state(metrics, observe));
    Open { routes, service: service.clone() }
}

/// All API routes except those of `service_kit`.
fn routes(
    service: &Service,
    authenticator: &Authenticator,
    answers: QueryCache,
    further: &Value,
    context: &ServiceContext,
) -> Router {
    let correlators = correlators::routes().with_state(Internal::new(service.clone(), authenticator.clone()));
    let live = live::routes().with_state(Live::start(service, context));
    let graphql = graphql::routes().with_state(GraphQl::new(service, answers, context));
    let rest = rest::routes().with_state(service.clone());
    let (router, _) = rest.merge(correlators).merge(live).merge(graphql).split_for_parts();
    openapi::serve(router.merge(reference::routes()), further)
}

/// Whether a link on another site may open this path.
pub fn is_page(path: &str) -> bool {
    operator_page::is_page(path) || [reference::PATH, access::LOGIN].contains(&path)
}

/// The routes of a process that is opening its ledger: they return 503 until `opening` is set.
pub fn waiting(opening: Opening, context: &ServiceContext) -> Router {
    let begun = Arc::clone(&opening);
    let forward = move |request: Request| {
        let open = begun.get().cloned();
        async move {
            match open {
                Some(open) => {
                    let method = request.method().clone();
                    with_unknown_length(&method, never_fails(open.routes.oneshot(request).await))
                }
                None => Problem::new(Kind::Unavailable, "the ledger is not open yet").into_response(),
            }
        }
    };
    whole(Router::new().fallback(forward), opening, context)
}

fn never_fails(response: Result<Response, Infallible>) -> Response {
    response.unwrap_or_else(|never| match never {})
}

/// The inner router removes the body of a response to HEAD and sets its length if known. For a stream without a length,
/// the outer router would set `Content-Length: 0`; an empty stream as the body prevents that.
fn with_unknown_length(method: &Method, response: Response) -> Response {
    if method == Method::HEAD && !response.headers().contains_key(header::CONTENT_LENGTH) {
        return response.map(|_| Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()));
    }
    response
}

fn whole(api: Router, opening: Opening, context: &ServiceContext) -> Router {
    let observability = observability_routes(context.registry.clone(), context.health.clone());
    let finishing = Finishing { health: context.health.clone(), opening };
    api.merge(observability).merge(operator_page::assets()).layer(from_fn_with_state(finishing, finish))
}

/// Runs a route with its deadline, catches its panic and measures its duration.
async fn observe(State(metrics): State<RequestMetrics>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let method = method_label(request.method());
    let begun = Instant::now();
    let running = tokio::time::timeout(REQUEST_DEADLINE, next.run(request));
    let response = match AssertUnwindSafe(running).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::new(Kind::Unavailable, "the request exceeded its deadline").into_response(),
        Err(_) => {
            tracing::error!(route = path.as_ref().map_or(OTHER, MatchedPath::as_str), method, "a route panicked");
            Problem::new(Kind::Internal, Kind::Internal.meaning()).into_response()
        }
    };
    let route = path.as_ref().map_or(OTHER, MatchedPath::as_str);
    metrics.answered(route, method, response.status().as_u16(), begun.elapsed().as_secs_f64());
    response
}

/// The label of a method. Unknown methods share one label, so that clients can't create series.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => OTHER,
    }
}

/// The state of [`finish`]: an error page shows the health like every page.
#[derive(Debug, Clone)]
struct Finishing {
    health: Health,
    opening: Opening,
}

/// Converts the remaining errors, including those of the framework, to problems (pages for browsers); adds entity tags
/// and security headers.
async fn finish(State(finishing): State<Finishing>, request: Request, next: Next) -> Response {
    let is_readiness = request.uri().path() == "/readyz";
    let wants_page = operator_page::is_wanted(&request);
    let tagged = Tagged::of(&request);
    let mut response = next.run(request).await;
    let is_error = is_error(&response);
    // The framework's own errors are plain text.
    let formatted = [problem::MEDIA_TYPE, GRAPHQL_MEDIA_TYPE, operator_page::MEDIA_TYPE];
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_formatted = content_type.is_some_and(|value| formatted.iter().any(|formatted| value == formatted));
    if is_error && !is_formatted && !is_readiness {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = problem::of_status(response.status());
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == operator_page::MEDIA_TYPE);
    if is_error && wants_page && !is_page {
        // A client without a valid token learns nothing of the correlators.
        let principal = response.extensions().get::<Principal>().cloned();
        let service = finishing.opening.get().map(|open| &open.service);
        let service = service.zip(principal).map(|(service, principal)| service.scoped(principal));
        response = operator_page::of_problem(response, &finishing.health, service.as_ref()).await;
    }
    if let Some(tagged) = tagged {
        response = tagged.tag(response).await;
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn is_error(response: &Response) -> bool {
    response.status().is_client_error() || response.status().is_server_error()
}
