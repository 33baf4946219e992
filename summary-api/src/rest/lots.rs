//! `GET /api/v1/lots`: who is inside, by lot.

use api::questions::lots::{LotListParameters, page};
use api::{LotPage, Problem, Query};
use axum::Json;
use axum::extract::State;
use sessions::Service;

/// Lists the lots that are known beforehand, have events or have saved summaries, by name.
#[utoipa::path(
    get, path = "/api/v1/lots", tag = "lots",
    params(LotListParameters),
    responses((status = 200, description = "A page of lots", body = LotPage)),
)]
pub(super) async fn lots(
    State(service): State<Service>,
    Query(asked): Query<LotListParameters>,
) -> Result<Json<LotPage>, Problem> {
    Ok(Json(page(&service, &asked).await?))
}
