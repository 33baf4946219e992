//! `GET /api/v1/statistics`: statistics of a lot by hour or by day.

use api::questions::statistics::StatisticsParameters;
use api::{Problem, Query, Scoped, StatisticsView};
use axum::Json;

/// Returns statistics of a lot by hour or by day of its time zone: entries, exits, occupancy and dwell times.
///
/// A revised session changes the statistics of its hours.
#[utoipa::path(
    get, path = "/api/v1/statistics", tag = "lots",
    params(StatisticsParameters),
    responses((status = 200, description = "The statistics", body = StatisticsView)),
)]
pub(super) async fn statistics(
    Scoped(service): Scoped,
    Query(parameters): Query<StatisticsParameters>,
) -> Result<Json<StatisticsView>, Problem> {
    Ok(Json(StatisticsView::from(&service.statistics(&parameters.into()).await?)))
}
