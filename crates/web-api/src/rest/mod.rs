//! The routes of `/api/v1` and `POST /save_summary`, one area a file.
//!
//! `app` adds the layers of all routes. The crate `api` defines responses and parameters; [`Service`] records and
//! reads.

mod changes;
mod explanation;
mod gates;
mod lookup;
mod lots;
mod problems;
mod rules;
mod save_summary;
mod session_stream;
mod sessions;
mod statistics;
mod status;
mod story;
mod tokens;
mod trail;
mod users;
mod webhooks;

use ::sessions::Service;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use save_summary::BODY_BYTES_MAX as SUMMARY_BODY_BYTES_MAX;

/// The public routes.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new()
        .routes(routes!(save_summary::save_summary))
        .routes(routes!(sessions::sessions))
        .routes(routes!(sessions::search_sessions))
        .routes(routes!(sessions::session))
        .routes(routes!(story::story))
        .routes(routes!(explanation::event_explanation))
        .routes(routes!(trail::event_trail))
        .routes(routes!(explanation::explanations))
        .routes(routes!(explanation::search_explanations))
        .routes(routes!(lookup::look_up))
        .routes(routes!(changes::changes))
        .routes(routes!(lots::lots))
        .routes(routes!(statistics::statistics))
        .routes(routes!(gates::gates))
        .routes(routes!(status::status))
        .routes(routes!(rules::rules))
        .routes(routes!(tokens::tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(users::users, users::add_user))
        .routes(routes!(users::remove_user))
        .routes(routes!(users::set_password))
        .routes(routes!(webhooks::webhooks, webhooks::create_webhook))
        .routes(routes!(webhooks::remove_webhook))
        .routes(routes!(webhooks::pause_webhook))
        .routes(routes!(webhooks::resume_webhook))
        .routes(routes!(webhooks::replay_webhook))
        .routes(routes!(webhooks::rotate_webhook))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(problems::problem_type))
}
