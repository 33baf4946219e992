//! `GET /api/v1/statistics`: statistics of a lot by hour or by day.

use api::questions::statistics::{StatisticsParameters, of_lot};
use api::{Problem, Query, Scoped, StatisticsView};
use axum::Json;

/// Returns statistics of a lot by hour or by day of its time zone: entries, exits, occupancy and dwell times.
///
/// With `period`, or `from_date` and `to_date`, the lot's own days, and in `before` the total of the days that they are
/// compared with. A revised session changes the statistics of its hours.
#[utoipa::path(
    get, path = "/api/v1/statistics", tag = "lots",
    params(StatisticsParameters),
    responses((status = 200, description = "The statistics", body = StatisticsView)),
)]
pub(super) async fn statistics(
    Scoped(service): Scoped,
    Query(parameters): Query<StatisticsParameters>,
) -> Result<Json<StatisticsView>, Problem> {
    Ok(Json(of_lot(&service, parameters).await?))
}
