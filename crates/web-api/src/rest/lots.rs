//! `GET /api/v1/lots`: the lots and their occupancy.

use api::questions::lots::{LotListParameters, page};
use api::{LotPage, Problem, Query};
use axum::Json;
use axum::extract::State;
use sessions::Service;

/// Lists the configured lots and those with events or saved summaries, ordered by name.
#[utoipa::path(
    get, path = "/api/v1/lots", tag = "lots",
    params(LotListParameters),
    responses((status = 200, description = "A page of lots", body = LotPage)),
)]
pub(super) async fn lots(
    State(service): State<Service>,
    Query(parameters): Query<LotListParameters>,
) -> Result<Json<LotPage>, Problem> {
    Ok(Json(page(&service, &parameters).await?))
}
