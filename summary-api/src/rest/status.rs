//! `GET /api/v1/status`: whether all work is done, and what is not.

use api::{Problem, Query, StatusView};
use axum::Json;
use axum::extract::State;
use sessions::Service;

/// Whether queues, batches in flight and due work are empty.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "operation",
    responses((status = 200, description = "How things stand", body = StatusView)),
)]
pub(super) async fn status(State(service): State<Service>, Query(()): Query<()>) -> Result<Json<StatusView>, Problem> {
    let status = service.status().await?;
    Ok(Json(StatusView::from(&status)))
}
