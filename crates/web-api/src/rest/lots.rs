//! `GET /api/v1/lots`: the lots and their occupancy.

use api::questions::lots::{LotListParameters, page};
use api::{LotPage, Problem, Query, Scoped};
use axum::Json;

/// Lists the configured lots and those with events or saved summaries, ordered by name.
#[utoipa::path(
    get, path = "/api/v1/lots", tag = "lots",
    params(LotListParameters),
    responses((status = 200, description = "A page of lots", body = LotPage)),
)]
pub(super) async fn lots(
    Scoped(service): Scoped,
    Query(parameters): Query<LotListParameters>,
) -> Result<Json<LotPage>, Problem> {
    Ok(Json(page(&service, &parameters).await?))
}
