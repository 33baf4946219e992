//! `GET /api/v1/sessions/{id}/story`: the story of a session.

use api::StoryView;
use api::parameters::path_id;
use api::{Kind, Problem, Scoped};
use axum::Json;
use axum::extract::RawPathParams;

/// Returns the story of a session, also of a void one: its events, its changes and its explanation.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}/story", tag = "sessions",
    params(("id" = uuid::Uuid, Path, description = "The id of the session")),
    responses((status = 200, description = "The story", body = StoryView)),
)]
pub(super) async fn story(Scoped(service): Scoped, path: RawPathParams) -> Result<Json<StoryView>, Problem> {
    let id = path_id(&path)?;
    match service.story(id).await? {
        Some(story) => Ok(Json(StoryView::from(&story))),
        None => Err(Problem::new(Kind::NotFound, format!("no session has the id {id}"))),
    }
}
