//! `GET /api/v1/status`: whether all work is done, and the work that is pending.

use api::{Problem, Query, Scoped, StatusView};
use axum::Json;

/// Returns whether all work is done: empty queues, no unacknowledged message, and nothing pending in the ledger.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "operation",
    responses((status = 200, description = "The status", body = StatusView)),
)]
pub(super) async fn status(Scoped(service): Scoped, Query(()): Query<()>) -> Result<Json<StatusView>, Problem> {
    let status = service.status().await?;
    Ok(Json(StatusView::from(&status)))
}
