//! `GET /api/v1/events/{id}/trail`: the way of an event.

use api::parameters::path_id;
use api::{Problem, Scoped, TrailsView};
use axum::Json;
use axum::extract::RawPathParams;

use super::problems::unknown_event;

/// Returns the stages of an event's way: received, confirmed, delivered, recorded and revised, each with its time.
///
/// The list has one trail, or several if events share the id. A stage without a time is unknown, with the reason.
#[utoipa::path(
    get, path = "/api/v1/events/{id}/trail", tag = "sessions",
    params(("id" = uuid::Uuid, Path, description = "The id of the event")),
    responses((status = 200, description = "The trails", body = TrailsView)),
)]
pub(super) async fn event_trail(Scoped(service): Scoped, path: RawPathParams) -> Result<Json<TrailsView>, Problem> {
    let id = path_id(&path)?;
    let trails = service.trails(id).await?;
    if trails.is_empty() {
        return Err(unknown_event(id));
    }
    Ok(Json(TrailsView::from(trails.as_slice())))
}
