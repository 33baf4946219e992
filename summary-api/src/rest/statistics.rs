//! `GET /api/v1/statistics`: what happened at a lot by hour or by day, how long stays lasted, and when vehicles come.

use api::questions::statistics::StatisticsParameters;
use api::{Problem, Query, StatisticsView};
use axum::Json;
use axum::extract::State;
use sessions::Service;

/// What happened at a lot by hour or by day of its own time zone. A revision of sessions changes the hours that they are in.
#[utoipa::path(
    get, path = "/api/v1/statistics", tag = "lots",
    params(StatisticsParameters),
    responses((status = 200, description = "The statistics", body = StatisticsView)),
)]
pub(super) async fn statistics(
    State(service): State<Service>,
    Query(asked): Query<StatisticsParameters>,
) -> Result<Json<StatisticsView>, Problem> {
    Ok(Json(StatisticsView::from(&service.statistics(&asked.into()).await?)))
}
