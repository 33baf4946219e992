//! The HTTP side: which routes there are, and what holds for all of them.
//!
//! Each area has a file of its own. What holds for all: a problem for every error, a deadline, no panic that reaches
//! the client, a duration in the metrics. Deciding and storing are left to [`Service`].

mod body;
mod cursor;
mod internal;
mod lots;
mod openapi;
mod query;
mod save_summary;
mod schemas;
mod sessions;
mod status;
mod views;
mod whole;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Access;
use crate::service::Service;
use internal::Internal;

pub use internal::INTERNAL_CALLS;
pub use openapi::openapi;
pub use save_summary::{BODY_BYTES as SUMMARY_BODY_BYTES, Saved, SummaryBody};
pub use views::{CorrelatorView, LotPage, LotView, PendingView, Seconds, SessionPage, SessionView, StatusView};
pub use whole::router;
pub(crate) use whole::{api, waiting};

/// The routes of everybody.
fn public() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(save_summary::save_summary))
        .routes(routes!(sessions::sessions))
        .routes(routes!(sessions::session))
        .routes(routes!(lots::lots))
        .routes(routes!(status::status))
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
}

/// All routes but those of `service_kit`, and `/openapi.json`.
fn routes(service: &Service, access: Access) -> Router {
    let internal = internal().with_state(Internal::new(service.clone(), access));
    let (router, _) = public().with_state(service.clone()).merge(internal).split_for_parts();
    openapi::serve(router)
}

#[cfg(test)]
mod tests;
