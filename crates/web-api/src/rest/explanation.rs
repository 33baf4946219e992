//! `GET /api/v1/events/{id}/explanation` and `GET /api/v1/explanations`: explanations of events and of sessions.

use api::parameters::path_id;
use api::questions::explanations::{ExplanationParameters, of_plate};
use api::{ExplanationsView, Kind, Problem, Query, Scoped};
use axum::Json;
use axum::extract::RawPathParams;

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
        return Err(Problem::new(
            Kind::NotFound,
            format!("no recorded event has the id {id}; it may not have arrived yet, or be a dead letter"),
        ));
    }
    Ok(Json(ExplanationsView::from(explained.as_slice())))
}

/// Explains the newest sessions of a plate: the exit of each, or the entry if there is no exit.
#[utoipa::path(
    get, path = "/api/v1/explanations", tag = "sessions",
    params(ExplanationParameters),
    responses((status = 200, description = "The explanations, the newest session first", body = ExplanationsView)),
)]
pub(super) async fn explanations(
    Scoped(service): Scoped,
    Query(parameters): Query<ExplanationParameters>,
) -> Result<Json<ExplanationsView>, Problem> {
    Ok(Json(of_plate(&service, parameters).await?))
}
