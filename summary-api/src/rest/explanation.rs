//! `GET /api/v1/events/{id}/explanation` and `GET /api/v1/explanations`: why an event did or did not match.

use api::parameters::path_id;
use api::questions::explanations::{ExplanationParameters, of_plate};
use api::{ExplanationsView, Kind, Problem, Query};
use axum::Json;
use axum::extract::{RawPathParams, State};
use sessions::Service;

/// Why an event is in the session that it is in: the rule, the reads around it, what changed, and near plates.
///
/// Nearly always one; an id that was used again for another event has several.
#[utoipa::path(
    get, path = "/api/v1/events/{id}/explanation", tag = "sessions",
    params(("id" = uuid::Uuid, Path, description = "The event's id")),
    responses((status = 200, description = "The explanations", body = ExplanationsView)),
)]
pub(super) async fn event_explanation(
    State(service): State<Service>,
    path: RawPathParams,
) -> Result<Json<ExplanationsView>, Problem> {
    let id = path_id(&path)?;
    let explained = service.explain(id).await?;
    if explained.is_empty() {
        return Err(Problem::new(
            Kind::NotFound,
            format!("no event that is recorded has the id {id}; it may not have arrived, or lie in the dead letters"),
        ));
    }
    Ok(Json(ExplanationsView::from(explained.as_slice())))
}

/// The newest sessions of a plate, each explained by its exit, or else its entry.
#[utoipa::path(
    get, path = "/api/v1/explanations", tag = "sessions",
    params(ExplanationParameters),
    responses((status = 200, description = "The explanations, the newest session first", body = ExplanationsView)),
)]
pub(super) async fn explanations(
    State(service): State<Service>,
    Query(asked): Query<ExplanationParameters>,
) -> Result<Json<ExplanationsView>, Problem> {
    Ok(Json(of_plate(&service, asked).await?))
}
