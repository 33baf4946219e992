//! `GET /api/v1/events/{id}/explanation`, `POST /api/v1/explanations/search` and `GET /api/v1/explanations`:
//! explanations of events and of sessions.

use api::parameters::path_id;
use api::questions::explanations::{ExplanationParameters, ExplanationSearch, of_plate};
use api::{ExplanationsView, Problem, Query, Scoped};
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};

use crate::access::Pass;
use crate::{body, plate_in_address};

use super::problems::unknown_event;

/// Explains why an event belongs to its session: the rule, the reads around it, the changes and similar plates.
///
/// The list has one explanation, or several if events share the id.
#[utoipa::path(
    get, path = "/api/v1/events/{id}/explanation", tag = "sessions",
    params(("id" = uuid::Uuid, Path, description = "The id of the event")),
    responses((status = 200, description = "The explanations", body = ExplanationsView)),
)]
pub(super) async fn event_explanation(
    Scoped(service): Scoped,
    path: RawPathParams,
) -> Result<Json<ExplanationsView>, Problem> {
    let id = path_id(&path)?;
    let explained = service.explain(id).await?;
    if explained.is_empty() {
        return Err(unknown_event(id));
    }
    Ok(Json(ExplanationsView::from(explained.as_slice())))
}

/// Explains the newest sessions of a plate: the exit of each, or the entry if there is no exit.
///
/// Deprecated, and only on loopback without tokens: use POST /api/v1/explanations/search.
#[utoipa::path(
    get, path = "/api/v1/explanations", tag = "sessions",
    params(ExplanationParameters),
    responses((status = 200, description = "The explanations, the newest session first", body = ExplanationsView)),
)]
pub(super) async fn explanations(
    Scoped(service): Scoped,
    Extension(pass): Extension<Pass>,
    Query(parameters): Query<ExplanationParameters>,
) -> Result<Response, Problem> {
    plate_in_address::check(&pass, "POST /api/v1/explanations/search")?;
    let mut response = Json(of_plate(&service, parameters).await?).into_response();
    plate_in_address::deprecate(&mut response);
    Ok(response)
}

/// Explains the newest sessions of a plate, which is in the body: the exit of each, or the entry if there is no exit.
#[utoipa::path(
    post, path = "/api/v1/explanations/search", tag = "sessions",
    request_body(content = ExplanationSearch, content_type = "application/json", description = "The plate"),
    responses((status = 200, description = "The explanations, the newest session first", body = ExplanationsView)),
)]
pub(super) async fn search_explanations(
    Scoped(service): Scoped,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ExplanationsView>, Problem> {
    let parameters: ExplanationParameters = body::parameters(&headers, body).await?;
    Ok(Json(of_plate(&service, parameters).await.map_err(Problem::in_body)?))
}
