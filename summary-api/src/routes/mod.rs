//! The routes of programs, and what they read of a request.
//!
//! Each area has a file of its own. What holds for all routes, and the pages for people, is left to `app`; deciding and
//! storing to [`Service`].

mod bodies;
mod body;
mod changes;
mod explanation;
mod gates;
mod graphql;
mod internal;
mod live;
mod lots;
mod openapi;
pub(crate) mod reference;
mod rules;
mod save_summary;
mod session_stream;
mod sessions;
mod statistics;
mod status;
mod story;

use ::sessions::Service;
use axum::Router;
use axum::http::HeaderMap;
use service_kit::ServiceContext;
use service_kit::traces::{TRACEPARENT, TraceContext};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Access;
use crate::answers::Answers;
use crate::live::Live;
use graphql::GraphQl;
use internal::Internal;

pub(crate) use graphql::{MEDIA_TYPE as GRAPHQL_MEDIA_TYPE, limits as graphql_limits};
pub use internal::{INTERNAL_BODIES_BYTES, INTERNAL_CALLS};
pub use openapi::openapi;
pub use save_summary::BODY_BYTES as SUMMARY_BODY_BYTES;

/// The routes of everybody.
fn public() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(save_summary::save_summary))
        .routes(routes!(sessions::sessions))
        .routes(routes!(sessions::session))
        .routes(routes!(story::story))
        .routes(routes!(explanation::event_explanation))
        .routes(routes!(explanation::explanations))
        .routes(routes!(changes::changes))
        .routes(routes!(lots::lots))
        .routes(routes!(statistics::statistics))
        .routes(routes!(gates::gates))
        .routes(routes!(status::status))
        .routes(routes!(rules::rules))
        .routes(routes!(openapi::problem_type))
}

/// The routes of correlators.
fn internal() -> OpenApiRouter<Internal> {
    OpenApiRouter::new()
        .routes(routes!(internal::terms))
        .routes(routes!(internal::load))
        .routes(routes!(internal::record))
        .routes(routes!(internal::due))
        .routes(routes!(internal::report))
        .routes(routes!(internal::verify))
}

/// All routes but those of `service_kit`, and `/openapi.json`.
pub(crate) fn routes(service: &Service, access: Access, answers: Answers, context: &ServiceContext) -> Router {
    let internal = internal().with_state(Internal::new(service.clone(), access));
    let live = live::routes().with_state(Live::start(service, context));
    let graphql = graphql::routes().with_state(GraphQl::new(service, answers, context));
    let public = public().with_state(service.clone());
    let (router, _) = public.merge(internal).merge(live).merge(graphql).split_for_parts();
    openapi::serve(router.merge(reference::routes()))
}

/// The work that a request is a part of, if whoever asks says so.
fn caller(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::parse(headers.get(TRACEPARENT)?.to_str().ok()?)
}
